/**
 * What a server sidecar sees: connections, exchanges, refusals, and the questions it asks.
 * @module
 */
import type { Duplex } from 'node:stream';
import type { ConnectionSecurity, Instant } from '../core/index.ts';
import type { Address, AddressBook, VirtualPeer } from './address-book.ts';
import type { Credential, TlsVersion, VerifyPeer } from './peer.ts';

/** What the first bytes of a connection look like. */
export type FirstFlight =
  | { readonly kind: 'raw'; readonly looksLike: 'http' | 'tcp'; /** The preface of HTTP/2. */ readonly isHttp2?: true }
  | { readonly kind: 'tls'; readonly alpn: readonly string[]; readonly sni?: string };

/**
 * The filter chain that takes a connection. `passthrough` hands the bytes on as they are, TLS unterminated;
 * `codec-error` answers as an HTTP codec does that was sent something else (400, close); `tls-…` terminates without
 * asking for a client certificate.
 */
export type FilterChain =
  | 'mtls-http'
  | 'mtls-tcp'
  | 'tls-http'
  | 'tls-tcp'
  | 'plain-http'
  | 'plain-tcp'
  | 'passthrough'
  | 'refuse'
  | 'codec-error';

/** A connection a filter chain has accepted. */
export interface InboundConnection {
  /** Unique within the address book, growing. */
  readonly id: number;
  /** Who really dialled, by the address book; absent: from outside the mesh. Not proof of anything: see `principal`. */
  readonly source?: VirtualPeer;
  /** Real address of the other end. */
  readonly remote: Address;
  /** Workload port. */
  readonly port: number;
  readonly security: ConnectionSecurity;
  /** The identity proved by this connection's own chain. */
  readonly principal?: string;
  /** Until when that chain is valid; the connection outlives it, as in Envoy. */
  readonly principalValidUntil?: Instant;
  /** Leaf that proved it, DER. */
  readonly peerCertificate?: Uint8Array;
  readonly sni?: string;
  /** The protocol negotiated, not the list offered. */
  readonly alpn?: string;
  readonly tlsVersion?: string;
  /** Always false on a connection that was accepted: resumed sessions are refused. */
  readonly resumed: boolean;
}

export type InboundHeaders = Readonly<Record<string, string | readonly string[]>>;

/** What changes about a request on its way to the application. */
export interface Forwarding {
  /** Path with query. */
  readonly path?: string;
  /** All header lines instead of those that arrived: name, value, name, value, … */
  readonly headers?: readonly string[];
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Uint8Array | string;
  /** HTTP/2 alone. */
  readonly trailers?: Readonly<Record<string, string | readonly string[]>>;
}

/** One HTTP request at a server sidecar, waiting for its answer. */
export interface InboundExchange {
  readonly connection: InboundConnection;
  readonly protocol: 'http/1.0' | 'http/1.1' | 'h2';
  readonly method: string;
  /** As it arrived: not normalised, query included. */
  readonly path: string;
  readonly host?: string | undefined;
  /** Lower-case names; several lines of one name are a list. */
  readonly headers: InboundHeaders;
  /** Name, value, name, value, … as they arrived, one entry for each line. */
  readonly rawHeaders: readonly string[];
  /** What was answered; 0 so far. */
  readonly status: number;
  /** Whether bytes may follow the headers. */
  readonly hasBody: boolean;
  /** The protocol that the client wants to go on with, e.g. `websocket`. */
  readonly upgrade?: string | undefined;
  /** The whole body; rejects with `ERR_WIRE_BODY` above `limitBytes` or when the client goes away. */
  body(limitBytes?: number): Promise<Uint8Array>;
  reply(answer: Reply): void;
  /** Streams request and answer to and from a real server; resolves with the status sent to the client (503 when it cannot be reached). */
  forward(to: Address, changes?: Forwarding): Promise<number>;
  /** Carries an upgrade over an open connection, and its bytes both ways once it is accepted. */
  tunnel(over: Duplex, changes?: Forwarding): void | Promise<void>;
  /** Closes the connection without an answer. */
  abort(): void;
}

/** `record`: an open connection that ended at a TLS record which fails authentication. */
export type InboundRefusalStage = 'filter-chain' | 'handshake' | 'verify-client' | 'record' | 'codec';

export interface InboundRefusal {
  readonly stage: InboundRefusalStage;
  /** Stable code: `filter_chain_not_found`, `no_client_certificate`, `codec_error`, or the verdict's reason. */
  readonly reason: string;
  readonly detail?: string;
  readonly source?: VirtualPeer;
  readonly remote: Address;
  readonly port: number;
  readonly sni?: string;
  /** Bytes handed to the application behind: counted, not assumed. */
  readonly applicationBytes: number;
}

export interface InboundOptions {
  /** Workload port: what rules and metrics call this listener, not the real port. */
  readonly port: number;
  /** The filter-chain choice; asked once for every connection. */
  chain(flight: FirstFlight): FilterChain;
  /** What the server presents; asked for every new connection. `undefined`: handshakes are refused. */
  identity(): Credential | undefined;
  readonly verifyClient: VerifyPeer;
  /** @defaultValue `TLSv1.2` */
  readonly minVersion?: TlsVersion;
  onHttp(exchange: InboundExchange): void | Promise<void>;
  /** A TCP connection, sniffed bytes put back. Without a handler the connection is closed. */
  onTcp?(connection: InboundConnection, stream: Duplex): void;
  onOpened?(connection: InboundConnection): void;
  onClosed?(connection: InboundConnection): void;
  onRefused?(refusal: InboundRefusal): void;
  /**
   * `onHttp` threw or rejected; the connection is already closed. Without it the error is uncaught, since it is a bug.
   */
  onError?(error: unknown): void;
  readonly addresses: AddressBook;
  /** @defaultValue `127.0.0.1` */
  readonly host?: string;
  /** @defaultValue 0: any free port */
  readonly listenPort?: number;
  /** False: ask `chain` at once with raw TCP, for ports whose clients wait for the server. @defaultValue true */
  readonly inspect?: boolean;
  /** Wall time a client may take from its first byte to the end of its handshake. @defaultValue 30000 */
  readonly handshakeTimeoutMs?: number;
}
