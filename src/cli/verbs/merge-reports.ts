/**
 * `meshproof merge-reports DIR`
 * @module
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { MeshError, messageOf } from '../../core/index.ts';
import { joinReports, readBlob } from '../../policytest/index.ts';
import { EXIT, exitWith } from '../io.ts';
import { writeCoverage } from '../test-coverage.ts';
import { defaultReporters, parseReporter, REPORTERS, writeReports } from '../test-output.ts';

export function mergeReportsVerb(program: Command): void {
  program
    .command('merge-reports')
    .argument('[folder]', 'the folder with the blob reports of every shard', '.meshproof/blob')
    .description('join the blob reports of all shards into one report')
    .option('--reporter <name[=path]>', `how to report: ${REPORTERS.join(', ')}; may be repeated`, collect, [])
    .option('--coverage-dir <folder>', 'write lcov.info and annotated manifests there')
    .addHelpText(
      'after',
      `
Exit codes as those of \`meshproof test\`: 0 passed, 1 a test failed, 2 a shard is missing or was written by another release.

Examples:
  $ meshproof test --shard 1/2 --reporter blob && meshproof test --shard 2/2 --reporter blob
  $ meshproof merge-reports --reporter default --reporter junit=junit.xml --reporter html=report.html`,
    )
    .action(mergeAction);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function mergeAction(
  folder: string,
  { reporter, coverageDir }: { readonly reporter: readonly string[]; readonly coverageDir?: string },
): Promise<void> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new MeshError('ERR_USAGE', `cannot read \`${folder}\`: ${messageOf(cause)}`, { cause });
  });
  const files = names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(folder, name));
  const reports = await Promise.all(files.map(async (file) => readBlob(await readFile(file, 'utf8'), file)));
  const report = joinReports(reports);
  const reporters = reporter.length === 0 ? defaultReporters(process.env) : reporter.map((text) => parseReporter(text));
  await writeReports(report, reporters, process.env);
  if (report.coverage !== undefined && coverageDir !== undefined) await writeCoverage(report.coverage, coverageDir);
  if (report.summary.failed > 0) exitWith(EXIT.findings);
}
