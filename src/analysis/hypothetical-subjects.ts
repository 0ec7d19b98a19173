/**
 * Workloads for configurations that declare none (a repository of policies alone): one for every set of labels that
 * some selector asks for, in every namespace that a policy lives in, and one without labels; and Pods that carry the
 * labels of several selectors at once (`selector-combinations.ts`).
 * @module
 */
import type { MeshConfig } from '../istio/mesh-config.ts';
import { policyAttaches, targetsOf } from '../policy/policy-attachment.ts';
import type { MeshSide, Subject } from './mesh-side.ts';
import { combinations, distinctLabels, type Labels, type SelectedChange } from './selector-combinations.ts';

export interface HypotheticalSubjects {
  readonly subjects: readonly Subject[];
  /** Namespaces in which more selectors can apply at once than are combined. */
  readonly incomplete: readonly string[];
}

export function hypotheticalSubjects(before: MeshConfig, after: MeshConfig): HypotheticalSubjects {
  const configs = [before, after];
  const policies = configs.flatMap((config) => [
    ...config.authorizationPolicies,
    ...config.peerAuthentications,
    ...config.requestAuthentications,
  ]);
  const roots = new Set(configs.map(({ settings }) => settings.rootNamespace));
  const namespaces = new Set(policies.map(({ metadata }) => metadata.namespace));
  if ([...namespaces].every((namespace) => roots.has(namespace)) && policies.length > 0) namespaces.add('default');
  const changes = changesOf(before, after);
  const subjects: Subject[] = [];
  const incomplete: string[] = [];
  for (const namespace of [...namespaces].sort()) {
    const near = changes.filter(
      ({ policy: { metadata } }) => metadata.namespace === namespace || roots.has(metadata.namespace),
    );
    const found = combinations(near, roots);
    if (found.isCut) incomplete.push(namespace);
    const singles = near.map(({ policy: { spec } }) => spec.selector?.matchLabels ?? {});
    for (const labels of distinctLabels([{}, ...singles, ...found.labels])) subjects.push(subject(namespace, labels));
  }
  return { subjects, incomplete };
}

/** The policies of both sides, and whether the other side has an equal one; all of them where the settings differ. */
function changesOf(before: MeshConfig, after: MeshConfig): readonly SelectedChange[] {
  const all = JSON.stringify(before.settings) !== JSON.stringify(after.settings);
  const [own, other] = [before, after].map(({ authorizationPolicies, peerAuthentications, requestAuthentications }) => [
    ...[...authorizationPolicies, ...requestAuthentications].map((policy) => ({ policy, text: policyText(policy) })),
    ...peerAuthentications.map((policy) => ({ policy, text: peerText(policy) })),
  ]);
  const against = (side: typeof own = [], there: typeof own = []): readonly SelectedChange[] => {
    const texts = new Set(there.map(({ text }) => text));
    return side.map(({ policy, text }) => ({ policy, changed: all || !texts.has(text) }));
  };
  return [...against(own, other), ...against(other, own)];
}

/** Of several that select a workload the oldest one counts: its age is part of it. */
function peerText({ metadata, spec }: MeshConfig['peerAuthentications'][number]): string {
  return JSON.stringify([metadata.namespace, metadata.name, metadata.creationTimestamp, spec]);
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
