/**
 * What the log says of clients that are none of the mesh's own programs: curl, a browser, an attacker's tool.
 * @module
 */
import type { EventLog, PeerRef } from '../core/index.ts';
import type { InboundRefusal } from '../wire/index.ts';
import type { RunningWorkload } from './running-workload.ts';
import type { ForeignExchange } from './server-sidecar.ts';

function destinationOf({ workload, agent }: RunningWorkload): PeerRef {
  const { namespace, name } = workload;
  return { workload: { namespace, name }, ...(agent === undefined ? {} : { principal: agent.spiffeId }) };
}

export function reportForeign(events: EventLog, running: RunningWorkload, seen: ForeignExchange): void {
  const { connection, method, path, status, details, authority, decision } = seen;
  events.append({
    kind: 'request.completed',
    source: connection.principal === undefined ? {} : { principal: connection.principal },
    destination: destinationOf(running),
    method,
    path,
    status,
    flags: '-',
    details,
    ...(authority === undefined ? {} : { authority }),
    security: connection.security,
    determining: decision?.determining ?? [],
  });
}

export function reportForeignRefusal(events: EventLog, running: RunningWorkload, refusal: InboundRefusal): void {
  const { stage, reason, detail, port, applicationBytes } = refusal;
  events.append({
    kind: 'connection.refused',
    source: {},
    destination: destinationOf(running),
    port,
    stage: stage === 'codec' ? 'filter-chain' : stage,
    reason,
    ...(detail === undefined ? {} : { detail }),
    applicationBytes,
  });
}
