/**
 * What a decision costs, and how that grows with rules that do not apply.
 *
 * All contenders have to give the same answers before any is timed. Goals: a decision about the brief's policies at
 * most 0.25 µs; 10,000 rules at most four times the cost of two. Not asked: reading YAML (bench `start` has it).
 * @module
 */
import { setFlagsFromString } from 'node:v8';
import type { Aim, Bench, BenchContext, Curve, Findings, Skipped, Table } from '../bench.ts';
import { bytesAllocated, perFastCall } from '../calibration.ts';
import { optionalPackage } from '../optional-package.ts';
import { measurementOf, takeTurns } from '../rounds.ts';
import { growingSeries } from '../growing-series.ts';
import { casbin, cedar, type CedarLibrary, type Decide, extra, type ExtraDecider, meshproof } from './contenders.ts';
import { jsonLines } from './json-lines.ts';
import { BRIEF, type Question, QUESTIONS, type World, worldOf } from './worlds.ts';

export interface AuthzParameters {
  /** Numbers of rules, beside the brief's own policies. */
  readonly sizes: readonly number[];
  /** Packages run up to this size. */
  readonly peersMax: number;
  readonly rounds: number;
  /** Requests through the command line's JSON lines. */
  readonly lines: number;
  readonly lineRounds: number;
}

type Peer = (world: World) => Decide | Promise<Decide>;

/** @param others evaluators beside the packages; a clone has the naive one of its tests */
export function authzBench(others: readonly ExtraDecider[] = []): Bench<AuthzParameters> {
  return {
    name: 'authz',
    question: 'What does a decision cost, and how does that grow with rules that do not apply?',
    parameters: {
      smoke: { sizes: [2, 50], peersMax: 50, rounds: 3, lines: 200, lineRounds: 1 },
      full: { sizes: [2, 100, 1_000, 10_000, 100_000], peersMax: 10_000, rounds: 30, lines: 200_000, lineRounds: 5 },
    },
    measure: (parameters, context) => measure(parameters, context, others),
  };
}

async function measure(
  { sizes, peersMax, rounds, lines, lineRounds }: AuthzParameters,
  context: BenchContext,
  others: readonly ExtraDecider[],
): Promise<Findings> {
  const { peers, skipped } = await packages(others);
  const tables: Table[] = [await decide(BRIEF, peers, rounds)];
  const series: Curve['series'][number][] = [];
  for (const question of QUESTIONS) {
    const points = [];
    for (const size of sizes) {
      context.progress(`${size} rules, ${question}`);
      const table = await decide(worldOf(size, question), size <= peersMax ? peers : new Map(), rounds);
      tables.push(table);
      points.push({ x: size, y: measurementOf(table, 'meshproof').median });
    }
    series.push(growingSeries(question, points));
  }
  context.progress(`${lines} JSON lines`);
  tables.push(await jsonLines(lines, lineRounds));
  const curves = [{ title: 'A decision of meshproof', xLabel: 'rules', yLabel: 'ns', series }];
  return { tables, curves, aims: aimsOf(tables, sizes), skipped };
}

async function packages(
  others: readonly ExtraDecider[],
): Promise<{ readonly peers: ReadonlyMap<string, Peer>; readonly skipped: readonly Skipped[] }> {
  const [one, two] = [
    await optionalPackage('casbin', () => import('casbin')),
    await optionalPackage('@cedar-policy/cedar-wasm', loadCedar),
  ];
  const peers = new Map<string, Peer>(others.map((other) => [other.name, (world) => extra(world, other)]));
  if (one.ok) peers.set('casbin', (world) => casbin(one.value, world));
  if (two.ok) peers.set('Cedar (wasm)', (world) => cedar(two.value, world));
  return { peers, skipped: [one, two].flatMap((each) => (each.ok ? [] : [each.skipped])) };
}

/**
 * V8 inlines calls of WebAssembly into hot JavaScript. Where that is deoptimised while a function that returns a
 * reference is called (all of Cedar's are), Node 20 aborts: `unreachable code`, in `TranslatedValueForWasmReturnKind`.
 */
function loadCedar(): Promise<CedarLibrary> {
  setFlagsFromString('--no-turbo-inline-js-wasm-calls');
  return import('@cedar-policy/cedar-wasm/nodejs');
}

/** Until the compiler is done. */
const WARM_UP_ROUNDS = 5;

async function decide(world: World, peers: ReadonlyMap<string, Peer>, rounds: number): Promise<Table> {
  const ours = meshproof(world);
  const field = new Map([['meshproof', ours.decide]]);
  for (const [name, make] of peers) field.set(name, await make(world));
  for (const [name, each] of field) {
    const wrong = world.requests.find((_, index) => each(index) !== ours.decide(index));
    if (wrong !== undefined) throw new Error(`${name} decides otherwise about ${JSON.stringify(wrong)}`);
  }
  const contenders = [...field].map(([name, each]) => perFastCall(name, inTurn(world, each)));
  const table = await takeTurns(contenders, { title: world.name, unit: 'ns', rounds, warmUp: WARM_UP_ROUNDS });
  return {
    ...table,
    measurements: table.measurements.map((one) =>
      one.name === 'meshproof'
        ? {
            ...one,
            also: { 'allocated bytes': bytesAllocated(inTurn(world, ours.decide)), 'compile ms': ours.compileMs },
          }
        : one,
    ),
  };
}

/** Asks about one request after the other. */
function inTurn({ requests }: World, decide: Decide): () => void {
  let next = 0;
  return () => {
    decide(next);
    next = next + 1 === requests.length ? 0 : next + 1;
  };
}

const GROWTH_TO = 10_000;

function aimsOf(tables: readonly Table[], sizes: readonly number[]): Aim[] {
  const [brief] = tables;
  if (brief === undefined) return [];
  const ours = measurementOf(brief, 'meshproof').median;
  const aims: Aim[] = [
    { what: "a decision, the brief's policies", limit: 0.25, atMost: true, unit: 'µs', figure: ours / 1_000 },
  ];
  for (const [name, limit] of [
    ['casbin', 80],
    ['Cedar (wasm)', 1_000],
  ] as const) {
    const figure = brief.measurements.find((one) => one.name === name)?.ratio?.value;
    if (figure !== undefined) aims.push({ what: `${name} over meshproof`, limit, atMost: false, unit: 'x', figure });
  }
  const [smallest] = sizes;
  if (smallest === undefined || !sizes.includes(GROWTH_TO)) return aims;
  const at = (size: number, question: Question): number => {
    const table = tables.find(({ title }) => title === worldOf(size, question).name);
    return table === undefined ? Number.NaN : measurementOf(table, 'meshproof').median;
  };
  for (const question of QUESTIONS) {
    const figure = at(GROWTH_TO, question) / at(smallest, question);
    const what = `${GROWTH_TO.toLocaleString('en-US')} rules over ${smallest}, ${question}`;
    aims.push({ what, limit: 4, atMost: true, unit: 'x', figure });
  }
  return aims;
}
