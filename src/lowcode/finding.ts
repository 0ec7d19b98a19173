/**
 * What an audit or a run has to say about a client.
 * @module
 */
import type { SourcePosition } from '../istio/index.ts';

export type FindingSeverity = 'error' | 'warning';

/** Every code a finding can carry, with its severity and meaning. */
export const FINDING_CODES: Readonly<Record<FindingCode, FindingDescription>> = {
  'plaintext-url': { severity: 'error', meaning: 'a call goes over http:// instead of https://' },
  'bypasses-gateway': { severity: 'error', meaning: 'a call goes to a host that is not the API gateway' },
  'tls-verification-off': { severity: 'error', meaning: 'the server certificate is not verified' },
  'secret-in-plain-text': { severity: 'error', meaning: 'a credential is written into the export' },
  'destructive-on-load': { severity: 'error', meaning: 'a call that changes data is made whenever a page opens' },
  'failure-hidden': { severity: 'warning', meaning: 'a step runs after a failed call, so a 403 can look like success' },
  'path-normalized': { severity: 'warning', meaning: 'the path of a call had dot segments when it was sent' },
  'refused-by-policy': { severity: 'error', meaning: 'no policy of the mesh lets this call through' },
};

export type FindingCode =
  | 'plaintext-url'
  | 'bypasses-gateway'
  | 'tls-verification-off'
  | 'secret-in-plain-text'
  | 'destructive-on-load'
  | 'failure-hidden'
  | 'path-normalized'
  | 'refused-by-policy';

export interface FindingDescription {
  readonly severity: FindingSeverity;
  readonly meaning: string;
}

export interface LowCodeFinding {
  readonly code: FindingCode;
  readonly severity: FindingSeverity;
  readonly message: string;
  /** The call concerned. */
  readonly call?: string;
  readonly where: SourcePosition;
}

export function finding(code: FindingCode, message: string, where: SourcePosition, call?: string): LowCodeFinding {
  const { severity } = FINDING_CODES[code];
  return { code, severity, message, where, ...(call === undefined ? {} : { call }) };
}
