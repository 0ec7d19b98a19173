/**
 * What the server's sidecar takes each of a workload's ports to speak.
 *
 * The protocol is that of the *oldest* Service that targets the port (ties by host name); a port no Service targets is
 * `unknown` and takes the passthrough chains. A Sidecar with `ingress` replaces the Services' ports by its own; its
 * `ingress[].tls` is not modelled.
 *
 * Source: https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
 * @module
 */
import type { PortProtocol, Service, Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { Sidecar } from '../istio/service-entry.ts';
import { isSelective, selects } from '../istio/selector.ts';
import { SelectorIndex } from '../istio/selector-index.ts';
import type { WorkloadSubject } from './peer-authentication.ts';
import { compareByAge, compareText, creationTimeMs } from './resource-order.ts';
import { targetPortOf } from './service-endpoints.ts';
import { declaredProtocol } from './service-entry-services.ts';

/** How a listener treats a port: as HTTP, as bytes, by sniffing, or as a port nobody declared. */
export type ProtocolClass = 'http' | 'tcp' | 'auto' | 'unknown';

export interface InboundPort {
  /** Workload port. */
  readonly port: number;
  readonly protocol: PortProtocol;
  readonly protocolClass: ProtocolClass;
  /** The service port through which the oldest Service reaches it; absent on a Sidecar's ingress port. */
  readonly service?: { readonly host: string; readonly port: number };
}

const CLASSES: Readonly<Record<PortProtocol, ProtocolClass>> = {
  http: 'http',
  http2: 'http',
  grpc: 'http',
  'grpc-web': 'http',
  auto: 'auto',
  https: 'tcp',
  tls: 'tcp',
  tcp: 'tcp',
  udp: 'tcp',
  mongo: 'tcp',
  mysql: 'tcp',
  redis: 'tcp',
};

export function protocolClass(protocol: PortProtocol): ProtocolClass {
  return CLASSES[protocol];
}

/** The ports of a workload that some Service or Sidecar ingress declares, ascending. UDP is not the mesh's. */
export function inboundPorts(config: MeshConfig, workload: Workload): readonly InboundPort[] {
  const ingress = sidecarOf(config, workload)?.spec.ingress ?? [];
  const found = new Map<number, InboundPort>();
  const declared = ingress.length > 0 ? ingressPorts(ingress) : targetedPorts(config, workload);
  for (const port of declared) if (!found.has(port.port)) found.set(port.port, port);
  return [...found.values()].sort((a, b) => a.port - b.port);
}

/** How the sidecar treats one workload port. */
export function inboundProtocol(config: MeshConfig, workload: Workload, port: number): ProtocolClass {
  return inboundPorts(config, workload).find((declared) => declared.port === port)?.protocolClass ?? 'unknown';
}

/** The Sidecar in force for a workload: oldest with matching labels, else the namespace's, else the root namespace's. */
export function sidecarOf(config: MeshConfig, workload: WorkloadSubject): Sidecar | undefined {
  const sorted = [...config.sidecars].sort(compareByAge);
  const labelsOf = ({ spec }: Sidecar): Readonly<Record<string, string>> | undefined => spec.workloadSelector?.labels;
  const isWide = (sidecar: Sidecar): boolean => !isSelective(labelsOf(sidecar));
  const inNamespace = (namespace: string): readonly Sidecar[] =>
    sorted.filter((sidecar) => sidecar.metadata.namespace === namespace);
  const own = inNamespace(workload.namespace);
  return (
    own.find((sidecar) => !isWide(sidecar) && selects(labelsOf(sidecar), workload.labels)) ??
    own.find(isWide) ??
    inNamespace(config.settings.rootNamespace).find(isWide)
  );
}

function ingressPorts(ingress: NonNullable<Sidecar['spec']['ingress']>): readonly InboundPort[] {
  return ingress.map(({ port }) => inboundPort(port.number, declaredProtocol(port.protocol)));
}

/** Every port some Service targets, oldest Service first. */
function targetedPorts(config: MeshConfig, workload: Workload): readonly InboundPort[] {
  const services = servicesIn(config.services)
    .selecting(workload.namespace, workload.labels)
    .map((service) => ({
      host: service.host,
      createdMs: creationTimeMs(service.metadata),
      ports: service.ports.map(({ port, targetPort, protocol }) => ({ port, targetPort, protocol })),
    }));
  const entries = config.serviceEntries
    .filter(
      ({ metadata, spec }) =>
        metadata.namespace === workload.namespace &&
        spec.workloadSelector !== undefined &&
        selects(spec.workloadSelector.labels, workload.labels),
    )
    .flatMap(({ metadata, spec }) =>
      spec.hosts.map((host) => ({
        host,
        createdMs: creationTimeMs(metadata),
        ports: (spec.ports ?? []).map(({ number, targetPort, protocol }) => ({
          port: number,
          targetPort: targetPort ?? number,
          protocol: declaredProtocol(protocol),
        })),
      })),
    );
  return [...services, ...entries].sort(byAgeAndHost).flatMap(({ host, ports }) =>
    ports.flatMap(({ port, targetPort, protocol }) => {
      const target = targetPortOf(workload, targetPort);
      return target === undefined || protocol === 'udp'
        ? []
        : [{ ...inboundPort(target, protocol), service: { host, port } }];
    }),
  );
}

const INDEXES = new WeakMap<readonly Service[], SelectorIndex<Service>>();

/** Unlike policies, a Service without a selector selects nothing. */
function servicesIn(services: readonly Service[]): SelectorIndex<Service> {
  let index = INDEXES.get(services);
  if (index === undefined) {
    const selective = services.filter(({ selector }) => isSelective(selector));
    index = new SelectorIndex(selective, ({ namespace, selector }) => ({ namespace, labels: selector }));
    INDEXES.set(services, index);
  }
  return index;
}

function byAgeAndHost(
  a: { readonly host: string; readonly createdMs: number },
  b: { readonly host: string; readonly createdMs: number },
): number {
  if (a.createdMs !== b.createdMs) return a.createdMs < b.createdMs ? -1 : 1;
  return compareText(a.host, b.host);
}

function inboundPort(port: number, protocol: PortProtocol): InboundPort {
  return { port, protocol, protocolClass: protocolClass(protocol) };
}
