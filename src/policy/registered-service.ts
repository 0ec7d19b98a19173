/**
 * A service as callers see it, whether a Service or a ServiceEntry declares it.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { PortProtocol } from '../istio/kubernetes.ts';
import { compareText } from './resource-order.ts';
import type { Endpoint } from './service-endpoints.ts';

export interface RegisteredPort {
  readonly name: string;
  readonly number: number;
  readonly protocol: PortProtocol;
}

export interface RegisteredService {
  /** The Service or ServiceEntry it comes from. */
  readonly source: PolicyRef;
  /** FQDN; a ServiceEntry's may be a wildcard such as `*.example.com`. */
  readonly host: string;
  readonly namespace: string;
  readonly name: string;
  readonly ports: readonly RegisteredPort[];
  readonly location: 'MESH_INTERNAL' | 'MESH_EXTERNAL';
  /** NONE: the caller's own destination address is used (headless Services too). */
  readonly resolution: 'NONE' | 'STATIC' | 'DNS';
  readonly headless: boolean;
  /** `*`, `.`, `~` or namespaces. */
  readonly exportTo: readonly string[];
  readonly createdMs: number;
  /** The caller's sidecar does not know it: what it is called at is passed through as it is, whatever rules say. */
  readonly passthrough?: boolean;
  /** SPIFFE IDs and other names the service's certificates may carry, sorted; trust-domain aliases not yet added. */
  identities(): readonly string[];
  /** Endpoints on a service port; empty for a port the service does not have. */
  endpoints(port: number): readonly Endpoint[];
}

/** Whether callers in `namespace` may see the service. */
export function isVisible(service: RegisteredService, namespace: string): boolean {
  const { exportTo } = service;
  if (exportTo.includes('*') || exportTo.includes(namespace)) return true;
  return exportTo.includes('.') && service.namespace === namespace;
}

/** What ALLOW_ANY makes of a Service that is hidden from the caller's sidecar: calls to its address, in plaintext. */
export function passedThrough(service: RegisteredService, port: number): RegisteredService {
  return {
    ...service,
    ports: [{ name: '', number: port, protocol: 'auto' }],
    location: 'MESH_EXTERNAL',
    passthrough: true,
    identities: () => [],
  };
}

export function registeredPort(service: RegisteredService, port: number): RegisteredPort | undefined {
  return service.ports.find(({ number }) => number === port);
}

/** As names of hosts are compared. */
export function canonical(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

export function identitiesOf(endpoints: readonly Endpoint[]): readonly string[] {
  return endpoints.flatMap(({ spiffeId }) => (spiffeId === undefined ? [] : [spiffeId]));
}

export function sortedUnique(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort(compareText);
}

/** Computed when it is first asked for. */
export function once<T extends object>(compute: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= compute());
}

/** Computed for each key when it is first asked for. */
export function memoize<T>(compute: (key: number) => T): (key: number) => T {
  const known = new Map<number, T>();
  return (key) => {
    const value = known.get(key) ?? compute(key);
    known.set(key, value);
    return value;
  };
}
