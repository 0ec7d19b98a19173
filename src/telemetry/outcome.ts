/**
 * What a request's flags and status say about where it ended. Sidecars on both ends report a request that arrived;
 * one that failed before is known to the caller's sidecar alone.
 *
 * Source: Envoy response flags (access log reference), Istio standard metrics.
 * @module
 */
import type { ConnectionSecurity, PeerRef, ServiceRef } from '../core/index.ts';

/** Envoy flags of the caller's sidecar that mean no response of the destination was ever seen. */
const NEVER_ARRIVED: ReadonlySet<string> = new Set(['UF', 'UH', 'UO', 'URX', 'UC', 'NR', 'NC', 'NFCF', 'DF']);

/** Response code details that say the mesh, not the application, answered with a 4xx. */
const REFUSED_BY_MESH = /^(rbac_access_denied|jwt_authn_access_denied|ext_authz_)/;

export interface Delivery {
  readonly status: number;
  readonly flags: string;
}

/** Whether the request reached the destination's sidecar as a request. */
export function arrived({ status, flags }: Delivery): boolean {
  return status !== 0 && !flags.split(',').some((flag) => NEVER_ARRIVED.has(flag));
}

/** Whether a single request failed for the caller: a server error, no answer, or a refusal by the mesh. */
export function failed(request: Delivery & { readonly details?: string }): boolean {
  return request.status === 0 || request.status >= 500 || REFUSED_BY_MESH.test(request.details ?? '');
}

/** Whether the mesh, not the application, made a single request fail. */
export function lostByMesh(request: Delivery & { readonly details?: string }): boolean {
  return !arrived(request) || REFUSED_BY_MESH.test(request.details ?? '');
}

/** `mutual` and `plain` as the traffic that arrived ran; undefined where nothing arrived, which proves neither. */
export function provenSecurity(delivery: Delivery, security: ConnectionSecurity): 'mutual' | 'plain' | undefined {
  if (!arrived(delivery)) return undefined;
  return security === 'mutual_tls' ? 'mutual' : 'plain';
}

/** A service or workload as metrics name it. */
export interface Subject {
  readonly namespace: string;
  readonly name: string;
}

const UNKNOWN: Subject = { namespace: 'unknown', name: 'unknown' };

/** Who called: the workload, `unknown` for a caller outside the mesh. */
export function callerOf(source: PeerRef): Subject {
  return source.workload ?? UNKNOWN;
}

/** Which service was called: the service, or the workload where it was addressed directly. */
export function calleeOf(event: { readonly destination: PeerRef; readonly service?: ServiceRef }): Subject {
  return event.service ?? event.destination.workload ?? UNKNOWN;
}

/** The two fields alone: what is handed in may be a larger record. */
export function subjectOf({ namespace, name }: Subject): Subject {
  return { namespace, name };
}

/** Namespace and name in one key; neither can contain a slash. */
export function keyOf(subject: Subject): string {
  return `${subject.namespace}/${subject.name}`;
}

/** Names for print: the bare name, or `name.namespace` where two namespaces share it. */
export function displayNames(subjects: Iterable<Subject>): (subject: Subject) => string {
  const namespacesOf = new Map<string, Set<string>>();
  for (const { namespace, name } of subjects) {
    const namespaces = namespacesOf.get(name) ?? new Set();
    namespacesOf.set(name, namespaces.add(namespace));
  }
  return ({ namespace, name }) => ((namespacesOf.get(name)?.size ?? 0) > 1 ? `${name}.${namespace}` : name);
}
