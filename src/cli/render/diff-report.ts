/**
 * A policy diff for people: text, a Markdown comment, SARIF.
 * @module
 */
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
    for (const finding of findings) {
      lines.push(...findingLines(finding));
      if (wide) lines.push(...(finding.classes ?? []).map((text) => `      or    ${text}`));
    }
    lines.push('');
  }
  if (diff.undecided.length > 0) {
    const heading = `NOT COMPARED (${diff.undecided.length})`;
    lines.push(paint === undefined ? heading : paint('crit', heading));
    lines.push(...diff.undecided.map((open) => `  ${undecidedText(open)}`), '');
  } else if (diff.findings.length === 0) lines.push('no request is answered differently', '');
  for (const note of diff.notes) lines.push(`note: ${note}`);
  if (lines.at(-1) === '') lines.pop();
  return `${lines.join('\n')}\n`;
}

function undecidedText({ reason, targets }: ReportedDiff['undecided'][number]): string {
  return targets.length === 0 ? reason : `${targetsText(targets)}: ${reason}`;
}

function byKind(diff: ReportedDiff): readonly (readonly [FindingKind, ReportedDiff['findings']])[] {
  const groups = new Map<FindingKind, ReportedDiff['findings'][number][]>();
  for (const finding of diff.findings) {
    const group = groups.get(finding.kind);
    if (group === undefined) groups.set(finding.kind, [finding]);
    else group.push(finding);
  }
  return [...groups];
}

