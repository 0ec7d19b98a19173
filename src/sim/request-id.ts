/**
 * Request ids, in the shape of a UUID of version 4; seeded, so that runs repeat.
 * @module
 */
import type { Rng } from '../core/index.ts';

/** `00` to `ff`. */
const HEX_OCTETS: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));

export function requestIdFrom(rng: Rng): string {
  let hex = '';
  for (const byte of rng.bytes(16)) hex += HEX_OCTETS[byte] ?? '';
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}
