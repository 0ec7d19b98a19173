/**
 * `meshproof tls-check`: do the client's TLS mode and the server's peer authentication agree, for every service port?
 * The table is that of `istioctl authn tls-check` up to 1.5.
 * @module
 */
import { Argument, type Command, Option } from 'commander';
import type { PolicyRef } from '../../core/index.ts';
import { loadManifests } from '../../mesh/load-manifests.ts';
import { compileMesh } from '../../policy/index.ts';
import { EXIT, exitWith, type OutputFormat, parseOutputFormat, writeOutput } from '../io.ts';
import { renderTable } from '../render/table.ts';
import { type TlsCheckEndpoint, type TlsCheckRow, tlsCheckRows } from '../tls-check-rows.ts';

interface TlsCheckOptions {
  readonly filename: readonly string[];
  readonly namespace?: string;
  readonly from?: string;
  readonly output: OutputFormat;
}

const HELP = `
STATUS is OK where a call gets through, CONFLICT where it does not, and UNKNOWN where the manifests do not tell: a server
outside the mesh, trust in files, no endpoints. SERVER is the peer authentication in force (NONE: no sidecar), CLIENT the
mode in the words of a DestinationRule. A subset with a policy of its own has a row of its own. Certificates are taken to
be in order.

Exit codes: 0 no conflict, 1 some conflict, 2 bad usage or manifests.

Examples:
  $ meshproof tls-check -f k8s
  $ meshproof tls-check -f k8s --from shop/cart payment.shop:8080 -o wide
  $ meshproof tls-check -f k8s -n shop -o json
`;

/** Adds `tls-check` to the program. */
export function tlsCheckVerb(program: Command): void {
  program
    .command('tls-check')
    .description('check that client and server TLS modes agree')
    .addArgument(new Argument('[host[:port]]', 'only this service, as the caller would name it'))
    .requiredOption('-f, --filename <path...>', 'manifests: files, folders, or - for standard input')
    .option('-n, --namespace <namespace>', 'only services of this namespace')
    .option('-A, --all-namespaces', 'services of all namespaces (default)')
    .option('--from <workload>', 'the caller: namespace/workload (default: a sidecar in the namespace of each service)')
    .addOption(
      new Option('-o, --output <format>', 'table, wide, json or yaml').argParser(parseOutputFormat).default('table'),
    )
    .addHelpText('after', HELP)
    .action(async (target: string | undefined, options: TlsCheckOptions) => {
      await tlsCheck(target, options);
    });
}

async function tlsCheck(target: string | undefined, options: TlsCheckOptions): Promise<void> {
  const compiled = compileMesh(await loadManifests(options.filename));
  const rows = tlsCheckRows({
    compiled,
    ...(options.from === undefined ? {} : { from: compiled.workload(options.from) }),
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    ...(target === undefined ? {} : { target }),
  });
  if (rows.length === 0) process.stderr.write('no service ports found\n');
  writeOutput(options.output, rows, (wide) => (rows.length === 0 ? '' : tlsCheckTable(rows, wide)));
  if (rows.some(({ status }) => status === 'CONFLICT')) exitWith(EXIT.findings);
}

const HEADERS = ['HOST:PORT', 'STATUS', 'SERVER', 'CLIENT', 'AUTHN POLICY', 'DESTINATION RULE'];

/** The table; `wide` has one line for each endpoint, with what happens there and why. */
export function tlsCheckTable(rows: readonly TlsCheckRow[], wide: boolean): string {
  if (!wide) return renderTable(HEADERS, rows.map(narrowLine), { padding: 5 });
  const headers = [...HEADERS, 'ENDPOINT', 'RESULT', 'REASON'];
  const lines = rows.flatMap((row) =>
    row.endpoints.length === 0
      ? [[...narrowLine(row), '-', '-', 'no endpoints']]
      : row.endpoints.map((endpoint) => wideLine(row, endpoint)),
  );
  return renderTable(headers, lines, { padding: 5 });
}

function narrowLine(row: TlsCheckRow): readonly string[] {
  return [
    nameOf(row),
    row.status,
    joined(row.endpoints.map(({ server }) => server)),
    joined(row.endpoints.map(({ client }) => client)),
    joined(row.endpoints.map(({ serverPolicy }) => refText(serverPolicy))),
    refText(row.destinationRule),
  ];
}

function wideLine(row: TlsCheckRow, endpoint: TlsCheckEndpoint): readonly string[] {
  const { workload, address, port, status, server, serverPolicy, client, outcome, clientReason } = endpoint;
  const name = workload === undefined ? (address ?? '-') : `${workload.name}.${workload.namespace}`;
  return [
    nameOf(row),
    status,
    server,
    client,
    refText(serverPolicy),
    refText(row.destinationRule),
    `${name}:${port}`,
    outcome === undefined ? '-' : resultText(outcome),
    outcome?.refusal === undefined ? clientReason : `${outcome.refusal.reason} (${clientReason})`,
  ];
}

function nameOf({ host, port, subset }: TlsCheckRow): string {
  return subset === undefined ? `${host}:${port}` : `${host}:${port}|${subset}`;
}

/** `503 UC`, `200`, or how a connection without a response ends. */
function resultText({ status, flags, ending }: NonNullable<TlsCheckEndpoint['outcome']>): string {
  const what = ending === 'response' ? String(status) : ending;
  return flags === '-' ? what : `${what} ${flags}`;
}

/** `name/namespace`, as that table had it. */
function refText(ref: PolicyRef | undefined): string {
  return ref === undefined ? '-' : `${ref.name}/${ref.namespace}`;
}

function joined(cells: readonly string[]): string {
  return cells.length === 0 ? '-' : [...new Set(cells)].join(',');
}
