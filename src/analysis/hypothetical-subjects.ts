/**
 * Workloads for configurations that declare none (a repository of policies alone): one for every set of labels that
 * some selector asks for, in every namespace that a policy lives in, and one without labels.
 *
 * Pods that carry the labels of several selectors at once are covered for pairs of selectors.
 * @module
 */
import type { MeshConfig } from '../istio/mesh-config.ts';
import { policyAttaches, targetsOf } from '../policy/policy-attachment.ts';
import type { MeshSide, Subject } from './mesh-side.ts';

type Labels = Readonly<Record<string, string>>;

export function hypotheticalSubjects(configs: readonly MeshConfig[]): readonly Subject[] {
  const policies = configs.flatMap((config) => [
    ...config.authorizationPolicies,
    ...config.peerAuthentications,
    ...config.requestAuthentications,
  ]);
  const roots = new Set(configs.map(({ settings }) => settings.rootNamespace));
  const namespaces = new Set(policies.map(({ metadata }) => metadata.namespace));
  if ([...namespaces].every((namespace) => roots.has(namespace)) && policies.length > 0) namespaces.add('default');
  const subjects: Subject[] = [];
  for (const namespace of [...namespaces].sort()) {
    const near = policies.filter(({ metadata }) => metadata.namespace === namespace || roots.has(metadata.namespace));
    const selectors = distinct(near.map(({ spec }) => spec.selector?.matchLabels ?? {}));
    for (const labels of distinct([{}, ...selectors, ...pairsOf(selectors)])) subjects.push(subject(namespace, labels));
  }
  return subjects;
}

/** Stands for every namespace that has no policies of its own. */
export const ANOTHER_NAMESPACE = 'another-namespace';

/**
 * Beside declared workloads: what a policy that was added, removed or changed selects although nothing declared has
 * those labels there. A policy without a selector guards whatever is deployed into its namespace next, and one of the root
 * namespace reaches into namespaces that nobody has declared yet.
 */
export function undeclaredSubjects(before: MeshSide, after: MeshSide): readonly Subject[] {
  const known = [before, after].map((side) => new Set(policiesOf(side).map(policyText)));
  const subjects = new Map<string, Subject>();
  for (const [i, side] of [before, after].entries()) {
    const unselected = new Set<SelectingPolicy>(side.unselected);
    for (const policy of policiesOf(side)) {
      if (known[1 - i]?.has(policyText(policy)) === true) continue;
      const { metadata, spec } = policy;
      const root = metadata.namespace === side.config.settings.rootNamespace;
      if (
        !root &&
        !guardsTheNamespace(policy) &&
        (isAuthorization(policy) ? !unselected.has(policy) : attachesToSome(policy, side))
      )
        continue;
      const made = subject(root ? ANOTHER_NAMESPACE : metadata.namespace, spec.selector?.matchLabels ?? {});
      subjects.set(`${made.namespace}/${made.name}`, made);
    }
  }
  return [...subjects.values()];
}

type SelectingPolicy = MeshConfig['authorizationPolicies'][number] | MeshConfig['requestAuthentications'][number];

function policiesOf({ config }: MeshSide): readonly SelectingPolicy[] {
  return [...config.authorizationPolicies, ...config.requestAuthentications];
}

function isAuthorization(policy: SelectingPolicy): policy is MeshConfig['authorizationPolicies'][number] {
  return policy.kind === 'AuthorizationPolicy';
}

/** Declared workloads may all have policies of their own, and the next one none. */
function guardsTheNamespace(policy: SelectingPolicy): boolean {
  const labels = Object.keys(policy.spec.selector?.matchLabels ?? {});
  return isAuthorization(policy) && labels.length === 0 && targetsOf(policy).length === 0;
}

function attachesToSome(policy: SelectingPolicy, { config }: MeshSide): boolean {
  return config.workloads.some((workload) => policyAttaches(policy, workload, config.settings.rootNamespace));
}

function policyText({ kind, metadata, spec }: SelectingPolicy): string {
  return JSON.stringify([kind, metadata.namespace, metadata.annotations['istio.io/dry-run'], spec]);
}

function subject(namespace: string, labels: Labels): Subject {
  const text = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const name = text === '' ? '*' : `[${text}]`;
  return { namespace, name, labels, injected: true, ports: [], serviceAccount: '' };
}

/** Beyond this many selectors their combinations are left out. */
const SELECTORS_MAX = 20;

function pairsOf(selectors: readonly Labels[]): readonly Labels[] {
  if (selectors.length > SELECTORS_MAX) return [];
  return selectors.flatMap((a, i) => selectors.slice(i + 1).flatMap((b) => (agree(a, b) ? [{ ...a, ...b }] : [])));
}

function agree(a: Labels, b: Labels): boolean {
  return Object.keys(a).every((key) => !Object.hasOwn(b, key) || a[key] === b[key]);
}

function distinct(all: readonly Labels[]): readonly Labels[] {
  const known = new Map<string, Labels>();
  for (const labels of all) known.set(JSON.stringify(Object.entries(labels).sort()), labels);
  return [...known.values()];
}
