import { describe, expect, it } from 'vitest';
import { growthOf, median, medianEstimate, quantile, ratioOfMedians } from '../../../src/bench/statistics.ts';
import { Rng } from '../../../src/core/index.ts';

describe('quantile', () => {
  it('interpolates between ranks', () => {
    expect(quantile([10, 20, 30, 40], 0.5)).toBe(25);
    expect(quantile([10, 20, 30], 0.25)).toBe(15);
    expect(quantile([7], 0.99)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('medianEstimate', () => {
  it('covers the true median about as often as it says', () => {
    const rng = new Rng('coverage');
    let covered = 0;
    for (let run = 0; run < 200; run++) {
      // Skewed, as timings are: the median of exp(normal) is 1.
      const { low, high } = medianEstimate(Array.from({ length: 25 }, () => Math.exp(rng.normal())));
      if (low <= 1 && 1 <= high) covered++;
    }
    expect(covered).toBeGreaterThan(180);
  });

  it('says the same of the same samples, and nothing between equal ones', () => {
    const samples = [3, 1, 4, 1, 5, 9, 2, 6];
    expect(medianEstimate(samples)).toEqual(medianEstimate(samples));
    expect(medianEstimate([2, 2, 2])).toEqual({ value: 2, low: 2, high: 2 });
    expect(median(samples)).toBe(3.5);
  });
});

describe('ratioOfMedians', () => {
  it('finds how many times as large', () => {
    const rng = new Rng('ratio');
    const draw = (scale: number): number[] => Array.from({ length: 60 }, () => scale * (1 + 0.1 * rng.normal()));
    const { value, low, high } = ratioOfMedians(draw(3), draw(2));
    expect(low).toBeLessThan(1.5);
    expect(high).toBeGreaterThan(1.5);
    expect(Math.abs(value - 1.5)).toBeLessThan(0.1);
  });
});

describe('growthOf', () => {
  it.each([0, 0.5, 1, 2])('finds the exponent %d', (exponent) => {
    const growth = growthOf([2, 100, 1_000, 10_000].map((x) => ({ x, y: 7 * x ** exponent })));
    expect(growth.exponent).toBeCloseTo(exponent, 9);
    expect(growth.r2).toBeCloseTo(1, 9);
    expect(growth.low).toBeLessThanOrEqual(growth.exponent + 1e-9);
  });

  it('admits that two points fit any line', () => {
    const { low, high } = growthOf([
      { x: 1, y: 1 },
      { x: 10, y: 20 },
    ]);
    expect([low, high]).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });
});
