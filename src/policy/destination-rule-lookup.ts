/**
 * Which DestinationRule applies to a client and a service, and what of it applies to a port and subset.
 *
 * Lookup goes through three namespaces and stops at the first that has any rule for the host: the client's, the
 * service's (rules exported to the client), the root namespace (likewise). Rules for one host in one namespace are
 * merged as istiod merges them: those with a workload selector first, then oldest first; subsets are joined by name
 * (the first definition stays) and the top-level policy is the first one given. Only rules whose `exportTo` sets are
 * equal, or grow, are merged; others stand beside each other, and of several without a selector the last one is used.
 * Faithful down to its corners: a rule with `exportTo: ["."]` is folded into a selector rule of its host (whose
 * visibility is private too) and is then lost for Pods the selector does not match.
 *
 * Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/ and
 * https://istio.io/latest/docs/ops/best-practices/traffic-management/#cross-namespace-configuration
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { ClientTlsSettings, DestinationRule, Subset, TrafficPolicy } from '../istio/destination-rule.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { selects } from '../istio/selector.ts';
import { isWildcardHost, mostSpecificHost } from './host-match.ts';
import type { WorkloadSubject } from './peer-authentication.ts';
import { compareByAge, refOf } from './resource-order.ts';

/** Several DestinationRules of one host and namespace, merged. */
export interface MergedDestinationRule {
  /** The rule the others were merged into. */
  readonly ref: PolicyRef;
  /** Everything merged, in order. */
  readonly from: readonly PolicyRef[];
  readonly host: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly exportTo: ReadonlySet<string>;
  readonly trafficPolicy?: TrafficPolicy;
  /** The rule `trafficPolicy` was taken from. */
  readonly policyFrom?: PolicyRef;
  readonly subsets: ReadonlyMap<string, { readonly subset: Subset; readonly from: PolicyRef }>;
}

export interface DestinationRuleIndex {
  /** The rule in force for a client workload and a service, or nothing. */
  lookup(
    client: WorkloadSubject,
    service: { readonly host: string; readonly namespace: string },
  ): MergedDestinationRule | undefined;
}

export function compileDestinationRules(config: MeshConfig): DestinationRuleIndex {
  const pools = sortIntoPools(config);
  const { rootNamespace } = config.settings;
  const exported = (owner: string, host: string, client: string): readonly MergedDestinationRule[] =>
    (pools.exported.get(owner)?.find(host) ?? []).filter(
      ({ exportTo }) => exportTo.size === 0 || exportTo.has('*') || exportTo.has(client),
    );
  const candidates = (client: string, service: { readonly host: string; readonly namespace: string }) => {
    const own = client === rootNamespace ? pools.rootPrivate : pools.local.get(client);
    const local = own?.find(service.host);
    if (local !== undefined) return local;
    const ofService = exported(service.namespace, service.host, client);
    return ofService.length > 0 ? ofService : exported(rootNamespace, service.host, client);
  };
  return { lookup: (client, service) => choose(client, candidates(client.namespace, service)) };
}

/** The selector rule that fits the client's Pod, else the last rule without a selector. */
function choose(
  client: WorkloadSubject,
  candidates: readonly MergedDestinationRule[],
): MergedDestinationRule | undefined {
  const selected = candidates.find(
    ({ selector, ref }) =>
      selector !== undefined && ref.namespace === client.namespace && selects(selector, client.labels),
  );
  return selected ?? candidates.findLast(({ selector }) => selector === undefined);
}

interface Pools {
  /** By namespace: everything visible there to that namespace's own clients. */
  readonly local: Map<string, Pool>;
  /** By namespace: what may be seen from others. */
  readonly exported: Map<string, Pool>;
  /** Private rules of the root namespace. */
  readonly rootPrivate: Pool;
}

