/**
 * A policy diff for code scanning.
 * @module
 */
import type { DiffFinding as Finding, FindingKind } from '../../analysis/index.ts';
import {
  classText,
  decisionText,
  HEADINGS,
  targetsText,
  undecidedText,
  witnessText,
  type ReportedDiff,
} from './diff-report.ts';
import { sarifLog, type SarifFinding, type SarifRule } from './sarif.ts';

/** Level, severity from 0 to 10 as code scanning sorts by it, and what to do. */
const RULES: Readonly<Record<FindingKind, readonly [SarifFinding['level'], string, string]>> = {
  'newly-allowed': [
    'error',
    '8.0',
    'Requests that were refused get in after this change. Check that each class is meant.',
  ],
  'mtls-weakened': ['error', '7.0', 'A server or a client asks for less than mutual TLS after this change.'],
  'now-reachable': ['note', '2.0', 'Client and server speak the same TLS after this change, which they did not.'],
  'newly-denied': [
    'warning',
    '4.0',
    'Requests that got in are refused after this change. Check that nobody needs them.',
  ],
  'mtls-strengthened': ['note', '1.0', 'A server or a client asks for more mutual TLS after this change.'],
  'now-unreachable': ['warning', '4.0', 'Client and server no longer speak the same TLS after this change.'],
  'same-outcome': ['note', '0.0', 'The decision stays, and another policy makes it.'],
};

const NOT_COMPARED = 'not-compared';
const KINDS: readonly FindingKind[] = [
  'newly-allowed',
  'mtls-weakened',
  'now-reachable',
  'newly-denied',
  'mtls-strengthened',
  'now-unreachable',
  'same-outcome',
];

/** `place`: a file for what has no place of its own; code scanning refuses results without one. */
export function diffSarif(diff: ReportedDiff, place: string): object {
  const rules: readonly SarifRule[] = [
    ...KINDS.map((id) => ({
      id,
      title: HEADINGS[id],
      tags: ['security', 'istio'],
      severity: RULES[id][1],
      help: RULES[id][2],
    })),
    {
      id: NOT_COMPARED,
      title: 'Not compared',
      tags: ['security', 'istio'],
      severity: '8.0',
      help: 'What could not be compared exactly may let anything in. Check it by hand.',
    },
  ];
  const open = diff.undecided.map((each): SarifFinding => {
    const message = undecidedText(each);
    return { ruleId: NOT_COMPARED, level: 'error', message, file: place, fingerprint: message };
  });
  return sarifLog(rules, [...open, ...diff.findings.map((finding) => resultOf(finding, place))]);
}

function resultOf(finding: Finding, place: string): SarifFinding {
  const { kind, targets, before, after } = finding;
  const at = after.at ?? before.at ?? after.unmatched?.at ?? before.unmatched?.at;
  return {
    ruleId: kind,
    level: RULES[kind][0],
    message: [
      `${targetsText(targets)}: ${classText(finding)}`,
      `e.g. ${witnessText(finding)}`,
      `before: ${decisionText(before)}`,
      `after: ${decisionText(after)}`,
    ].join('\n'),
    ...(at === undefined ? { file: place } : { file: withoutRevision(at.file), line: at.line, column: at.column }),
    fingerprint: `${targetsText(targets)}\n${finding.summary}`,
  };
}

/** `main:policies/a.yaml` → `policies/a.yaml` */
function withoutRevision(file: string): string {
  return file.replace(/^[^:]*:(?![/\\])/, '');
}
