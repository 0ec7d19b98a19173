/**
 * What became of single tests: plain data, so that shards can write it down and others join it.
 * @module
 */
import type { TestLevel } from './test-schema.ts';

export type TestStatus = 'passed' | 'failed' | 'skipped';

export interface TestResult {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly suite: string;
  readonly name: string;
  /** `default/frontend → default/api:8080 GET /`: as in the id, with a number where it is there again. */
  readonly combination: string;
  /** Place among all tests of its file: what joined shards are sorted by. */
  readonly order: number;
  readonly level: TestLevel;
  readonly status: TestStatus;
  readonly durationMs: number;
  readonly expected: string;
  readonly actual: string;
  /** What differs from what was expected, a line each. */
  readonly differences: readonly string[];
  /** Why the mesh answered as it did: decision, nearest miss, places in the manifests. */
  readonly explanation: readonly string[];
  readonly skipReason?: string;
  /** The command that runs this test alone. */
  readonly replay: string;
}

export interface TestSummary {
  readonly total: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function summarize(results: readonly TestResult[]): TestSummary {
  const count = (status: TestStatus): number => results.filter((result) => result.status === status).length;
  return { total: results.length, passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
}
