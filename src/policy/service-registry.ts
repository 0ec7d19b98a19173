/**
 * Which service a host name means to a caller, and what stands behind it: istiod's service registry, from Services
 * and ServiceEntries.
 *
 * Not modelled: Sidecar egress scoping, ExternalName aliases, several clusters, `defaultServiceExportTo`.
 *
 * Source: https://istio.io/latest/docs/reference/config/networking/service-entry/ and the Kubernetes DNS
 * specification for short names.
 * @module
 */
import type { WorkloadRef } from '../core/events.ts';
import type { Service } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { isWildcardHost, mostSpecificHost } from './host-match.ts';
import {
  canonical,
  identitiesOf,
  isVisible,
  memoize,
  once,
  sortedUnique,
  type RegisteredService,
} from './registered-service.ts';
import { compareText, creationTimeMs } from './resource-order.ts';
import { endpointsOfService, istioSpiffeId, type Endpoint } from './service-endpoints.ts';
import { servicesOfEntries } from './service-entry-services.ts';

/** What really answers at an endpoint. */
export interface EndpointTarget {
  readonly workload: WorkloadRef;
  /** Workload port. */
  readonly port: number;
}

export interface ServiceRegistry {
  readonly services: readonly RegisteredService[];
  /**
   * The service a caller in `namespace` reaches under `host` (no port): a short name, `name.ns`, `name.ns.svc`, an
   * FQDN, or a name under a ServiceEntry's wildcard. Nothing where no service visible to the caller has that name.
   */
  resolve(host: string, namespace: string): RegisteredService | undefined;
  /** The Service of that name that `exportTo` hides from a namespace: the cluster's DNS knows it, sidecars there do not. */
  hidden(host: string, namespace: string): RegisteredService | undefined;
  /** The Pods behind an endpoint, found through its address where it is not itself a workload. */
  targets(endpoint: Endpoint): readonly EndpointTarget[];
}

export interface ServiceRegistryOptions {
  /** Which workload has an address, where the world gave it one. */
  readonly workloadAt?: (address: string) => WorkloadRef | undefined;
}

export function compileServiceRegistry(config: MeshConfig, options: ServiceRegistryOptions = {}): ServiceRegistry {
  const services = [...config.services.map((service) => fromService(config, service)), ...servicesOfEntries(config)];
  const exact = new Map<string, RegisteredService[]>();
  const wildcards = new Map<string, RegisteredService[]>();
  for (const service of services) {
    const index = isWildcardHost(service.host) ? wildcards : exact;
    const list = index.get(service.host);
    if (list) list.push(service);
    else index.set(service.host, [service]);
  }

  const resolve = (host: string, namespace: string): RegisteredService | undefined => {
    for (const name of spellings(host, namespace, config.settings.clusterDomain)) {
      const found = preferred(exact.get(name) ?? [], namespace);
      if (found !== undefined) return found;
    }
    const name = canonical(host);
    const visible = [...wildcards].filter(([, list]) => list.some((service) => isVisible(service, namespace)));
    const wildcard = mostSpecificHost(name, new Map(), new Map(visible));
    return wildcard === undefined ? undefined : preferred(wildcard, namespace);
  };

  const hidden = (host: string, namespace: string): RegisteredService | undefined =>
    spellings(host, namespace, config.settings.clusterDomain)
      .flatMap((name) => exact.get(name) ?? [])
      .find((service) => service.source.kind === 'Service' && !isVisible(service, namespace));

  return {
    services,
    resolve,
    hidden,
    targets(endpoint) {
      const { workload, address, port, namespace } = endpoint;
      if (workload !== undefined) return [{ workload, port }];
      if (address === undefined) return [];
      const found = options.workloadAt?.(address);
      if (found !== undefined) return [{ workload: found, port }];
      const service = preferred(exact.get(canonical(address)) ?? [], namespace);
      return (service?.endpoints(port) ?? []).flatMap((behind) =>
        behind.workload === undefined ? [] : [{ workload: behind.workload, port: behind.port }],
      );
    },
  };
}

/** The names under which a host may be registered, nearest first: as written, then as the cluster's DNS expands it. */
function spellings(host: string, namespace: string, clusterDomain: string): readonly string[] {
  const name = canonical(host);
  const dots = name.split('.').length - 1;
  if (dots === 0) return [name, `${name}.${namespace}.svc.${clusterDomain}`];
  if (dots === 1) return [name, `${name}.svc.${clusterDomain}`];
  if (dots === 2 && name.endsWith('.svc')) return [name, `${name}.${clusterDomain}`];
  return [name];
}

/** Of several services with one host: the caller's own namespace, then Kubernetes before ServiceEntry, then age. */
function preferred(candidates: readonly RegisteredService[], namespace: string): RegisteredService | undefined {
  const rank = (service: RegisteredService): number =>
    (service.namespace === namespace ? 0 : 2) + (service.source.kind === 'Service' ? 0 : 1);
  return candidates
    .filter((service) => isVisible(service, namespace))
    .sort(
      (a, b) =>
        rank(a) - rank(b) ||
        compareNumbers(a.createdMs, b.createdMs) ||
        compareText(a.name, b.name) ||
        compareText(a.namespace, b.namespace),
    )[0];
}

/** Not a subtraction: two missing timestamps are both minus infinity. */
function compareNumbers(a: number, b: number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function fromService(config: MeshConfig, service: Service): RegisteredService {
  const annotations = service.metadata.annotations;
  const listed = (name: string): readonly string[] => splitList(annotations[name]);
  const exportTo = listed('networking.istio.io/exportTo');
  const endpoints = memoize((number) =>
    service.ports.filter(({ port }) => port === number).flatMap((port) => endpointsOfService(config, service, port)),
  );
  return {
    source: { kind: 'Service', namespace: service.namespace, name: service.name },
    host: service.host,
    namespace: service.namespace,
    name: service.name,
    ports: service.ports.map(({ name, port, protocol }) => ({ name: name ?? '', number: port, protocol })),
    location: 'MESH_INTERNAL',
    resolution: service.headless ? 'NONE' : 'STATIC',
    headless: service.headless,
    exportTo: exportTo.length === 0 ? ['*'] : exportTo,
    createdMs: creationTimeMs(service.metadata),
    identities: once(() =>
      sortedUnique([
        ...service.ports.flatMap(({ port }) => identitiesOf(endpoints(port))),
        ...listed('alpha.istio.io/canonical-serviceaccounts'),
        ...listed('alpha.istio.io/kubernetes-serviceaccounts').map((account) =>
          istioSpiffeId(config.settings.trustDomain, service.namespace, account),
        ),
      ]),
    ),
    endpoints,
  };
}

function splitList(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
