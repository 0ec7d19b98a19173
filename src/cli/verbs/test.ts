/**
 * `meshproof test [PATH…]` and `meshproof test init`
 * @module
 */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { MeshError, messageOf } from '../../core/index.ts';
import {
  findTestFiles,
  parseFilter,
  parseShard,
  runTests,
  type Shard,
  type TestReport,
  testOf,
  withTests,
} from '../../policytest/index.ts';
import { EXIT, exitWith, readVersion } from '../io.ts';
import { writeCoverage } from '../test-coverage.ts';
import { addReporterOptions, type ReporterFlags, REPORTERS, reportersOf, writeReports } from '../test-output.ts';
import { addThresholdOptions, missesThreshold, type ThresholdFlags } from '../test-thresholds.ts';

interface TestFlags extends ReporterFlags, ThresholdFlags {
  readonly filter: readonly string[];
  readonly id: readonly string[];
  readonly level?: 'wire' | 'model' | 'both';
  readonly shard?: string;
  readonly workers?: string;
  readonly bail?: boolean;
  readonly coverage?: boolean;
  readonly coverageDir?: string;
  readonly mutate?: boolean;
  readonly write?: boolean;
  readonly watch?: boolean;
  readonly passWithNoTests?: boolean;
}

const HELP = `
Reporters: ${REPORTERS.join(', ')}. Give one more than once, with a file: --reporter default --reporter junit=out.xml

--shard 2/3 runs every third single test, chosen by its id. In a Kubernetes Indexed Job the shard comes from
JOB_COMPLETION_INDEX and MESHPROOF_SHARD_TOTAL.

Exit codes: 0 passed, 1 a test failed or a threshold was missed, 2 bad usage, a file that cannot be read, no test.

Examples:
  $ meshproof test init k8s/                         a first test file from your manifests
  $ meshproof test                                   every *.mesh-test.yaml below this folder
  $ meshproof test -t frontend --level model         tests about the frontend, without sockets
  $ meshproof test --coverage --mutate               what no test decides on, what no test notices
  $ meshproof test --shard 1/4 --reporter blob       a quarter; merge-reports joins the quarters`;

