/**
 * Running several policy-test files into one report, with coverage and mutation score where asked.
 * @module
 */
import { CoverageFold } from '../analysis/index.ts';
import { mutationScore } from './mutation.ts';
import { mutationReport, type MutantResult } from './mutation-report.ts';
import { type Evidence, runSuite } from './run-suite.ts';
import { isInShard, type Shard } from './selection.ts';
import { loadSuite, type Suite } from './suite.ts';
import type { TestReport } from './test-report.ts';
import { summarize, type TestResult } from './test-result.ts';
import type { TestLevel } from './test-schema.ts';

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
  const fold = options.coverage === true ? new CoverageFold() : undefined;
  const results: TestResult[] = [];
  const mutants: MutantResult[] = [];
  for (const suite of suites) {
    fold?.declare(suite.config);
    results.push(
      ...(await runSuite(suite, {
        select: ({ id }) => (shard === undefined || isInShard(id, shard)) && (select === undefined || select(id)),
        stopwatch,
        ...only(options, ['level', 'bail', 'signal', 'onResult']),
        ...(fold === undefined ? {} : { onEvidence: (evidence) => addEvidence(fold, evidence) }),
      })),
    );
    if (options.bail === true && results.some(({ status }) => status === 'failed')) break;
    const whole = results.every(({ status }) => status !== 'failed') && options.signal?.aborted !== true;
    if (options.mutate === true && whole)
      mutants.push(...(await mutationScore(suite, only(options, ['shard']))).mutants);
  }
  return {
    version: options.version,
    files: suites.map(({ file }) => file),
    results,
    summary: summarize(results),
    durationMs: Math.round(stopwatch() - started),
    ...(fold === undefined ? {} : { coverage: fold.report() }),
    ...(options.mutate === true ? { mutation: mutationReport(mutants) } : {}),
    ...(shard === undefined ? {} : { shard }),
  };
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
    ...(target === undefined || !target.workload.injected
      ? {}
      : { server: { workload: target.workload, port: target.endpoint.port } }),
    ...(spoken === undefined || spoken === 'auto' ? {} : { client: spoken }),
  });
}
