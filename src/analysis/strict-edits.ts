/**
 * The edits of a migration: configurations in which some servers are STRICT, a caller has a sidecar, a client speaks
 * ISTIO_MUTUAL. Resources that are there are changed, since the oldest one wins; only where none is, one is added.
 * @module
 */
import type { DestinationRule, PortTrafficPolicy, TrafficPolicy } from '../istio/destination-rule.ts';
import type { Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { PeerAuthentication } from '../istio/peer-authentication.ts';
import { isSelective, selects } from '../istio/selector.ts';
import { compilePeerAuthentication } from '../policy/peer-authentication.ts';
import { compareByAge } from '../policy/resource-order.ts';

/** Servers with a sidecar of which some port takes plaintext. */
export function looseServers(config: MeshConfig): readonly Workload[] {
  const peers = compilePeerAuthentication(config);
  return config.workloads.filter((workload) => {
    if (!workload.injected) return false;
    const ports = [undefined, ...peers.listedPorts(workload), ...workload.ports.map(({ number }) => number)];
    return ports.some((port) => peers.of(workload, port).mode !== 'STRICT');
  });
}

/** Every workload of a namespace, whatever is said about single ones now. */
export function withStrictNamespace(config: MeshConfig, namespace: string): MeshConfig {
  const changed = strictened(config, (policy) => policy.metadata.namespace === namespace);
  if (compilePeerAuthentication(changed).ofNamespace(namespace).mode === 'STRICT') return changed;
  return withAdded(changed, namespace, 'default', undefined);
}

/** Everything, everywhere. */
export function withStrictMesh(config: MeshConfig): MeshConfig {
  const { rootNamespace } = config.settings;
  const changed = strictened(config, () => true);
  const isMeshWide = ({ metadata, spec }: PeerAuthentication): boolean =>
    metadata.namespace === rootNamespace && !isSelective(spec.selector?.matchLabels);
  const [oldest] = changed.peerAuthentications.filter(isMeshWide).sort(compareByAge);
  if (oldest === undefined) return withAdded(changed, rootNamespace, 'default', undefined);
  if (oldest.spec.mtls?.mode === 'STRICT') return changed;
  return replaced(changed, oldest, asStrict(oldest));
}

/**
 * Single workloads by their labels; nothing where that is impossible: a workload has no labels, shares them with one
 * that is not meant, or has a PeerAuthentication of its own.
 */
export function withStrictWorkload(
  config: MeshConfig,
  workload: Workload,
  meant: ReadonlySet<Workload>,
): MeshConfig | undefined {
  const { namespace, name, labels } = workload;
  if (!isSelective(labels)) return undefined;
  const near = config.workloads.filter((other) => other.namespace === namespace && selects(labels, other.labels));
  if (near.some((other) => !meant.has(other))) return undefined;
  const owned = config.peerAuthentications.some(
    ({ metadata, spec }) =>
      metadata.namespace === namespace &&
      isSelective(spec.selector?.matchLabels) &&
      near.some((other) => selects(spec.selector?.matchLabels, other.labels)),
  );
  return owned ? undefined : withAdded(config, namespace, name, labels);
}

function strictened(config: MeshConfig, concerns: (policy: PeerAuthentication) => boolean): MeshConfig {
  const peerAuthentications = config.peerAuthentications.map((policy) =>
    concerns(policy) && isLoose(policy) ? asStrict(policy) : policy,
  );
  return { ...config, peerAuthentications };
}

/** UNSET inherits, which is as strict as what it inherits from. */
function isLoose({ spec }: PeerAuthentication): boolean {
  const modes = [spec.mtls?.mode, ...Object.values(spec.portLevelMtls ?? {}).map(({ mode }) => mode)];
  return modes.some((mode) => mode === 'PERMISSIVE' || mode === 'DISABLE');
}

function asStrict(policy: PeerAuthentication): PeerAuthentication {
  const { selector } = policy.spec;
  return { ...policy, spec: { ...(selector === undefined ? {} : { selector }), mtls: { mode: 'STRICT' } } };
}

function withAdded(
  config: MeshConfig,
  namespace: string,
  wanted: string,
  matchLabels: Readonly<Record<string, string>> | undefined,
): MeshConfig {
  const taken = new Set(
    config.peerAuthentications
      .filter(({ metadata }) => metadata.namespace === namespace)
      .map(({ metadata }) => metadata.name),
  );
  let name = wanted;
  for (let i = 1; taken.has(name); i++) name = `${wanted}-strict${i === 1 ? '' : `-${i}`}`;
  const added: PeerAuthentication = {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name, namespace, labels: {}, annotations: {} },
    spec: { ...(matchLabels === undefined ? {} : { selector: { matchLabels } }), mtls: { mode: 'STRICT' } },
  };
  return { ...config, peerAuthentications: [...config.peerAuthentications, added] };
}

function replaced(config: MeshConfig, old: PeerAuthentication, made: PeerAuthentication): MeshConfig {
  return { ...config, peerAuthentications: config.peerAuthentications.map((each) => (each === old ? made : each)) };
}

export function withSidecar(config: MeshConfig, name: string): MeshConfig {
  return {
    ...config,
    workloads: config.workloads.map((workload) =>
      `${workload.namespace}/${workload.name}` === name
        ? { ...workload, injected: true, injectionReason: 'planned' }
        : workload,
    ),
  };
}

/** The rule with ISTIO_MUTUAL wherever it names another mode. */
export function withIstioMutual(rule: DestinationRule): DestinationRule {
  const port = (policy: PortTrafficPolicy): PortTrafficPolicy =>
    policy.tls === undefined ? policy : { ...policy, tls: { mode: 'ISTIO_MUTUAL' } };
  const traffic = (policy: TrafficPolicy): TrafficPolicy => ({
    ...policy,
    ...(policy.tls === undefined ? {} : { tls: { mode: 'ISTIO_MUTUAL' } }),
    ...(policy.portLevelSettings === undefined ? {} : { portLevelSettings: policy.portLevelSettings.map(port) }),
  });
  const { trafficPolicy, subsets } = rule.spec;
  return {
    ...rule,
    spec: {
      ...rule.spec,
      ...(trafficPolicy === undefined ? {} : { trafficPolicy: traffic(trafficPolicy) }),
      ...(subsets === undefined
        ? {}
        : {
            subsets: subsets.map((subset) =>
              subset.trafficPolicy === undefined ? subset : { ...subset, trafficPolicy: traffic(subset.trafficPolicy) },
            ),
          }),
    },
  };
}
