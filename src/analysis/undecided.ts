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
    const own = [...this.#targets].map(([reason, targets]) => ({ reason, targets: declaredFirst(targets) }));
    return [...own, ...more];
  }
}

/** What only selectors name goes without saying where workloads are declared. */
function declaredFirst(targets: ReadonlyMap<string, FindingTarget>): readonly FindingTarget[] {
  const declared = [...targets.values()].filter((target) => !target.hypothetical);
  return declared.length > 0 ? declared : [...targets.values()];
}

/** Changes that decide about requests and are not part of the walk. */
export function changesNotCompared(before: MeshConfig, after: MeshConfig): readonly Undecided[] {
  const reasons: string[] = [];
  const [old, now] = [before, after].map((config) => JSON.stringify(config.sidecars.map(outOfModel)));
  if (old !== now) {
    reasons.push('Sidecar changes: what its egress lets workloads call, and how its ingress ends TLS, is not compared');
  }
  return reasons.map((reason) => ({ reason, targets: [] }));
}

/** What of a Sidecar decides about calls and is in nobody's model here; nothing where it says none of that. */
function outOfModel({ metadata, spec }: MeshConfig['sidecars'][number]): unknown {
  const { workloadSelector, egress, outboundTrafficPolicy, ingress = [] } = spec;
  const ends = ingress.map(({ tls, defaultEndpoint }) => [tls, defaultEndpoint]);
  if (egress === undefined && outboundTrafficPolicy === undefined && ends.flat().every((each) => each === undefined))
    return undefined;
  return [metadata.namespace, workloadSelector, egress, outboundTrafficPolicy, ends];
}

/** @param namespaces in which more selectors can apply at once than were combined */
export function combinationsNotCompared(namespaces: readonly string[]): readonly Undecided[] {
  if (namespaces.length === 0) return [];
  const names = namespaces.map((name) => `\`${name}\``).join(', ');
  const reason = `no workload is declared, and too many selectors can apply at once in namespace ${names}: not all of their combinations are compared`;
  return [{ reason, targets: [] }];
}
