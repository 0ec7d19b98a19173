import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/core/index.ts';

describe('Rng', () => {
  it('repeats for the same seed and differs for another', () => {
    const draw = (seed: string): number[] => {
      const rng = new Rng(seed);
      return Array.from({ length: 5 }, () => rng.next());
    };
    expect(draw('a')).toEqual(draw('a'));
    expect(draw('a')).not.toEqual(draw('b'));
  });

  // A changed stream changes every seeded world: it must never happen unnoticed.
  it('pins its streams', () => {
    const rng = new Rng('pinned').fork('traffic/a');
    expect([rng.integer(0, 999), rng.integer(0, 999), rng.integer(0, 999)]).toMatchInlineSnapshot(`
      [
        893,
        736,
        466,
      ]
    `);
  });

  it('keeps forks apart from their parent and from each other', () => {
    const parent = new Rng('p');
    const before = parent.fork('x').next();
    parent.next();
    parent.fork('y').next();
    expect(parent.fork('x').next()).toBe(before);
  });

  it.each([
    [20, 0.3],
    [1_000, 0.002],
    [120_000, 0.2],
  ])('draws binomials of %d trials at %d around their mean', (trials, probability) => {
    const rng = new Rng('binomial');
    const runs = 4_000;
    let sum = 0;
    for (let i = 0; i < runs; i++) {
      const hits = rng.binomial(trials, probability);
      expect(hits).toBeGreaterThanOrEqual(0);
      expect(hits).toBeLessThanOrEqual(trials);
      sum += hits;
    }
    const mean = trials * probability;
    const standardError = Math.sqrt((mean * (1 - probability)) / runs);
    expect(Math.abs(sum / runs - mean)).toBeLessThan(5 * standardError);
  });
});
