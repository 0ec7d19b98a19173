/**
 * The smaller questions, under the names that users of np-guard's Network Configuration Analyzer know.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import type { PolicyRef } from '../core/events.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { diff, type DiffOptions } from './diff.ts';
import type { Finding } from './finding.ts';
import { AtomTable } from './atom.ts';
import { MeshSide } from './mesh-side.ts';

export interface Containment {
  readonly holds: boolean;
  /** What `inner` lets in and `outer` does not. */
  readonly counterexamples: readonly Finding[];
}

/** Whether `outer` lets in all that `inner` lets in. @throws MeshError `ERR_ANALYSIS_LIMIT` */
export function containment(inner: MeshConfig, outer: MeshConfig, options: DiffOptions = {}): Containment {
  const counterexamples = decided(outer, inner, options, ({ kind }) => kind === 'newly-allowed');
  return { holds: counterexamples.length === 0, counterexamples };
}

/** Whether both let the same requests in, everywhere. @throws MeshError `ERR_ANALYSIS_LIMIT` */
export function equivalence(one: MeshConfig, other: MeshConfig, options: DiffOptions = {}): boolean {
  return decided(one, other, options, () => true).length === 0;
}

/** The findings that speak against it. Where none does, nothing may have been left open. */
function decided(
  before: MeshConfig,
  after: MeshConfig,
  options: DiffOptions,
  contradicts: (finding: Finding) => boolean,
): readonly Finding[] {
  const { findings, undecided } = diff(before, after, options);
  const against = findings.filter(contradicts);
  const [open] = undecided;
  if (open !== undefined && against.length === 0) throw new MeshError('ERR_ANALYSIS_LIMIT', open.reason);
  return against;
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
