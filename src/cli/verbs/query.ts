/**
 * `meshproof query NAME`: the smaller questions about one configuration, or two.
 * @module
 */
import { Option, type Command } from 'commander';
import {
  allCaptured,
  blastRadius,
  connectivityMap,
  containment,
  emptiness,
  equivalence,
  forbids,
  permissiveness,
  permits,
  redundancy,
  type Assertion,
} from '../../analysis/index.ts';
import { didYouMean, MeshError, type PolicyRef } from '../../core/index.ts';
import type { MeshConfig } from '../../istio/index.ts';
import { alignColumns } from '../../telemetry/tabwriter.ts';
import { loadConfiguration } from '../git-manifests.ts';
import { EXIT, parseOutputFormat, writeOutput } from '../io.ts';
import { requestText } from '../render/diff-report.ts';
import { parseTarget } from './who-can.ts';

interface QueryOptions {
  readonly from?: string;
  readonly to?: string;
  readonly method?: string;
  readonly path?: string;
  readonly hops?: string;
  readonly budget?: string;
  readonly output: string;
}

interface Answer {
  readonly value: unknown;
  readonly rows: readonly (readonly string[])[];
  readonly holds: boolean;
}

interface Places {
  readonly config: MeshConfig;
  readonly other: () => Promise<MeshConfig>;
  readonly hasOther: boolean;
  readonly options: QueryOptions;
}

const QUERIES: Readonly<
  Record<string, { readonly does: string; readonly ask: (places: Places) => Answer | Promise<Answer> }>
> = {
  connectivityMap: {
    does: 'every caller and port of which some request gets in',
    ask: ({ config }) => connections(config),
  },
  permits: {
    does: 'whether every request of --from, --method, --path gets in to --to',
    ask: ({ config, options }) => asserted(permits(config, scopeOf(config, options))),
  },
  forbids: {
    does: 'whether no such request gets in',
    ask: ({ config, options }) => asserted(forbids(config, scopeOf(config, options))),
  },
  redundancy: {
    does: 'rules that decide nothing, with the rule that shadows them',
    ask: ({ config }) => redundant(config),
  },
  emptiness: {
    does: 'policies that select no workload',
    ask: ({ config }) => {
      const { holds, empty } = emptiness(config);
      return { value: { holds, empty }, holds, rows: [['POLICY'], ...empty.map((ref) => [refText(ref)])] };
    },
  },
  allCaptured: {
    does: 'workloads that no ALLOW policy selects',
    ask: ({ config }) => {
      const { holds, uncaptured } = allCaptured(config);
      return { value: { holds, uncaptured }, holds, rows: [['WORKLOAD'], ...uncaptured.map((name) => [name])] };
    },
  },
  equivalence: {
    does: 'whether two configurations let the same requests in',
    ask: async ({ config, other }) => {
      const holds = equivalence(config, await other());
      return { value: { holds }, holds, rows: [['EQUIVALENT'], [String(holds)]] };
    },
  },
  containment: {
    does: 'whether the second configuration lets in all that the first does',
    ask: async ({ config, other }) => {
      const answer = containment(config, await other());
      return {
        value: answer,
        holds: answer.holds,
        rows: [
          ['CONTAINED', 'COUNTEREXAMPLE'],
          [String(answer.holds), answer.counterexamples[0]?.summary ?? '<none>'],
        ],
      };
    },
  },
  blastRadius: {
    does: 'what the stolen identity of --from reaches within --hops',
    ask: ({ config, options }) => blast(config, options),
  },
  permissiveness: {
    does: 'how much of the space of requests each port lets in, beside another configuration where one is given',
    ask: async ({ config, other, hasOther, options }) => share(config, hasOther ? await other() : undefined, options),
  },
};

const HELP = `
Queries:
${Object.entries(QUERIES)
  .map(([name, { does }]) => `  ${name.padEnd(16)} ${does}`)
  .join('\n')}

Exit codes: 0 the answer is good, 1 an assertion fails or something was found, 2 bad usage or manifests.

Examples:
  $ meshproof query connectivityMap k8s
  $ meshproof query forbids k8s --from default/retool --to default/api-gateway:8080 --method DELETE
  $ meshproof query equivalence main:policies policies
  $ meshproof query permissiveness policies main:policies --budget 0.5
`;

