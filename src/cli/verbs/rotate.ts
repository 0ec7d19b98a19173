/**
 * `meshproof rotate rehearse` and `meshproof rotate forecast`.
 * @module
 */
import { Argument, type Command, Option } from 'commander';
import { formatDuration, MeshError, parseDuration } from '../../core/index.ts';
import {
  caOutagePlan,
  clockSkewPlan,
  forecast,
  leafRotationPlan,
  manifestWorld,
  rehearse,
  type RehearsalPlan,
  type RehearsalWorld,
  rootRotationPlan,
  scenarioWorld,
  stepOrder,
  TRUST_DOMAIN_STEPS,
  TRUST_NEWS,
  trustDomainPlan,
  type TrustNews,
} from '../../mesh/index.ts';
import { MAX_LEAF_TTL_MS } from '../../pki/index.ts';
import { ROOT_STEPS } from '../../sim/index.ts';
import { EXIT, exitWith, parseOutputFormat, writeOutput } from '../io.ts';
import { paintFor } from '../render/paint.ts';
import { progressLine } from '../render/progress.ts';
import { renderForecast, renderRehearsal } from '../render/rehearsal-report.ts';

const KINDS = ['leaf', 'root', 'trust-domain', 'ca-outage', 'clock-skew'] as const;
type Kind = (typeof KINDS)[number];

interface WorldFlags {
  readonly filename?: readonly string[];
  readonly leafTtl?: string;
  readonly seed?: string;
  readonly output: string;
}

interface RehearseFlags extends WorldFlags {
  readonly order?: string;
  readonly every?: string;
  readonly for?: string;
  readonly news?: TrustNews;
  readonly to?: string;
  readonly outage?: string;
  readonly skew?: string;
  readonly workload?: string;
  readonly probe?: string;
}

const REHEARSE_HELP = `
Kinds:
  leaf          every leaf renewed at once, then as planned
  root          a new root: distribute, switch, drop (--order, --every, --news)
  trust-domain  a new trust domain: switch (the old one as alias), drop (--to, --order, --every)
  ca-outage     no certificate authority for --outage, from the worst instant on
  clock-skew    the clock of --workload wrong by --skew (negative: behind)

Every flow of the scenario is tried once a minute over real mutual TLS, and after every change over a new connection.
With -f the traffic is what the policies allow.

Examples:
  $ meshproof rotate rehearse root
  $ meshproof rotate rehearse root --order distribute,drop,switch     # refuted, with the missing root
  $ meshproof rotate rehearse root --every 6h                          # too fast: some leaf is still of the old root
  $ meshproof rotate rehearse ca-outage --outage 13h -f k8s -o json

Exit code 1: a request was lost.`;

export function rotateVerb(program: Command): void {
  const rotate = program
    .command('rotate')
    .description('rehearse and forecast certificate rotation on the virtual clock')
    .addHelpText('after', '\nExample:\n  $ meshproof rotate rehearse root');
  worldOptions(rotate.command('rehearse'))
    .addArgument(new Argument('<kind>', 'what to rehearse').choices(KINDS))
    .argument('[scenario]', 'a folder, a scenario.yaml, or one that ships', '01-shop')
    .description('play an operation on identities under real traffic; no request may be lost')
    .option('--order <steps>', 'order of the steps, comma separated')
    .option('--every <duration>', 'time before each step', undefined)
    .option('--for <duration>', 'virtual time in all')
    .addOption(new Option('--news <how>', 'how workloads hear of other roots').choices(TRUST_NEWS).default('renewal'))
    .option('--to <trust-domain>', 'the new trust domain', 'new.example')
    .option('--outage <duration>', 'length of the outage', '11h')
    .option('--skew <duration>', 'what the clock shows too much', '90s')
    .option('--workload <ns/name>', 'whose clock; `all` for all', 'all')
    .option('--probe <duration>', 'time between real requests of a flow', '1m')
    .addHelpText('after', REHEARSE_HELP)
    .action(runRehearsal);
  worldOptions(rotate.command('forecast'))
    .argument('[scenario]', 'a folder, a scenario.yaml, or one that ships', '01-shop')
    .description('expiry calendar, renewal herd, longest outage of the authority, largest clock error')
    .option('--workload <ns/name>', 'whose clock is wrong', undefined)
    .addHelpText(
      'after',
      `
The outage and the clock errors are found by bisection: every guess is a rehearsal with real handshakes.

Examples:
  $ meshproof rotate forecast
  $ meshproof rotate forecast -f k8s --leaf-ttl 1h -o json`,
    )
    .action(runForecast);
}

function worldOptions(command: Command): Command {
  return command
    .option('-f, --filename <path...>', 'manifests instead of a scenario: files, folders or - for standard input')
    .option('--leaf-ttl <duration>', 'lifetime of workload certificates, e.g. 24h')
    .option('--seed <seed>', 'seed of everything drawn')
    .option('-o, --output <format>', 'table, json or yaml', 'table');
}

