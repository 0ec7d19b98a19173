/**
 * What an audit looks at: the configuration its caller fills in, and the traffic the events show.
 * @module
 */
import { DAY_MS, type Instant, type MeshEvent, type PolicyRef, type WorkloadRef } from '../core/index.ts';
import { keyOf, lostByMesh } from './outcome.ts';
import { observe } from './tally.ts';

export type MutualTlsMode = 'STRICT' | 'PERMISSIVE' | 'DISABLE';

/** A workload as it is configured. */
export interface AuditedWorkload extends WorkloadRef {
  readonly injected: boolean;
  /** Effective peer authentication of each port. */
  readonly modes: readonly { readonly port: number; readonly mode: MutualTlsMode }[];
  /** The policies that select it. */
  readonly policies: readonly PolicyRef[];
  /** Whether it is a low-code platform. */
  readonly lowcode?: boolean;
}

export interface AuditInput {
  readonly workloads: readonly AuditedWorkload[];
  /** The workloads through which low-code callers may come in. */
  readonly gateways: readonly WorkloadRef[];
  /** What happened. Absent: only what the configuration answers is checked. */
  readonly events?: Iterable<MeshEvent>;
  /** @defaultValue that of the last event */
  readonly at?: Instant;
  /** The longest lifetime a workload certificate may have from its issue on. @defaultValue 24 h */
  readonly lifetimeMaxMs?: number;
}

/** Traffic from one workload to another, as the events show it. */
export interface SeenTraffic {
  readonly source?: WorkloadRef;
  readonly destination: WorkloadRef;
  readonly requests: number;
  /** Requests the mesh refused or lost. */
  readonly refused: number;
  /** Whether any of it arrived without mutual TLS. */
  readonly plain: boolean;
  readonly timed: boolean;
  readonly seq: number;
}

/** The input, digested once for all checks. */
export interface AuditFacts {
  readonly workloads: readonly AuditedWorkload[];
  readonly gateways: ReadonlySet<string>;
  /** Whether there is a log at all: an audit of configuration alone has none. */
  readonly hasLog: boolean;
  readonly events: readonly MeshEvent[];
  readonly traffic: readonly SeenTraffic[];
  readonly at: Instant | undefined;
  readonly lifetimeMaxMs: number;
}

/** Reads the events once for all checks. */
export function auditFacts(input: AuditInput): AuditFacts {
  const events = [...(input.events ?? [])];
  return {
    workloads: input.workloads,
    gateways: new Set(input.gateways.map(keyOf)),
    hasLog: input.events !== undefined,
    events,
    traffic: events.flatMap(seenTraffic),
    at: input.at ?? events.at(-1)?.at,
    lifetimeMaxMs: input.lifetimeMaxMs ?? DAY_MS,
  };
}

function seenTraffic(event: MeshEvent): SeenTraffic[] {
  if (event.kind !== 'traffic.recorded' && event.kind !== 'request.completed') return [];
  const seen = observe(event);
  const destination = event.destination.workload ?? event.service;
  if (seen === undefined || seen.requests === 0 || destination === undefined) return [];
  const refused = event.kind === 'traffic.recorded' ? event.lost : Number(lostByMesh(event));
  const { workload } = event.source;
  return [
    {
      ...(workload === undefined ? {} : { source: workload }),
      destination,
      requests: seen.requests,
      refused,
      plain: seen.proven === 'plain',
      timed: seen.latency.length > 0,
      seq: event.seq,
    },
  ];
}
