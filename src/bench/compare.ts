/**
 * This run beside an earlier one, with verdicts that know about noise.
 *
 * Ratios to a table's reference travel between machines and loads, so they are compared wherever both runs have them.
 * Absolute figures are compared only when both runs come from the same machine, and only where there is no ratio. A
 * change counts when its 95 % interval leaves out "no change" and it is larger than the noise that interleaved runs
 * still have; what is neither surely changed nor surely the same is called unclear.
 * @module
 */
import { readFileSync } from 'node:fs';
import { MeshError, messageOf } from '../core/index.ts';
import type { BenchResult, Measurement, Table } from './bench.ts';
import { formatRatio } from './figures.ts';
import { isSameMachine } from './machine.ts';
import { type Estimate, ratioOfMedians } from './statistics.ts';

export type Verdict = 'faster' | 'slower' | 'same' | 'unclear';

export interface Comparison {
  readonly bench: string;
  readonly table: string;
  readonly name: string;
  /** What was compared: ratios to the reference, or absolute figures. */
  readonly by: 'ratio' | 'absolute';
  /** Now over then, as cost: 1.1 is a tenth more. */
  readonly change: Estimate;
  readonly verdict: Verdict;
}

/** Two runs of the same code differ by less than this, with turns taken; so a smaller change is none. */
export const NOISE_RATIO = 0.05;

/** @throws MeshError `ERR_USAGE` for a file that is no result of `-o json` */
export function readBaseline(file: string): readonly BenchResult[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new MeshError('ERR_USAGE', `cannot read the baseline \`${file}\`: ${messageOf(error)}`);
  }
  if (!isResults(parsed)) throw new MeshError('ERR_USAGE', `\`${file}\` is no result of \`meshproof bench -o json\``);
  return parsed.results;
}

function isResults(value: unknown): value is { readonly results: readonly BenchResult[] } {
  if (typeof value !== 'object' || value === null || !('results' in value) || !Array.isArray(value.results))
    return false;
  return value.results.every(
    (one: unknown) =>
      typeof one === 'object' &&
      one !== null &&
      'name' in one &&
      'machine' in one &&
      'tables' in one &&
      Array.isArray(one.tables),
  );
}

export function compareResults(now: readonly BenchResult[], then: readonly BenchResult[]): Comparison[] {
  return now.flatMap((result) => {
    const before = then.find(({ name, size }) => name === result.name && size === result.size);
    return before === undefined ? [] : compareTables(result, before);
  });
}

function compareTables(now: BenchResult, then: BenchResult): Comparison[] {
  const sameMachine = isSameMachine(now.machine, then.machine);
  return now.tables.flatMap((table) => {
    const before = then.tables.find(({ title }) => title === table.title);
    return table.measurements.flatMap((one) => {
      const old = before?.measurements.find(({ name }) => name === one.name);
      if (before === undefined || old === undefined) return [];
      const found = changeOf({ table, one }, { table: before, one: old }, sameMachine);
      return found === undefined
        ? []
        : [{ bench: now.name, table: table.title, name: one.name, ...found, verdict: verdictOf(found.change) }];
    });
  });
}

interface Placed {
  readonly table: Table;
  readonly one: Measurement;
}

function changeOf(now: Placed, then: Placed, sameMachine: boolean): Pick<Comparison, 'by' | 'change'> | undefined {
  const cost = (change: Estimate): Estimate =>
    now.one.moreIsBetter ? { value: 1 / change.value, low: 1 / change.high, high: 1 / change.low } : change;
  if (now.one.ratio !== undefined && then.one.ratio !== undefined && now.table.reference === then.table.reference) {
    return { by: 'ratio', change: cost(quotient(now.one.ratio, then.one.ratio)) };
  }
  if (!sameMachine || now.one.rounds.length < 2 || then.one.rounds.length < 2) return undefined;
  return { by: 'absolute', change: cost(ratioOfMedians(now.one.rounds, then.one.rounds)) };
}

/** Of two independent estimates: relative errors add up as squares. */
function quotient(now: Estimate, then: Estimate): Estimate {
  const value = now.value / then.value;
  const error = (towards: 'low' | 'high', other: 'low' | 'high'): number =>
    Math.hypot(Math.log(now[towards] / now.value), Math.log(then[other] / then.value));
  return { value, low: value * Math.exp(-error('low', 'high')), high: value * Math.exp(error('high', 'low')) };
}

function verdictOf({ value, low, high }: Estimate): Verdict {
  if (low > 1 && value > 1 + NOISE_RATIO) return 'slower';
  if (high < 1 && value < 1 - NOISE_RATIO) return 'faster';
  return low > 1 - 2 * NOISE_RATIO && high < 1 + 2 * NOISE_RATIO ? 'same' : 'unclear';
}

export function renderComparison(comparisons: readonly Comparison[]): string {
  const changed = comparisons.filter(({ verdict }) => verdict !== 'same');
  const lines = changed.map(
    ({ bench, table, name, by, change, verdict }) =>
      `  ${verdict.toUpperCase().padEnd(8)} ${bench}: ${table}: ${name}: cost ${formatRatio(change)} the baseline's (${by})`,
  );
  const same = comparisons.length - changed.length;
  return `${['Compared with the baseline:', ...lines, `  ${same} of ${comparisons.length} figures unchanged`].join('\n')}\n`;
}
