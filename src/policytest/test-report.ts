/**
 * The report of a run: results of all files, and what joins the reports of several shards into one.
 * @module
 */
import * as z from 'zod/mini';
import { MeshError } from '../core/index.ts';
import type { CoverageReport } from '../analysis/index.ts';
import { type MutationReport, joinMutation } from './mutation-report.ts';
import { joinCoverage } from '../analysis/index.ts';
import type { Shard } from './selection.ts';
import { summarize, type TestResult, type TestSummary } from './test-result.ts';

export interface TestReport {
  readonly version: string;
  readonly files: readonly string[];
  readonly results: readonly TestResult[];
  readonly summary: TestSummary;
  readonly durationMs: number;
  readonly coverage?: CoverageReport;
  readonly mutation?: MutationReport;
  /** Absent where the report is of all tests. */
  readonly shard?: Shard;
}

const BLOB_FORMAT = 'meshproof-blob-1';

/** The report as a shard writes it down. */
export function blobOf(report: TestReport): string {
  return `${JSON.stringify({ format: BLOB_FORMAT, report })}\n`;
}

const blobSchema = z.object({
  format: z.literal(BLOB_FORMAT),
  report: z.object({
    version: z.string(),
    files: z.array(z.string()),
    results: z.array(z.object({ id: z.string(), file: z.string(), order: z.number(), status: z.string() })),
    durationMs: z.number(),
    shard: z.optional(z.object({ index: z.int(), count: z.int() })),
  }),
});

/** @throws MeshError `ERR_TEST_INVALID` for text that is no blob of this release */
export function readBlob(text: string, origin: string): TestReport {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MeshError('ERR_TEST_INVALID', `\`${origin}\` is no JSON`);
  }
  if (!isBlob(value)) throw new MeshError('ERR_TEST_INVALID', `\`${origin}\` is no blob report of this release`);
  return value.report;
}

function isBlob(value: unknown): value is { readonly report: TestReport } {
  return blobSchema.safeParse(value).success;
}

/**
 * Joins the reports of shards into the one that a single run would have given.
 * @throws MeshError `ERR_TEST_INVALID` where a shard is missing, there twice, or of another release or split
 */
export function joinReports(reports: readonly TestReport[]): TestReport {
  const [first] = reports;
  if (first === undefined) throw new MeshError('ERR_TEST_INVALID', 'there is no blob report to merge');
  requireWhole(reports);
  const files = [...new Set(reports.flatMap((report) => report.files))];
  const results = reports
    .flatMap((report) => report.results)
    .sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.order - b.order);
  const coverages = reports.map(({ coverage }) => coverage).filter((coverage) => coverage !== undefined);
  const mutations = reports.map(({ mutation }) => mutation).filter((mutation) => mutation !== undefined);
  return {
    version: first.version,
    files,
    results,
    summary: summarize(results),
    durationMs: Math.max(...reports.map(({ durationMs }) => durationMs)),
    ...(coverages.length === 0 ? {} : { coverage: joinCoverage(coverages) }),
    ...(mutations.length === 0 ? {} : { mutation: joinMutation(mutations, files) }),
  };
}

function requireWhole(reports: readonly TestReport[]): void {
  const refuse = (message: string): never => {
    throw new MeshError('ERR_TEST_INVALID', message);
  };
  const [first] = reports;
  const count = first?.shard?.count ?? 1;
  const seen = new Set<number>();
  for (const { shard = { index: 1, count: 1 }, version } of reports) {
    if (shard.count !== count) refuse(`blob reports of different splits: of ${count} shards and of ${shard.count}`);
    if (version !== first?.version) refuse(`blob reports of different releases: ${first?.version} and ${version}`);
    if (seen.has(shard.index)) refuse(`two blob reports of shard ${shard.index}/${count}`);
    seen.add(shard.index);
  }
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((index) => !seen.has(index));
  if (missing.length > 0)
    refuse(
      `no blob report of shard ${missing.map((index) => `${index}/${count}`).join(', ')}: its results are missing`,
    );
}
