/**
 * What a client sidecar asks for and what it gets.
 * @module
 */
import type { Duplex } from 'node:stream';
import type { ConnectionSecurity, Instant } from '../core/index.ts';
import type { Address } from './address-book.ts';
import type { Credential, TlsVersions, VerifyPeer } from './peer.ts';
import type { Link } from './wire-rule.ts';

export interface OutboundTls extends TlsVersions {
  /** Sent as it is; no SNI when absent, empty or an IP address (RFC 6066 3). */
  readonly sni?: string;
  readonly alpn?: readonly string[];
  /** Asked for every new connection; `undefined`: no client certificate. */
  identity(): Credential | undefined;
  readonly verifyServer: VerifyPeer;
}

/** Where to and how. Connections are pooled by `key`: equal keys must mean equal everything else. */
export interface OutboundRoute {
  readonly key: string;
  readonly link: Link;
  readonly address: Address;
  readonly virtualSourceIp?: string;
  /** Absent: plaintext. */
  readonly tls?: OutboundTls;
  /** For raw streams: each direction ends by itself. @defaultValue false */
  readonly halfOpen?: boolean;
  /** What is spoken where no ALPN says otherwise: HTTP/2 needs prior knowledge. @defaultValue `http/1.1` */
  readonly http?: 'http/1.1' | 'h2';
  /** Above it requests wait for a free connection. @defaultValue 100 */
  readonly connectionsMax?: number;
  /** Wall time a connection may take to be ready. @defaultValue 30000 */
  readonly connectTimeoutMs?: number;
}

export interface HttpCall {
  readonly method: string;
  /** Sent as it is: not normalised. */
  readonly path: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Uint8Array | string;
  /** Wall time from sending to the end of the answer. @defaultValue none */
  readonly timeoutMs?: number;
}

/** A connection of the pool, as it was when it was opened. */
export interface OutboundConnection {
  /** Unique within the address book, growing. */
  readonly id: number;
  readonly security: ConnectionSecurity;
  /** The server's identity, proved by this connection's own chain. */
  readonly principal?: string;
  /** Until when that chain is valid. */
  readonly principalValidUntil?: Instant;
  /** The server's leaf, DER. */
  readonly peerCertificate?: Uint8Array;
  readonly sni?: string;
  /** The protocol negotiated. */
  readonly alpn?: string;
  readonly tlsVersion?: string;
  /** Always false: a resumed session is refused. */
  readonly resumed: boolean;
  /** Real client end as the server sees it: our own, or that of the relay in between. */
  readonly local: Address;
}

/**
 * Where a call failed. Envoy's flags follow from it: `connect`, `handshake` and `verify-server` are `UF`;
 * `reset-before-response` and `reset-during-response` are `UC`; `timeout` is `UT`; `protocol` is `UPE`.
 * With TLS 1.3 a server that refuses the client is a reset: the client's own handshake had succeeded.
 */
export type OutboundFailureStage =
  | 'connect'
  | 'handshake'
  | 'verify-server'
  | 'reset-before-response'
  | 'reset-during-response'
  | 'timeout'
  | 'protocol'
  | 'invalid-request'
  | 'closed';

export interface OutboundFailure {
  readonly stage: OutboundFailureStage;
  /** Stable code, e.g. `connection_refused`, `wrong_version_number`, `expired`. */
  readonly reason: string;
  readonly detail: string;
  /** The connection the request was sent on, if it was sent. */
  readonly connection?: OutboundConnection;
  /** Number of the connection that failed, if one was tried: what the far end calls `source.connection`. */
  readonly connectionId?: number;
}

export type HttpAnswer =
  | {
      readonly ok: true;
      readonly status: number;
      readonly headers: Readonly<Record<string, string | readonly string[]>>;
      readonly body: Uint8Array;
      /** HTTP/2 alone. */
      readonly trailers?: Readonly<Record<string, string | readonly string[]>>;
      readonly connection: OutboundConnection;
      /** The first try hit a kept-alive connection that was closing; this is the answer of the second. */
      readonly retriedStale: boolean;
    }
  | { readonly ok: false; readonly failure: OutboundFailure };

export type TcpAnswer =
  | { readonly ok: true; readonly stream: Duplex; readonly connection: OutboundConnection }
  | { readonly ok: false; readonly failure: OutboundFailure };

export type OpenAnswer =
  | { readonly ok: true; readonly open: number }
  | { readonly ok: false; readonly open: number; readonly failure: OutboundFailure };
