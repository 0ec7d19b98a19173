/**
 * The services that ServiceEntries declare. Entries of one namespace that name the same host are one service: it has the
 * endpoints of all of them, and the ports of those that do not contradict the oldest.
 *
 * Source: https://istio.io/latest/docs/reference/config/networking/service-entry/
 * @module
 */
import type { PortProtocol } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { protocolNamed } from '../istio/port-protocol.ts';
import { selects } from '../istio/selector.ts';
import type { ServiceEntry } from '../istio/service-entry.ts';
import {
  canonical,
  identitiesOf,
  memoize,
  once,
  sortedUnique,
  type RegisteredPort,
  type RegisteredService,
} from './registered-service.ts';
import { compareByAge, creationTimeMs, refOf } from './resource-order.ts';
import { endpointsOfServiceEntry, type Endpoint } from './service-endpoints.ts';

export function servicesOfEntries(config: MeshConfig): readonly RegisteredService[] {
  const byHost = new Map<string, ServiceEntry[]>();
  for (const entry of [...config.serviceEntries].sort(compareByAge)) {
    for (const host of new Set(entry.spec.hosts.map(canonical))) {
      const key = `${entry.metadata.namespace}/${host}`;
      byHost.set(key, [...(byHost.get(key) ?? []), entry]);
    }
  }
  return [...byHost].flatMap(([key, entries]) => {
    const [oldest] = entries;
    return oldest === undefined ? [] : [serviceOf(config, key.slice(key.indexOf('/') + 1), oldest, entries)];
  });
}

/** `entries` are all that name the host in the namespace, the oldest first. */
function serviceOf(
  config: MeshConfig,
  host: string,
  oldest: ServiceEntry,
  entries: readonly ServiceEntry[],
): RegisteredService {
  const { spec, metadata } = oldest;
  const ports = new Map<number, RegisteredPort>();
  for (const entry of entries.filter((candidate) => fits(oldest, candidate))) {
    for (const { name, number, protocol } of entry.spec.ports ?? []) {
      if (!ports.has(number)) ports.set(number, { name, number, protocol: declaredProtocol(protocol) });
    }
  }
  const endpoints = memoize((number) =>
    distinct(
      entries.flatMap((entry) =>
        (entry.spec.ports ?? [])
          .filter((port) => port.number === number)
          .flatMap((port) => endpointsOfServiceEntry(config, entry, { host, port })),
      ),
    ),
  );
  return {
    source: refOf(oldest),
    host,
    namespace: metadata.namespace,
    name: metadata.name,
    ports: [...ports.values()],
    location: spec.location ?? 'MESH_EXTERNAL',
    resolution: resolutionOf(spec.resolution),
    headless: false,
    exportTo: spec.exportTo === undefined || spec.exportTo.length === 0 ? ['*'] : spec.exportTo,
    createdMs: creationTimeMs(metadata),
    identities: once(() =>
      sortedUnique([
        ...[...ports.keys()].flatMap((number) => identitiesOf(endpoints(number))),
        ...(spec.subjectAltNames ?? []),
      ]),
    ),
    endpoints,
  };
}

/** Whether an entry adds ports to the service of the oldest one. */
function fits(oldest: ServiceEntry, entry: ServiceEntry): boolean {
  const selector = ({ spec }: ServiceEntry) => spec.workloadSelector?.labels ?? {};
  const exported = ({ spec }: ServiceEntry): string => sortedUnique(spec.exportTo ?? []).join(' ');
  return (
    (oldest.spec.resolution ?? 'NONE') === (entry.spec.resolution ?? 'NONE') &&
    sameLabels(oldest.metadata.labels, entry.metadata.labels) &&
    sameLabels(selector(oldest), selector(entry)) &&
    exported(oldest) === exported(entry)
  );
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return selects(a, b) && selects(b, a);
}

/** One endpoint for each address, or workload, and port. */
function distinct(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const { workload, address = '', port } = endpoint;
    const key = workload === undefined ? `${address} ${port}` : `${workload.namespace}/${workload.name} ${port}`;
    if (!found.has(key)) found.set(key, endpoint);
  }
  return [...found.values()];
}

function resolutionOf(resolution: ServiceEntry['spec']['resolution']): RegisteredService['resolution'] {
  if (resolution === undefined || resolution === 'NONE') return 'NONE';
  return resolution === 'STATIC' ? 'STATIC' : 'DNS';
}

/** A protocol as ServiceEntry and Sidecar ports write it; anything unknown is sniffed. */
export function declaredProtocol(text: string | undefined): PortProtocol {
  return protocolNamed(text ?? '') ?? 'auto';
}
