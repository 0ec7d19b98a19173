/** Small builders of resources for the tests of `src/policy`. */
import {
  DEFAULT_MESH_SETTINGS,
  EMPTY_MESH_CONFIG,
  type DestinationRule,
  type DestinationRuleSpec,
  type MeshConfig,
  type MeshSettings,
  type ObjectMeta,
  type PeerAuthentication,
  type PeerAuthenticationSpec,
  type PortProtocol,
  type RequestAuthentication,
  type RequestAuthenticationSpec,
  type Service,
  type ServiceEntry,
  type ServiceEntrySpec,
  type ServicePort,
  type Workload,
  type WorkloadEntry,
  type WorkloadEntrySpec,
} from '../../src/istio/index.ts';

type ConfigParts = Partial<Omit<MeshConfig, 'settings'>> & { readonly settings?: Partial<MeshSettings> };

export function config(parts: ConfigParts): MeshConfig {
  return { ...EMPTY_MESH_CONFIG, ...parts, settings: { ...DEFAULT_MESH_SETTINGS, ...parts.settings } };
}

/** `ns/name` or `ns/name@seconds`, the creation time in seconds after 2026-01-01. */
export function meta(id: string, labels: Readonly<Record<string, string>> = {}): ObjectMeta {
  const [path = '', seconds] = id.split('@');
  const [namespace = '', name = ''] = path.split('/');
  return {
    namespace,
    name,
    labels,
    annotations: {},
    ...(seconds === undefined
      ? {}
      : { creationTimestamp: new Date(Date.UTC(2026, 0, 1) + Number(seconds) * 1000).toISOString() }),
  };
}

export function peerAuthentication(id: string, spec: PeerAuthenticationSpec): PeerAuthentication {
  return { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: meta(id), spec };
}

export function destinationRule(id: string, spec: DestinationRuleSpec): DestinationRule {
  return { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: meta(id), spec };
}

export function requestAuthentication(id: string, spec: RequestAuthenticationSpec): RequestAuthentication {
  return { apiVersion: 'security.istio.io/v1', kind: 'RequestAuthentication', metadata: meta(id), spec };
}

export function serviceEntry(id: string, spec: ServiceEntrySpec): ServiceEntry {
  return { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: meta(id), spec };
}

export function workloadEntry(id: string, spec: WorkloadEntrySpec): WorkloadEntry {
  return { apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry', metadata: meta(id), spec };
}

/** A Deployment with labels `app: <name>`, service account `<name>` and a sidecar, unless told otherwise. */
export function workload(id: string, parts: Partial<Workload> = {}): Workload {
  const [namespace = '', name = ''] = id.split('/');
  return {
    kind: 'Deployment',
    namespace,
    name,
    labels: { app: name },
    annotations: {},
    serviceAccount: name,
    replicas: 1,
    ports: [{ number: 8080, name: 'http', protocol: 'TCP' }],
    injected: true,
    injectionReason: 'test',
    ...parts,
  };
}

/** A ClusterIP Service with selector `app: <name>` and port 8000 (http) to 8080, unless told otherwise. */
export function service(id: string, parts: Partial<Service> = {}): Service {
  const metadata = meta(id);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    metadata,
    host: `${metadata.name}.${metadata.namespace}.svc.cluster.local`,
    selector: { app: metadata.name },
    headless: false,
    type: 'ClusterIP',
    ports: [servicePort(8000, 8080, 'http')],
    ...parts,
  };
}

export function servicePort(port: number, targetPort: number | string, protocol: PortProtocol): ServicePort {
  return { name: `${protocol}-${port}`, port, targetPort, protocol };
}
