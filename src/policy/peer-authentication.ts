/**
 * The effective PeerAuthentication mode of a workload and port: what the server's sidecar does, and what an
 * auto-mTLS client believes of a namespace.
 *
 * Scopes: in the root namespace only policies without a selector count (mesh); elsewhere a policy without selector is
 * the namespace's and one with labels the workload's. In each scope the oldest policy wins whole; losers are dropped,
 * not merged. UNSET inherits from the wider scope, and PERMISSIVE is the start. Port entries are keyed by *workload*
 * port and read from the winning workload policy alone.
 *
 * Source: https://istio.io/latest/docs/reference/config/security/peer_authentication/
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { MutualTlsMode, PeerAuthentication } from '../istio/peer-authentication.ts';
import { isSelective } from '../istio/selector.ts';
import { SelectorIndex } from '../istio/selector-index.ts';
import { compareByAge, refOf } from './resource-order.ts';

/** A mode after inheritance: UNSET is resolved. */
export type EffectiveMtlsMode = 'DISABLE' | 'PERMISSIVE' | 'STRICT';

/** A workload as selectors see it. */
export interface WorkloadSubject {
  readonly namespace: string;
  /** Labels of the Pod. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface EffectivePeerAuthentication {
  readonly mode: EffectiveMtlsMode;
  /** The policy that set the mode; absent where none did and PERMISSIVE is the default. */
  readonly determinedBy?: PolicyRef;
}

export interface CompiledPeerAuthentication {
  /** The mode in force for a workload; with `port` (a workload port, never a Service port) for that port. */
  of(workload: WorkloadSubject, port?: number): EffectivePeerAuthentication;
  /** Namespace and mesh level only: what a client looks at before it considers single endpoints. */
  ofNamespace(namespace: string): EffectivePeerAuthentication;
  /** Workload ports that the winning workload policy lists, ascending. */
  listedPorts(workload: WorkloadSubject): readonly number[];
  /** The policies that take part for a workload, widest first: mesh, namespace, workload. */
  applied(workload: WorkloadSubject): readonly PolicyRef[];
}

/** One-shot form of `compilePeerAuthentication(config).of(workload, port)`. */
export function effectivePeerAuthentication(
  config: MeshConfig,
  workload: WorkloadSubject,
  port?: number,
): EffectivePeerAuthentication {
  return compilePeerAuthentication(config).of(workload, port);
}

/** Sorts the policies by scope once, so that a question costs a walk over the workload policies of one namespace. */
export function compilePeerAuthentication(config: MeshConfig): CompiledPeerAuthentication {
  const scopes = sortIntoScopes(config);
  const mesh = inherit({ mode: 'PERMISSIVE' }, scopes.mesh);
  const ofNamespace = (namespace: string): EffectivePeerAuthentication =>
    inherit(mesh, scopes.namespaces.get(namespace));
  const workloadPolicy = ({ namespace, labels }: WorkloadSubject): PeerAuthentication | undefined =>
    scopes.workloads.selecting(namespace, labels)[0];

  return {
    ofNamespace,
    of(workload, port) {
      const policy = workloadPolicy(workload);
      const base = inherit(ofNamespace(workload.namespace), policy);
      if (policy === undefined || port === undefined) return base;
      return inheritMode(base, policy, portMode(policy, port));
    },
    listedPorts(workload) {
      const ports = Object.keys(workloadPolicy(workload)?.spec.portLevelMtls ?? {});
      return ports.map(Number).sort((a, b) => a - b);
    },
    applied(workload) {
      return [scopes.mesh, scopes.namespaces.get(workload.namespace), workloadPolicy(workload)]
        .filter((policy) => policy !== undefined)
        .map(refOf);
    },
  };
}

interface Scopes {
  readonly mesh?: PeerAuthentication;
  readonly namespaces: ReadonlyMap<string, PeerAuthentication>;
  /** Oldest first. */
  readonly workloads: SelectorIndex<PeerAuthentication>;
}

function sortIntoScopes(config: MeshConfig): Scopes {
  const namespaces = new Map<string, PeerAuthentication>();
  const forWorkloads: PeerAuthentication[] = [];
  let mesh: PeerAuthentication | undefined;
  for (const policy of [...config.peerAuthentications].sort(compareByAge)) {
    const { namespace } = policy.metadata;
    const isForWorkloads = isSelective(policy.spec.selector?.matchLabels);
    if (namespace === config.settings.rootNamespace) {
      // A selector in the root namespace is ignored everywhere, even for Pods that live there.
      if (!isForWorkloads) mesh ??= policy;
    } else if (isForWorkloads) forWorkloads.push(policy);
    else if (!namespaces.has(namespace)) namespaces.set(namespace, policy);
  }
  const workloads = new SelectorIndex(forWorkloads, ({ metadata, spec }) => ({
    namespace: metadata.namespace,
    labels: spec.selector?.matchLabels,
  }));
  return { namespaces, workloads, ...(mesh === undefined ? {} : { mesh }) };
}

function inherit(
  base: EffectivePeerAuthentication,
  policy: PeerAuthentication | undefined,
): EffectivePeerAuthentication {
  return policy === undefined ? base : inheritMode(base, policy, policy.spec.mtls?.mode);
}

function inheritMode(
  base: EffectivePeerAuthentication,
  policy: PeerAuthentication,
  mode: MutualTlsMode | undefined,
): EffectivePeerAuthentication {
  return mode === undefined || mode === 'UNSET' ? base : { mode, determinedBy: refOf(policy) };
}

function portMode(policy: PeerAuthentication, port: number): MutualTlsMode | undefined {
  const entries = policy.spec.portLevelMtls;
  const key = String(port);
  return entries !== undefined && Object.hasOwn(entries, key) ? entries[key]?.mode : undefined;
}
