/**
 * How a service answers: latency and errors, as a scenario declares them.
 *
 * Latency is log-normal through the declared p50 and p99. Volume is drawn in strata, so that the cost of an interval
 * does not grow with its number of requests: each stratum of equal probability gets its share of the requests at one
 * seeded quantile of its own.
 * @module
 */
import type { LatencySample, Rng } from '../core/index.ts';

export interface ServiceProfile {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of requests that the application answers with a 500, 0..1. */
  readonly errorRatio: number;
  /** Keep-alive sockets its callers hold open to it together. */
  readonly connections: number;
}

export const DEFAULT_PROFILE: ServiceProfile = { p50Ms: 5, p99Ms: 25, errorRatio: 0, connections: 1 };

/** Φ⁻¹(0.99) */
const Z99 = 2.326347874040841;
/** Enough to place a p99 (the quantile drawn within the top stratum covers the tail over a day of intervals). */
const STRATA = 32;

/** Latencies of `requests` requests: at most `STRATA` observations, whose counts add up to `requests`. */
export function drawLatencies(profile: ServiceProfile, requests: number, rng: Rng): readonly LatencySample[] {
  const mu = Math.log(profile.p50Ms);
  const sigma = (Math.log(profile.p99Ms) - mu) / Z99;
  const strata = Math.min(STRATA, requests);
  const samples: LatencySample[] = [];
  for (let i = 0; i < strata; i++) {
    const count = Math.floor((requests * (i + 1)) / strata) - Math.floor((requests * i) / strata);
    const quantile = (i + rng.next()) / strata;
    samples.push({ ms: Math.exp(mu + sigma * normalQuantile(quantile)), count });
  }
  return samples;
}

/**
 * Inverse of the standard normal distribution function, by Acklam's rational approximation (relative error below
 * 1.15e-9).
 */
function normalQuantile(p: number): number {
  const tail = 0.02425;
  if (p <= 0) return -8;
  if (p >= 1) return 8;
  if (p < tail) return tailQuantile(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - tail) return -tailQuantile(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  const numerator =
    ((((-39.6968302866538 * r + 220.946098424521) * r - 275.928510446969) * r + 138.357751867269) * r -
      30.6647980661472) *
      r +
    2.50662827745924;
  const denominator =
    ((((-54.4760987982241 * r + 161.585836858041) * r - 155.698979859887) * r + 66.8013118877197) * r -
      13.2806815528857) *
      r +
    1;
  return (q * numerator) / denominator;
}

function tailQuantile(q: number): number {
  const numerator =
    ((((-0.00778489400243029 * q - 0.322396458041136) * q - 2.40075827716184) * q - 2.54973253934373) * q +
      4.37466414146497) *
      q +
    2.93816398269878;
  const denominator =
    (((0.00778469570904146 * q + 0.32246712907004) * q + 2.445134137143) * q + 3.75440866190742) * q + 1;
  return numerator / denominator;
}
