/**
 * Selectors that find nothing, too much, or what they cannot bind.
 * @module
 */
import {
  isSelective,
  selects,
  type AuthorizationPolicy,
  type PolicyResource,
  type RequestAuthentication,
  type Sidecar,
} from '../istio/index.ts';
import type { LintContext } from './lint-context.ts';

export function lintSelectors(context: LintContext): void {
  lintMatches(context);
  lintSidecars(context);
}

function lintMatches(context: LintContext): void {
  const { config } = context;
  if (config.workloads.length === 0) return;
  const check = (policy: PolicyResource, labels: Readonly<Record<string, string>> | undefined, field: string): void => {
    const { namespace } = policy.metadata;
    const everywhere = namespace === config.settings.rootNamespace;
    if (!isSelective(labels) || (everywhere && policy.kind === 'PeerAuthentication')) return;
    const found = config.workloads.some((w) => (everywhere || w.namespace === namespace) && selects(labels, w.labels));
    const entry = config.workloadEntries.some(
      (w) => w.metadata.namespace === namespace && selects(labels, { ...w.metadata.labels, ...w.spec.labels }),
    );
    if (found || entry) return;
    const text = Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    const whole = everywhere ? 'in any namespace' : `in namespace ${namespace}`;
    context.report(
      'MSH012',
      policy,
      ['spec', field],
      `no workload ${whole} has the labels ${text}; labels of the Pod template count`,
    );
  };
  for (const policy of config.authorizationPolicies) lintEmptyNamespace(context, policy);
  for (const policy of [...config.authorizationPolicies, ...config.requestAuthentications])
    lintGateways(context, policy);
  const selecting = [...config.peerAuthentications, ...config.authorizationPolicies, ...config.requestAuthentications];
  for (const policy of selecting) check(policy, policy.spec.selector?.matchLabels, 'selector');
  for (const rule of config.destinationRules) check(rule, rule.spec.workloadSelector?.matchLabels, 'workloadSelector');
  for (const sidecar of config.sidecars) check(sidecar, sidecar.spec.workloadSelector?.labels, 'workloadSelector');
}

/** A policy for a whole namespace that has no workload. */
function lintEmptyNamespace(context: LintContext, policy: AuthorizationPolicy): void {
  const { config } = context;
  const { selector, targetRef, targetRefs } = policy.spec;
  const { namespace } = policy.metadata;
  if (isSelective(selector?.matchLabels) || targetRef !== undefined || targetRefs !== undefined) return;
  if (namespace === config.settings.rootNamespace) return;
  if (
    [...config.workloads, ...config.workloadEntries.map(({ metadata }) => metadata)].some(
      (w) => w.namespace === namespace,
    )
  )
    return;
  context.report('MSH012', policy, ['metadata', 'namespace'], `no workload is in namespace ${namespace}`);
}

const GATEWAY_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** Proxies of the Gateway API take policies by `targetRefs`; by selector only where istiod is told to, and waypoints never. */
function lintGateways(context: LintContext, policy: AuthorizationPolicy | RequestAuthentication): void {
  const { selector, targetRef } = policy.spec;
  if (selector === undefined || targetRef !== undefined) return;
  const { namespace } = policy.metadata;
  const proxy = context.config.workloads.find(
    ({ labels, namespace: own }) =>
      own === namespace && Object.hasOwn(labels, GATEWAY_LABEL) && selects(selector.matchLabels, labels),
  );
  if (proxy === undefined) return;
  const message = `it selects ${proxy.name}, a proxy of Gateway ${proxy.labels[GATEWAY_LABEL]}: name the Gateway in targetRefs`;
  context.report('MSH113', policy, ['spec', 'selector'], message);
}

function lintSidecars(context: LintContext): void {
  const { sidecars, workloads } = context.config;
  const labelsOf = ({ spec }: Sidecar): Readonly<Record<string, string>> | undefined => spec.workloadSelector?.labels;
  for (const sidecar of sidecars) {
    const { namespace, name } = sidecar.metadata;
    const others = sidecars.filter((other) => other !== sidecar && other.metadata.namespace === namespace);
    if (!isSelective(labelsOf(sidecar))) {
      const second = others.find((other) => !isSelective(labelsOf(other)));
      if (second !== undefined)
        context.report('MSH111', sidecar, ['spec'], `${name} and ${second.metadata.name} both have no selector`);
      continue;
    }
    const shared = workloads.find(
      (workload) =>
        workload.namespace === namespace &&
        selects(labelsOf(sidecar), workload.labels) &&
        others.some((other) => isSelective(labelsOf(other)) && selects(labelsOf(other), workload.labels)),
    );
    if (shared === undefined) continue;
    context.report('MSH110', sidecar, ['spec', 'workloadSelector'], `another Sidecar selects ${shared.name} too`);
  }
}
