/**
 * A result as text: one table of competitors after the other.
 * @module
 */
import { alignColumns } from '../telemetry/tabwriter.ts';
import type { BenchResult, Curve, Measurement, Table } from './bench.ts';
import { formatAim, formatFigure, formatGrowth, formatNumber, formatRatio } from './figures.ts';
import type { Machine } from './machine.ts';

export function renderText(result: BenchResult): string {
  const { name, question, size, seconds, tables, curves, aims, skipped } = result;
  const lines = [`${name}: ${question}`, `  ${machineLine(result.machine)}; ${size} size, ${seconds} s`];
  for (const table of tables) lines.push('', ...tableLines(table));
  for (const curve of curves) lines.push('', ...curveLines(curve));
  if (aims.length > 0) lines.push('', '  Aims:', ...aims.map((aim) => `    ${formatAim(aim)}`));
  if (skipped.length > 0) lines.push('', ...skipped.map(({ what, why }) => `  skipped: ${what}: ${why}`));
  return `${lines.join('\n')}\n`;
}

export function machineLine({ cpu, cores, memoryGb, system, node, openssl, compiled, load }: Machine): string {
  const disturbed = Math.max(load.before, load.after) > cores ? ' (disturbed: trust the ratios)' : '';
  return `${cpu}, ${cores} cores, ${memoryGb} GB, ${system}, Node ${node}, OpenSSL ${openssl}, load ${load.before} to ${load.after}${disturbed}${compiled ? '' : ', run from sources (slower)'}`;
}

function tableLines(table: Table): string[] {
  const extra = [...new Set(table.measurements.flatMap(({ also }) => Object.keys(also)))];
  const floor = table.measurements.find(({ name }) => name === table.floor);
  const head = [
    '',
    'median',
    table.reference === undefined ? '' : `over ${table.reference}`,
    floor === undefined ? '' : 'over the floor',
    ...extra,
    'rounds',
  ];
  const rows = table.measurements.map((one) => [
    one.name,
    formatFigure(one.median, one.unit),
    one.ratio === undefined ? '' : formatRatio(one.ratio),
    floor === undefined || one === floor ? '' : `${formatNumber(overFloor(one, floor))} ×`,
    ...extra.map((name) => (one.also[name] === undefined ? '' : formatNumber(one.also[name]))),
    String(one.rounds.length),
  ]);
  const used = head.map((title, column) => column === 0 || (title !== '' && rows.some((row) => row[column] !== '')));
  const kept = [head, ...rows].map((row) => row.filter((_, column) => used[column]));
  const note = table.note === undefined ? [] : [`    ${table.note}`];
  return [`  ${table.title}`, ...alignColumns(kept).map((line) => `    ${line}`), ...note];
}

/** How far from what cannot be undercut: 1 is there. */
export function overFloor(one: Measurement, floor: Measurement): number {
  return one.moreIsBetter ? floor.median / one.median : one.median / floor.median;
}

function curveLines({ title, xLabel, yLabel, series }: Curve): string[] {
  const lines = series.map(({ name, points, growth }) => {
    const way = points.map(({ x, y }) => `${formatNumber(x)}: ${formatNumber(y)}`).join(', ');
    return `    ${name}: ${way}${growth === undefined ? '' : `; grows as ${formatGrowth(growth)}`}`;
  });
  return [`  ${title} (${yLabel} by ${xLabel})`, ...lines];
}