function findingLines(finding: ReportedDiff['findings'][number]): readonly string[] {
  const { targets, summary, before, after, replay } = finding;
  const lines = [
    `  ${targetsText(targets)}`,
    `    ${summary}${TRAFFIC[finding.traffic]}`,
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

export function replayText({ before, after, agrees, skipped }: Replay): string {
  if (skipped !== undefined) return `not sent: ${skipped}`;
  return `${before}, then ${after}: ${agrees === true ? 'as predicted' : 'NOT AS PREDICTED'}`;
}

/** The witness, with all that has to hold for it. */
function witnessText(finding: Finding): string {
  const { witness, calls } = finding;
  const call = calls === undefined ? '' : `, sent by ${calls.from[0] ?? ''} to ${calls.to}`;
  return `${requestText(witness)}${tokenText(finding)}${call}${verdictText(finding)}`;
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

export function targetsText(targets: readonly FindingTarget[]): string {
  const texts = targets.slice(0, TARGETS_MAX).map(({ namespace, workload, ports }) => {
    const name = `${namespace}/${workload}`;
    return ports.length === 0 ? name : `${name}:${ports.join(',')}`;
  });
  const more = targets.length - texts.length;
  return `${texts.join('  ')}${more > 0 ? `  and ${more} more` : ''}`;
}

export function decisionText({ decision, reason, by, at }: SideDecision): string {
  const rule = by?.rule === undefined ? '' : ` rule ${by.rule}`;
  const policy = by === undefined ? '' : `: ${by.kind} ${by.namespace}/${by.name}${rule}`;
  const place = at === undefined ? '' : ` (${at.file}:${at.line})`;
  return `${decision === 'allow' ? 'allowed' : 'denied '} ${reason}${policy}${place}`;
}

export function requestText({ source, destination, request, connection }: AuthorizationRequest): string {
  const who = source?.principal === undefined ? 'plaintext' : `as ${source.principal}`;
  const from = source?.ip === undefined ? '' : ` from ${source.ip}`;
  const sni = connection?.sni === undefined ? '' : ` SNI ${connection.sni}`;
  const to =
    destination.workload === undefined ? destination.namespace : `${destination.namespace}/${destination.workload}`;
  if (request === undefined) return `connection to ${to}:${destination.port} ${who}${from}${sni}`;
  const headers = Object.entries(request.headers ?? {}).map(([name, value]) => ` ${name}: ${JSON.stringify(value)}`);
  const token = request.auth === undefined ? '' : ` token ${JSON.stringify(request.auth.claims)}`;
  return `${request.method} ${request.path} to ${to}:${destination.port} ${who}${from}${sni}${headers.join('')}${token}`;
}

/** A comment for a pull request. */
export function diffMarkdown(diff: ReportedDiff): string {
  const widened = diff.findings.filter(isWidening).length;
  const verdict =
    diff.findings.length === 0
      ? diff.undecided.length === 0
        ? 'No request is answered differently.'
        : 'No difference was found in what could be compared.'
      : widened > 0
        ? `**Access widens** in ${widened} of ${diff.findings.length} findings.`
        : `Access does not widen; ${diff.findings.length} findings.`;
  const lines = ['### Policy diff', '', verdict, ''];
  for (const [kind, findings] of byKind(diff)) {
    lines.push(`#### ${HEADINGS[kind]}`, '', '| To | Requests | Witness | Before | After |', '|---|---|---|---|---|');
    for (const finding of findings) {
      const cells = [
        targetsText(finding.targets),
        `${finding.summary}${TRAFFIC[finding.traffic]}`,
        witnessText(finding),
        decisionText(finding.before),
        decisionText(finding.after),
      ];
      lines.push(`| ${cells.map(escapeCell).join(' | ')} |`);
    }
    lines.push('');
  }
  if (diff.undecided.length > 0) {
    lines.push('#### Not compared', '', ...diff.undecided.map((open) => `- ${undecidedText(open)}`), '');
  }
  for (const note of diff.notes) lines.push(`> ${note}`, '');
  return `${lines.join('\n').trimEnd()}\n`;
}

function escapeCell(text: string): string {
  return text
    .replaceAll('|', String.raw`\|`)
    .replaceAll('\n', ' ')
    .replace(/ {2,}/g, '<br>');
}

const SEVERITY: Readonly<Record<FindingKind, readonly ['error' | 'warning' | 'note', string]>> = {
  'newly-allowed': ['error', '8.0'],
  'mtls-weakened': ['error', '7.0'],
  'now-reachable': ['note', '2.0'],
  'newly-denied': ['warning', '4.0'],
  'mtls-strengthened': ['note', '1.0'],
  'now-unreachable': ['warning', '4.0'],
  'same-outcome': ['note', '0.0'],
};

/** SARIF 2.1.0, for code scanning. */
export function diffSarif(diff: ReportedDiff, version: string): unknown {
  const kinds = Object.keys(HEADINGS).filter((kind): kind is FindingKind => Object.hasOwn(SEVERITY, kind));
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'meshproof',
            version,
            rules: [
              ...kinds.map((id) => ({
                id,
                shortDescription: { text: HEADINGS[id] },
                properties: { 'security-severity': SEVERITY[id][1], tags: ['security', 'istio'] },
              })),
              {
                id: 'not-compared',
                shortDescription: { text: 'Not compared' },
                properties: { tags: ['security', 'istio'] },
              },
            ],
          },
        },
        results: [...diff.findings.map(sarifResult), ...diff.undecided.map(sarifUndecided)],
      },
    ],
  };
}

function sarifUndecided(open: ReportedDiff['undecided'][number]): unknown {
  const text = undecidedText(open);
  return {
    ruleId: 'not-compared',
    level: 'error',
    message: { text },
    partialFingerprints: { finding: `not-compared:${text}` },
  };
}

function sarifResult(finding: Finding): unknown {
  const at = finding.after.at ?? finding.before.at;
  const text = `${targetsText(finding.targets)}: ${finding.summary}${TRAFFIC[finding.traffic]}; e.g. ${witnessText(finding)}`;
  return {
    ruleId: finding.kind,
    level: SEVERITY[finding.kind][0],
    message: { text },
    ...(at === undefined
      ? {}
      : {
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: at.file.replace(/^[^/]*?:(?!\/)/, '') },
                region: { startLine: at.line, startColumn: at.column },
              },
            },
          ],
        }),
    partialFingerprints: { finding: `${finding.kind}:${targetsText(finding.targets)}:${finding.summary}` },
  };
}
