/**
 * The workloads that call, in groups that fare alike as far as names and client TLS go: what is asked of one is true of
 * all. A namespace with DestinationRules or private services of its own, or named in some `exportTo`, is grouped by the
 * labels that its rules select; all other namespaces see the same and are one group.
 * @module
 */
import type { Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { selects } from '../istio/selector.ts';
import type { ServiceRegistry } from '../policy/service-registry.ts';

/** A workload that both sides declare. */
export interface Caller {
  /** `namespace/workload` */
  readonly name: string;
  /** Before. */
  readonly was: Workload;
  /** After. */
  readonly workload: Workload;
  /** It runs as another service account; its trust domain left out. */
  readonly renamed: boolean;
}

export interface CallerGroup {
  /** Speaks for all. */
  readonly first: Caller;
  readonly members: readonly Caller[];
  /** Those that run as another service account. */
  readonly renamed: readonly Caller[];
  /** Neither side puts a sidecar in front of them. */
  readonly bare: boolean;
}

export interface CallerSide {
  readonly config: MeshConfig;
  readonly registry: ServiceRegistry;
}

/** Every workload of both sides. */
export function callersOf(before: MeshConfig, after: MeshConfig): readonly Caller[] {
  const there = new Map(before.workloads.map((workload) => [`${workload.namespace}/${workload.name}`, workload]));
  return after.workloads.flatMap((workload) => {
    const name = `${workload.namespace}/${workload.name}`;
    const was = there.get(name);
    return was === undefined ? [] : [{ name, was, workload, renamed: was.serviceAccount !== workload.serviceAccount }];
  });
}

export function callerGroups(
  callers: readonly Caller[],
  before: CallerSide,
  after: CallerSide,
): readonly CallerGroup[] {
  const special = new Set([...specialNamespaces(before), ...specialNamespaces(after)]);
  const groups = new Map<string, Caller[]>();
  for (const caller of callers) {
    const { was, workload } = caller;
    const key = [
      special.has(workload.namespace) ? workload.namespace : '*',
      was.injected,
      workload.injected,
      ...(was.injected ? matched(before.config, was) : []),
      '|',
      ...(workload.injected ? matched(after.config, workload) : []),
    ].join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [caller]);
    else group.push(caller);
  }
  return [...groups.values()].flatMap((members) => {
    const [first] = members;
    if (first === undefined) return [];
    const bare = !first.was.injected && !first.workload.injected;
    return [{ first, members, renamed: members.filter(({ renamed }) => renamed), bare }];
  });
}

/** Namespaces whose workloads may see other rules, or other services, than everybody does. */
function specialNamespaces({ config, registry }: CallerSide): readonly string[] {
  const hosts = new Map<string, number>();
  for (const { host } of registry.services) hosts.set(host, (hosts.get(host) ?? 0) + 1);
  return [
    config.settings.rootNamespace,
    ...config.destinationRules.flatMap(({ metadata, spec }) => [metadata.namespace, ...(spec.exportTo ?? [])]),
    ...registry.services.flatMap(({ namespace, exportTo, host }) =>
      exportTo.length === 1 && exportTo[0] === '*' && hosts.get(host) === 1 ? [] : [namespace, ...exportTo],
    ),
  ];
}

/** The rules with a selector that selects a workload, by position. */
function matched({ destinationRules }: MeshConfig, { namespace, labels }: Workload): readonly number[] {
  return destinationRules.flatMap(({ metadata, spec: { workloadSelector } }, i) =>
    metadata.namespace === namespace && workloadSelector !== undefined && selects(workloadSelector.matchLabels, labels)
      ? [i]
      : [],
  );
}

/** As many namespaces and workloads are named one by one. */
const NAMES_MAX = 4;

/** Who calls, for people, out of all that could: `any sidecar`, `workloads of namespace `shop``, or by name. */
export function callersText(members: readonly Caller[], all: readonly Caller[]): string {
  const chosen = new Set(members.map(({ name }) => name));
  const isSidecar = ({ was, workload }: Caller): boolean => was.injected && workload.injected;
  const sidecars = all.filter(isSidecar);
  if (chosen.size === all.length && chosen.size > 1 && sidecars.length < all.length) return 'any workload';
  if (chosen.size === sidecars.length && chosen.size > 1 && members.every(isSidecar)) return 'any sidecar';
  const parts: string[] = [];
  for (const [namespace, own] of byNamespace(all)) {
    const inside = own.filter(({ name }) => chosen.has(name));
    if (inside.length === own.length && own.length > 1) parts.push(`workloads of namespace \`${namespace}\``);
    else parts.push(...inside.map(({ name }) => `\`${name}\``));
  }
  const more = parts.length > NAMES_MAX ? ` and ${parts.length - NAMES_MAX} more` : '';
  return `${parts.slice(0, NAMES_MAX).join(', ')}${more}${sidecarText(members)}`;
}

function byNamespace(callers: readonly Caller[]): ReadonlyMap<string, readonly Caller[]> {
  const groups = new Map<string, Caller[]>();
  for (const caller of callers) {
    const { namespace } = caller.workload;
    const group = groups.get(namespace);
    if (group === undefined) groups.set(namespace, [caller]);
    else group.push(caller);
  }
  return groups;
}

function sidecarText(members: readonly Caller[]): string {
  const what = members.length === 1 ? 'its sidecar' : 'their sidecars';
  if (members.every(({ was, workload }) => was.injected && !workload.injected)) return `, losing ${what}`;
  return members.every(({ was, workload }) => !was.injected && workload.injected) ? `, gaining ${what}` : '';
}
