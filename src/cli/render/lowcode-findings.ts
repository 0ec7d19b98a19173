/**
 * What is wrong with low-code exports, as lines for people.
 * @module
 */
import type { LowCodeFinding } from '../../lowcode/index.ts';

/** `error   retool_config.yaml:5:15: [code] message`; nothing where nothing was found. */
export function lowCodeFindingLines(findings: readonly LowCodeFinding[]): readonly string[] {
  return findings.map(({ severity, where, code, message }) => {
    const { file, line, column } = where;
    return `${severity.padEnd(7)} ${file}:${line}:${column}: [${code}] ${message}`;
  });
}
