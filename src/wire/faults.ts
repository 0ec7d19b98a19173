/**
 * Ready-made rules for the seam: what networks do to connections, and what somebody on the path can do.
 *
 * Every fault names the links it is on. Latency and loss cost virtual time: nobody waits for them (drain, then tick),
 * an exchange is merely recorded as slower. Partition, reset, half-close, tampering and hijack act on real sockets.
 *
 * Loss is that of packets under TCP, so it loses no bytes: a lost segment comes late, and a connection fails only when
 * every SYN of its connect timeout is lost. Not modelled: reordering and duplication, which TCP hides, and congestion.
 * Source: RFC 6298 (retransmission timer; Linux's minimum of 200 ms), RFC 9293; Istio's connect timeout of 10 s.
 * @module
 */
import { MeshError, type Rng } from '../core/index.ts';
import type { Address } from './address-book.ts';
import type { Direction, Link, RelayedConnection, WireRule } from './wire-rule.ts';

/** Links by their ends: `ns/workload`, `ns/*`, `outside`, or `*`; what is absent matches everything. */
export interface LinkMatch {
  readonly from?: string;
  readonly to?: string;
  /** Workload port. */
  readonly port?: number;
}

/** Retransmission timer of an established connection, Linux's least. */
const RETRANSMISSION_MS = 200;
/** SYNs at 0, 1, 3 and 7 s: those within Istio's default connect timeout of 10 s. */
const SYNS = 4;
const SYN_TIMEOUT_MS = 1_000;
/** A segment that is lost so often is given up for lost by its reader, not by us: a bound on drawing. */
const RETRANSMISSIONS_MAX = 15;

export function matchesLink(link: Link, { from, to, port }: LinkMatch): boolean {
  return (
    matchesName(link.source, from) && matchesName(link.destination, to) && (port === undefined || port === link.port)
  );
}

function matchesName(name: string, pattern: string | undefined): boolean {
  if (pattern === undefined || pattern === '*') return true;
  return pattern.endsWith('/*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function named(kind: string, on: LinkMatch): Pick<WireRule, 'name' | 'matches'> {
  const { from = '*', to = '*', port } = on;
  return {
    name: `${kind} ${from} -> ${to}${port === undefined ? '' : `:${port}`}`,
    matches: (link) => matchesLink(link, on),
  };
}

/** Every exchange takes `ms` longer in virtual time, and up to `jitterMs` more, drawn from `rng`. */
function latency(
  on: LinkMatch,
  options: { readonly ms: number; readonly jitterMs?: number; readonly rng?: Rng },
): WireRule {
  const { ms, jitterMs = 0, rng } = options;
  if (!(ms >= 0) || !(jitterMs >= 0)) throw new MeshError('ERR_FAULT_INVALID', 'a latency is not negative');
  if (jitterMs > 0 && rng === undefined) throw new MeshError('ERR_FAULT_INVALID', 'jitter is drawn: give it an `rng`');
  return { ...named('latency', on), virtualDelayMs: () => ms + jitterMs * (rng?.next() ?? 0) };
}

/** Packets are lost with `probability`: exchanges come late, and connections whose SYNs are all lost time out. */
function loss(on: LinkMatch, options: { readonly probability: number; readonly rng: Rng }): WireRule {
  const { probability, rng } = options;
  if (!(probability >= 0 && probability <= 1))
    throw new MeshError('ERR_FAULT_INVALID', `a probability of ${probability} is not in 0..1`);
  let synDelayMs = 0;
  return {
    ...named('loss', on),
    onConnect: () => {
      const lost = drawLosses(rng, probability, SYNS);
      if (lost === SYNS) return 'blackhole';
      synDelayMs += SYN_TIMEOUT_MS * (2 ** lost - 1);
      return 'pass';
    },
    virtualDelayMs: () => {
      // The wait of a connection falls on the exchange that opened it.
      const waited = synDelayMs;
      synDelayMs = 0;
      return waited + RETRANSMISSION_MS * (2 ** drawLosses(rng, probability, RETRANSMISSIONS_MAX) - 1);
    },
  };
}

function drawLosses(rng: Rng, probability: number, max: number): number {
  let lost = 0;
  while (lost < max && rng.chance(probability)) lost += 1;
  return lost;
}

/**
 * Nothing gets through, in either direction: connections time out. An open one is reset at its next byte, which is how
 * it ends after the timeouts that nobody waits for here.
 */
function partition(on: LinkMatch): WireRule {
  return { ...named('partition', on), onConnect: () => 'blackhole', onBytes: () => 'reset' };
}

/** Nobody listens: connections are refused. */
function refuse(on: LinkMatch): WireRule {
  return { ...named('refuse', on), onConnect: () => 'refuse' };
}

/** The connection is reset once `afterBytes` have gone in `direction`; at once where that is 0. */
function reset(
  on: LinkMatch,
  { afterBytes = 0, direction = 'up' }: { readonly afterBytes?: number; readonly direction?: Direction } = {},
): WireRule {
  return {
    ...named('reset', on),
    onBytes: (connection, way, chunk) => (way === direction && connection.bytes[way] > afterBytes ? 'reset' : chunk),
  };
}

/** The receiver of `direction` sees the stream end once `afterBytes` have come; the other direction stays open. */
function halfClose(
  on: LinkMatch,
  { afterBytes = 0, direction }: { readonly afterBytes?: number; readonly direction: Direction },
): WireRule {
  return {
    ...named('half-close', on),
    onBytes: (connection, way, chunk) => (way === direction && connection.bytes[way] > afterBytes ? 'end' : chunk),
  };
}

export interface TamperOptions {
  readonly direction: Direction;
  /** Chunks to be left alone. @defaultValue none */
  readonly unless?: (connection: RelayedConnection) => boolean;
  /** Gets a copy. @defaultValue flips the lowest bit of the last byte */
  readonly change?: (chunk: Buffer) => Uint8Array;
}

/** Changes bytes on the way. */
function tamper(on: LinkMatch, { direction, unless, change = flipLastBit }: TamperOptions): WireRule {
  return {
    ...named('tamper', on),
    onBytes: (connection, way, chunk) =>
      way === direction && unless?.(connection) !== true ? change(Buffer.from(chunk)) : chunk,
  };
}

function flipLastBit(chunk: Buffer): Buffer {
  const last = chunk.length - 1;
  chunk[last] = (chunk[last] ?? 0) ^ 1;
  return chunk;
}

/** Connections end at `address` instead: somebody on the path has taken them over. */
function hijack(on: LinkMatch, address: Address): WireRule {
  return { ...named('hijack', on), onConnect: () => ({ redirect: address }) };
}

/** The faults there are. */
export const faults: {
  readonly latency: typeof latency;
  readonly loss: typeof loss;
  readonly partition: typeof partition;
  readonly refuse: typeof refuse;
  readonly reset: typeof reset;
  readonly halfClose: typeof halfClose;
  readonly tamper: typeof tamper;
  readonly hijack: typeof hijack;
} = { latency, loss, partition, refuse, reset, halfClose, tamper, hijack };
