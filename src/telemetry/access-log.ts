/**
 * Access log lines as Istio's sidecars write them, text or JSON, from the requests and refused connections of a log.
 *
 * Each end with a sidecar writes its own line, and a request that never arrived has none at the destination. What the
 * events do not know (addresses, byte counts, user agent, request id) is `-`, in JSON `null`, where a real Envoy prints a number
 * for the byte counts. Volumes (`traffic.recorded`) have no lines: only requests that went over sockets do.
 *
 * Source: Istio default access log format (pilot/pkg/model/telemetry_logging.go), Envoy access log operators.
 * @module
 */
import {
  addMs,
  type ConnectionRefused,
  type Instant,
  type MeshEvent,
  type PeerRef,
  type RequestCompleted,
  type ServiceRef,
  type WorkloadRef,
} from '../core/index.ts';
import { arrived } from './outcome.ts';
import { Sidecars } from './sidecars.ts';

/** One line, under the keys of Istio's JSON encoding and in their order. */
export interface AccessLogEntry {
  readonly start_time: string;
  readonly route_name: string | null;
  readonly method: string | null;
  readonly path: string | null;
  readonly protocol: string | null;
  readonly response_code: number;
  readonly response_flags: string;
  readonly response_code_details: string | null;
  readonly connection_termination_details: string | null;
  readonly bytes_received: number | null;
  readonly bytes_sent: number | null;
  readonly duration: number | null;
  readonly upstream_service_time: string | null;
  readonly x_forwarded_for: string | null;
  readonly user_agent: string | null;
  readonly request_id: string | null;
  readonly authority: string | null;
  readonly upstream_host: string | null;
  readonly upstream_cluster: string | null;
  readonly upstream_local_address: string | null;
  readonly downstream_local_address: string | null;
  readonly downstream_remote_address: string | null;
  readonly requested_server_name: string | null;
  readonly upstream_transport_failure_reason: string | null;
}

export interface AccessLogOptions {
  /** @defaultValue `text` */
  readonly format?: 'text' | 'json';
  /** Only the lines of this workload's sidecar. @defaultValue every sidecar's, the caller's line first */
  readonly workload?: WorkloadRef;
}

type Side = 'outbound' | 'inbound';

/** The lines of every sidecar, in the order of the events. */
export function* accessLog(events: Iterable<MeshEvent>, options: AccessLogOptions = {}): Generator<string> {
  for (const entry of accessLogEntries(events, options)) {
    yield options.format === 'json' ? JSON.stringify(entry) : textOf(entry);
  }
}

/** The lines as values. */
export function* accessLogEntries(
  events: Iterable<MeshEvent>,
  options: Pick<AccessLogOptions, 'workload'> = {},
): Generator<AccessLogEntry> {
  const sidecars = new Sidecars();
  const writes = (peer: PeerRef): boolean =>
    sidecars.has(peer) &&
    (options.workload === undefined ||
      (peer.workload?.name === options.workload.name && peer.workload.namespace === options.workload.namespace));
  for (const event of events) {
    sidecars.add(event);
    if (event.kind === 'request.completed') {
      if (writes(event.source)) yield requestEntry(event, 'outbound');
      if (writes(event.destination) && arrived(event)) yield requestEntry(event, 'inbound');
    } else if (event.kind === 'connection.refused') {
      const side = seenBy(event);
      if (writes(side === 'outbound' ? event.source : event.destination)) yield refusedEntry(event, side);
    }
  }
}

/** Every key in Istio's order: an entry spread over it keeps that order. */
const EMPTY: AccessLogEntry = {
  start_time: '-',
  route_name: null,
  method: null,
  path: null,
  protocol: null,
  response_code: 0,
  response_flags: '-',
  response_code_details: null,
  connection_termination_details: null,
  bytes_received: null,
  bytes_sent: null,
  duration: null,
  upstream_service_time: null,
  x_forwarded_for: null,
  user_agent: null,
  request_id: null,
  authority: null,
  upstream_host: null,
  upstream_cluster: null,
  upstream_local_address: null,
  downstream_local_address: null,
  downstream_remote_address: null,
  requested_server_name: null,
  upstream_transport_failure_reason: null,
};

