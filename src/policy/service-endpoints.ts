/**
 * The endpoints behind a service, as istiod's registries would list them: Pods by selector, WorkloadEntries by
 * selector, endpoints written into a ServiceEntry, and the host itself for a DNS ServiceEntry without endpoints.
 *
 * A controller with several replicas is one endpoint here; `replicas` says how many addresses it stands for. Endpoints
 * objects written by hand, readiness and locality are not modelled.
 *
 * Source: https://istio.io/latest/docs/reference/config/networking/service-entry/ and the Kubernetes Service API.
 * @module
 */
import type { WorkloadRef } from '../core/events.ts';
import type { Service, ServicePort, Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { ServiceEntry, ServiceEntryPort, WorkloadEntry, WorkloadEntrySpec } from '../istio/service-entry.ts';
import { isSelective, selects } from '../istio/selector.ts';
import { LabelIndex } from '../istio/selector-index.ts';

const TLS_MODE_LABEL = 'security.istio.io/tlsMode';
const TEMPLATES = 'inject.istio.io/templates';

export interface Endpoint {
  /** The Pods this endpoint is; absent for an address. */
  readonly workload?: WorkloadRef;
  /** IP address or host name; absent for Pods, whose addresses manifests do not carry. */
  readonly address?: string;
  /** Namespace and labels under which peer authentication is looked up for it. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** SPIFFE ID its certificate should carry; absent where no service account is known. */
  readonly spiffeId?: string;
  /** Port of the endpoint: the target port, not the service's. */
  readonly port: number;
  /** What auto mTLS takes it for. */
  readonly tlsMode: 'istio' | 'disabled';
  /** Whether a sidecar is really in front of it, as far as the configuration tells. */
  readonly sidecar: boolean;
  readonly replicas: number;
}

export function istioSpiffeId(trustDomain: string, namespace: string, serviceAccount: string): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

const PODS = new WeakMap<readonly Workload[], LabelIndex<Workload>>();

function podsOf({ workloads }: MeshConfig): LabelIndex<Workload> {
  let index = PODS.get(workloads);
  if (index === undefined) {
    index = new LabelIndex(workloads, ({ namespace, labels }) => ({ namespace, labels }));
    PODS.set(workloads, index);
  }
  return index;
}

/** A Service's endpoints on one of its ports. */
export function endpointsOfService(config: MeshConfig, service: Service, port: ServicePort): readonly Endpoint[] {
  const { selector } = service;
  if (!isSelective(selector)) return [];
  const pods = podsOf(config)
    .selected(service.namespace, selector)
    .flatMap((pod) => {
      const target = targetPortOf(pod, port.targetPort);
      return target === undefined ? [] : podEndpoint(config, pod, target);
    });
  const entries = entriesSelected(config, service.namespace, selector).map((entry) =>
    entryEndpoint(config, entry.metadata.namespace, entry.spec, {
      labels: { ...entry.metadata.labels, ...entry.spec.labels },
      port: entryPort(entry.spec, [String(port.targetPort), port.name], numberOf(port)),
    }),
  );
  return [...pods, ...entries];
}

/** A ServiceEntry's endpoints on one of its ports, for one of its hosts. */
export function endpointsOfServiceEntry(
  config: MeshConfig,
  entry: ServiceEntry,
  target: { readonly host: string; readonly port: ServiceEntryPort },
): readonly Endpoint[] {
  const { namespace } = entry.metadata;
  const { port } = target;
  const number = port.targetPort ?? port.number;
  // A selector without labels selects every workload of the namespace.
  const selector = entry.spec.workloadSelector === undefined ? undefined : (entry.spec.workloadSelector.labels ?? {});
  if (selector !== undefined) {
    const pods = podsOf(config)
      .selected(namespace, selector)
      .flatMap((pod) => podEndpoint(config, pod, number));
    const entries = entriesSelected(config, namespace, selector).map(({ metadata, spec }) =>
      entryEndpoint(config, namespace, spec, {
        labels: { ...metadata.labels, ...spec.labels },
        port: entryPort(spec, [port.name], number),
      }),
    );
    return [...pods, ...entries];
  }
  const written = entry.spec.endpoints ?? [];
  if (written.length === 0)
    return isDns(entry) && !target.host.startsWith('*') ? [hostEndpoint(namespace, target.host, number)] : [];
  return written.map((spec) =>
    entryEndpoint(config, namespace, spec, { labels: spec.labels ?? {}, port: entryPort(spec, [port.name], number) }),
  );
}

/** The container port a Service's target port means on these Pods; nothing where they have no port of that name. */
export function targetPortOf(pod: Workload, targetPort: number | string): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  return pod.ports.find((port) => port.name === targetPort)?.number;
}

