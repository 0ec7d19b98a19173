/**
 * What a caller asks of the mesh, and what it gets to see.
 * @module
 */
import { type ConnectionSecurity, MeshError, type PolicyRef, type RefusalStage } from '../core/index.ts';
import type { AuthorizationRequest, Decision } from '../policy/index.ts';

/** A certificate a caller without a sidecar shows. `mesh` is a genuine one: a stolen identity. */
export type CallerCertificate = 'mesh' | 'none' | 'rogue' | 'expired' | 'self-signed';

/**
 * Who calls. A workload's name (`namespace/workload`) calls through its sidecar; `outside` is a program without a
 * sidecar that speaks plaintext; an object is a program without a sidecar that speaks TLS with what it has.
 */
export type Caller =
  | string
  | {
      /** Whose name the certificate carries, or whose sidecar is used where no certificate is named. */
      readonly workload?: string;
      readonly certificate?: CallerCertificate;
      /** The name on `certificate`, where it is to be another than the workload's. */
      readonly spiffeId?: string;
      /** Protocols it offers in its handshake. @defaultValue those of a sidecar of Istio's */
      readonly alpn?: readonly string[];
      /** What it makes of the server's certificate: any name under the mesh's roots, or anything. @defaultValue `mesh` */
      readonly verify?: 'mesh' | 'none';
    };

export interface MeshRequest {
  readonly from: Caller;
  /** `namespace/workload`, `namespace/workload:port`, or a host name as the calling application would use it. */
  readonly to: string;
  readonly method?: string;
  /** Path and query, `/` where absent. */
  readonly path?: string;
  /** Host header; the service's host and port where absent. */
  readonly host?: string;
  /** Several lines of one name as a list. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Uint8Array;
  /** What the application speaks. @defaultValue `h2` to ports declared http2 or grpc, else `http/1.1` */
  readonly protocol?: 'http/1.1' | 'h2';
}

/** A raw connection. */
export interface MeshConnection {
  readonly from: Caller;
  /** As in a request. */
  readonly to: string;
  /** What the client says once it is connected; authorization is decided on it. @defaultValue `ping` and a line break */
  readonly send?: string | Uint8Array;
  /** TLS that the application starts itself, inside what its sidecar does. */
  readonly tls?: ConnectionTls;
  /**
   * How long to listen: until the server has said something (or is silent for a moment), or until it closes, in which
   * case the client ends its own side first. @defaultValue `answer`
   */
  readonly until?: 'answer' | 'close';
}

export interface ConnectionTls {
  readonly serverName?: string;
  readonly alpn?: readonly string[];
  /** PEM of the roots it trusts; absent: it verifies nothing. */
  readonly roots?: string;
}

/** What became of a request, as a test asks it. */
export type OutcomeResult = 'allow' | 'deny' | 'handshake-failure' | 'unreachable' | 'timeout';

export interface OutcomeConnection {
  readonly security: ConnectionSecurity;
  /** SPIFFE ID the server proved. */
  readonly serverPrincipal?: string;
  /** SPIFFE ID the client proved. */
  readonly clientPrincipal?: string;
  readonly tlsVersion?: string;
  readonly resumed: boolean;
}

export interface Refusal {
  readonly stage: RefusalStage;
  /** Stable reason code. */
  readonly reason: string;
  readonly detail: string;
  /** Who refused. */
  readonly side: 'client' | 'server';
  /** Bytes of the request that reached the application. */
  readonly applicationBytes: number;
}

/** What the calling application sees, and the evidence. */
export interface Outcome {
  readonly result: OutcomeResult;
  /** HTTP status; 0 where a caller without a sidecar sees its connection closed. */
  readonly status: number;
  /** Envoy response flags; `-` for none. */
  readonly flags: string;
  /** Envoy response code details. */
  readonly details: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** HTTP/2 alone: where gRPC keeps its status. */
  readonly trailers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
  /** The policy that decided, where one did. */
  readonly decidedBy: readonly PolicyRef[];
  /** Why, in a sentence. */
  readonly reason: string;
  /** What the server's sidecar asked its policies; absent where the request did not get that far. */
  readonly asked?: AuthorizationRequest;
  /** Their answer: `explain(decision)` says why. */
  readonly decision?: Decision;
  readonly connection: OutcomeConnection;
  readonly refusal?: Refusal;
  /** Virtual time that faults on the link cost; absent where there are none. */
  readonly durationMs?: number;
}

/** `namespace/workload[:port]`; nothing where the text has another shape. */
export function parseWorkloadTarget(
  text: string,
): { readonly namespace: string; readonly name: string; readonly port?: number } | undefined {
  const match = /^([a-z0-9][a-z0-9.-]*)\/([a-z0-9][a-z0-9.-]*)(?::(\d{1,5}))?$/.exec(text);
  const [, namespace, name, port] = match ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  return { namespace, name, ...(port === undefined ? {} : { port: Number(port) }) };
}

/** Splits `namespace/workload`. @throws MeshError `ERR_REQUEST_INVALID` */
export function parseWorkloadName(text: string): { readonly namespace: string; readonly name: string } {
  const target = parseWorkloadTarget(text);
  if (target === undefined || target.port !== undefined) {
    throw new MeshError('ERR_REQUEST_INVALID', `\`${text}\` is not a workload such as default/frontend`);
  }
  return target;
}
