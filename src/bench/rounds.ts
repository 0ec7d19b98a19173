/**
 * Rounds in which competitors take turns, and the tables they make.
 * @module
 */
import type { Measurement, Table, Unit } from './bench.ts';
import { medianEstimate, median } from './statistics.ts';

/** What one turn came to. */
export interface Turn {
  /** The figure of the table, in its unit. */
  readonly value: number;
  readonly also?: Readonly<Record<string, number>>;
}

export interface Contender {
  readonly name: string;
  /** Runs a turn and says what it came to. */
  readonly turn: () => Turn | Promise<Turn>;
  /** Takes part in every so many rounds only: for those a hundred times slower. @defaultValue 1 */
  readonly every?: number;
}

export interface RoundsOptions {
  readonly title: string;
  readonly unit: Unit;
  /** Rounds that count; a tenth as many, at least one, are run before them to warm up. */
  readonly rounds: number;
  /** Rounds before those that count. @defaultValue a tenth of `rounds`, at least 1 */
  readonly warmUp?: number;
  readonly moreIsBetter?: boolean;
  /** @defaultValue the first contender; `false` for none */
  readonly reference?: string | false;
  readonly floor?: string;
  readonly note?: string;
}

/**
 * Lets the contenders take turns. The order turns round by round, so that no contender always runs after the same
 * other one.
 */
export async function takeTurns(contenders: readonly Contender[], options: RoundsOptions): Promise<Table> {
  const { rounds, warmUp = Math.max(1, Math.ceil(rounds / 10)) } = options;
  const turns = new Map<string, Map<number, Turn>>(contenders.map(({ name }) => [name, new Map()]));
  for (let round = -warmUp; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round + warmUp) % contenders.length];
      if (contender === undefined || round % (contender.every ?? 1) !== 0) continue;
      const turn = await contender.turn();
      if (round >= 0) turns.get(contender.name)?.set(round, turn);
    }
  }
  return tableOf(contenders, turns, options);
}

function tableOf(
  contenders: readonly Contender[],
  turns: ReadonlyMap<string, ReadonlyMap<number, Turn>>,
  options: RoundsOptions,
): Table {
  const { title, unit, moreIsBetter = false, floor, note } = options;
  const reference = options.reference === false ? undefined : (options.reference ?? contenders[0]?.name);
  const references = reference === undefined ? undefined : turns.get(reference);
  const measurements = contenders.map(({ name }): Measurement => {
    const own = turns.get(name) ?? new Map<number, Turn>();
    const values = [...own.values()].map(({ value }) => value);
    const ratios = [...own].flatMap(([round, { value }]) => {
      const against = references?.get(round)?.value;
      return against === undefined || name === reference ? [] : [value / against];
    });
    return {
      name,
      median: median(values),
      unit,
      moreIsBetter,
      rounds: values,
      ...(ratios.length === 0 ? {} : { ratio: medianEstimate(ratios) }),
      also: alsoOf([...own.values()]),
    };
  });
  return {
    title,
    ...(reference === undefined ? {} : { reference }),
    ...(floor === undefined ? {} : { floor }),
    measurements,
    ...(note === undefined ? {} : { note }),
  };
}

/** Medians of the further figures. */
function alsoOf(turns: readonly Turn[]): Readonly<Record<string, number>> {
  const names = new Set(turns.flatMap(({ also }) => Object.keys(also ?? {})));
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      median(turns.flatMap(({ also }) => (also?.[name] === undefined ? [] : [also[name]]))),
    ]),
  );
}

/** A measurement of a table. @throws Error for a name it does not have */
export function measurementOf(table: Table, name: string): Measurement {
  const found = table.measurements.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no measurement \`${name}\` in \`${table.title}\``);
  return found;
}

/** Milliseconds of wall and CPU time (all threads of this process) that `work` takes. */
export async function timed(work: () => unknown): Promise<{ readonly wallMs: number; readonly cpuMs: number }> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1_000 };
}

/** A contender whose turns are `batch` calls of `once`; the figure is milliseconds of wall time for each. */
export function perCall(
  name: string,
  once: () => void | Promise<unknown>,
  options: { readonly batch: number; readonly every?: number },
): Contender {
  const { batch, every } = options;
  return {
    name,
    ...(every === undefined ? {} : { every }),
    turn: async () => {
      const { wallMs, cpuMs } = await timed(async () => {
        for (let i = 0; i < batch; i++) {
          const pending = once();
          if (pending !== undefined) await pending;
        }
      });
      return { value: wallMs / batch, also: { 'CPU ms': cpuMs / batch } };
    },
  };
}
