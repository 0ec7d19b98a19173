/**
 * Findings merged for a reader: the same class with the same causes, at many workloads and ports, is one line.
 * @module
 */
import type { Finding, FindingTarget } from './finding.ts';
import type { SideDecision } from './mesh-side.ts';
import { formatRegion } from './region.ts';

const ORDER: readonly Finding['kind'][] = [
  'newly-allowed',
  'mtls-weakened',
  'now-reachable',
  'newly-denied',
  'mtls-strengthened',
  'now-unreachable',
  'same-outcome',
];

/** As many classes with the same causes are listed one by one. */
export const CLASSES_MAX = 3;

/** And of tokens that are refused, which are refused for one thing or another. */
const REFUSED_MAX = 2;

/** Findings about one port: many classes that the same two causes decide are one. */
export function joinClasses(findings: readonly Finding[], cut: boolean): readonly Finding[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = [finding.kind, causeKey(withoutFault(finding.before)), causeKey(withoutFault(finding.after))].join(
      '\n',
    );
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [finding]);
    else group.push(finding);
  }
  return [...groups.values()].flatMap((group) => (group.length > maxOf(group) ? [joined(group, cut)] : group));
}

function maxOf([first]: readonly Finding[]): number {
  return first !== undefined && [first.before, first.after].some(isTokenRefusal) ? REFUSED_MAX : CLASSES_MAX;
}

function isTokenRefusal({ by }: SideDecision): boolean {
  return by?.kind === 'RequestAuthentication';
}

/** What is wrong with a token is a matter of the class. */
function withoutFault(decision: SideDecision): SideDecision {
  return isTokenRefusal(decision) ? { ...decision, reason: decision.reason.replace(/:.*/, '') } : decision;
}

/** `cut`: there are more, which may share less. */
function joined(group: readonly Finding[], cut: boolean): Finding {
  const smallest = group.reduce((a, b) => (sizeOf(b) < sizeOf(a) ? b : a));
  const names = [...new Set(group.flatMap(({ requests }) => Object.keys(requests)))];
  const requests = Object.fromEntries(
    names.map((name) => [name, inCommon(group.map((each) => each.requests[name]))]).filter(([, words]) => words !== ''),
  );
  const varied = names.filter((name) => group.some((each) => each.requests[name] !== requests[name]));
  const shown = varied.slice(0, NAMES_MAX).join(', ');
  const more = varied.length > NAMES_MAX ? ` and ${varied.length - NAMES_MAX} more` : '';
  return {
    ...smallest,
    before: withoutFault(smallest.before),
    after: withoutFault(smallest.after),
    requests,
    summary: `${formatRegion(varied.includes('caller') ? { caller: 'several callers', ...requests } : requests)}; ${cut ? 'the first ' : ''}${group.length} classes, by ${shown}${more}`,
    classes: group.map(({ summary }) => summary),
  };
}

const NAMES_MAX = 5;

/** Conditions on one header or claim, which follow each other with `and`: those that stand in every text. */
function inCommon(texts: readonly (string | undefined)[]): string {
  const [first = [], ...others] = texts.map((text) => text?.split(/ and (?=not `|`)/) ?? []);
  return first.filter((part) => others.every((parts) => parts.includes(part))).join(' and ');
}

function sizeOf({ witness }: Finding): number {
  return JSON.stringify(witness).length;
}

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
  return merged.sort(
    (a, b) =>
      ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || Number(isAtUndeclaredPorts(a)) - Number(isAtUndeclaredPorts(b)),
  );
}

/** Nothing that is declared listens there: true, and rarely what a reviewer looks for. */
export function isAtUndeclaredPorts({ targets }: Finding): boolean {
  return targets.every(
    ({ ports, undeclared, hypothetical }) => !hypothetical && ports.length === (undeclared?.length ?? 0),
  );
}

/** Findings about modes are one whatever the policies behind make of a plaintext caller. */
function groupKey({ kind, summary, calls, before, after }: Finding): string {
  if (calls === undefined && (kind === 'mtls-weakened' || kind === 'mtls-strengthened')) return `${kind}\n${summary}`;
  return [kind, summary, causeKey(before), causeKey(after), ...(calls?.from ?? [])].join('\n');
}

/** Equal keys: the same policy, or the same circumstance, decides the same. */
export function causeKey({ decision, reason, by }: SideDecision): string {
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
  const undeclared = [...new Set([...(known.undeclared ?? []), ...(target.undeclared ?? [])])].sort((a, b) => a - b);
  const otherPorts = known.otherPorts || target.otherPorts;
  targets.set(key, { ...known, ports, ...(undeclared.length === 0 ? {} : { undeclared }), otherPorts });
}
