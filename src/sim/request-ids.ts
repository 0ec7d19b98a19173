/**
 * Ids of requests that come without one: seeded, in the shape of a UUID.
 * @module
 */
import type { Rng } from '../core/index.ts';

export class RequestIds {
  readonly #rng: Rng;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  next(): string {
    const hex = Buffer.from(this.#rng.bytes(16)).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  }
}
