/**
 * Running several policy-test files into one report, with coverage and mutation score where asked.
 * @module
 */
import { CoverageFold, type CoverageReport, joinCoverage } from '../analysis/index.ts';
import { mergeConfig } from '../istio/index.ts';
import { mutationScore } from './mutation.ts';
import { joinMutation, type MutationReport } from './mutation-report.ts';
import { type Evidence, runSuite } from './run-suite.ts';
import { isInShard, type Shard } from './selection.ts';
import { loadSuite, type Suite } from './suite.ts';
import type { TestReport } from './test-report.ts';
import { summarize, type TestResult } from './test-result.ts';
import type { TestLevel } from './test-schema.ts';
import { isTokenRefusal } from './verdict.ts';

export interface TestRunOptions {
  readonly version: string;
  readonly select?: (id: string) => boolean;
  readonly shard?: Shard;
  readonly level?: TestLevel;
  readonly coverage?: boolean;
  readonly mutate?: boolean;
  readonly bail?: boolean;
  readonly stopwatch: () => number;
  readonly signal?: AbortSignal;
  readonly onResult?: (result: TestResult) => void;
}

/** Reads all files before it runs the first test: one that cannot be read stops everything. */
export async function runTests(files: readonly string[], options: TestRunOptions): Promise<TestReport> {
  const suites: Suite[] = [];
  for (const file of files) suites.push(await loadSuite(file));
  return runSuites(suites, options);
}

export async function runSuites(suites: readonly Suite[], options: TestRunOptions): Promise<TestReport> {
  const { shard, select, stopwatch } = options;
  const started = stopwatch();
  const results: TestResult[] = [];
  const coverages: CoverageReport[] = [];
  const mutations: MutationReport[] = [];
  for (const suite of suites) {
    const fold = options.coverage === true ? foldOf(suite) : undefined;
    results.push(
      ...(await runSuite(suite, {
        select: ({ id }) => (shard === undefined || isInShard(id, shard)) && (select === undefined || select(id)),
        stopwatch,
        ...only(options, ['level', 'bail', 'signal', 'onResult']),
        ...(fold === undefined ? {} : { onEvidence: (evidence) => addEvidence(fold, evidence) }),
      })),
    );
    if (fold !== undefined) coverages.push(fold.report());
    if (options.bail === true && results.some(({ status }) => status === 'failed')) break;
    if (options.mutate === true && options.signal?.aborted !== true)
      mutations.push(await mutationScore(suite, only(options, ['shard', 'select'])));
  }
  const files = suites.map(({ file }) => file);
  return {
    version: options.version,
    files,
    results,
    summary: summarize(results),
    durationMs: Math.round(stopwatch() - started),
    ...(options.coverage === true ? { coverage: joinCoverage(coverages) } : {}),
    ...(options.mutate === true ? { mutation: joinMutation(mutations, files) } : {}),
    ...(shard === undefined ? {} : { shard }),
  };
}

/** Knows every policy that is in force at some time, in the order of the file: whatever part of the tests is run. */
function foldOf({ config, steps }: Suite): CoverageFold {
  const fold = new CoverageFold();
  fold.declare(config);
  for (const { apply } of steps) fold.declare(mergeConfig(config, apply));
  return fold;
}

/** The fields that are there. */
function only<T extends object, Key extends keyof T>(from: T, keys: readonly Key[]): Pick<T, Key> {
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]])) as Pick<
    T,
    Key
  >;
}

/** Tells a fold what a test was decided on. */
export function addEvidence(fold: CoverageFold, { compiled, request, target, outcome }: Evidence): void {
  const { asked, decision } = outcome;
  const client = typeof request.from === 'string' ? request.from : undefined;
  const workload = compiled.config.workloads.find(({ namespace, name }) => `${namespace}/${name}` === client);
  const spoken =
    target === undefined || workload?.injected !== true
      ? undefined
      : compiled.clientTls({
          from: workload,
          service: target.service,
          port: target.servicePort,
          endpoint: target.endpoint,
        }).determinedBy;
  fold.add(compiled, {
    ...(asked === undefined ? {} : { asked }),
    ...(decision === undefined ? {} : { decision }),
    ...(isTokenRefusal(outcome) ? { tokenRefused: true } : {}),
    ...(target === undefined || !target.workload.injected
      ? {}
      : { server: { workload: target.workload, port: target.endpoint.port } }),
    ...(spoken === undefined || spoken === 'auto' ? {} : { client: spoken }),
  });
}
