/**
 * Latency percentiles over weighted observations.
 *
 * A high dynamic range histogram in whole microseconds with three significant digits: a percentile is at most 0.1 %
 * (or 1 µs) above the exact one. Memory follows the largest value, not the number of observations. Imports the plain
 * JavaScript classes of hdr-histogram-js: its index loads a WebAssembly build too and takes several times as long.
 * @module
 */
import { constructorFromBucketSize } from 'hdr-histogram-js/dist/JsHistogramFactory.js';
import type { LatencySample } from '../core/index.ts';

const MICROSECONDS = 1_000;
const SIGNIFICANT_DIGITS = 3;
/** Where the histogram starts; it grows by itself. */
const INITIAL_MAX_MICROS = 65_536;
/** The largest latency told apart, about 12 days: larger ones count as this, so that a bad sample cannot eat memory. */
const LATENCY_MAX_MICROS: number = 2 ** 40;

/** Counts are doubles: exact up to 2^53 requests. */
const Histogram: ReturnType<typeof constructorFromBucketSize> = constructorFromBucketSize(64);

export class LatencyHistogram {
  readonly #micros = newHistogram();
  #maxMicros = 0;

  /** Records `count` requests that took `ms`. Samples that are no latency (negative, not finite, no count) are left out. */
  record(sample: LatencySample): void {
    if (!(sample.ms >= 0 && Number.isFinite(sample.ms) && sample.count > 0)) return;
    const micros = Math.min(Math.round(sample.ms * MICROSECONDS), LATENCY_MAX_MICROS);
    this.#micros.recordValueWithCount(micros, sample.count);
    this.#maxMicros = Math.max(this.#maxMicros, micros);
  }

  /** Adds all that `other` recorded. */
  merge(other: LatencyHistogram): void {
    if (other.count === 0) return;
    this.#micros.add(other.#micros);
    this.#maxMicros = Math.max(this.#maxMicros, other.#maxMicros);
  }

  get count(): number {
    return this.#micros.totalCount;
  }

  /** The latency in milliseconds that `percentile` per cent of the requests did not exceed; 0 without observations. */
  percentileMs(percentile: number): number {
    if (this.count === 0) return 0;
    return Math.min(this.#micros.getValueAtPercentile(percentile), this.#maxMicros) / MICROSECONDS;
  }
}

function newHistogram(): InstanceType<typeof Histogram> {
  const histogram = new Histogram(1, INITIAL_MAX_MICROS, SIGNIFICANT_DIGITS);
  histogram.autoResize = true;
  return histogram;
}
