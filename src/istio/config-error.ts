/**
 * What is wrong with a configuration, and where: every fault of a reading, in the order of the text, as one error.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import type { SourcePosition } from './resource.ts';

export type ConfigPath = readonly (string | number)[];

/** One fault. `file`, `line` and `column` are absent for objects that were built by code. */
export interface ConfigIssue extends Partial<SourcePosition> {
  readonly code: 'ERR_CONFIG_SYNTAX' | 'ERR_CONFIG_INVALID';
  /** Below the resource, written `spec.rules[0].from[0].source`; empty for the document as a whole. */
  readonly path: string;
  readonly message: string;
  /** `AuthorizationPolicy default/web`, where the text got far enough to say so. */
  readonly resource?: string;
}

/** A configuration was refused. Every fault that was found is in `issues`; the message lists them, one a line. */
export class ConfigError extends MeshError {
  override readonly name = 'ConfigError';
  readonly issues: readonly ConfigIssue[];
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly path: string;

  constructor(issues: readonly ConfigIssue[]) {
    const sorted = [...issues].sort(byPosition);
    const first = sorted[0];
    super(first?.code ?? 'ERR_CONFIG_INVALID', sorted.map(formatIssue).join('\n'), { details: { errors: sorted } });
    this.issues = sorted;
    this.path = first?.path ?? '';
    if (first?.file !== undefined) this.file = first.file;
    if (first?.line !== undefined) this.line = first.line;
    if (first?.column !== undefined) this.column = first.column;
  }
}

/** `file:line:column: path: message`; for objects built by code the resource stands in front instead. */
export function formatIssue(issue: ConfigIssue): string {
  const place = issue.file === undefined ? (issue.resource ?? '') : `${issue.file}:${issue.line}:${issue.column}`;
  return oneLine([place, issue.path, issue.message].filter((part) => part !== '').join(': '));
}

/** `spec.rules[0].from`; a key that is no plain word is quoted: `metadata.labels["a.b/c"]`. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!/^[A-Za-z_][\w-]*$/.test(step)) text += `[${quoteKey(step)}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

const QUOTE_MAX = 80;

/** User input for a message: in backticks, on one line, cut when long. */
export function quote(text: string): string {
  const cut = text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX)}…` : text;
  return `\`${oneLine(cut)}\``;
}

function quoteKey(text: string): string {
  return JSON.stringify(text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX)}…` : text);
}

/** Control characters written as escapes: input must not draw on a terminal or break a line of the report. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function byPosition(a: ConfigIssue, b: ConfigIssue): number {
  const [fileA, fileB] = [a.file ?? '', b.file ?? ''];
  if (fileA !== fileB) return fileA < fileB ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
