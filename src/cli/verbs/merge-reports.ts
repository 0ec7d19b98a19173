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
import { addReporterOptions, type ReporterFlags, REPORTERS, reportersOf, writeReports } from '../test-output.ts';
import { addThresholdOptions, missesThreshold, type ThresholdFlags } from '../test-thresholds.ts';

export function mergeReportsVerb(program: Command): void {
  const command = program
    .command('merge-reports')
    .argument('[folder]', 'the folder with the blob reports of every shard', '.meshproof/blob')
    .description('join the blob reports of all shards into one report');
  addThresholdOptions(addReporterOptions(command))
    .option('--coverage-dir <folder>', 'write lcov.info and annotated manifests there')
    .addHelpText(
      'after',
      `
Reporters: ${REPORTERS.join(', ')}.

Exit codes as those of \`meshproof test\`: 0 passed, 1 a test failed or a threshold was missed, 2 a shard is missing or was written by another release.

Examples:
  $ meshproof test --shard 1/2 --reporter blob && meshproof test --shard 2/2 --reporter blob
  $ meshproof merge-reports --reporter default --reporter junit=junit.xml --reporter html=report.html`,
    )
    .action(mergeAction);
}

interface MergeFlags extends ReporterFlags, ThresholdFlags {
  readonly coverageDir?: string;
}

async function mergeAction(folder: string, flags: MergeFlags): Promise<void> {
  const reporters = reportersOf(flags, process.env);
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new MeshError('ERR_USAGE', `cannot read \`${folder}\`: ${messageOf(cause)}`, { cause });
  });
  const files = names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(folder, name));
  const reports = await Promise.all(files.map(async (file) => readBlob(await readFile(file, 'utf8'), file)));
  const report = joinReports(reports);
  await writeReports(report, reporters, process.env);
  if (report.coverage !== undefined && flags.coverageDir !== undefined)
    await writeCoverage(report.coverage, flags.coverageDir);
  if (missesThreshold(report, flags) || report.summary.failed > 0) exitWith(EXIT.findings);
}
