/**
 * `meshproof serve [scenario]`
 *
 * Real clients judge certificates by the machine's clock, so the virtual clock starts at now and follows it.
 * @module
 */
import { type Command, Option } from 'commander';
import { formatInstant, MeshError } from '../../core/index.ts';
import { startServing, type Serving } from '../../mesh/index.ts';
import { parseOutputFormat } from '../io.ts';
import { eventLine, servingTable } from '../render/serving.ts';

interface ServeFlags {
  readonly file?: readonly string[];
  readonly seed?: string;
  readonly identity: readonly string[];
  readonly port: readonly string[];
  readonly forward: readonly string[];
  readonly output: string;
}

export function serveVerb(program: Command): void {
  program
    .command('serve')
    .argument('[scenario]', 'a folder, a scenario.yaml, or one that ships, e.g. 01-shop', '01-shop')
    .description('keep a mesh up on loopback for real clients; prints where every workload port answers')
    .option('-f, --file <path...>', 'manifests instead of a scenario: files, folders, `-`')
    .addOption(new Option('--seed <seed>', 'seed of everything drawn').default(undefined, "the scenario's"))
    .addOption(repeated('--identity <ns/sa=DIR>', 'write key.pem, cert.pem and ca.pem of a service account'))
    .addOption(repeated('--port <ns/workload[:port]=N>', 'a fixed loopback port; without :port the one for calls out'))
    .addOption(
      repeated('--forward <ns/workload=host:port[=N]>', 'a loopback port that leads to host:port as a workload'),
    )
    .option('-o, --output <format>', 'table or json', 'table')
    .addHelpText(
      'after',
      `
Examples:
  $ meshproof serve                                           the shop, until Ctrl-C
  $ meshproof serve -f k8s --port default/api-gateway:8080=18080
  $ meshproof serve --identity default/frontend=./id          then, at a STRICT port:
    curl --cert id/cert.pem --key id/key.pem --cacert id/ca.pem …
  curl -x http://127.0.0.1:PORT http://user-service/users/1  as the workload whose calls go out at PORT
  $ meshproof serve -o json | jq -c                           one line once all ports answer, then one event a line

SIGINT and SIGTERM end it.`,
    )
    .action(serve);
}

function repeated(flags: string, description: string): Option {
  return new Option(flags, description)
    .default([], 'none')
    .argParser((value, before: readonly string[]) => [...before, value]);
}

async function serve(scenario: string, flags: ServeFlags, command: Command): Promise<void> {
  const format = parseOutputFormat(flags.output);
  if (format !== 'json' && format !== 'table') throw new MeshError('ERR_USAGE', '`serve` prints table or json');
  if (flags.file !== undefined && command.args.length > 0)
    throw new MeshError('ERR_USAGE', 'either a scenario or manifests with `--file`, not both');
  const ended = untilSignalled();
  await using serving = await startServing({
    ...(flags.file === undefined ? { scenario } : { manifests: flags.file }),
    ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    ports: Object.fromEntries(flags.port.map(portOf)),
    identities: flags.identity.map(identityOf),
    forwards: flags.forward.map(forwardOf),
  });
  if (format === 'json') print(JSON.stringify({ ready: true, ...serving.description() }));
  else announce(serving);
  using _ = serving.mesh.events.subscribe((event) =>
    print(format === 'json' ? JSON.stringify(event) : eventLine(event)),
  );
  const failure = await Promise.race([ended, serving.failed]);
  if (failure instanceof Error) throw failure;
}

function announce(serving: Serving): void {
  print(servingTable(serving.description()));
  process.stderr.write(`serving since ${formatInstant(serving.mesh.clock.now())}; Ctrl-C ends it\n`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function untilSignalled(): Promise<undefined> {
  return new Promise((resolve) => {
    const end = (): void => resolve(undefined);
    process.removeAllListeners('SIGINT').once('SIGINT', end);
    process.once('SIGTERM', end);
  });
}

const PORT_MAX = 65_535;

function portNumber(text: string, flag: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > PORT_MAX)
    throw new MeshError('ERR_USAGE', `\`${flag}\`: \`${text}\` is no port, 1 to ${PORT_MAX}`);
  return port;
}

function portOf(text: string): readonly [string, number] {
  const match = /^([^=/]+\/[^=/]+)=([^=]+)$/.exec(text);
  const [, name, port] = match ?? [];
  if (name === undefined || port === undefined)
    throw new MeshError('ERR_USAGE', `\`--port ${text}\`: expected namespace/workload[:port]=number`);
  return [name, portNumber(port, '--port')];
}

function identityOf(text: string): {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly folder: string;
} {
  const match = /^([a-z0-9.-]+)\/([a-z0-9.-]+)=(.+)$/.exec(text);
  const [, namespace, serviceAccount, folder] = match ?? [];
  if (namespace === undefined || serviceAccount === undefined || folder === undefined)
    throw new MeshError('ERR_USAGE', `\`--identity ${text}\`: expected namespace/serviceaccount=folder`);
  return { namespace, serviceAccount, folder };
}

function forwardOf(text: string): { readonly from: string; readonly to: string; readonly port?: number } {
  const match = /^([^=]+\/[^=]+)=([^=]+:\d+)(?:=(\d+))?$/.exec(text);
  const [, from, to, port] = match ?? [];
  if (from === undefined || to === undefined)
    throw new MeshError('ERR_USAGE', `\`--forward ${text}\`: expected namespace/workload=host:port[=number]`);
  return { from, to, ...(port === undefined ? {} : { port: portNumber(port, '--forward') }) };
}
