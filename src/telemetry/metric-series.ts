/**
 * Sums kept per label set until someone asks for the text: counters, gauges and histograms whose observations carry a
 * count. prom-client's own histogram observes one value at a time, so a minute of traffic would cost thousands of calls;
 * here it costs one addition, and prom-client still writes the text from what `collect` hands it.
 * @module
 */
import type { Labels } from './istio-labels.ts';

/** Envoy's default histogram buckets, in milliseconds. */
export const ENVOY_BUCKETS_MS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/**
 * One object for equal label sets, so that series find theirs without comparing two dozen strings: the key is whatever
 * the labels follow from.
 */
export class LabelPool {
  readonly #pool = new Map<string, Labels>();

  take(key: readonly (string | undefined)[], make: () => Labels): Labels {
    const text = JSON.stringify(key);
    let labels = this.#pool.get(text);
    if (labels === undefined) this.#pool.set(text, (labels = make()));
    return labels;
  }
}

/** Values per label set; equal sets must be one object, as a `LabelPool` gives them. */
export class ValueSeries {
  readonly #values = new Map<Labels, { readonly labels: Labels; value: number }>();

  add(labels: Labels, amount: number): void {
    const held = this.#at(labels);
    held.value += amount;
  }

  set(labels: Labels, value: number): void {
    this.#at(labels).value = value;
  }

  /** In order of first appearance. */
  values(): Iterable<{ readonly labels: Labels; readonly value: number }> {
    return this.#values.values();
  }

  #at(labels: Labels): { value: number } {
    let held = this.#values.get(labels);
    if (held === undefined) this.#values.set(labels, (held = { labels, value: 0 }));
    return held;
  }
}

/** One label set's histogram: counts per bucket, not cumulative. */
export interface Buckets {
  readonly labels: Labels;
  readonly counts: number[];
  count: number;
  sum: number;
}

/** Weighted observations in Envoy's buckets, per label set; equal sets must be one object. */
export class HistogramSeries {
  readonly #buckets = new Map<Labels, Buckets>();

  observe(labels: Labels, value: number, count: number): void {
    if (!Number.isFinite(value) || !(count > 0)) return;
    let held = this.#buckets.get(labels);
    if (held === undefined) {
      held = { labels, counts: ENVOY_BUCKETS_MS.map(() => 0), count: 0, sum: 0 };
      this.#buckets.set(labels, held);
    }
    const index = ENVOY_BUCKETS_MS.findIndex((bound) => value <= bound);
    const before = held.counts[index];
    // Above the last bound only `+Inf` counts it.
    if (before !== undefined) held.counts[index] = before + count;
    held.count += count;
    held.sum += value * count;
  }

  values(): Iterable<Buckets> {
    return this.#buckets.values();
  }
}
