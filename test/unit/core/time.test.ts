import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addMs,
  DEFAULT_EPOCH,
  formatDuration,
  formatInstant,
  instantOf,
  parseDuration,
  parseInstant,
} from '../../../src/core/index.ts';

describe('durations', () => {
  it.each([
    ['24h', 86_400_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['1.5s', 1_500],
    ['7d', 604_800_000],
    ['-5m', -300_000],
    ['0', 0],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '24', 'h', '1h ', '1 h', '1w', 'h1', '1h-5m', '--1h'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'ERR_TIME_SYNTAX' }));
  });

  it('writes what it reads', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  it.each([
    [86_400_000, '24h'],
    [43_200_000 + 840_000, '12h14m'],
    [90_000, '1m30s'],
    [0, '0s'],
  ])('writes %d as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('instants', () => {
  it('start at a constant', () => {
    expect(formatInstant(DEFAULT_EPOCH)).toBe('2026-01-01T00:00:00Z');
  });

  it('go round through text', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (ms) => {
        expect(parseInstant(formatInstant(instantOf(ms)))).toBe(ms);
      }),
    );
  });

  it('are read with an offset', () => {
    expect(parseInstant('2026-01-01T02:00:00+02:00')).toBe(DEFAULT_EPOCH);
    expect(formatInstant(addMs(DEFAULT_EPOCH, 1_500))).toBe('2026-01-01T00:00:01.500Z');
  });

  it.each(['2026-01-01', 'now', '2026-13-01T00:00:00Z', '2026-01-01 00:00:00Z'])('refuse %j', (text) => {
    expect(() => parseInstant(text)).toThrow(expect.objectContaining({ code: 'ERR_TIME_SYNTAX' }));
  });
});
