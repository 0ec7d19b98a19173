/**
 * The one closed union of everything that happens in a mesh. Metrics, access log, audit, dashboard and matchers are
 * folds over this log and look nowhere else.
 *
 * Events are ordered by `(at, seq)`; `seq` grows by one for every event of a mesh. Nothing in an event depends on the
 * machine's clock: equal seeds give equal logs, but for serial numbers where keys are not reproducible.
 * @module
 */
import type { Instant } from './time.ts';

/** The resource, and for authorization the rule, that determined something. */
export interface PolicyRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Index into `spec.rules`; absent where the whole resource decided. */
  readonly rule?: number;
}

/** A workload as metrics and logs name it. */
export interface WorkloadRef {
  readonly namespace: string;
  readonly name: string;
}

/** One end of a connection or request. A caller outside the mesh has no workload. */
export interface PeerRef {
  readonly workload?: WorkloadRef;
  /** SPIFFE URI proved on this connection; absent on plaintext. */
  readonly principal?: string;
}

/** Which service of the mesh a request or connection was for. */
export interface ServiceRef {
  readonly host: string;
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

export type ConnectionSecurity = 'mutual_tls' | 'tls' | 'none';

/** Where in the life of a connection it was refused. */
export type RefusalStage =
  | 'connect'
  | 'filter-chain'
  | 'handshake'
  | 'verify-server'
  | 'verify-client'
  /** An open connection, at a TLS record that was not the peer's. */
  | 'record'
  | 'authorize';

interface EventBase {
  readonly at: Instant;
  readonly seq: number;
}

export interface MeshStarted extends EventBase {
  readonly kind: 'mesh.started';
  readonly trustDomain: string;
  readonly workloads: readonly (WorkloadRef & { readonly injected: boolean })[];
}

export interface ConfigChanged extends EventBase {
  readonly kind: 'config.changed';
  readonly applied: readonly PolicyRef[];
  readonly removed: readonly PolicyRef[];
}

export interface CertificateIssued extends EventBase {
  readonly kind: 'certificate.issued';
  readonly spiffeId: string;
  readonly serial: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly reason: 'initial' | 'rotation';
}

export interface CertificateRenewalFailed extends EventBase {
  readonly kind: 'certificate.renewal-failed';
  readonly spiffeId: string;
  readonly reason: string;
  readonly attempt: number;
  readonly retryAt: Instant;
}

export interface CertificateExpired extends EventBase {
  readonly kind: 'certificate.expired';
  readonly spiffeId: string;
  readonly serial: string;
}

/** A workload trusts other roots than before. */
export interface TrustChanged extends EventBase {
  readonly kind: 'trust.changed';
  readonly spiffeId: string;
  /** Serial numbers of the roots it trusts now. */
  readonly roots: readonly string[];
}

/** A workload's clock was set. */
export interface ClockStepped extends EventBase {
  readonly kind: 'clock.stepped';
  readonly spiffeId: string;
  /** What it shows from now on, less what it ought to show. */
  readonly skewMs: number;
}

export interface ConnectionOpened extends EventBase {
  readonly kind: 'connection.opened';
  readonly connection: number;
  readonly source: PeerRef;
  readonly destination: PeerRef;
  readonly service?: ServiceRef;
  readonly port: number;
  /** What the port speaks; HTTP connections are measured by their requests. */
  readonly protocol?: 'http' | 'tcp';
  readonly security: ConnectionSecurity;
  readonly tlsVersion?: string;
  readonly resumed: boolean;
}

export interface ConnectionRefused extends EventBase {
  readonly kind: 'connection.refused';
  readonly source: PeerRef;
  readonly destination: PeerRef;
  readonly service?: ServiceRef;
  readonly port: number;
  readonly stage: RefusalStage;
  /** Stable reason code, e.g. `expired`, `untrusted_root`, `filter_chain_not_found`. */
  readonly reason: string;
  readonly detail?: string;
  /** Bytes the application behind the refusing side was handed: always 0 unless something is badly wrong. */
  readonly applicationBytes: number;
}

export interface ConnectionClosed extends EventBase {
  readonly kind: 'connection.closed';
  readonly connection: number;
}

/** One real request that went over sockets. */
export interface RequestCompleted extends EventBase {
  readonly kind: 'request.completed';
  readonly source: PeerRef;
  readonly destination: PeerRef;
  readonly service?: ServiceRef;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Envoy response flags, comma separated; `-` for none. */
  readonly flags: string;
  readonly details?: string;
  /** The `:authority` or `Host` the caller sent. */
  readonly authority?: string;
  /** From the request's first byte to the response's last, on the virtual clock. */
  readonly durationMs?: number;
  readonly security: ConnectionSecurity;
  readonly determining: readonly PolicyRef[];
  /** The flow this request was a probe of, if it was one. */
  readonly flow?: string;
}

/** Latency observations: how many requests took how long. */
export interface LatencySample {
  readonly ms: number;
  readonly count: number;
}

/** The volume of one flow over one interval, whose outcome a real probe of the same interval vouches for. */
export interface TrafficRecorded extends EventBase {
  readonly kind: 'traffic.recorded';
  readonly flow: string;
  readonly source: PeerRef;
  readonly destination: PeerRef;
  readonly service?: ServiceRef;
  readonly intervalMs: number;
  readonly method: string;
  readonly requests: number;
  /** Requests the mesh itself refused or could not deliver: the probe's status was not the application's. */
  readonly lost: number;
  /** Requests the application answered with a 5xx, as its profile says. */
  readonly errors: number;
  readonly status: number;
  readonly flags: string;
  readonly security: ConnectionSecurity;
  readonly latency: readonly LatencySample[];
  /** Sockets of this flow open at the end of the interval. */
  readonly connections: number;
}

export interface FaultInjected extends EventBase {
  readonly kind: 'fault.injected';
  readonly rule: string;
  readonly link: string;
  readonly detail?: string;
}

export interface Note extends EventBase {
  readonly kind: 'note';
  readonly text: string;
}

export type MeshEvent =
  | MeshStarted
  | ConfigChanged
  | CertificateIssued
  | CertificateRenewalFailed
  | CertificateExpired
  | TrustChanged
  | ClockStepped
  | ConnectionOpened
  | ConnectionRefused
  | ConnectionClosed
  | RequestCompleted
  | TrafficRecorded
  | FaultInjected
  | Note;

type Unstamped<E> = E extends MeshEvent ? Omit<E, 'at' | 'seq'> : never;
/** An event before the log gives it its place. */
export type NewMeshEvent = Unstamped<MeshEvent>;

/** An append-only log that stamps events and tells its readers. */
export class EventLog implements Iterable<MeshEvent> {
  readonly #events: MeshEvent[] = [];
  readonly #readers = new Set<(event: MeshEvent) => void>();
  readonly #now: () => Instant;
  #seq = 0;

  constructor(now: () => Instant) {
    this.#now = now;
  }

  /** Stamps `event` itself: the log keeps it, whoever made it lets go of it. */
  append(event: NewMeshEvent): MeshEvent {
    const stamped = Object.assign(event, { at: this.#now(), seq: this.#seq++ }) as MeshEvent;
    this.#events.push(stamped);
    for (const read of this.#readers) read(stamped);
    return stamped;
  }

  /** Calls `read` for every event from now on, until the handle is disposed. */
  subscribe(read: (event: MeshEvent) => void): Disposable {
    this.#readers.add(read);
    return { [Symbol.dispose]: () => void this.#readers.delete(read) };
  }

  get length(): number {
    return this.#events.length;
  }

  all(): readonly MeshEvent[] {
    return this.#events;
  }

  [Symbol.iterator](): Iterator<MeshEvent> {
    return this.#events[Symbol.iterator]();
  }
}
