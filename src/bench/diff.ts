/**
 * What questions about policies cost, and how that grows: compile a mesh, lint it, and say what a change of one policy
 * changes.
 *
 * The grid is workloads by policies; every policy selects one workload and has two rules. Not asked: reading YAML.
 * @module
 */
import { diff, lint, type PolicyDiff } from '../analysis/index.ts';
import type { AuthorizationPolicy, MeshConfig } from '../istio/index.ts';
import { compileMesh } from '../policy/index.ts';
import type { Bench, BenchContext, Curve, Findings, Table } from './bench.ts';
import { fleetOf, nameOf } from './fleet.ts';
import { type Contender, measurementOf, perCall, takeTurns } from './rounds.ts';
import { growingSeries } from './growing-series.ts';
import type { Point } from './statistics.ts';

export interface DiffParameters {
  readonly workloads: readonly number[];
  readonly policies: readonly number[];
  readonly rounds: number;
}

export const diffBench: Bench<DiffParameters> = {
  name: 'diff',
  question: 'What do questions about policies cost, and how does that grow with the mesh?',
  parameters: {
    smoke: { workloads: [2, 4], policies: [2], rounds: 3 },
    full: { workloads: [10, 100, 1_000], policies: [10, 100, 1_000], rounds: 7 },
  },
  measure,
};

async function measure({ workloads, policies, rounds }: DiffParameters, context: BenchContext): Promise<Findings> {
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
  return { tables, curves: curvesOf(series) };
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
  const before = meshOf(size, count, '/api/before/*');
  const after = meshOf(size, count, '/api/after/*');
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
      source: { principal: principalOf(0), ip: '10.0.0.5' },
      request: { method: 'GET', host: nameOf(index), path: '/api/x' },
    });
  }
}

function principalOf(index: number): string {
  return `cluster.local/ns/default/sa/${nameOf(index)}`;
}

/** @param path of the last policy's first rule: what a change changes */
function meshOf(size: number, count: number, path: string): MeshConfig {
  const policies = Array.from({ length: count }, (_, i): AuthorizationPolicy => {
    const caller = (index: number): readonly string[] => [principalOf(index % size)];
    // Each policy has paths of its own, or an earlier one would hide the change.
    const paths = [i === count - 1 ? path : `/api/${i}/*`];
    return {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: `policy-${i}`, namespace: 'default', labels: {}, annotations: {} },
      spec: {
        selector: { matchLabels: { app: nameOf(i % size) } },
        rules: [
          { from: [{ source: { principals: caller(i + 1) } }], to: [{ operation: { methods: ['GET'], paths } }] },
          { from: [{ source: { principals: caller(i + 2) } }], to: [{ operation: { methods: ['POST'] } }] },
        ],
      },
    };
  });
  return { ...fleetOf(size), authorizationPolicies: policies };
}
