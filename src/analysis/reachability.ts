/**
 * Which calls between workloads become possible or impossible because the caller's sidecar and the server's no longer
 * speak the same TLS, and which keep working with less (or more) protection than before.
 *
 * Client TLS mode against server mode, as `predictOutcome` sees a call with valid certificates; policies are left out,
 * they have their own findings. Callers are asked group by group: a namespace with DestinationRules of its own, or
 * named in some `exportTo`, by the labels its rules select; all other namespaces see the same rules and are one group.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { selects } from '../istio/selector.ts';
import { compileMesh } from '../policy/compile-mesh.ts';
import { isVisible } from '../policy/registered-service.ts';
import { callPassage, type CallPassage, type CallTarget } from './call-transport.ts';
import type { Finding, FindingKind } from './finding.ts';
import type { MeshSide, SideDecision } from './mesh-side.ts';

/** The configuration's part that decides about transport. */
function transportText(config: MeshConfig): string {
  const { destinationRules, peerAuthentications, serviceEntries, workloadEntries, sidecars, settings } = config;
  const resources = [destinationRules, peerAuthentications, serviceEntries, workloadEntries, sidecars];
  return JSON.stringify([
    resources.map((list) => list.map(({ metadata, spec }) => [metadata.namespace, metadata.name, spec])),
    config.services.map(({ host, headless, type, selector, ports, metadata }) => [
      [host, headless, type, selector, ports],
      [metadata.annotations, metadata.creationTimestamp],
    ]),
    config.workloads.map(({ namespace, name, labels, serviceAccount, injected, ports }) => [
      namespace,
      name,
      labels,
      serviceAccount,
      injected,
      ports,
    ]),
    settings.enableAutoMtls,
    settings.trustDomain,
    settings.trustDomainAliases,
    settings.defaultDestinationRuleExportTo,
  ]);
}

interface Caller {
  /** For people: `sidecars of namespace shop`. */
  readonly group: string;
  /** Before. */
  readonly was: Workload;
  readonly workload: Workload;
}

/** `servers` are `namespace/workload`; all where absent. */
export function reachabilityFindings(
  before: MeshSide,
  after: MeshSide,
  servers?: ReadonlySet<string>,
): readonly Finding[] {
  if (transportText(before.config) === transportText(after.config)) return [];
  const meshes = { before: compileMesh(before.config), after: compileMesh(after.config) };
  const callers = callerGroups(before.config, after.config);
  const known = new Map(meshes.before.registry.services.map((service) => [service.host, service]));
  const findings: Finding[] = [];
  for (const service of meshes.after.registry.services) {
    const old = known.get(service.host);
    if (old === undefined) continue;
    for (const { number: port } of service.ports) {
      for (const endpoint of service.endpoints(port)) {
        const ref = endpoint.workload;
        const oldEndpoint = old
          .endpoints(port)
          .find(
            ({ workload }) => ref !== undefined && workload?.namespace === ref.namespace && workload.name === ref.name,
          );
        if (ref === undefined || oldEndpoint === undefined) continue;
        if (servers?.has(`${ref.namespace}/${ref.name}`) === false) continue;
        const calls = callers
          .filter(({ workload }) => isVisible(service, workload.namespace) && isVisible(old, workload.namespace))
          .map((caller) => ({
            caller,
            one: callPassage(meshes.before, caller.was, { service: old, port, endpoint: oldEndpoint }),
            two: callPassage(meshes.after, caller.workload, { service, port, endpoint }),
          }));
        findings.push(...findingsOf(calls, { service, port, endpoint, sides: { before, after } }));
      }
    }
  }
  return findings;
}

interface Call {
  readonly caller: Caller;
  readonly one: CallPassage;
  readonly two: CallPassage;
}

function findingsOf(
  calls: readonly Call[],
  place: CallTarget & { readonly sides: { readonly before: MeshSide; readonly after: MeshSide } },
): readonly Finding[] {
  const groups = new Map<string, Call[]>();
  for (const call of calls) {
    const kind = kindOf(call);
    if (kind === undefined) continue;
    const key = `${kind}\n${call.one.reason}\n${call.two.reason}`;
    groups.set(key, [...(groups.get(key) ?? []), call]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    const kind = first === undefined ? undefined : kindOf(first);
    if (first === undefined || kind === undefined) return [];
    const who = group.length === calls.length ? 'any sidecar' : group.map(({ caller }) => caller.group).join(' or ');
    return [finding(kind, first, { ...place, who })];
  });
}

