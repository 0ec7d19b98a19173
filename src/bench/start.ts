/**
 * What a user waits for before the first line: the command line, cold.
 *
 * Every turn is a process of its own on a warm file cache. The floor is Node itself, doing nothing. Not asked: the
 * first run after boot, when the disk counts.
 * @module
 */
import type { Aim, Bench, BenchContext, Findings } from './bench.ts';
import { moduleArguments, runNode, SHOP } from './command-line.ts';
import { type Contender, measurementOf, takeTurns } from './rounds.ts';

export interface StartParameters {
  readonly rounds: number;
}

const BARE = 'node -e 0';
const HELP = 'meshproof --help';
const AUTHZ = [
  'authz',
  '-f',
  SHOP,
  '--from',
  'default/frontend',
  '--to',
  'default/api-gateway',
  '--path',
  '/api/orders',
];
const DIFF = ['diff', SHOP, SHOP];

export const startBench: Bench<StartParameters> = {
  name: 'start',
  question: 'How long until the command line has said something?',
  parameters: { smoke: { rounds: 1 }, full: { rounds: 25 } },
  measure,
};

async function measure({ rounds }: StartParameters, context: BenchContext): Promise<Findings> {
  const program = moduleArguments('cli/main.ts');
  const contenders = [
    start(BARE, ['-e', '0']),
    start(HELP, [...program, '--help']),
    start('meshproof authz, the shop', [...program, ...AUTHZ]),
    start('meshproof diff, the shop', [...program, ...DIFF]),
  ];
  context.progress('starting');
  const table = await takeTurns(contenders, { title: 'Cold start', unit: 'ms', rounds, floor: BARE });
  const figure = measurementOf(table, HELP).ratio?.value ?? Number.NaN;
  const aims: Aim[] = [{ what: `\`${HELP}\` over \`${BARE}\``, limit: 3, atMost: true, unit: 'x', figure }];
  return { tables: [table], aims };
}

function start(name: string, args: readonly string[]): Contender {
  return {
    name,
    turn: async () => {
      const { code, wallMs } = await runNode(args);
      if (code !== 0) throw new Error(`${name}: exit ${code}`);
      return { value: wallMs };
    },
  };
}
