import { describe, expect, it } from 'vitest';
import { fixed, left, right, thousands } from '../../../src/telemetry/python-format.ts';

describe('fixed', () => {
  it.each([
    [0.5, 0, '0'],
    [1.5, 0, '2'],
    [2.5, 0, '2'],
    [-2.5, 0, '-2'],
    [0.25, 1, '0.2'],
    [0.75, 1, '0.8'],
    [0.35, 1, '0.3'],
    [0.15, 1, '0.1'],
    [0.05, 1, '0.1'],
    [9.95, 1, '9.9'],
    [99.5, 0, '100'],
    [-0.04, 1, '-0.0'],
    [-0, 1, '-0.0'],
    [1e21, 1, '1000000000000000000000.0'],
    [Number.NaN, 1, 'nan'],
    [Number.NEGATIVE_INFINITY, 0, '-inf'],
  ] as const)('writes %d with %d digits as Python does: %s', (value, digits, text) => {
    expect(fixed(value, digits)).toBe(text);
  });
});

describe('widths and thousands', () => {
  it('counts code points, not UTF-16 units', () => {
    expect(left('𝕏', 3)).toBe('𝕏  ');
    expect(right('ก', 3)).toBe('  ก');
  });

  it('never cuts', () => {
    expect(left('order-service', 4)).toBe('order-service');
  });

  it.each([
    [0, '0'],
    [999, '999'],
    [1_000, '1,000'],
    [-1_234_567, '-1,234,567'],
    [1_234.25, '1,234.25'],
  ])('groups %d as %s', (value, text) => {
    expect(thousands(value)).toBe(text);
  });
});
