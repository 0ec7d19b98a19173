/**
 * What an exact comparison leaves open, so that nobody takes silence for agreement: walks that were given up, and
 * changes of what lies outside the model.
 * @module
 */
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { FindingTarget } from './finding.ts';

export interface Undecided {
  readonly reason: string;
  /** Where; empty: everywhere. */
  readonly targets: readonly FindingTarget[];
}

/** Collects by reason. */
export class UndecidedList {
  readonly #targets = new Map<string, Map<string, FindingTarget>>();

  add(reason: string, target: FindingTarget): void {
    const known = this.#targets.get(reason) ?? new Map<string, FindingTarget>();
    const key = `${target.namespace}/${target.workload}`;
    const before = known.get(key);
    const ports = [...new Set([...(before?.ports ?? []), ...target.ports])];
    known.set(key, { ...target, ports, otherPorts: target.otherPorts || before?.otherPorts === true });
    this.#targets.set(reason, known);
  }

  with(more: readonly Undecided[]): readonly Undecided[] {
    const own = [...this.#targets].map(([reason, targets]) => ({ reason, targets: [...targets.values()] }));
    return [...own, ...more];
  }
}

/** Changes that decide about requests and are not part of the walk. */
export function changesNotCompared(before: MeshConfig, after: MeshConfig): readonly Undecided[] {
  const reasons: string[] = [];
  const tokens = [before, after].map(({ requestAuthentications }) =>
    requestAuthentications.map(({ metadata, spec }) => JSON.stringify([metadata.namespace, spec])).sort(),
  );
  if (JSON.stringify(tokens[0]) !== JSON.stringify(tokens[1])) {
    reasons.push('RequestAuthentication changes: which tokens are accepted is not compared');
  }
  return reasons.map((reason) => ({ reason, targets: [] }));
}