function sortIntoPools(config: MeshConfig): Pools {
  const { settings } = config;
  const pools: Pools = { local: new Map(), exported: new Map(), rootPrivate: new Pool() };
  for (const rule of [...config.destinationRules].sort(bySelectorAndAge)) {
    const { namespace } = rule.metadata;
    const exportTo = new Set(rule.spec.workloadSelector === undefined ? (rule.spec.exportTo ?? []) : ['.']);
    const merged = unmerged(rule, exportTo, settings.clusterDomain);
    if (exportTo.size === 0 || exportTo.has('*') || exportTo.has('.') || exportTo.has(namespace)) {
      poolOf(pools.local, namespace).add(merged);
    }
    const isPrivate =
      exportTo.size === 0
        ? settings.defaultDestinationRuleExportTo.includes('.')
        : exportTo.size === 1 && (exportTo.has('.') || exportTo.has(namespace));
    if (!isPrivate) poolOf(pools.exported, namespace).add(merged);
    else if (namespace === settings.rootNamespace) pools.rootPrivate.add(merged);
  }
  return pools;
}

function poolOf(pools: Map<string, Pool>, namespace: string): Pool {
  const pool = pools.get(namespace) ?? new Pool();
  pools.set(namespace, pool);
  return pool;
}

function bySelectorAndAge(a: DestinationRule, b: DestinationRule): number {
  const rank = (rule: DestinationRule): number => (rule.spec.workloadSelector === undefined ? 1 : 0);
  return rank(a) - rank(b) || compareByAge(a, b);
}

/** A short name means a service of the rule's own namespace; anything with a dot is taken as written. */
function resolveHost(rule: DestinationRule, clusterDomain: string): string {
  const { host } = rule.spec;
  if (host === '' || host === '*' || host.includes('.') || host.includes(':')) return host.toLowerCase();
  return `${host}.${rule.metadata.namespace}.svc.${clusterDomain}`.toLowerCase();
}

function unmerged(rule: DestinationRule, exportTo: ReadonlySet<string>, clusterDomain: string): MergedDestinationRule {
  const ref = refOf(rule);
  const { trafficPolicy, workloadSelector, subsets = [] } = rule.spec;
  const byName = new Map<string, { readonly subset: Subset; readonly from: PolicyRef }>();
  for (const subset of subsets) if (!byName.has(subset.name)) byName.set(subset.name, { subset, from: ref });
  return {
    ref,
    from: [ref],
    host: resolveHost(rule, clusterDomain),
    ...(workloadSelector === undefined ? {} : { selector: workloadSelector.matchLabels ?? {} }),
    exportTo,
    ...(trafficPolicy === undefined ? {} : { trafficPolicy, policyFrom: ref }),
    subsets: byName,
  };
}

/** The rules of one namespace that share a visibility, by host. */
class Pool {
  readonly #exact = new Map<string, MergedDestinationRule[]>();
  readonly #wildcards = new Map<string, MergedDestinationRule[]>();

