/**
 * The attributes a decision may look at: one connection, and one request on it where it is HTTP.
 *
 * The same shape as a line of `meshproof authz --requests`. Values are as they arrive at the server's sidecar, before
 * path normalisation.
 * @module
 */

export interface DestinationAttributes {
  readonly namespace: string;
  /** A workload the configuration declares; or give `labels`. */
  readonly workload?: string;
  /** Pod labels, for a workload that no manifest declares. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Workload (container) port. */
  readonly port: number;
  readonly ip?: string;
}

export interface SourceAttributes {
  /** `td/ns/NAMESPACE/sa/ACCOUNT`, proved by mutual TLS; absent on plaintext. */
  readonly principal?: string;
  /** Direct peer address. */
  readonly ip?: string;
  /**
   * Original client as PROXY protocol or the like give it. Where absent: the right-most entry of X-Forwarded-For, else
   * the direct peer.
   */
  readonly remoteIp?: string;
}

/** A JSON value, as claims hold it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** What a validated token says. */
export interface RequestAuthAttributes {
  /** `iss/sub` */
  readonly principal?: string;
  readonly audiences?: readonly string[] | string;
  /** `azp` */
  readonly presenter?: string;
  readonly claims?: Readonly<Record<string, Json>>;
}

export interface HttpAttributes {
  readonly method: string;
  /** `:authority`, or the Host header, with its port as sent. */
  readonly host?: string;
  /** Path with query, as it arrived. */
  readonly path: string;
  /** Names in any case; several lines of one name as a list. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly auth?: RequestAuthAttributes;
}

export interface AuthorizationRequest {
  readonly destination: DestinationAttributes;
  readonly source?: SourceAttributes;
  readonly connection?: { readonly sni?: string };
  /** Absent: a raw TCP connection. */
  readonly request?: HttpAttributes;
}