function kindOf({ one, two }: Call): FindingKind | undefined {
  if (one.reached !== two.reached) return two.reached ? 'now-reachable' : 'now-unreachable';
  if (!one.reached) return undefined;
  const [was, is] = [one.tls.mode === 'istio_mutual', two.tls.mode === 'istio_mutual'];
  if (was === is) return undefined;
  return is ? 'mtls-strengthened' : 'mtls-weakened';
}

function finding(
  kind: FindingKind,
  { caller, one, two }: Call,
  place: CallTarget & { readonly who: string; readonly sides: { readonly before: MeshSide; readonly after: MeshSide } },
): Finding {
  const { service, port, endpoint, who, sides } = place;
  const { namespace, name } = endpoint.workload ?? { namespace: endpoint.namespace, name: service.name };
  const { workload } = caller;
  const trustDomain = sides.after.config.settings.trustDomain;
  const mutual = one.tls.mode === 'istio_mutual' || two.tls.mode === 'istio_mutual';
  return {
    kind,
    targets: [{ namespace, workload: name, ports: [endpoint.port], otherPorts: false, hypothetical: false }],
    summary: `calls by ${who}`,
    requests: { caller: who },
    traffic: 'any',
    witness: {
      destination: { namespace, workload: name, port: endpoint.port },
      source: mutual ? { principal: `${trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}` } : {},
      request: { method: 'GET', host: `${service.host}:${port}`, path: '/' },
    },
    verdicts: {},
    before: decisionOf(one, sides.before),
    after: decisionOf(two, sides.after),
  };
}

function decisionOf({ reached, reason, tls }: CallPassage, side: MeshSide): SideDecision {
  const by: PolicyRef | undefined = tls.determinedBy === 'auto' ? tls.peerAuthentication : tls.determinedBy;
  const at = by === undefined ? undefined : side.positionOf(by);
  return {
    decision: reached ? 'allow' : 'deny',
    reason,
    ...(by === undefined ? {} : { by }),
    ...(at === undefined ? {} : { at }),
  };
}

/** One workload for every group of callers that may fare differently: other DestinationRules, a sidecar won or lost. */
function callerGroups(before: MeshConfig, after: MeshConfig): readonly Caller[] {
  const rules = [...before.destinationRules, ...after.destinationRules];
  const named = new Set(rules.flatMap(({ metadata, spec }) => [metadata.namespace, ...(spec.exportTo ?? [])]));
  const shared = new Set([before.settings.rootNamespace, after.settings.rootNamespace]);
  const there = new Map(before.workloads.map((workload) => [`${workload.namespace}/${workload.name}`, workload]));
  const groups = new Map<string, Caller>();
  for (const workload of after.workloads) {
    const { namespace, name, labels, injected } = workload;
    const was = there.get(`${namespace}/${name}`);
    if (was === undefined || (!injected && !was.injected)) continue;
    const own = named.has(namespace) || shared.has(namespace);
    const matched = rules
      .map(({ metadata, spec }, i) =>
        metadata.namespace === namespace &&
        spec.workloadSelector !== undefined &&
        selects(spec.workloadSelector.matchLabels, labels)
          ? i
          : -1,
      )
      .filter((i) => i >= 0);
    const sidecar = was.injected === injected ? '' : injected ? 'new ' : 'lost ';
    const key = `${sidecar}${own ? `${namespace} ${matched.join(',')}` : '*'}`;
    if (groups.has(key)) continue;
    const which = matched.length > 0 ? ` like ${name}` : '';
    const group = own ? `sidecars of namespace \`${namespace}\`${which}` : 'sidecars of other namespaces';
    groups.set(key, { group: sidecar === '' ? group : SIDECARS[sidecar](namespace, name), was, workload });
  }
  return [...groups.values()];
}

const SIDECARS: Readonly<Record<'new ' | 'lost ', (namespace: string, name: string) => string>> = {
  'new ': (namespace, name) => `workloads that gain a sidecar, such as \`${namespace}/${name}\``,
  'lost ': (namespace, name) => `workloads that lose their sidecar, such as \`${namespace}/${name}\``,
};