/** Options that only some kinds have. */
const KIND_OPTIONS: Readonly<Record<Kind, readonly string[]>> = {
  leaf: [],
  root: ['order', 'every', 'news'],
  'trust-domain': ['order', 'every', 'to'],
  'ca-outage': ['outage'],
  'clock-skew': ['skew', 'workload'],
};

/** @throws MeshError `ERR_USAGE` for an option that would have no effect */
function requireOwnOptions(kind: Kind, command: Command): void {
  const own = KIND_OPTIONS[kind];
  for (const option of Object.values(KIND_OPTIONS).flat()) {
    if (own.includes(option) || command.getOptionValueSource(option) !== 'cli') continue;
    const kinds = KINDS.filter((other) => KIND_OPTIONS[other].includes(option)).join(' and ');
    throw new MeshError('ERR_USAGE', `a rehearsal of ${kind} has no \`--${option}\`: it belongs to ${kinds}`);
  }
}

async function runRehearsal(kind: Kind, scenario: string, flags: RehearseFlags, command: Command): Promise<void> {
  const format = parseOutputFormat(flags.output);
  requireOwnOptions(kind, command);
  const world = await worldOf(scenario, flags);
  const plan = planOf(kind, world, flags);
  const interrupt = new AbortController();
  process.removeAllListeners('SIGINT').once('SIGINT', () => interrupt.abort());
  const progress = progressLine(process.stderr);
  const result = await rehearse(plan, {
    ...world,
    seed: flags.seed ?? world.seed ?? kind,
    probeIntervalMs: positive('--probe', flags.probe ?? '1m'),
    signal: interrupt.signal,
    onProgress: ({ at, start, end }) =>
      progress.show(
        (at - start) / (end - start),
        `virtual ${formatDuration(at - start)} of ${formatDuration(end - start)}`,
      ),
  }).finally(() => progress.clear());
  writeOutput(format, result, () => renderRehearsal(result, paintFor(process.stdout)));
  if (!result.ok) exitWith(EXIT.findings);
  if (interrupt.signal.aborted) exitWith(EXIT.interrupted);
}

async function runForecast(scenario: string, flags: WorldFlags & { readonly workload?: string }): Promise<void> {
  const format = parseOutputFormat(flags.output);
  const world = await worldOf(scenario, flags);
  const progress = progressLine(process.stderr);
  let steps = 0;
  const result = await forecast(world, {
    ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    ...(flags.workload === undefined ? {} : { workload: flags.workload }),
    onProgress: (what) => progress.show(steps++ / 3, what),
  }).finally(() => progress.clear());
  writeOutput(format, result, () => renderForecast(result, paintFor(process.stdout)));
}

async function worldOf(scenario: string, { filename, leafTtl }: WorldFlags): Promise<RehearsalWorld> {
  if (leafTtl !== undefined && positive('--leaf-ttl', leafTtl) > MAX_LEAF_TTL_MS) {
    const limit = formatDuration(MAX_LEAF_TTL_MS);
    throw new MeshError(
      'ERR_USAGE',
      `\`--leaf-ttl\` ${leafTtl} is above the limit of ${limit}: no certificate is issued`,
    );
  }
  const ca = leafTtl === undefined ? {} : { leafTtl };
  if (filename !== undefined) return manifestWorld(filename, { ca });
  const world = await scenarioWorld(scenario);
  if (leafTtl === undefined) return world;
  const mesh = { ...world.mesh, ca: { ...world.mesh.ca, leafTtl } };
  return { ...world, mesh, times: { ...world.times, ttlMs: parseDuration(leafTtl) } };
}

function planOf(kind: Kind, world: RehearsalWorld, flags: RehearseFlags): RehearsalPlan {
  const { times } = world;
  const { order, every, news } = flags;
  const spell = flags.for === undefined ? {} : { forMs: positive('--for', flags.for) };
  const everyMs = every === undefined ? {} : { everyMs: positive('--every', every) };
  switch (kind) {
    case 'leaf':
      return leafRotationPlan(times, spell);
    case 'root':
      return rootRotationPlan(times, {
        ...(order === undefined ? {} : { order: stepOrder(order, ROOT_STEPS) }),
        ...(news === undefined ? {} : { news }),
        ...everyMs,
        ...spell,
      });
    case 'trust-domain': {
      const from = world.mesh.config?.settings.trustDomain ?? 'cluster.local';
      const steps = order === undefined ? {} : { order: stepOrder(order, TRUST_DOMAIN_STEPS) };
      return trustDomainPlan(times, { from, to: flags.to ?? 'new.example', ...steps, ...everyMs, ...spell });
    }
    case 'ca-outage':
      return caOutagePlan(times, { outageMs: positive('--outage', flags.outage ?? '11h'), ...spell });
    case 'clock-skew': {
      const { workload = 'all', skew = '90s' } = flags;
      const workloads = workload === 'all' ? workload : [workload];
      return clockSkewPlan(times, { workloads, skewMs: parseDuration(skew), ...spell });
    }
    default:
      return kind satisfies never;
  }
}

/** @throws MeshError `ERR_TIME_SYNTAX`, `ERR_USAGE` */
function positive(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms <= 0) throw new MeshError('ERR_USAGE', `\`${option}\` must be more than nothing`);
  return ms;
}
