/**
 * A policy diff for people at a terminal, and the words that every form of it uses.
 * @module
 */
import { ANOTHER_NAMESPACE } from '../../analysis/hypothetical-subjects.ts';
import { causeKey, isAtUndeclaredPorts } from '../../analysis/finding-merge.ts';
import type {
  DiffFinding as Finding,
  FindingKind,
  FindingTarget,
  PolicyDiff,
  SideDecision,
} from '../../analysis/index.ts';
import type { AuthorizationRequest } from '../../policy/index.ts';
import type { Paint } from '../../telemetry/index.ts';

/** What a replay of the witness over real TLS showed. */
export interface Replay {
  readonly before: string;
  readonly after: string;
  /** Absent: the witness cannot be sent from here; `skipped` says why. */
  readonly agrees?: boolean;
  readonly skipped?: string;
}

export interface ReportedDiff extends PolicyDiff {
  readonly findings: readonly (Finding & { readonly replay?: Replay })[];
}

export const HEADINGS: Readonly<Record<FindingKind, string>> = {
  'newly-allowed': 'Newly allowed',
  'mtls-weakened': 'Mutual TLS weakened',
  'now-reachable': 'Now reachable',
  'newly-denied': 'Newly denied',
  'mtls-strengthened': 'Mutual TLS strengthened',
  'now-unreachable': 'Now unreachable',
  'same-outcome': 'Same outcome by another policy',
};

const WIDENING: ReadonlySet<FindingKind> = new Set(['newly-allowed', 'mtls-weakened']);

export function isWidening({ kind }: Finding): boolean {
  return WIDENING.has(kind);
}

/** `wide`: every class of a finding that joins many. */
export function diffText(diff: ReportedDiff, paint: Paint | undefined, wide: boolean): string {
  const lines: string[] = [];
  for (const [kind, findings] of byKind(diff)) {
    const heading = `${HEADINGS[kind].toUpperCase()} (${findings.length})`;
    lines.push(paint === undefined ? heading : paint(WIDENING.has(kind) ? 'crit' : 'heading', heading));
    const { shown, folded } = wide ? { shown: findings, folded: 0 } : foldUndeclared(findings);
    for (const finding of shown) {
      lines.push(...findingLines(finding).map(visible));
      if (wide) lines.push(...(finding.classes ?? []).map((text) => visible(`      or    ${text}`)));
    }
    if (folded > 0) lines.push(`  ${foldedText(folded)}; -o wide lists them`);
    lines.push('');
  }
  if (diff.undecided.length > 0) {
    const heading = `NOT COMPARED (${diff.undecided.length})`;
    lines.push(paint === undefined ? heading : paint('crit', heading));
    lines.push(...diff.undecided.map((open) => visible(`  ${undecidedText(open)}`)), '');
  } else if (diff.findings.length === 0) lines.push('no request is answered differently', '');
  lines.push(...replaySummary(diff));
  for (const note of diff.notes) lines.push(visible(`note: ${note}`));
  if (lines.at(-1) === '') lines.pop();
  return `${lines.join('\n')}\n`;
}