function requestEntry(event: RequestCompleted, side: Side): AccessLogEntry {
  return {
    ...EMPTY,
    start_time: startTime(event.at, event.durationMs),
    route_name: 'default',
    method: event.method,
    path: event.path,
    protocol: 'HTTP/1.1',
    response_code: event.status,
    response_flags: event.flags,
    response_code_details: detailsOf(event, side),
    duration: event.durationMs === undefined ? null : Math.round(event.durationMs),
    authority: event.authority ?? event.service?.host ?? null,
    upstream_cluster: clusterOf(event.service, side),
    requested_server_name: side === 'inbound' && event.security === 'mutual_tls' ? sniOf(event.service) : null,
  };
}

/** A refused connection carried no request: as for TCP, only what ended it is known. */
function refusedEntry(event: ConnectionRefused, side: Side): AccessLogEntry {
  const cause = event.detail ?? event.reason;
  return {
    ...EMPTY,
    start_time: startTime(event.at, undefined),
    response_flags: flagsOf(event, side),
    response_code_details: event.stage === 'filter-chain' ? 'filter_chain_not_found' : null,
    connection_termination_details: side === 'inbound' && event.stage !== 'filter-chain' ? cause : null,
    upstream_cluster: event.stage === 'filter-chain' ? null : clusterOf(event.service, side),
    upstream_transport_failure_reason: side === 'outbound' ? cause : null,
  };
}

/** The caller's sidecar knows what it could not reach or did not trust; the rest is the destination's refusal. */
function seenBy(event: ConnectionRefused): Side {
  return event.stage === 'connect' || event.stage === 'verify-server' ? 'outbound' : 'inbound';
}

function flagsOf(event: ConnectionRefused, side: Side): string {
  if (event.stage === 'filter-chain') return 'NR';
  return side === 'outbound' ? 'UF' : '-';
}

/** The caller's sidecar passes on what came back: only the destination knows why. */
function detailsOf(event: RequestCompleted, side: Side): string | null {
  if (side === 'outbound' && arrived(event)) return 'via_upstream';
  return event.details ?? (arrived(event) ? 'via_upstream' : null);
}

function clusterOf(service: ServiceRef | undefined, side: Side): string | null {
  if (side === 'outbound')
    return service === undefined ? 'PassthroughCluster' : `outbound|${service.port}||${service.host}`;
  // The inbound cluster carries the workload's port, which the event does not know where it differs from the service's.
  return service === undefined ? 'InboundPassthroughCluster' : `inbound|${service.port}||`;
}

function sniOf(service: ServiceRef | undefined): string | null {
  return service === undefined ? null : `outbound_.${service.port}_._.${service.host}`;
}

function startTime(at: Instant, durationMs: number | undefined): string {
  return new Date(addMs(at, -Math.round(durationMs ?? 0))).toISOString();
}

function textOf(e: AccessLogEntry): string {
  return [
    `[${e.start_time}]`,
    `"${quoted(e.method)} ${quoted(e.path)} ${quoted(e.protocol)}"`,
    ...[e.response_code, e.response_flags, e.response_code_details, e.connection_termination_details].map(bare),
    `"${quoted(e.upstream_transport_failure_reason)}"`,
    ...[e.bytes_received, e.bytes_sent, e.duration, e.upstream_service_time].map(bare),
    ...[e.x_forwarded_for, e.user_agent, e.request_id, e.authority, e.upstream_host].map((text) => `"${quoted(text)}"`),
    ...[e.upstream_cluster, e.upstream_local_address, e.downstream_local_address].map(bare),
    ...[e.downstream_remote_address, e.requested_server_name, e.route_name].map(bare),
  ].join(' ');
}

/** An operator outside quotes: one word. */
function bare(value: string | number | null): string {
  return value === null || value === '' ? '-' : quoted(String(value)).replace(/\s+/g, '_');
}

/** Inside quotes: nothing that ends the quotes or the line, so that a caller cannot forge one. */
function quoted(value: string | null): string {
  if (value === null || value === '') return '-';
  // oxlint-disable-next-line no-control-regex -- control characters are the point
  return value.replace(/["\u0000-\u001f\u007f\u0085\u2028\u2029]/g, (char) => encodeURIComponent(char));
}
