/**
 * What a rule on a link can do to connections and bytes.
 *
 * A rule sees what a router sees: connections and chunks of ciphertext, not requests.
 * @module
 */
import type { Address } from './address-book.ts';

/** One directed way between two workloads. */
export interface Link {
  /** `ns/workload`, or `outside`. */
  readonly source: string;
  readonly destination: string;
  /** Workload port. */
  readonly port: number;
}

/** `up`: from the client to the server. */
export type Direction = 'up' | 'down';

/**
 * What happens to an opening connection: it goes through, is refused, is accepted and reset at its first byte, is lost
 * in silence (reported at once as a connect timeout: wall time is not waited for), or goes elsewhere.
 */
export type ConnectFate = 'pass' | 'refuse' | 'reset' | 'blackhole' | { readonly redirect: Address };

/** What happens to a chunk: forwarded (maybe changed), swallowed, or the connection is reset. */
export type ChunkFate = Uint8Array | 'drop' | 'reset';

/** One connection as a rule sees it. */
export interface RelayedConnection {
  readonly link: Link;
  /** Grows by one for every relayed connection of a seam. */
  readonly id: number;
  /** Bytes that have arrived so far in each direction, this chunk included. */
  readonly bytes: Readonly<Record<Direction, number>>;
}

export interface WireRule {
  readonly name: string;
  matches(link: Link): boolean;
  /** @defaultValue `pass` */
  onConnect?(link: Link): ConnectFate;
  /** Sees every chunk in order, and may change it. Chunks are what TCP delivers: no message boundaries. */
  onBytes?(connection: RelayedConnection, direction: Direction, chunk: Uint8Array): ChunkFate;
  /** Wall-clock delay added to every chunk; order is kept. Virtual latency belongs to the simulator, not here. */
  readonly delayMs?: number;
  onClose?(connection: RelayedConnection): void;
}
