/**
 * Request ids, in the shape of a UUID of version 4; seeded, so that runs repeat.
 * @module
 */
import type { Rng } from '../core/index.ts';

export function requestIdFrom(rng: Rng): string {
  const hex = [...rng.bytes(16)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}