  find(host: string): readonly MergedDestinationRule[] | undefined {
    return mostSpecificHost(host, this.#exact, this.#wildcards);
  }

  /** Merges `rule` into the rules of its host that take it, and keeps it beside them where it must stand alone. */
  add(rule: MergedDestinationRule): void {
    const index = isWildcardHost(rule.host) ? this.#wildcards : this.#exact;
    const list = index.get(rule.host);
    if (list === undefined) {
      index.set(rule.host, [rule]);
      return;
    }
    let standsAlone = true;
    for (const [position, existing] of list.entries()) {
      const relation = mergeRelation(existing, rule);
      standsAlone = relation !== 'absorb';
      if (relation !== 'apart') list[position] = merge(existing, rule);
    }
    if (standsAlone) list.push(rule);
  }
}

/** `absorb`: into the existing rule and nowhere else; `both`: into it, and kept on its own too. */
function mergeRelation(existing: MergedDestinationRule, rule: MergedDestinationRule): 'absorb' | 'both' | 'apart' {
  const equal = isSubset(existing.exportTo, rule.exportTo) && existing.exportTo.size === rule.exportTo.size;
  const grows = existing.exportTo.size > 0 && isSubset(existing.exportTo, rule.exportTo);
  if (!equal && !grows) return 'apart';
  const [left, right] = [existing.selector, rule.selector];
  if (left !== undefined && right !== undefined && !sameLabels(left, right)) return 'apart';
  if ((left === undefined) === (right === undefined)) return 'absorb';
  return equal ? 'absorb' : 'both';
}

function merge(existing: MergedDestinationRule, rule: MergedDestinationRule): MergedDestinationRule {
  const subsets = new Map(existing.subsets);
  for (const [name, subset] of rule.subsets) if (!subsets.has(name)) subsets.set(name, subset);
  const policy =
    existing.trafficPolicy === undefined && rule.trafficPolicy !== undefined && rule.policyFrom !== undefined
      ? { trafficPolicy: rule.trafficPolicy, policyFrom: rule.policyFrom }
      : {};
  return { ...existing, ...policy, from: [...existing.from, ...rule.from], subsets };
}

function isSubset(inner: ReadonlySet<string>, outer: ReadonlySet<string>): boolean {
  return [...inner].every((item) => outer.has(item));
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return selects(a, b) && selects(b, a);
}

/** What of a traffic policy is left once port and subset are known. */
export interface EffectiveTrafficPolicy {
  readonly tls?: ClientTlsSettings;
  /** The rule that `tls` was written in. */
  readonly tlsFrom?: PolicyRef;
  readonly loadBalancer?: Readonly<Record<string, unknown>>;
}

/**
 * The policy of a service port and subset. A port-level entry replaces everything above it wholesale; a subset's policy
 * is laid over the rule's, field by field.
 */
export function effectiveTrafficPolicy(
  rule: MergedDestinationRule | undefined,
  port: number,
  subset?: string,
): EffectiveTrafficPolicy {
  if (rule === undefined) return {};
  const base = atPort(rule.trafficPolicy, port, rule.policyFrom);
  const named = subset === undefined ? undefined : rule.subsets.get(subset);
  if (named?.subset.trafficPolicy === undefined) return base.policy;
  const over = atPort(named.subset.trafficPolicy, port, named.from);
  return over.isPortLevel ? over.policy : { ...base.policy, ...over.policy };
}

function atPort(
  policy: TrafficPolicy | undefined,
  port: number,
  from: PolicyRef | undefined,
): { readonly policy: EffectiveTrafficPolicy; readonly isPortLevel: boolean } {
  const entry = policy?.portLevelSettings?.find((setting) => setting.port?.number === port);
  const source = entry ?? policy;
  return {
    isPortLevel: entry !== undefined,
    policy: {
      ...(source?.tls === undefined ? {} : { tls: source.tls }),
      ...(source?.tls === undefined || from === undefined ? {} : { tlsFrom: from }),
      ...(source?.loadBalancer === undefined ? {} : { loadBalancer: source.loadBalancer }),
    },
  };
}

/**
 * The mode the endpoint level reads, which is not quite the cluster level's: a port-level entry without `tls` does not
 * hide the top-level `tls` here, and a subset falls back to the rule (Istio 1.31 on). Nothing where no `tls` is named.
 */
export function endpointTlsSettings(
  rule: MergedDestinationRule | undefined,
  port: number,
  subset?: string,
): ClientTlsSettings | undefined {
  if (rule === undefined) return undefined;
  const own = (policy: TrafficPolicy | undefined): ClientTlsSettings | undefined =>
    policy?.portLevelSettings?.find((setting) => setting.port?.number === port && setting.tls !== undefined)?.tls ??
    policy?.tls;
  if (subset === undefined) return own(rule.trafficPolicy);
  const named = rule.subsets.get(subset);
  return named === undefined ? undefined : (own(named.subset.trafficPolicy) ?? own(rule.trafficPolicy));
}