/** Control characters out of manifests, which a terminal would obey. */
function visible(line: string): string {
  return line.replace(/\p{Cc}/gu, (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
}

/** What became of the replay: how many witnesses were sent, why others were not, and which answers were not as predicted. */
export function replaySummary({ findings }: ReportedDiff): readonly string[] {
  const replays = findings.flatMap(({ replay }) => (replay === undefined ? [] : [replay]));
  if (replays.length === 0) return [];
  const reasons = new Map<string, number>();
  for (const { skipped } of replays) {
    if (skipped !== undefined) reasons.set(skipped, (reasons.get(skipped) ?? 0) + 1);
  }
  const skipped = [...reasons.values()].reduce((sum, count) => sum + count, 0);
  const why = [...reasons].map(([reason, count]) => (count === 1 ? reason : `${reason} (${count})`)).join('; ');
  const sent = `replayed ${replays.length - skipped} of ${replays.length} witnesses`;
  const wrong = replays.filter(({ agrees }) => agrees === false).length;
  return [
    skipped === 0 ? sent : `${sent}; ${skipped} not sent: ${why}`,
    ...(wrong === 0
      ? []
      : [
          `REPLAY DISAGREES: ${wrong} of them were not answered as predicted; this is a fault of meshproof, please report it`,
        ]),
  ];
}

/** Findings at ports that nothing declares, where one at declared ports has a policy as its cause, too: a reader has seen why. */
export function foldUndeclared(findings: ReportedDiff['findings']): {
  readonly shown: ReportedDiff['findings'];
  readonly folded: number;
} {
  const causes = ({ before, after }: Finding): readonly string[] =>
    [before, after].filter(({ by }) => by !== undefined).map(causeKey);
  const seen = new Set(findings.filter((finding) => !isAtUndeclaredPorts(finding)).flatMap(causes));
  const isSeen = (finding: Finding): boolean => causes(finding).some((cause) => seen.has(cause));
  const shown = findings.filter((finding) => !isAtUndeclaredPorts(finding) || !isSeen(finding));
  return { shown, folded: findings.length - shown.length };
}

export function foldedText(folded: number): string {
  return `and ${folded} more at ports that nothing declares, by a policy named above`;
}

export function undecidedText({ reason, targets }: ReportedDiff['undecided'][number]): string {
  return targets.length === 0 ? reason : `${targetsText(targets)}: ${reason}`;
}

export function byKind(diff: ReportedDiff): readonly (readonly [FindingKind, ReportedDiff['findings']])[] {
  const groups = new Map<FindingKind, ReportedDiff['findings'][number][]>();
  for (const finding of diff.findings) {
    const group = groups.get(finding.kind);
    if (group === undefined) groups.set(finding.kind, [finding]);
    else group.push(finding);
  }
  return [...groups];
}

function findingLines(finding: ReportedDiff['findings'][number]): readonly string[] {
  const { targets, before, after, replay } = finding;
  const lines = [
    `  ${targetsText(targets)}`,
    `    ${classText(finding)}`,
    `    e.g.    ${witnessText(finding)}`,
    `    before  ${decisionText(before)}`,
    `    after   ${decisionText(after)}`,
  ];
  if (replay !== undefined) lines.push(`    replay  ${replayText(replay)}`);
  return lines;
}

const TRAFFIC: Readonly<Record<Finding['traffic'], string>> = {
  http: '',
  tcp: ' (raw TCP connections)',
  any: ' (HTTP and raw TCP)',
};

/** The class of requests. */
export function classText({ summary, traffic }: Finding): string {
  return `${summary}${TRAFFIC[traffic]}`;
}

/** The request that shows it, with what external authorizers have to say to it. */
export function witnessText(finding: Finding): string {
  const { witness, requests, classes, calls } = finding;
  const shown = classes === undefined ? withoutAddresses(witness, requests) : witness;
  const call = calls === undefined ? '' : `, sent by ${calls.from[0] ?? ''} to ${calls.to}`;
  return `${requestText(shown)}${tokenText(finding)}${call}${verdictText(finding)}`;
}

/** A witness has an address wherever some rule asks for one; where it makes no difference it is left out. */
function withoutAddresses(witness: AuthorizationRequest, requests: Finding['requests']): AuthorizationRequest {
  const { ip: sourceIp, remoteIp, ...source } = witness.source ?? {};
  const { ip: destinationIp, ...destination } = witness.destination;
  return {
    ...witness,
    source: {
      ...source,
      ...(sourceIp === undefined || requests['source IP'] === undefined ? {} : { ip: sourceIp }),
      ...(remoteIp === undefined || requests['remote IP'] === undefined ? {} : { remoteIp }),
    },
    destination: {
      ...destination,
      ...(destinationIp === undefined || requests['destination IP'] === undefined ? {} : { ip: destinationIp }),
    },
  };
}

export function replayText({ before, after, agrees, skipped }: Replay): string {
  if (skipped !== undefined) return `not sent: ${skipped}`;
  return `${before}, then ${after}: ${agrees === true ? 'as predicted' : 'NOT AS PREDICTED'}`;
}

/** Where the token is and who signed it, where that matters. */
function tokenText({ token }: Finding): string {
  if (token === undefined || token.good) return '';
  const { location, signer } = token;
  const prefix = location.in === 'header' && location.prefix !== '' ? ` after \`${location.prefix}\`` : '';
  return ` in ${location.in} \`${location.name}\`${prefix}, signed by ${signer.label}`;
}

function verdictText({ verdicts }: Finding): string {
  const texts = Object.entries(verdicts).map(
    ([provider, verdict]) => ` while \`${provider}\` ${verdict === 'deny' ? 'refuses' : 'allows'}`,
  );
  return texts.join('');
}

/** More than this many targets nobody reads. */
const TARGETS_MAX = 6;

/** Each target, and how many are left out. */
export function targetTexts(targets: readonly FindingTarget[]): readonly string[] {
  const texts = targets.slice(0, TARGETS_MAX).map(targetText);
  const more = targets.length - texts.length;
  return more > 0 ? [...texts, `and ${more} more`] : texts;
}

export function targetsText(targets: readonly FindingTarget[]): string {
  return targetTexts(targets).join('  ');
}

/** Ports that nothing declares are named where nothing else is meant. */
function targetText({ namespace, workload, ports, undeclared = [], otherPorts, hypothetical }: FindingTarget): string {
  const where = namespace === ANOTHER_NAMESPACE ? 'any other namespace' : namespace;
  const name = `${where}/${hypothetical ? labelledText(workload) : workload}`;
  const known = ports.filter((port) => !undeclared.includes(port));
  if (known.length > 0) return `${name}:${known.join(',')}`;
  if (hypothetical) return otherPorts ? name : `${name}:${ports.join(',')}`;
  return otherPorts ? `${name} (undeclared ports)` : `${name}:${ports.join(',')} (undeclared)`;
}

function labelledText(labels: string): string {
  return labels === '*' ? '(any other workload)' : `(workloads labelled ${labels.slice(1, -1)})`;
}

export function decisionText({ decision, reason, by, at, unmatched }: SideDecision): string {
  const verb = decision === 'allow' ? 'allowed' : 'denied ';
  if (unmatched !== undefined) return `${verb} ${reason}; ${unmatchedText(unmatched)}`;
  return `${verb} ${reason}${by === undefined ? '' : `: ${refText(by)}`}${placeText(at)}`;
}

function unmatchedText({ selecting, nearest, at, selects }: NonNullable<SideDecision['unmatched']>): string {
  const policy = `${refText(nearest)}${placeText(at)}`;
  if (!selects) return `${policy} does not select this workload`;
  return `${selecting === 1 ? 'the only one' : `nearest of ${selecting}`}: ${policy}`;
}

function refText({ kind, namespace, name, rule }: NonNullable<SideDecision['by']>): string {
  return `${kind} ${namespace}/${name}${rule === undefined ? '' : ` rule ${rule}`}`;
}

function placeText(at: SideDecision['at']): string {
  return at === undefined ? '' : ` (${at.file}:${at.line})`;
}

/** One request in a line; the host where it is not the workload's own name. */
export function requestText({ source, destination, request, connection }: AuthorizationRequest): string {
  const { namespace, workload, labels, port } = destination;
  const to = workload === undefined ? `${namespace}${labelsText(labels)}` : `${namespace}/${workload}`;
  const parts = [
    `to ${to}:${port}`,
    source?.principal === undefined ? 'plaintext' : `as ${source.principal}`,
    ...(source?.ip === undefined ? [] : [`from ${source.ip}`]),
    ...(source?.remoteIp === undefined ? [] : [`remote IP ${source.remoteIp}`]),
    ...(destination.ip === undefined ? [] : [`destination IP ${destination.ip}`]),
    ...(connection?.sni === undefined ? [] : [`SNI ${connection.sni}`]),
  ];
  if (request === undefined) return `connection ${parts.join(' ')}`;
  const { method, path, host, headers, auth } = request;
  if (host !== undefined && host !== (workload ?? namespace)) parts.push(`host ${host}`);
  for (const [name, value] of Object.entries(headers ?? {})) parts.push(`${name}: ${JSON.stringify(value)}`);
  if (auth !== undefined) parts.push(`token ${JSON.stringify(auth.claims)}`);
  return `${method} ${path} ${parts.join(' ')}`;
}

function labelsText(labels: AuthorizationRequest['destination']['labels']): string {
  const texts = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`);
  return texts.length === 0 ? '' : `/[${texts.join(',')}]`;
}
