/**
 * `meshproof attack list`, `meshproof attack run NAME | --all`
 * @module
 */
import type { Command } from 'commander';
import {
  type Attack,
  attacks,
  type AttackReport,
  chooseVictim,
  findAttack,
  runAttack,
  type Victim,
} from '../../attack/index.ts';
import { MeshError } from '../../core/index.ts';
import type { MeshConfig } from '../../istio/index.ts';
import { loadManifests, loadScenario, Mesh } from '../../mesh/index.ts';
import { isAbsolute, join } from 'node:path';
import { EXIT, exitWith, parseOutputFormat, writeOutput } from '../io.ts';
import { assertWritable, writeWhole } from '../output-file.ts';
import { renderAttack, renderSummary } from '../render/attack-report.ts';
import { paintFor } from '../render/paint.ts';
import { renderTable } from '../render/table.ts';

interface RunFlags {
  readonly all?: boolean;
  readonly twin?: boolean;
  readonly filename?: readonly string[];
  readonly scenario: string;
  readonly from?: string;
  readonly to?: string;
  readonly method: string;
  readonly path: string;
  readonly seed?: string;
  readonly capture?: string;
  readonly output: string;
}

export function attackVerb(program: Command): void {
  const command = program
    .command('attack')
    .description('adversaries on the links of a mesh, with credentials they should not have')
    .addHelpText('after', '\nExample:\n  $ meshproof attack run --all');
  command
    .command('list')
    .description('every attack, what protects against it, and what is broken in its twin')
    .option('-o, --output <format>', 'table, wide, json or yaml', 'table')
    .addHelpText('after', '\nExamples:\n  $ meshproof attack list\n  $ meshproof attack list -o wide')
    .action(list);
  command
    .command('run')
    .argument('[name]', 'an attack of `attack list`')
    .description('run one attack, or all, against a mesh as it is or against its broken twin')
    .option('--all', 'run every attack, each against a mesh of its own')
    .option('--twin', 'against the broken twin: shows what the protection is for')
    .option('-f, --filename <path...>', 'attack these manifests')
    .option('--scenario <name>', 'attack the mesh of a scenario', '01-shop')
    .option('--from <workload>', 'the caller under attack: namespace/workload')
    .option('--to <workload>', 'the server under attack: namespace/workload[:port]')
    .option('--method <method>', 'its request method', 'GET')
    .option('--path <path>', 'its request path', '/')
    .option('--seed <seed>', 'seed of what is drawn')
    .option('--capture <file>', 'write what went over the link as pcapng, without secrets: what the attacker has')
    .option('-o, --output <format>', 'table, json or yaml', 'table')
    .addHelpText(
      'after',
      `
Examples:
  $ meshproof attack run sniffer                what an eavesdropper gets
  $ meshproof attack run sniffer --twin         the same with mutual TLS off
  $ meshproof attack run --all -f k8s           a security test of your own manifests
  $ meshproof attack run rogue-ca -o json | jq .verdict

Exit code 1: an attack succeeded against the mesh as it is, or failed against its broken twin.`,
    )
    .action(run);
}

function list(flags: { readonly output: string }): void {
  const rows = attacks.map(({ name, title, tries, defence, broken }) => ({ name, title, tries, defence, broken }));
  writeOutput(parseOutputFormat(flags.output), rows, (wide) =>
    renderTable(
      wide ? ['NAME', 'TITLE', 'DEFENCE', 'BROKEN IN THE TWIN'] : ['NAME', 'TITLE'],
      rows.map(({ name, title, defence, broken }) => (wide ? [name, title, defence, broken] : [name, title])),
    ),
  );
}

async function run(name: string | undefined, flags: RunFlags): Promise<void> {
  const format = parseOutputFormat(flags.output);
  const chosen = choose(name, flags);
  if (flags.capture !== undefined && chosen.length > 1) throw new MeshError('ERR_USAGE', '--capture takes one attack');
  if (flags.capture !== undefined) await assertWritable(flags.capture);
  const world = await worldOf(flags);
  const reports: AttackReport[] = [];
  for (const attack of chosen) reports.push(await runOne(attack, world, flags));
  const [only] = reports;
  const paint = paintFor(process.stdout);
  writeOutput(format, flags.all ? reports : only, () =>
    [...reports.map((report) => renderAttack(report, paint)), ...(flags.all ? [renderSummary(reports)] : [])].join(
      '\n',
    ),
  );
  const wanted = flags.twin === true ? 'succeeded' : 'refused';
  if (reports.some(({ verdict }) => verdict !== wanted)) exitWith(EXIT.findings);
}

function choose(name: string | undefined, { all }: RunFlags): readonly Attack[] {
  if (name !== undefined && all === true) throw new MeshError('ERR_USAGE', 'either a name, or --all');
  if (name !== undefined) return [findAttack(name)];
  if (all === true) return attacks;
  throw new MeshError('ERR_USAGE', 'say which attack, or --all; `meshproof attack list` names them');
}

interface World {
  readonly config: MeshConfig;
  /** Calls that are known to be made. */
  readonly calls: readonly Victim[];
}

async function worldOf(flags: RunFlags): Promise<World> {
  if (flags.filename !== undefined) return { config: await loadManifests(flags.filename), calls: [] };
  const { scenario, folder } = await loadScenario(flags.scenario);
  const paths = scenario.manifests.map((path) => (isAbsolute(path) ? path : join(folder, path)));
  const calls = (scenario.traffic ?? []).map(({ from, to, request }) => ({
    from,
    to,
    method: request?.method ?? 'GET',
    path: request?.path ?? '/',
  }));
  return { config: await loadManifests(paths), calls };
}

/** On a mesh of its own: attacks change what they attack. */
async function runOne(attack: Attack, { config, calls }: World, flags: RunFlags): Promise<AttackReport> {
  const { from, to, method, path, seed } = flags;
  if ((from === undefined) !== (to === undefined)) throw new MeshError('ERR_USAGE', '--from and --to go together');
  await using mesh = await Mesh.start({ config, ...(seed === undefined ? {} : { seed }) });
  const victim = from === undefined || to === undefined ? chooseVictim(mesh, calls) : { from, to, method, path };
  using capture = flags.capture === undefined ? undefined : mesh.capture();
  const report = await runAttack(attack, mesh, {
    victim,
    twin: flags.twin === true,
    ...(seed === undefined ? {} : { seed }),
  });
  if (flags.capture !== undefined && capture !== undefined) await writeWhole(flags.capture, capture.pcapng());
  return report;
}
