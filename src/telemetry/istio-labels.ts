/**
 * The label sets of Istio's standard metrics, in Istio's order.
 *
 * Workload labels (`app`, `version`) are not in the events: a caller may hand them in; without them `*_app` and
 * `*_version` are `unknown`, and the canonical service is the workload's name, as Istio falls back to.
 *
 * Source: Istio, "Istio Standard Metrics"; label order as in istio/proxy's golden metrics.
 * @module
 */
import type { ConnectionSecurity, PeerRef, ServiceRef, WorkloadRef } from '../core/index.ts';

export type Reporter = 'source' | 'destination';

/** The Kubernetes labels of a workload that metrics show. */
export interface WorkloadLabels {
  readonly app?: string;
  readonly version?: string;
}

export type LabelsOf = (workload: WorkloadRef) => WorkloadLabels;

export type Labels = Readonly<Record<string, string>>;

/** Cluster name of a mesh that was never told one. */
const CLUSTER = 'Kubernetes';
const UNKNOWN = 'unknown';

const SOURCE_LABELS = [
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
] as const;
const DESTINATION_LABELS = [
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service_name',
  'destination_service_namespace',
  'destination_cluster',
] as const;
const RESPONSE_LABELS = ['request_protocol', 'response_code', 'grpc_response_status', 'response_flags'] as const;

/** Labels of the request metrics. */
export const REQUEST_LABELS: readonly string[] = [
  'reporter',
  ...SOURCE_LABELS,
  ...DESTINATION_LABELS,
  ...RESPONSE_LABELS,
  'connection_security_policy',
];

/** Labels of the TCP metrics: those of requests without the response. */
export const TCP_LABELS: readonly string[] = [
  'reporter',
  ...SOURCE_LABELS,
  ...DESTINATION_LABELS,
  'request_protocol',
  'response_flags',
  'connection_security_policy',
];

/** Both ends of a request or connection. */
export interface Link {
  readonly source: PeerRef;
  readonly destination: PeerRef;
  readonly service?: ServiceRef;
  readonly security: ConnectionSecurity;
}

export interface Response {
  readonly code: string;
  readonly flags: string;
}

/** @param response absent for a TCP connection */
export function istioLabels(link: Link, reporter: Reporter, labelsOf: LabelsOf, response?: Response): Labels {
  return {
    reporter,
    ...sourceLabels(link.source, labelsOf),
    ...destinationLabels(link, reporter, labelsOf),
    ...(response === undefined
      ? { request_protocol: 'tcp', response_flags: '-' }
      : {
          request_protocol: 'http',
          response_code: response.code,
          grpc_response_status: '',
          response_flags: response.flags,
        }),
    // The caller's sidecar does not claim what the other end made of the connection.
    connection_security_policy:
      reporter === 'source' ? UNKNOWN : link.security === 'mutual_tls' ? 'mutual_tls' : 'none',
  };
}

function sourceLabels(
  { workload, principal }: PeerRef,
  labelsOf: LabelsOf,
): Record<(typeof SOURCE_LABELS)[number], string> {
  const labels = workload === undefined ? {} : labelsOf(workload);
  return {
    source_workload: workload?.name ?? UNKNOWN,
    source_canonical_service: labels.app ?? workload?.name ?? UNKNOWN,
    source_canonical_revision: labels.version ?? 'latest',
    source_workload_namespace: workload?.namespace ?? UNKNOWN,
    source_principal: principal ?? UNKNOWN,
    source_app: labels.app ?? UNKNOWN,
    source_version: labels.version ?? UNKNOWN,
    source_cluster: workload === undefined ? UNKNOWN : CLUSTER,
  };
}

function destinationLabels(
  { destination, service }: Link,
  reporter: Reporter,
  labelsOf: LabelsOf,
): Record<(typeof DESTINATION_LABELS)[number], string> {
  const { workload, principal } = destination;
  const labels = workload === undefined ? {} : labelsOf(workload);
  const passthrough = reporter === 'source' ? 'PassthroughCluster' : 'InboundPassthroughCluster';
  return {
    destination_workload: workload?.name ?? UNKNOWN,
    destination_workload_namespace: workload?.namespace ?? UNKNOWN,
    destination_principal: principal ?? UNKNOWN,
    destination_app: labels.app ?? UNKNOWN,
    destination_version: labels.version ?? UNKNOWN,
    destination_service: service?.host ?? UNKNOWN,
    destination_canonical_service: labels.app ?? workload?.name ?? UNKNOWN,
    destination_canonical_revision: labels.version ?? 'latest',
    destination_service_name: service?.name ?? passthrough,
    destination_service_namespace: service?.namespace ?? workload?.namespace ?? UNKNOWN,
    destination_cluster: workload === undefined ? UNKNOWN : CLUSTER,
  };
}
