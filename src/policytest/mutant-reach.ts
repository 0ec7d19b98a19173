/**
 * Which workloads a change of one policy can touch at all: only their tests are worth asking.
 * @module
 */
import type { PolicyRef } from '../core/index.ts';
import type { CompiledMesh } from '../policy/index.ts';

/** The workloads, as `namespace/name`, or nothing where it may be any: policies of other kinds than authorization. */
export function reachOf(
  { kind, namespace, name }: PolicyRef,
  before: CompiledMesh,
  after: CompiledMesh,
): ReadonlySet<string> | undefined {
  if (kind !== 'AuthorizationPolicy') return undefined;
  const reached = before.config.workloads.filter((workload) =>
    [before, after].some(({ authorization }) =>
      authorization.policiesOf(workload).some((ref) => ref.namespace === namespace && ref.name === name),
    ),
  );
  return new Set(reached.map((workload) => `${workload.namespace}/${workload.name}`));
}
