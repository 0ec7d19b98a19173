/**
 * Seeded randomness with named sub-streams.
 *
 * Every consumer forks a stream of its own (`rng.fork('traffic/a')`), so that adding one consumer never shifts the
 * numbers another one draws. Not for keys: those come from `node:crypto` unless a world asks for reproducible ones.
 * @module
 */
import seedrandom from 'seedrandom';
import { invariant } from './invariant.ts';

/** The seed used when none is given: a constant, so that runs repeat. */
export const DEFAULT_SEED = 'meshproof';

export class Rng {
  readonly seed: string;
  readonly #next: () => number;

  constructor(seed: string = DEFAULT_SEED) {
    this.seed = seed;
    this.#next = seedrandom.alea(seed);
  }

  /** An independent stream; the same name under the same seed always gives the same stream. */
  fork(name: string): Rng {
    return new Rng(`${this.seed}/${name}`);
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.#next();
  }

  /** A uniform integer in [min, max], both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.#next() * (max - min + 1));
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.#next() * items.length)];
    invariant(items.length > 0, 'pick from an empty list');
    return item as T;
  }

  /** Standard normal (Box–Muller; the second value is thrown away so that a draw costs a fixed two numbers). */
  normal(): number {
    const u = 1 - this.#next();
    const v = this.#next();
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  }

  /**
   * How many of `trials` succeed. Exact below 64 trials; above, a rounded normal or, for rare events, a Poisson draw,
   * so that the cost does not grow with the number of trials.
   */
  binomial(trials: number, probability: number): number {
    if (probability <= 0 || trials <= 0) return 0;
    if (probability >= 1) return trials;
    if (trials < 64) {
      let hits = 0;
      for (let i = 0; i < trials; i++) if (this.chance(probability)) hits++;
      return hits;
    }
    const mean = trials * probability;
    if (mean < 30) return Math.min(trials, this.#poisson(mean));
    const drawn = Math.round(mean + Math.sqrt(mean * (1 - probability)) * this.normal());
    return Math.min(trials, Math.max(0, drawn));
  }

  #poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let product = this.#next();
    let count = 0;
    while (product > limit) {
      product *= this.#next();
      count++;
    }
    return count;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = Math.floor(this.#next() * 256);
    return out;
  }
}
