/**
 * Workloads for configurations that declare none (a repository of policies alone): one for every set of labels that
 * some selector asks for, in every namespace that a policy lives in, and one without labels.
 *
 * Pods that carry the labels of several selectors at once are covered for pairs of selectors.
 * @module
 */
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { Subject } from './mesh-side.ts';

type Labels = Readonly<Record<string, string>>;

export function hypotheticalSubjects(configs: readonly MeshConfig[]): readonly Subject[] {
  const policies = configs.flatMap((config) => [...config.authorizationPolicies, ...config.peerAuthentications]);
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
