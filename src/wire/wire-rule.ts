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

/**
 * What happens to a chunk: forwarded (maybe changed), swallowed, swallowed with the receiver told that this direction
 * has ended (a half-close: what follows is swallowed too), or the connection is reset.
 */
export type ChunkFate = Uint8Array | 'drop' | 'end' | 'reset';

/** One connection as a rule sees it. */
export interface RelayedConnection {
  readonly link: Link;
  /** Grows by one for every relayed connection of a seam. */
  readonly id: number;
  /** Bytes that have arrived so far in each direction, this chunk included. */
  readonly bytes: Readonly<Record<Direction, number>>;
  /** How it ended; absent while it is open. */
  readonly ended?: 'closed' | 'reset';
  /** Writes bytes of the rule's own to the receiver of a direction: who is on the path may speak for either end. */
  inject(direction: Direction, bytes: Uint8Array): void;
}

export interface WireRule {
  readonly name: string;
  matches(link: Link): boolean;
  /** Asked for every connection and every chunk: a window of virtual time. @defaultValue always */
  isInForce?(): boolean;
  /** The first rule that says something else than `pass` decides. @defaultValue `pass` */
  onConnect?(link: Link): ConnectFate;
  onOpen?(connection: RelayedConnection): void;
  /** Sees every chunk in order, and may change it. Chunks are what TCP delivers: no message boundaries. */
  onBytes?(connection: RelayedConnection, direction: Direction, chunk: Uint8Array): ChunkFate;
  /** Wall-clock delay added to every chunk; order is kept. Virtual latency belongs to the simulator, not here. */
  readonly delayMs?: number;
  /** Virtual time by which an exchange on the link takes longer; asked once an exchange. Nobody waits for it. */
  virtualDelayMs?(link: Link): number;
  /**
   * One line of the client's TLS secrets (SSLKEYLOGFILE) of a connection. For captures of the mesh's owner: nobody else
   * on the path has them.
   */
  onSecret?(link: Link, line: Uint8Array): void;
  onClose?(connection: RelayedConnection): void;
}
