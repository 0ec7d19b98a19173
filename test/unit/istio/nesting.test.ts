import { describe, expect, it } from 'vitest';
import { parseManifests } from '../../../src/istio/index.ts';

const CONFIG_MAP = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\ndata:\n  text: ';

describe('deep nesting', () => {
  it.each([
    ['flow sequences', `a: ${'['.repeat(20_000)}`],
    ['flow mappings', `a: ${'{a: '.repeat(20_000)}`],
    ['block sequences on one line', `a:\n  ${'- '.repeat(20_000)}x`],
    ['closed flow sequences', `a: ${'['.repeat(300)}${']'.repeat(300)}`],
  ])('of %s is one fault with a place', (_name, text) => {
    expect(() => parseManifests(text, { origin: 'deep.yaml' })).toThrow(
      /^deep\.yaml:\d+:\d+: nested deeper than 200 levels$/,
    );
  });

  it.each([
    ['a block scalar', `|\n    ${'[{- '.repeat(5_000)}\n`],
    ['a quoted scalar', `"${'['.repeat(5_000)}"\n`],
  ])('is not seen in %s', (_name, value) => {
    expect(parseManifests(CONFIG_MAP + value).configData).toHaveLength(1);
  });

  it('reports one slip a few times, not a thousand', () => {
    const text = `a: [${'b: [c, '.repeat(150)}`;
    const lines = (): string[] => {
      try {
        parseManifests(text);
      } catch (error) {
        return String(error).split('\n');
      }
      return [];
    };
    expect(lines().length).toBeGreaterThan(0);
    expect(lines().length).toBeLessThanOrEqual(12);
  });
});
