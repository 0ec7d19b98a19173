/**
 * The smaller questions, under the names that users of np-guard's Network Configuration Analyzer know.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { diff, type DiffOptions, type Finding } from './diff.ts';
import { AtomTable } from './atom.ts';
import { MeshSide } from './mesh-side.ts';

export interface Containment {
  readonly holds: boolean;
  /** What `inner` lets in and `outer` does not. */
  readonly counterexamples: readonly Finding[];
}

/** Whether `outer` lets in all that `inner` lets in. */
export function containment(inner: MeshConfig, outer: MeshConfig, options: DiffOptions = {}): Containment {
  const counterexamples = diff(outer, inner, options).findings.filter(({ kind }) => kind === 'newly-allowed');
  return { holds: counterexamples.length === 0, counterexamples };
}

/** Whether both let the same requests in, everywhere. */
export function equivalence(one: MeshConfig, other: MeshConfig, options: DiffOptions = {}): boolean {
  return diff(one, other, options).findings.length === 0;
}

/** Workloads in the mesh that no ALLOW policy selects: everything that no DENY names gets in. */
export function allCaptured(config: MeshConfig): { readonly holds: boolean; readonly uncaptured: readonly string[] } {
  const side = new MeshSide(config, new AtomTable(), new Map());
  const uncaptured = side.names.filter((name) => {
    const subject = side.subject(name);
    if (subject?.injected !== true) return false;
    return !side.select(subject).policies.some(({ spec }) => (spec.action ?? 'ALLOW') === 'ALLOW');
  });
  return { holds: uncaptured.length === 0, uncaptured };
}

/** Policies that select no workload. */
export function emptiness(config: MeshConfig): { readonly holds: boolean; readonly empty: readonly PolicyRef[] } {
  const side = new MeshSide(config, new AtomTable(), new Map());
  for (const name of side.names) {
    const subject = side.subject(name);
    if (subject !== undefined) side.select(subject);
  }
  const empty = side.unselected.map(({ metadata }) => ({
    kind: 'AuthorizationPolicy',
    namespace: metadata.namespace,
    name: metadata.name,
  }));
  return { holds: empty.length === 0, empty };
}
