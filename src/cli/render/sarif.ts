/**
 * SARIF 2.1.0, as code-scanning services read it: one run, stable rule ids, repository-relative places, fingerprints
 * that survive moved lines.
 * Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/
 * @module
 */
import { createHash } from 'node:crypto';
import { relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readVersion } from '../io.ts';

export interface SarifRule {
  readonly id: string;
  readonly title: string;
  readonly tags?: readonly string[];
  /** What it means and what to do. */
  readonly help?: string;
  /** From 0.0 to 10.0, as a text; code scanning sorts security findings by it. */
  readonly severity?: string;
}

export interface SarifFinding {
  readonly ruleId: string;
  readonly level: 'error' | 'warning' | 'note';
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** What the finding is about, without lines: equal findings of two versions of a file have equal ones. */
  readonly fingerprint: string;
}

/** A log that services cut off themselves: results beyond this are dropped, the most severe are kept. */
const RESULTS_MAX = 5_000;
/** Characters of a rule's description. Source: https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning */
const TEXT_LENGTH_MAX = 1_024;
/** Nobody reads more of one result, and a log has 10 MB at most. */
const MESSAGE_LENGTH_MAX = 2_000;

export function sarifLog(rules: readonly SarifRule[], findings: readonly SarifFinding[]): object {
  const order = { error: 0, warning: 1, note: 2 };
  const indexOf = new Map(rules.map(({ id }, index) => [id, index]));
  const kept = [...findings].sort((a, b) => order[a.level] - order[b.level]).slice(0, RESULTS_MAX);
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'meshproof',
            semanticVersion: readVersion(),
            rules: rules.map(ruleOf),
          },
        },
        results: kept.map((finding) => resultOf(finding, indexOf.get(finding.ruleId))),
      },
    ],
  };
}

function ruleOf({ id, title, tags = [], help, severity }: SarifRule): object {
  return {
    id,
    shortDescription: { text: title.slice(0, TEXT_LENGTH_MAX) },
    ...(help === undefined ? {} : { fullDescription: { text: help }, help: { text: help } }),
    properties: {
      tags: tags.slice(0, 10),
      ...(severity === undefined ? {} : { 'security-severity': severity }),
    },
  };
}

function resultOf(finding: SarifFinding, ruleIndex: number | undefined): object {
  const { ruleId, level, message, file, line, column, fingerprint } = finding;
  return {
    ruleId,
    ...(ruleIndex === undefined ? {} : { ruleIndex }),
    level,
    message: { text: message.length <= MESSAGE_LENGTH_MAX ? message : `${message.slice(0, MESSAGE_LENGTH_MAX)}…` },
    ...(file === undefined
      ? {}
      : {
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: repositoryUri(file) },
                region: { startLine: line ?? 1, startColumn: column ?? 1 },
              },
            },
          ],
        }),
    partialFingerprints: {
      primaryLocationLineHash: createHash('sha256').update(`${ruleId}\n${fingerprint}`).digest('hex').slice(0, 32),
    },
  };
}

/** A URI reference, as the format wants it: relative inside the working directory, else `file:`. */
function repositoryUri(file: string): string {
  const path = relative(process.cwd(), file);
  if (path.startsWith('..')) return pathToFileURL(file).href;
  return path.split(/[\\/]/).map(encodeURIComponent).join('/');
}
