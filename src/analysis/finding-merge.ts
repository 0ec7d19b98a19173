/**
 * Findings merged for a reader: the same class with the same causes, at many workloads and ports, is one line.
 * @module
 */
import type { Finding, FindingTarget } from './finding.ts';
import type { SideDecision } from './mesh-side.ts';

const ORDER: readonly Finding['kind'][] = [
  'newly-allowed',
  'mtls-weakened',
  'now-reachable',
  'newly-denied',
  'mtls-strengthened',
  'now-unreachable',
];

export function mergeFindings(findings: readonly Finding[]): readonly Finding[] {
  const groups = new Map<
    string,
    { first: Finding; traffic: Finding['traffic']; targets: Map<string, FindingTarget> }
  >();
  for (const finding of findings) {
    const key = groupKey(finding);
    let group = groups.get(key);
    if (group === undefined) {
      group = { first: finding, traffic: finding.traffic, targets: new Map() };
      groups.set(key, group);
    }
    if (group.traffic !== finding.traffic) group.traffic = 'any';
    for (const target of finding.targets) addTarget(group.targets, target);
  }
  const merged = [...groups.values()].map(({ first, traffic, targets }) => {
    const declared = [...targets.values()].filter((target) => !target.hypothetical);
    return { ...first, traffic, targets: declared.length > 0 ? declared : [...targets.values()] };
  });
  return merged.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

/** Findings about modes are one whatever the policies behind make of a plaintext caller. */
function groupKey({ kind, summary, before, after }: Finding): string {
  if (kind === 'mtls-weakened' || kind === 'mtls-strengthened') return `${kind}\n${summary}`;
  return [kind, summary, causeKey(before), causeKey(after)].join('\n');
}

function causeKey({ decision, reason, by }: SideDecision): string {
  return `${decision} ${reason} ${by === undefined ? '' : `${by.kind}/${by.namespace}/${by.name}#${by.rule ?? ''}`}`;
}

function addTarget(targets: Map<string, FindingTarget>, target: FindingTarget): void {
  const key = `${target.namespace}/${target.workload}`;
  const known = targets.get(key);
  if (known === undefined) {
    targets.set(key, target);
    return;
  }
  const ports = [...new Set([...known.ports, ...target.ports])].sort((a, b) => a - b);
  targets.set(key, { ...known, ports, otherPorts: known.otherPorts || target.otherPorts });
}
