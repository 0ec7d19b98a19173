/**
 * What the log says of one request once it is over, and the outcome of a request that had nowhere to go.
 * @module
 */
import type { EventLog, PeerRef, RequestCompleted, ServiceRef } from '../core/index.ts';
import { BLACK_HOLE, connectionFailure, NO_HEALTHY_UPSTREAM } from '../policy/index.ts';
import type { Departure } from './departures.ts';
import type { MeshRequest, Outcome } from './request.ts';
import { serviceRefOf, type Target } from './targets.ts';
import type { Writable } from './writable.ts';

export interface ExchangeFacts {
  readonly departure: Departure;
  readonly target: Target;
  readonly outcome: Outcome;
  readonly flow: string | undefined;
}

/** A refused connection has an event of its own, in front of that of its request. */
export function reportExchange(events: EventLog, request: MeshRequest, facts: ExchangeFacts): void {
  const { departure, target, outcome, flow } = facts;
  const { connection } = outcome;
  const { source, destination, service } = reportRefusal(events, { departure, target, outcome });
  const completed: Writable<Omit<RequestCompleted, 'at' | 'seq'>> = {
    kind: 'request.completed',
    source,
    destination,
    service,
    method: request.method ?? 'GET',
    path: request.path ?? '/',
    status: outcome.status,
    flags: outcome.flags,
    details: outcome.details,
    authority: request.host ?? target.host,
    security: connection.security,
    determining: outcome.decidedBy,
  };
  if (outcome.durationMs !== undefined) completed.durationMs = outcome.durationMs;
  if (flow !== undefined) completed.flow = flow;
  events.append(completed);
}

/** A raw connection: that it was opened is its server's to tell. */
export function reportConnection(events: EventLog, facts: Omit<ExchangeFacts, 'flow'>): void {
  reportRefusal(events, facts);
}

interface Ends {
  readonly source: PeerRef;
  readonly destination: PeerRef;
  readonly service: ServiceRef;
}

/** The latest ends on each target: the log keeps them, so those of a run of requests had better be the same objects. */
const known = new WeakMap<Target, { readonly departure: Departure; readonly ends: Ends }>();

function endsOf({ departure, target, outcome }: Omit<ExchangeFacts, 'flow'>): Ends {
  const { serverPrincipal, clientPrincipal } = outcome.connection;
  const latest = known.get(target);
  if (
    latest !== undefined &&
    latest.departure === departure &&
    latest.ends.source.principal === clientPrincipal &&
    latest.ends.destination.principal === serverPrincipal
  ) {
    return latest.ends;
  }
  const { namespace, name } = target.workload;
  const destination: PeerRef = {
    workload: { namespace, name },
    ...(serverPrincipal === undefined ? {} : { principal: serverPrincipal }),
  };
  const source: PeerRef = {
    ...departure.peer,
    ...(clientPrincipal === undefined ? {} : { principal: clientPrincipal }),
  };
  const ends = { source, destination, service: serviceRefOf(target) };
  known.set(target, { departure, ends });
  return ends;
}

function reportRefusal(events: EventLog, facts: Omit<ExchangeFacts, 'flow'>): Ends {
  const { target, outcome } = facts;
  const { refusal } = outcome;
  const ends = endsOf(facts);
  const denial = outcome.status === 0 && outcome.result === 'deny' ? DENIED : undefined;
  const found = refusal ?? denial;
  if (found !== undefined) {
    const { stage, reason, detail, applicationBytes } = found;
    const { port } = target.endpoint;
    events.append({ kind: 'connection.refused', ...ends, port, stage, reason, detail, applicationBytes });
  }
  return ends;
}

/** Policies closed a raw connection: there is no response to tell of it. */
const DENIED = {
  stage: 'authorize',
  reason: 'rbac_access_denied',
  detail: 'the policies of the server closed the connection',
  applicationBytes: 0,
} as const;

/** A name that leads nowhere, as the caller sees it. */
export function unresolved(call: {
  readonly kind: 'no-endpoints' | 'unknown-host';
  readonly detail: string;
  readonly viaSidecar: boolean;
  readonly registryOnly: boolean;
}): Outcome {
  const { kind, detail, viaSidecar, registryOnly } = call;
  // ALLOW_ANY lets the call out; there is nobody outside.
  const local = kind === 'no-endpoints' ? NO_HEALTHY_UPSTREAM : registryOnly ? BLACK_HOLE : connectionFailure();
  const seen = viaSidecar ? local : { status: 0, flags: '-', details: detail, body: '' };
  return {
    result: 'unreachable',
    ...seen,
    headers: {},
    decidedBy: [],
    reason: detail,
    connection: { security: 'none', resumed: false },
  };
}