export function testVerb(program: Command): void {
  const test = program
    .command('test')
    .argument('[paths...]', '*.mesh-test.yaml files, and folders to look in', [])
    .description('run policy tests over real mutual TLS, in the model, or both');
  addReporterOptions(test)
    .option('-t, --filter <text>', 'only tests whose id contains this, or matches /this/; may be repeated', collect, [])
    .option('--id <id>', 'only the test of this id; may be repeated', collect, [])
    .option('--level <level>', 'wire, model or both, whatever the files say')
    .option('--shard <i/n>', 'run one of n parts')
    .option('--workers <n>', 'processes to run in')
    .option('--bail', 'stop at the first failure')
    .option('--coverage', 'say which policies, rules and clauses no test is decided on')
    .option('--coverage-dir <folder>', 'write lcov.info and annotated manifests there')
    .option('--mutate', 'say which small changes of the policies no test notices')
    .option('--write', 'with --mutate: add the missing tests to their files')
    .option('--watch', 'run again when a test file or a manifest it names changes')
    .option('--pass-with-no-tests', 'no test is no error');
  addThresholdOptions(test).addHelpText('after', HELP).action(testAction);
  test
    .command('init')
    .argument('<manifests...>', 'files and folders of manifests')
    .description('write a first policy-test file: what the policies allow today')
    .option('--out <file>', 'the file to write', 'policies.mesh-test.yaml')
    .option('--force', 'overwrite it')
    .addHelpText(
      'after',
      `
Examples:
  $ meshproof test init k8s/
  $ meshproof test init topology.yaml policies/ --out policies/access.mesh-test.yaml`,
    )
    .action(initAction);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function testAction(paths: readonly string[], flags: TestFlags): Promise<void> {
  checkFlags(flags);
  if (flags.watch !== true) {
    await runOnce(paths, flags);
    return;
  }
  const { watchAndRun } = await import('../test-watch.ts');
  await watchAndRun(paths, () => runOnce(paths, { ...flags, passWithNoTests: true }));
}

function checkFlags({ level, write, mutate }: TestFlags): void {
  if (level !== undefined && !['wire', 'model', 'both'].includes(level))
    throw new MeshError('ERR_USAGE', `unknown level \`${level}\`: expected wire, model or both`);
  if (write === true && mutate !== true) throw new MeshError('ERR_USAGE', '`--write` needs `--mutate`');
}

async function runOnce(paths: readonly string[], flags: TestFlags): Promise<void> {
  const reporters = reportersOf(flags, process.env);
  const report = await reportOf(paths, flags);
  await writeReports(report, reporters, process.env);
  if (report.coverage !== undefined && flags.coverageDir !== undefined)
    await writeCoverage(report.coverage, flags.coverageDir);
  if (flags.write === true) await writeMissing(report);
  if (missesThreshold(report, flags) || report.summary.failed > 0) exitWith(EXIT.findings);
}

async function reportOf(paths: readonly string[], flags: TestFlags): Promise<TestReport> {
  const shard = shardOf(flags, process.env);
  const files = await findTestFiles(paths.length === 0 ? ['.'] : paths);
  if (files.length === 0 && flags.passWithNoTests !== true) {
    const where = paths.length === 0 ? 'this folder' : paths.join(', ');
    throw new MeshError(
      'ERR_USAGE',
      `no *.mesh-test.yaml below ${where}; write a first one with \`meshproof test init MANIFESTS\``,
    );
  }
  const workers = Number(flags.workers ?? 1);
  if (!Number.isInteger(workers) || workers < 1 || workers > 64)
    throw new MeshError('ERR_USAGE', `\`--workers ${flags.workers}\`: expected 1 to 64`);
  if (workers > 1) {
    const { runInWorkers } = await import('../test-workers.ts');
    return runInWorkers({ files, flags: workerFlags(flags), workers, ...(shard === undefined ? {} : { shard }) });
  }
  const filters = flags.filter.map((text) => parseFilter(text));
  const ids = new Set(flags.id);
  const select = (id: string): boolean => (ids.size === 0 || ids.has(id)) && filters.every((matches) => matches(id));
  const report = await runTests(files, {
    version: readVersion(),
    select,
    stopwatch: () => performance.now(),
    bail: flags.bail === true,
    coverage: wantsCoverage(flags),
    mutate: wantsMutation(flags),
    ...(flags.level === undefined ? {} : { level: flags.level }),
    ...(shard === undefined ? {} : { shard }),
  });
  if (report.results.length === 0 && shard === undefined && flags.passWithNoTests !== true)
    throw new MeshError('ERR_USAGE', 'no test has such an id: see `meshproof test --reporter tree`');
  return report;
}

function wantsCoverage({ coverage, coverageDir, coverageThreshold }: TestFlags): boolean {
  return coverage === true || coverageDir !== undefined || coverageThreshold !== undefined;
}

function wantsMutation({ mutate, mutationThreshold }: TestFlags): boolean {
  return mutate === true || mutationThreshold !== undefined;
}

/** The flags a worker needs to do its part. */
function workerFlags(flags: TestFlags): readonly string[] {
  return [
    ...flags.filter.flatMap((text) => ['--filter', text]),
    ...flags.id.flatMap((id) => ['--id', id]),
    ...(flags.level === undefined ? [] : ['--level', flags.level]),
    ...(wantsCoverage(flags) ? ['--coverage'] : []),
    ...(wantsMutation(flags) ? ['--mutate'] : []),
    ...(flags.bail === true ? ['--bail'] : []),
  ];
}

function shardOf(flags: TestFlags, environment: NodeJS.ProcessEnv): Shard | undefined {
  if (flags.shard !== undefined) return parseShard(flags.shard);
  const { JOB_COMPLETION_INDEX: index, MESHPROOF_SHARD_TOTAL: total } = environment;
  if (index === undefined) return undefined;
  if (total === undefined) {
    process.stderr.write(
      'meshproof: JOB_COMPLETION_INDEX is set and MESHPROOF_SHARD_TOTAL is not: this Pod runs every test\n',
    );
    return undefined;
  }
  if (!/^\d+$/.test(index) || !/^\d+$/.test(total) || Number(index) >= Number(total))
    throw new MeshError(
      'ERR_USAGE',
      `JOB_COMPLETION_INDEX is \`${index}\` and MESHPROOF_SHARD_TOTAL \`${total}\`: expected an index from 0, below the total`,
    );
  return { index: Number(index) + 1, count: Number(total) };
}

async function writeMissing(report: TestReport): Promise<void> {
  const survivors = (report.mutation?.mutants ?? []).filter(({ fate }) => fate === 'survived');
  for (const file of new Set(survivors.map(({ suite }) => suite))) {
    const tests = survivors
      .filter(({ suite }) => suite === file)
      .map(testOf)
      .filter((test) => test !== undefined);
    if (tests.length === 0) continue;
    await writeFile(file, withTests(await readFile(file, 'utf8'), tests));
    process.stderr.write(`meshproof: ${tests.length} missing tests added to ${file}\n`);
  }
}

async function initAction(
  manifests: readonly string[],
  { out, force }: { readonly out: string; readonly force?: boolean },
): Promise<void> {
  const [{ firstTestFile, manifestPath }, { loadManifests }] = await Promise.all([
    import('../../policytest/index.ts'),
    import('../../mesh/index.ts'),
  ]);
  const config = await loadManifests(manifests);
  const folder = dirname(resolve(out));
  const { text, cases } = await firstTestFile(config, {
    name: 'policies',
    manifests: manifests.map((manifest) => manifestPath(manifest, folder)),
  });
  await writeFile(out, text, { flag: force === true ? 'w' : 'wx' }).catch((cause: unknown) => {
    const exists = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
    const message = exists
      ? `\`${out}\` exists; --force overwrites it`
      : `cannot write \`${out}\`: ${messageOf(cause)}`;
    throw new MeshError('ERR_USAGE', message, { cause });
  });
  const shown = join(out);
  process.stderr.write(`wrote ${shown} with ${cases} tests: run them with \`meshproof test ${shown}\`\n`);
}