/** Adds \`query\` to the program. */
export function queryVerb(program: Command): void {
  program
    .command('query <name> <config> [other]')
    .description('ask about policies: connectivity, assertions, dead rules, blast radius')
    .option('--from <workload>', 'the caller: namespace/workload, a principal, or `outside`')
    .option('--to <workload>', 'the server: namespace/workload[:port]')
    .option('--method <method>', 'only requests with this method')
    .option('--path <path>', 'only requests with this path')
    .option('--hops <number>', 'how many hops an attacker takes at most')
    .option('--budget <share>', 'largest share of requests a port may let in, between 0 and 1')
    .addOption(new Option('-o, --output <format>', 'table, wide, json or yaml').default('table'))
    .addHelpText('after', HELP)
    .action(async (name: string, place: string, other: string | undefined, options: QueryOptions) => {
      const query = Object.hasOwn(QUERIES, name) ? QUERIES[name] : undefined;
      if (query === undefined) {
        throw new MeshError('ERR_USAGE', `unknown query \`${name}\`${didYouMean(name, Object.keys(QUERIES))}`);
      }
      const format = parseOutputFormat(options.output);
      const answer = await query.ask({
        config: await loadConfiguration(place, []),
        options,
        hasOther: other !== undefined,
        other: () => {
          if (other === undefined) throw new MeshError('ERR_USAGE', `${name} compares two configurations`);
          return loadConfiguration(other, []);
        },
      });
      writeOutput(format, answer.value, () => `${alignColumns(answer.rows).join('\n')}\n`);
      process.exitCode = answer.holds ? EXIT.fine : EXIT.findings;
    });
}

function required(value: string | undefined, option: string): string {
  if (value === undefined) throw new MeshError('ERR_USAGE', `say ${option}`);
  return value;
}

function scopeOf(config: MeshConfig, options: QueryOptions): Parameters<typeof permits>[1] {
  const { from, method, path } = options;
  return {
    ...parseTarget(required(options.to, 'what is called with --to')),
    ...(from === undefined ? {} : { principal: principalOf(config, from) }),
    ...(method === undefined ? {} : { method }),
    ...(path === undefined ? {} : { path }),
  };
}

function principalOf({ settings, workloads }: MeshConfig, from: string): string | null {
  if (from === 'outside') return null;
  if (from.split('/').length > 2) return from;
  const found = workloads.find(({ namespace, name }) => `${namespace}/${name}` === from);
  if (found === undefined) {
    const names = workloads.map(({ namespace, name }) => `${namespace}/${name}`);
    throw new MeshError('ERR_REQUEST_INVALID', `no workload \`${from}\` in the manifests${didYouMean(from, names)}`);
  }
  return found.injected ? `${settings.trustDomain}/ns/${found.namespace}/sa/${found.serviceAccount}` : null;
}

function asserted(assertion: Assertion): Answer {
  const rows = assertion.counterexamples.map(({ summary, witness }) => [summary, requestText(witness)]);
  return {
    value: assertion,
    holds: assertion.holds,
    rows: assertion.holds ? [['HOLDS'], ['true']] : [['COUNTEREXAMPLE', 'REQUEST'], ...rows],
  };
}

function connections(config: MeshConfig): Answer {
  const value = connectivityMap(config);
  return {
    value,
    holds: true,
    rows: [
      ['FROM', 'TO', 'PORT', 'REACH'],
      ...value.map(({ from, to, port, reach }) => [from, to, port > 0 ? String(port) : '*', reach]),
    ],
  };
}

function redundant(config: MeshConfig): Answer {
  const value = redundancy(config);
  const rows = value.map(({ rule, at, why, by }) => [
    refText(rule),
    why,
    by === undefined ? '<none>' : refText(by),
    at === undefined ? '<none>' : `${at.file}:${at.line}`,
  ]);
  return { value, holds: value.length === 0, rows: [['RULE', 'WHY', 'BY', 'AT'], ...rows] };
}

function blast(config: MeshConfig, options: QueryOptions): Answer {
  const hops = options.hops === undefined ? undefined : Number(options.hops);
  const value = blastRadius(config, required(options.from, 'whose identity is stolen with --from'), hops);
  return {
    value,
    holds: true,
    rows: [
      ['WORKLOAD', 'HOPS', 'PATH'],
      ...value.map((hop) => [hop.workload, String(hop.hops), hop.path.join(' -> ')]),
    ],
  };
}

function share(config: MeshConfig, baseline: MeshConfig | undefined, options: QueryOptions): Answer {
  const budget = Number(options.budget ?? '1');
  if (!(budget >= 0 && budget <= 1))
    throw new MeshError('ERR_USAGE', `--budget takes a share between 0 and 1, not \`${options.budget}\``);
  const value = permissiveness(config, baseline);
  const rows = value.map(({ to, port, share: part, was }) => [
    to,
    port === 0 ? '*' : String(port),
    part.toFixed(3),
    ...(baseline === undefined ? [] : [was === undefined ? '<none>' : was.toFixed(3)]),
    part > budget ? 'over budget' : 'within',
  ]);
  const heading = ['TO', 'PORT', 'SHARE', ...(baseline === undefined ? [] : ['WAS']), 'BUDGET'];
  const shown = options.budget === undefined ? [heading, ...rows].map((row) => row.slice(0, -1)) : [heading, ...rows];
  return { value, holds: value.every((each) => each.share <= budget), rows: shown };
}

function refText({ namespace, name, rule }: PolicyRef): string {
  return `${namespace}/${name}${rule === undefined ? '' : ` rule ${rule}`}`;
}
