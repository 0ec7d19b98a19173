/**
 * What `serve` prints for people: where everything answers, and one line for every event.
 * @module
 */
import { assertNever, formatInstant, type MeshEvent, type PeerRef } from '../../core/index.ts';
import type { ServingDescription } from '../../mesh/index.ts';
import { renderTable } from './table.ts';

export function servingTable({ workloads, forwards = [] }: ServingDescription): string {
  const rows = workloads.flatMap(({ namespace, workload, inbound, outbound }) => {
    const name = `${namespace}/${workload}`;
    const [first, ...more] = inbound.map(({ port, protocol, mode, address }) => [
      String(port),
      protocol,
      mode,
      address,
    ]);
    return [[name, ...(first ?? ['-', '-', '-', '-']), outbound], ...more.map((cells) => [name, ...cells, outbound])];
  });
  const table = renderTable(['WORKLOAD', 'PORT', 'PROTOCOL', 'MTLS', 'LISTENS', 'CALLS OUT AT'], rows);
  const leading = renderTable(
    ['FROM', 'TO', 'LISTENS'],
    forwards.map(({ from, to, address }) => [from, to, address]),
  );
  return (forwards.length === 0 ? table : `${table}\n${leading}`).trimEnd();
}

export function eventLine(event: MeshEvent): string {
  return `${formatInstant(event.at)}  ${event.kind.padEnd(22)}${detailsOf(event)}`.trimEnd();
}

function detailsOf(event: MeshEvent): string {
  switch (event.kind) {
    case 'request.completed': {
      const { status, flags, method, path, source, destination, security } = event;
      return `${status} ${flags} ${method} ${path}  ${nameOf(source)} → ${nameOf(destination)}  ${security}`;
    }
    case 'connection.opened':
      return `${nameOf(event.source)} → ${nameOf(event.destination)}:${event.port}  ${event.security}`;
    case 'connection.refused':
      return `${nameOf(event.source)} → ${nameOf(event.destination)}:${event.port}  ${event.stage}: ${event.reason}`;
    case 'certificate.issued':
      return `${event.spiffeId}  ${event.reason}, until ${formatInstant(event.notAfter)}`;
    case 'certificate.expired':
    case 'certificate.renewal-failed':
    case 'trust.changed':
    case 'clock.stepped':
      return event.spiffeId;
    case 'connection.closed':
      return `#${event.connection}`;
    case 'fault.injected':
      return `${event.rule} on ${event.link}`;
    case 'note':
      return event.text;
    case 'mesh.started':
    case 'config.changed':
    case 'traffic.recorded':
      return '';
    default:
      return assertNever(event);
  }
}

function nameOf({ workload, principal }: PeerRef): string {
  return workload === undefined ? (principal ?? 'outside') : `${workload.namespace}/${workload.name}`;
}
