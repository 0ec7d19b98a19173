/**
 * What the log says of one request once it is over, and the outcome of a request that had nowhere to go.
 * @module
 */
import type { EventLog, PeerRef } from '../core/index.ts';
import type { Departure } from './departures.ts';
import type { MeshRequest, Outcome } from './request.ts';
import { serviceRefOf, type Target } from './targets.ts';

export interface ExchangeFacts {
  readonly departure: Departure;
  readonly target: Target;
  readonly outcome: Outcome;
  readonly flow: string | undefined;
}

/** A refused connection has an event of its own, in front of that of its request. */
export function reportExchange(events: EventLog, request: MeshRequest, facts: ExchangeFacts): void {
  const { departure, target, outcome, flow } = facts;
  const { connection, refusal } = outcome;
  const { serverPrincipal, clientPrincipal } = connection;
  const { namespace, name } = target.workload;
  const destination: PeerRef = {
    workload: { namespace, name },
    ...(serverPrincipal === undefined ? {} : { principal: serverPrincipal }),
  };
  const source: PeerRef = {
    ...departure.peer,
    ...(clientPrincipal === undefined ? {} : { principal: clientPrincipal }),
  };
  const service = serviceRefOf(target);
  if (refusal !== undefined) {
    const { stage, reason, detail, applicationBytes } = refusal;
    const { port } = target.endpoint;
    events.append({
      kind: 'connection.refused',
      source,
      destination,
      service,
      port,
      stage,
      reason,
      detail,
      applicationBytes,
    });
  }
  events.append({
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
    ...(outcome.durationMs === undefined ? {} : { durationMs: outcome.durationMs }),
    ...(flow === undefined ? {} : { flow }),
  });
}

/** A name that leads nowhere, as the caller sees it. */
export function unresolved(kind: 'no-endpoints' | 'unknown-host', detail: string, viaSidecar: boolean): Outcome {
  const none = kind === 'no-endpoints';
  return {
    result: 'unreachable',
    status: viaSidecar ? (none ? 503 : 502) : 0,
    flags: none ? 'UH' : '-',
    details: none ? 'no_healthy_upstream' : 'direct_response',
    headers: {},
    body: none ? 'no healthy upstream' : '',
    decidedBy: [],
    reason: detail,
    connection: { security: 'none', resumed: false },
  };
}
