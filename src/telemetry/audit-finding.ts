/**
 * What an audit says: one finding a check, with the evidence it rests on, as data and as text.
 * @module
 */
import type { PolicyRef, WorkloadRef } from '../core/index.ts';
import type { Paint } from './mesh-observability.ts';

/** Every check, with its stable code. */
export const AUDIT_CHECKS = {
  MSH101: 'STRICT mutual TLS everywhere',
  MSH102: 'AuthorizationPolicy for every service',
  MSH103: 'Certificate lifetime',
  MSH104: 'Automatic certificate rotation',
  MSH105: 'Observability',
  MSH106: 'Low-code callers through the gateway',
  MSH107: 'Migration to STRICT',
} as const;

export type AuditCode = keyof typeof AUDIT_CHECKS;
export type AuditResult = 'pass' | 'warn' | 'fail';
/** How bad it is when the check does not pass. */
export type AuditSeverity = 'low' | 'medium' | 'high';

/** One fact a finding rests on. `text` says it all; the other fields are for programs. */
export interface AuditEvidence {
  readonly text: string;
  readonly workload?: WorkloadRef;
  readonly port?: number;
  readonly policy?: PolicyRef;
  readonly spiffeId?: string;
  readonly serial?: string;
  readonly value?: number;
  /** The event that shows it. */
  readonly seq?: number;
}

export interface AuditFinding {
  readonly code: AuditCode;
  readonly title: string;
  readonly severity: AuditSeverity;
  readonly result: AuditResult;
  /** Why, in one line. */
  readonly message: string;
  readonly evidence: readonly AuditEvidence[];
}

export interface RenderAuditOptions {
  /** Lines of evidence a finding. @defaultValue 5 */
  readonly evidenceMax?: number;
  readonly paint?: Paint;
}

const EVIDENCE_MAX = 5;
const SEVERITIES: Readonly<Record<AuditCode, AuditSeverity>> = {
  MSH101: 'high',
  MSH102: 'high',
  MSH103: 'medium',
  MSH104: 'high',
  MSH105: 'low',
  MSH106: 'high',
  MSH107: 'medium',
};

/** A finding under the title and severity of its code. */
export function finding(
  code: AuditCode,
  result: AuditResult,
  message: string,
  evidence: readonly AuditEvidence[] = [],
): AuditFinding {
  return { code, title: AUDIT_CHECKS[code], severity: SEVERITIES[code], result, message, evidence };
}

/** The findings for people, without a final line break. Passed checks keep their evidence to themselves. */
export function renderAudit(findings: readonly AuditFinding[], options: RenderAuditOptions = {}): string {
  const paint: Paint = options.paint ?? ((_role, text) => text);
  const max = options.evidenceMax ?? EVIDENCE_MAX;
  const of = (result: AuditResult): number => findings.filter((each) => each.result === result).length;
  return [
    '',
    ' Best Practices:',
    ...findings.flatMap((each) => [
      `  [${paint(ROLES[each.result], each.result.toUpperCase())}] ${each.code} ${each.title} — ${each.message}`,
      ...(each.result === 'pass' ? [] : evidenceLines(each.evidence, max)),
    ]),
    `  ${of('pass')} passed, ${of('warn')} warned, ${of('fail')} failed`,
  ].join('\n');
}

const ROLES = { pass: 'ok', warn: 'warn', fail: 'crit' } as const;

function evidenceLines(evidence: readonly AuditEvidence[], max: number): string[] {
  const shown = evidence.slice(0, max).map(({ text }) => `         ${text}`);
  return evidence.length > max ? [...shown, `         and ${evidence.length - max} more`] : shown;
}

/** `1 port`, `2 ports`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
