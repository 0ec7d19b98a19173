import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/core/index.ts';
import { drawLatencies } from '../../../src/sim/service-profile.ts';

const profile = { p50Ms: 12, p99Ms: 85, errorRatio: 0, connections: 1 };

describe('drawLatencies', () => {
  it('goes through the declared p50 and p99', () => {
    const rng = new Rng('latency');
    const all = Array.from({ length: 1_440 }, () => drawLatencies(profile, 60_000, rng)).flat();
    const sorted = all.sort((a, b) => a.ms - b.ms);
    const total = sorted.reduce((sum, { count }) => sum + count, 0);
    const percentile = (p: number): number => {
      let seen = 0;
      for (const { ms, count } of sorted) {
        seen += count;
        if (seen >= p * total) return ms;
      }
      return Number.NaN;
    };
    expect(percentile(0.5) / 12).toBeCloseTo(1, 1);
    expect(percentile(0.99) / 85).toBeCloseTo(1, 1);
  });

  it.each([0, 1, 5, 31, 32, 33, 1_000_003])('accounts for every one of %d requests at a bounded cost', (requests) => {
    const samples = drawLatencies(profile, requests, new Rng('n'));
    expect(samples.reduce((sum, { count }) => sum + count, 0)).toBe(requests);
    expect(samples.length).toBeLessThanOrEqual(32);
    expect(samples.every(({ ms }) => ms > 0 && Number.isFinite(ms))).toBe(true);
  });
});
