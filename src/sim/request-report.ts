/**
 * A finished request as events.
 * @module
 */
import type { EventLog, PeerRef } from '../core/index.ts';
import type { Departure } from './departures.ts';
import type { MeshRequest, Outcome } from './request.ts';
import { serviceRefOf, type Target } from './targets.ts';

export interface RequestFacts {
  readonly departure: Departure;
  readonly target: Target;
  readonly outcome: Outcome;
  /** The flow it was a probe of. */
  readonly flow: string | undefined;
}

export function reportRequest(events: EventLog, request: MeshRequest, facts: RequestFacts): void {
  const { departure, target, outcome, flow } = facts;
  const { serverPrincipal, clientPrincipal, security } = outcome.connection;
  const destination: PeerRef = {
    workload: { namespace: target.workload.namespace, name: target.workload.name },
    ...(serverPrincipal === undefined ? {} : { principal: serverPrincipal }),
  };
  const source: PeerRef = {
    ...departure.peer,
    ...(clientPrincipal === undefined ? {} : { principal: clientPrincipal }),
  };
  const service = serviceRefOf(target);
  if (outcome.refusal !== undefined) {
    const { stage, reason, detail, applicationBytes } = outcome.refusal;
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
    security,
    determining: outcome.decidedBy,
    ...(flow === undefined ? {} : { flow }),
  });
}
