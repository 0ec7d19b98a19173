/**
 * Figures from samples: medians, percentiles, intervals by bootstrap, and the exponent of growth.
 *
 * Samples of timings are skewed and have outliers, so everything here is about medians and order statistics; nothing
 * assumes a normal distribution. The bootstrap is seeded: the same samples give the same interval.
 * @module
 */
import { Rng } from '../core/index.ts';

/** An estimate with its 95 % confidence interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The value below which a share of the samples lies, interpolated. NaN of no samples. */
export function quantile(sorted: readonly number[], share: number): number {
  const rank = (sorted.length - 1) * share;
  const low = sorted[Math.floor(rank)] ?? Number.NaN;
  const high = sorted[Math.ceil(rank)] ?? Number.NaN;
  return low + (high - low) * (rank - Math.floor(rank));
}

export function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

export function median(values: readonly number[]): number {
  return quantile(ascending(values), 0.5);
}

/** Resamples of a bootstrap: the ends of a 95 % interval then rest on 25 of them each. */
const RESAMPLES = 1_000;

/** The median with its percentile-bootstrap interval. */
export function medianEstimate(values: readonly number[]): Estimate {
  const rng = new Rng('bench/bootstrap');
  const medians = Array.from({ length: RESAMPLES }, () => median(resample(values, rng)));
  return estimate(median(values), medians);
}

/** How many times `first` is as large as `second`, of samples that do not belong together in pairs. */
export function ratioOfMedians(first: readonly number[], second: readonly number[]): Estimate {
  const rng = new Rng('bench/bootstrap');
  const ratios = Array.from({ length: RESAMPLES }, () => median(resample(first, rng)) / median(resample(second, rng)));
  return estimate(median(first) / median(second), ratios);
}

function estimate(value: number, resampled: readonly number[]): Estimate {
  const sorted = ascending(resampled);
  return { value, low: Math.min(value, quantile(sorted, 0.025)), high: Math.max(value, quantile(sorted, 0.975)) };
}

function resample(values: readonly number[], rng: Rng): number[] {
  return values.map(() => values[Math.floor(rng.next() * values.length)] ?? Number.NaN);
}

/** One measured size: how large, how much. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Growth {
  /** `y` grows as `x ** exponent`; 1 is linear. */
  readonly exponent: number;
  readonly low: number;
  readonly high: number;
  /** Share of the variance (of the logarithms) that the line explains. */
  readonly r2: number;
}

/** Two-sided 97.5 % points of Student's t for 1, 2, 3, … degrees of freedom; 1.96 beyond. */
const STUDENT_T = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** Fits a straight line through the logarithms, by least squares. NaN of fewer than two sizes. */
export function growthOf(points: readonly Point[]): Growth {
  const logs = points.filter(({ x, y }) => x > 0 && y > 0).map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }));
  const [meanX, meanY] = [mean(logs.map(({ x }) => x)), mean(logs.map(({ y }) => y))];
  const sxx = sum(logs.map(({ x }) => (x - meanX) ** 2));
  const sxy = sum(logs.map(({ x, y }) => (x - meanX) * (y - meanY)));
  const syy = sum(logs.map(({ y }) => (y - meanY) ** 2));
  const exponent = sxy / sxx;
  const residual = Math.max(0, syy - exponent * sxy);
  const freedom = logs.length - 2;
  const t = STUDENT_T[freedom - 1] ?? (freedom > 0 ? 1.96 : Number.POSITIVE_INFINITY);
  const margin = freedom > 0 ? t * Math.sqrt(residual / freedom / sxx) : Number.POSITIVE_INFINITY;
  return { exponent, low: exponent - margin, high: exponent + margin, r2: syy === 0 ? 1 : 1 - residual / syy };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
