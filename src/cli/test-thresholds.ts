/**
 * Coverage and mutation score held against the least they may be.
 * @module
 */
import { Option } from 'commander';
import type { Command } from 'commander';
import { MeshError } from '../core/index.ts';
import type { TestReport } from '../policytest/index.ts';
import { percent } from './render/test-text.ts';

export interface ThresholdFlags {
  readonly coverageThreshold?: number;
  readonly mutationThreshold?: number;
}

export function addThresholdOptions(command: Command): Command {
  const option = (flag: string, what: string): Option =>
    new Option(`${flag} <percent>`, `exit 1 below this ${what}`).argParser(percentage);
  return command
    .addOption(option('--coverage-threshold', 'coverage'))
    .addOption(option('--mutation-threshold', 'mutation score'));
}

function percentage(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 100)) throw new MeshError('ERR_USAGE', `\`${text}\` is no percentage from 0 to 100`);
  return value;
}

/**
 * Says on stderr what is missed, and whether anything is. One shard cannot know: its report is held against nothing.
 * @throws MeshError `ERR_USAGE` where a threshold is asked for and nothing was measured
 */
export function missesThreshold({ coverage, mutation, shard }: TestReport, flags: ThresholdFlags): boolean {
  const asked = [
    { what: 'coverage', ratio: coverage?.ratio, least: flags.coverageThreshold },
    { what: 'mutation score', ratio: mutation?.score, least: flags.mutationThreshold },
  ].flatMap(({ least, ...each }) => (least === undefined ? [] : [{ ...each, least }]));
  if (shard !== undefined) {
    for (const { what } of asked)
      process.stderr.write(
        `meshproof: ${what} is judged when the shards are merged: this is ${shard.index}/${shard.count}\n`,
      );
    return false;
  }
  const missed = asked.filter(({ what, ratio, least }) => {
    if (ratio === undefined) throw new MeshError('ERR_USAGE', `no blob report holds the ${what}`);
    return ratio * 100 < least;
  });
  for (const { what, ratio = 0, least } of missed)
    process.stderr.write(`meshproof: ${what} is ${percent(ratio)}, below ${least} %\n`);
  return missed.length > 0;
}
