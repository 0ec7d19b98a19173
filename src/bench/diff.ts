/**
 * What questions about policies cost, and how that grows: compile a mesh, lint it, and say what a change of one policy
 * changes.
 *
 * The grid is workloads by policies; every policy selects one workload and has two rules. Not asked: reading YAML. The
 * grid is asked in one process, warm; whole comparisons run in processes of their own, cold.
 * @module
 */
import { diff, lint, type PolicyDiff } from '../analysis/index.ts';
import type { MeshConfig } from '../istio/index.ts';
import { compileMesh } from '../policy/index.ts';
import type { Aim, Bench, BenchContext, Curve, Findings, Table } from './bench.ts';
import { runDiff } from './diff-job.ts';
import { nameOf } from './fleet.ts';
import { gridPrincipal, policyGrid } from './policy-grid.ts';
import { type Contender, measurementOf, perCall, takeTurns } from './rounds.ts';
import { growingSeries } from './growing-series.ts';
import type { Point } from './statistics.ts';

export interface DiffParameters {
  readonly workloads: readonly number[];
  readonly policies: readonly number[];
  readonly rounds: number;
  /** Whole comparisons in processes of their own: as many policies as workloads. */
  readonly wholes: readonly number[];
  readonly wholeRounds: number;
}

export const diffBench: Bench<DiffParameters> = {
  name: 'diff',
  question: 'What do questions about policies cost, and how does that grow with the mesh?',
  parameters: {
    smoke: { workloads: [2, 4], policies: [2], rounds: 3, wholes: [10, 20], wholeRounds: 1 },
    full: {
      workloads: [10, 100, 1_000],
      policies: [10, 100, 1_000],
      rounds: 7,
      wholes: [100, 300, 1_000, 3_000],
      wholeRounds: 3,
    },
  },
  measure,
};

async function measure(parameters: DiffParameters, context: BenchContext): Promise<Findings> {
  const { workloads, policies, rounds } = parameters;
  const tables: Table[] = [];
  const series = new Map<string, Point[]>();
  for (const size of workloads) {
    for (const count of policies) {
      context.progress(`${size} workloads, ${count} policies`);
      const table = await ask(size, count, rounds);
      tables.push(table);
      // Along the diagonal both grow; off it, one does.
      for (const { name } of table.measurements) {
        const { median, also } = measurementOf(table, name);
        // CPU time: a busy machine bends curves of wall time.
        const y = also['CPU ms'] ?? median;
        add(series, `${name}, by workloads (${count} policies)`, { x: size, y });
        add(series, `${name}, by policies (${size} workloads)`, { x: count, y });
      }
    }
  }
  const whole = await wholes(parameters, context);
  return { tables: [...tables, ...whole.tables], curves: [...curvesOf(series), whole.curve], aims: whole.aims };
}

/** The size the aims are stated for. */
const AIMED = 1_000;
const SECONDS_MAX = 2;
const MEGABYTES_MAX = 500;
const EXPONENT_MAX = 1.3;

/** What of the policies differs between the sides; a hundred client rules differ wherever all policies do. */
const EDITS = {
  'a tenth of the policies': { share: 0.1, clients: 0 },
  'every policy': { share: 1, clients: 0 },
  'every policy and 100 DestinationRules': { share: 1, clients: 100 },
} as const;

/** Comparisons as a user meets them: one, in a process that has done nothing before. */
async function wholes(
  { wholes: sizes, wholeRounds }: DiffParameters,
  context: BenchContext,
): Promise<{ readonly tables: readonly Table[]; readonly curve: Curve; readonly aims: readonly Aim[] }> {
  const tables: Table[] = [];
  const aims: Aim[] = [];
  const series: Curve['series'][number][] = [];
  for (const [name, { share, clients }] of Object.entries(EDITS)) {
    const contenders = sizes.map((size) => ({
      name: `${size.toLocaleString('en-US')} workloads, as many policies`,
      turn: async () => {
        context.progress(`${size} workloads, ${name}`);
        const { wallMs, cpuMs, peakMb } = await runDiff({ size, changed: Math.ceil(size * share), clients });
        return { value: wallMs / 1_000, also: { 'CPU s': cpuMs / 1_000, 'peak MB': peakMb } };
      },
    }));
    const title = `Compare two meshes that differ in ${name}`;
    const table = await takeTurns(contenders, { title, unit: 's', rounds: wholeRounds, warmUp: 0, reference: false });
    tables.push(table);
    const points = sizes.map((x, i) => ({ x, y: table.measurements[i]?.also['CPU s'] ?? Number.NaN }));
    const line = growingSeries(name, points);
    series.push(line);
    // The aims are stated for policies.
    if (clients === 0) aims.push(...aimsOf(title, table.measurements[sizes.indexOf(AIMED)], line));
  }
  return { tables, curve: { title: 'Whole comparisons', xLabel: 'workloads', yLabel: 'CPU s', series }, aims };
}

function aimsOf(what: string, aimed: Table['measurements'][number] | undefined, line: Curve['series'][number]): Aim[] {
  if (aimed === undefined || line.growth === undefined) return [];
  const { also } = aimed;
  const aim = (name: string, limit: number, unit: Aim['unit'], figure = Number.NaN): Aim => ({
    what: `${what}: ${name}`,
    limit,
    atMost: true,
    unit,
    figure,
  });
  return [
    aim('CPU time', SECONDS_MAX, 's', also['CPU s']),
    aim('memory', MEGABYTES_MAX, 'MB', also['peak MB']),
    aim('exponent of growth', EXPONENT_MAX, 'x', line.growth.exponent),
  ];
}

function add(series: Map<string, Point[]>, name: string, point: Point): void {
  series.set(name, [...(series.get(name) ?? []), point]);
}

function curvesOf(series: ReadonlyMap<string, readonly Point[]>): Curve[] {
  const of = (xLabel: string): Curve => ({
    title: `Growth with ${xLabel}`,
    xLabel,
    yLabel: 'CPU ms',
    series: [...series]
      .filter(([name, points]) => name.includes(`, by ${xLabel}`) && points.length > 1)
      .map(([name, points]) => growingSeries(name, points)),
  });
  return ['workloads', 'policies'].map(of).filter(({ series: own }) => own.length > 0);
}

async function ask(size: number, count: number, rounds: number): Promise<Table> {
  const before = policyGrid({ workloads: size, policies: count });
  const after = policyGrid({ workloads: size, policies: count, changed: 1 });
  const contenders: Contender[] = [
    perCall('compile and decide once each', () => decideEverywhere(before, size), { batch: 1 }),
    perCall('lint', () => void lint(before), { batch: 1 }),
    perCall('diff', () => expectOneChange(diff(before, after)), { batch: 1 }),
  ];
  const title = `${size} workloads, ${count} policies`;
  return takeTurns(contenders, { title, unit: 'ms', rounds, reference: false });
}

/** A diff that found nothing would be quick, and wrong. */
function expectOneChange({ findings }: PolicyDiff): void {
  if (findings.length === 0) throw new Error('the diff found no change');
}

/** What a configuration costs until every workload has decided once: policies compile lazily. */
function decideEverywhere(config: MeshConfig, size: number): void {
  const compiled = compileMesh(config);
  for (let index = 0; index < size; index++) {
    compiled.authorize({
      destination: { namespace: 'default', workload: nameOf(index), port: 8080 },
      source: { principal: gridPrincipal(0), ip: '10.0.0.5' },
      request: { method: 'GET', host: nameOf(index), path: '/api/x' },
    });
  }
}