function isDns(entry: ServiceEntry): boolean {
  return entry.spec.resolution === 'DNS' || entry.spec.resolution === 'DNS_ROUND_ROBIN';
}

function entriesSelected(
  config: MeshConfig,
  namespace: string,
  selector: Readonly<Record<string, string>>,
): readonly WorkloadEntry[] {
  return config.workloadEntries.filter(
    ({ metadata, spec }) =>
      metadata.namespace === namespace && selects(selector, { ...metadata.labels, ...spec.labels }),
  );
}

/** Where a WorkloadEntry serves a port: under the first of the names that it lists, else at the number. */
function entryPort(spec: WorkloadEntrySpec, names: readonly (string | undefined)[], fallback: number): number {
  const { ports = {} } = spec;
  for (const name of names) {
    const listed = name !== undefined && Object.hasOwn(ports, name) ? ports[name] : undefined;
    if (listed !== undefined) return listed;
  }
  return fallback;
}

function numberOf({ port, targetPort }: ServicePort): number {
  return typeof targetPort === 'number' ? targetPort : port;
}

/** Whether injection uses the template of sidecars, which is the default; gateways have one of their own. */
function hasSidecarTemplate({ annotations }: Workload): boolean {
  const named = Object.hasOwn(annotations, TEMPLATES) ? annotations[TEMPLATES] : undefined;
  return named === undefined || named.split(',').some((name) => name.trim() === 'sidecar');
}

function podEndpoint(config: MeshConfig, pod: Workload, port: number): readonly Endpoint[] {
  if (pod.replicas === 0) return [];
  // The sidecar's template writes the label `istio` unless the Pod already carries one; a gateway's writes none.
  const mode = pod.labels[TLS_MODE_LABEL] ?? (pod.injected && hasSidecarTemplate(pod) ? 'istio' : 'disabled');
  return [
    {
      workload: { namespace: pod.namespace, name: pod.name },
      namespace: pod.namespace,
      labels: pod.labels,
      spiffeId: istioSpiffeId(config.settings.trustDomain, pod.namespace, pod.serviceAccount),
      port,
      tlsMode: mode === 'istio' ? 'istio' : 'disabled',
      sidecar: pod.injected,
      replicas: pod.replicas,
    },
  ];
}

function entryEndpoint(
  config: MeshConfig,
  namespace: string,
  spec: WorkloadEntrySpec,
  { labels, port }: { readonly labels: Readonly<Record<string, string>>; readonly port: number },
): Endpoint {
  const account = spec.serviceAccount ?? '';
  const mode = labels[TLS_MODE_LABEL] ?? (account === '' ? 'disabled' : 'istio');
  return {
    ...(spec.address === undefined ? {} : { address: spec.address }),
    namespace,
    labels,
    ...(account === '' ? {} : { spiffeId: istioSpiffeId(config.settings.trustDomain, namespace, account) }),
    port,
    tlsMode: mode === 'istio' ? 'istio' : 'disabled',
    // A machine that is registered with an identity runs a proxy; one without is a bare address.
    sidecar: mode === 'istio',
    replicas: 1,
  };
}

function hostEndpoint(namespace: string, host: string, port: number): Endpoint {
  return { address: host, namespace, labels: {}, port, tlsMode: 'disabled', sidecar: false, replicas: 1 };
}
