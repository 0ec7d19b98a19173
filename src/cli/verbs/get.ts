/**
 * `meshproof get`: the policies of some manifests, in kubectl's tables.
 * @module
 */
import { Argument, type Command, Option } from 'commander';
import { didYouMean, type Instant, MeshError, parseInstant } from '../../core/index.ts';
import type { MeshConfig, Resource } from '../../istio/index.ts';
import { loadManifests } from '../../mesh/load-manifests.ts';
import { compareText } from '../../policy/resource-order.ts';
import { type OutputFormat, parseOutputFormat, writeOutput } from '../io.ts';
import { renderTable } from '../render/table.ts';

interface GetOptions {
  readonly filename: readonly string[];
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly at?: string;
  readonly output: OutputFormat;
}

type AnyResource = Resource<string, unknown>;

interface Column {
  readonly header: string;
  readonly cell: (resource: AnyResource) => string;
}

interface Kind {
  readonly names: readonly string[];
  readonly list: (config: MeshConfig) => readonly AnyResource[];
  readonly columns: readonly Column[];
}

function kind<R extends AnyResource>(
  names: readonly string[],
  list: (config: MeshConfig) => readonly R[],
  columns: Readonly<Record<string, (resource: R) => string | undefined>>,
): Kind {
  return {
    names,
    list,
    // A column is only ever given a resource of the list beside it.
    columns: Object.entries(columns).map(([header, cell]) => ({
      header,
      cell: (resource) => cell(resource as R) ?? '',
    })),
  };
}

const KINDS: readonly Kind[] = [
  kind(['pa', 'peerauthentication', 'peerauthentications'], (config) => config.peerAuthentications, {
    MODE: ({ spec }) => spec.mtls?.mode,
  }),
  kind(['ap', 'authorizationpolicy', 'authorizationpolicies'], (config) => config.authorizationPolicies, {
    ACTION: ({ spec }) => spec.action,
  }),
  kind(['ra', 'requestauthentication', 'requestauthentications'], (config) => config.requestAuthentications, {}),
  kind(['dr', 'destinationrule', 'destinationrules'], (config) => config.destinationRules, {
    HOST: ({ spec }) => spec.host,
  }),
];

const HELP = `
Kinds: pa (PeerAuthentication), ap (AuthorizationPolicy), ra (RequestAuthentication), dr (DestinationRule); their full
names and plurals too. AGE counts from metadata.creationTimestamp to --at; manifests seldom carry the first.

Examples:
  $ meshproof get pa -A -f k8s
  $ meshproof get authorizationpolicies -n shop -f k8s -o yaml
`;

/** Adds `get` to the program. */
export function getVerb(program: Command): void {
  program
    .command('get')
    .description('list policies of some manifests')
    .addArgument(new Argument('<kind>', 'pa, ap, ra or dr'))
    .addArgument(new Argument('[name]', 'only the policy of this name'))
    .requiredOption('-f, --filename <path...>', 'manifests: files, folders, or - for standard input')
    .option('-n, --namespace <namespace>', 'the namespace to look in (default: default)')
    .option('-A, --all-namespaces', 'look in all namespaces')
    .option('--at <time>', 'the instant that AGE is counted to, RFC 3339')
    .addOption(
      new Option('-o, --output <format>', 'table, wide, json or yaml').argParser(parseOutputFormat).default('table'),
    )
    .addHelpText('after', HELP)
    .action(async (kindName: string, name: string | undefined, options: GetOptions) => {
      await get(kindName, name, options);
    });
}

async function get(kindName: string, name: string | undefined, options: GetOptions): Promise<void> {
  const found = KINDS.find(({ names }) => names.includes(kindName.toLowerCase()));
  if (found === undefined) {
    const known = KINDS.flatMap(({ names }) => names);
    throw new MeshError(
      'ERR_USAGE',
      `unknown kind \`${kindName}\`: expected pa, ap, ra or dr${didYouMean(kindName, known)}`,
    );
  }
  const at = options.at === undefined ? undefined : parseInstant(options.at);
  const namespace = options.allNamespaces === true ? undefined : (options.namespace ?? 'default');
  const inScope = found
    .list(await loadManifests(options.filename))
    .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace);
  if (name !== undefined && !inScope.some(({ metadata }) => metadata.name === name)) {
    const names = inScope.map(({ metadata }) => metadata.name);
    const where = namespace === undefined ? 'in any namespace' : `in namespace ${namespace}`;
    throw new MeshError('ERR_USAGE', `no ${found.names[1]} \`${name}\` ${where}${didYouMean(name, names)}`);
  }
  const resources = inScope
    .filter(({ metadata }) => name === undefined || metadata.name === name)
    .toSorted(
      (a, b) =>
        compareText(a.metadata.namespace, b.metadata.namespace) || compareText(a.metadata.name, b.metadata.name),
    );
  if (resources.length === 0) {
    process.stderr.write(`No resources found${namespace === undefined ? '' : ` in ${namespace} namespace`}.\n`);
  }
  const values = resources.map(({ apiVersion, kind, metadata, spec }) => ({ apiVersion, kind, metadata, spec }));
  writeOutput(options.output, values, () =>
    resources.length === 0 ? '' : getTable(found.columns, resources, { withNamespace: namespace === undefined, at }),
  );
}

interface GetTableOptions {
  readonly withNamespace: boolean;
  readonly at: Instant | undefined;
}

function getTable(
  columns: readonly Column[],
  resources: readonly AnyResource[],
  { withNamespace, at }: GetTableOptions,
): string {
  const headers = [...(withNamespace ? ['NAMESPACE'] : []), 'NAME', ...columns.map(({ header }) => header), 'AGE'];
  const rows = resources.map((resource) => [
    ...(withNamespace ? [resource.metadata.namespace] : []),
    resource.metadata.name,
    ...columns.map(({ cell }) => cell(resource)),
    ageText(resource.metadata.creationTimestamp, at),
  ]);
  return renderTable(headers, rows);
}

/** As kubectl shortens it: two units while the larger is small, one afterwards. */
function ageText(created: string | undefined, at: Instant | undefined): string {
  if (created === undefined || at === undefined) return '<unknown>';
  const seconds = Math.max(0, Math.floor((at - parseInstant(created)) / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (hours < 3) return `${minutes}m`;
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (days < 8) return two(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  return two(Math.floor(days / 365), 'y', days % 365, 'd');
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}
