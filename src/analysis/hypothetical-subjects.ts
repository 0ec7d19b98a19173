/**
 * Workloads for configurations that declare none (a repository of policies alone): one for every set of labels that
 * some selector asks for, in every namespace that a policy lives in, and one without labels; and Pods that carry the
 * labels of several selectors at once (`selector-combinations.ts`).
 * @module
 */
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { MeshSide, Subject } from './mesh-side.ts';
import { combinations, distinctLabels, type Labels, type SelectedChange } from './selector-combinations.ts';

export interface HypotheticalSubjects {
  readonly subjects: readonly Subject[];
  /** Namespaces in which more selectors can apply at once than are combined. */
  readonly incomplete: readonly string[];
}

export function hypotheticalSubjects(before: MeshConfig, after: MeshConfig): HypotheticalSubjects {
  const configs = [before, after];
  const policies = configs.flatMap((config) => [...config.authorizationPolicies, ...config.peerAuthentications]);
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
  const texts = [before, after].map(
    (config) => new Set([...config.authorizationPolicies.map(policyText), ...config.peerAuthentications.map(peerText)]),
  );
  return [before, after].flatMap((config, i) => {
    const there = texts[1 - i];
    return [
      ...config.authorizationPolicies.map((policy) => ({
        policy,
        changed: all || there?.has(policyText(policy)) !== true,
      })),
      ...config.peerAuthentications.map((policy) => ({
        policy,
        changed: all || there?.has(peerText(policy)) !== true,
      })),
    ];
  });
}

/** Of several that select a workload the oldest one counts: its age is part of it. */
function peerText({ metadata, spec }: MeshConfig['peerAuthentications'][number]): string {
  return JSON.stringify([metadata.namespace, metadata.name, metadata.creationTimestamp, spec]);
}

/** Stands for every namespace that has no policies of its own. */
const ANOTHER_NAMESPACE = 'another-namespace';

/**
 * Beside declared workloads: what a policy that was added, removed or changed selects although nothing declared has
 * those labels there. A policy of the root namespace reaches into namespaces that nobody has declared yet.
 */
export function undeclaredSubjects(before: MeshSide, after: MeshSide): readonly Subject[] {
  const known = [before, after].map(({ config }) => new Set(config.authorizationPolicies.map(policyText)));
  const subjects = new Map<string, Subject>();
  for (const [i, side] of [before, after].entries()) {
    const unselected = new Set(side.unselected);
    for (const policy of side.config.authorizationPolicies) {
      if (known[1 - i]?.has(policyText(policy)) === true) continue;
      const { metadata, spec } = policy;
      const root = metadata.namespace === side.config.settings.rootNamespace;
      if (!root && !unselected.has(policy)) continue;
      const made = subject(root ? ANOTHER_NAMESPACE : metadata.namespace, spec.selector?.matchLabels ?? {});
      subjects.set(`${made.namespace}/${made.name}`, made);
    }
  }
  return [...subjects.values()];
}

function policyText({ metadata, spec }: MeshConfig['authorizationPolicies'][number]): string {
  return JSON.stringify([metadata.namespace, metadata.annotations['istio.io/dry-run'], spec]);
}

function subject(namespace: string, labels: Labels): Subject {
  const text = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const name = text === '' ? '*' : `[${text}]`;
  return { namespace, name, labels, injected: true, ports: [], serviceAccount: '' };
}
