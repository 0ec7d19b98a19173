/**
 * `meshproof authz`: what the AuthorizationPolicies of some manifests decide, about one request or about a stream of
 * them.
 * @module
 */
import { createReadStream } from 'node:fs';
import { Option, type Command } from 'commander';
import { stringify } from 'yaml';
import { DEFAULT_EPOCH, didYouMean, MeshError, messageOf, parseInstant } from '../../core/index.ts';
import type { MeshConfig, Workload } from '../../istio/index.ts';
import { loadManifests } from '../../mesh/load-manifests.ts';
import {
  authorizationWarnings,
  compileMesh,
  type CompiledMesh,
  explain,
  readAuthorizationRequest,
  type AuthorizationRequest,
  type Decision,
  type DecisionTrace,
} from '../../policy/index.ts';
import { authorizeLines } from '../authz-lines.ts';
import { authenticateRequest } from '../request-token.ts';
import { callerIdentity, type CallerIdentity } from '../caller-identity.ts';

interface AuthzOptions {
  readonly filename: readonly string[];
  readonly requests?: string;
  readonly from?: string;
  readonly to?: string;
  readonly labels?: readonly string[];
  readonly method: string;
  readonly path: string;
  readonly host?: string;
  readonly header?: readonly string[];
  readonly claim?: readonly string[];
  readonly extAuthz?: 'allow' | 'deny' | 'error';
  readonly jwks?: string;
  readonly at?: string;
  readonly ip?: string;
  readonly remoteIp?: string;
  readonly destinationIp?: string;
  readonly sni?: string;
  readonly plaintext?: boolean;
  readonly tcp?: boolean;
  readonly expect?: 'allow' | 'deny';
  readonly output: 'table' | 'wide' | 'json' | 'yaml';
}

const HELP = `
--from names a workload, or a whole principal (cluster.local/ns/foo/sa/curl). --to names a workload and one of its own
ports (the container's, not the Service's); the first one where none is given. A value of --claim is text, or JSON
where it starts with [ or {.

A token in --header or in the query is judged by the RequestAuthentications of the manifests at the instant --at. With
--claim, and in --requests, what an accepted token says is given instead. External authorizers count as unreachable unless
--ext-authz answers for them.

A line of --requests: {"id":"1","destination":{"workload":"api","namespace":"default","port":8080},
  "source":{"principal":"cluster.local/ns/default/sa/web","ip":"10.0.0.5"},"request":{"method":"GET","path":"/"}}
An answer: {"id":"1","decision":"allow","status":200,"determining":[…],"reason":"matched ALLOW policy"}

Exit codes: 0 answered, 1 the answer is not the one --expect names, 2 bad usage, manifests or lines.

Examples:
  $ meshproof authz -f k8s --from default/frontend --to default/api-gateway:8080 --method GET --path /api/users
  $ meshproof authz -f k8s --from shop/cart --to shop/payment --plaintext --expect deny
  $ meshproof authz -f k8s --requests requests.jsonl > answers.jsonl
`;

/** Adds `authz` to the program. */
export function authzVerb(program: Command): void {
  program
    .command('authz')
    .description('decide about requests as AuthorizationPolicies would')
    .requiredOption('-f, --filename <path...>', 'manifests: files, folders, or - for standard input')
    .option('--requests <file>', 'answer every JSON line of a file, or of - for standard input')
    .option('--from <workload>', 'the caller: namespace/workload, or a principal')
    .option('--to <workload>', 'the server: namespace/workload[:port]')
    .option('--labels <key=value...>', 'Pod labels of a server that no manifest declares')
    .option('--method <method>', 'request method', 'GET')
    .option('--path <path>', 'request path as it arrives, with its query', '/')
    .option('--host <host>', 'Host header, with its port as sent')
    .option('--header <name=value...>', 'request header')
    .option('--claim <name=value...>', 'claim of a token that was accepted: iss, sub, aud, …')
    .option('--jwks <file>', 'JWK set for RequestAuthentication rules that name a jwksUri')
    .option('--at <time>', 'the instant tokens are judged at, RFC 3339 (default: start of the virtual clock)')
    .option('--ip <address>', 'address of the peer')
    .option('--remote-ip <address>', 'original client, where X-Forwarded-For does not give it')
    .option('--destination-ip <address>', 'address of the server')
    .option('--sni <name>', 'server name of the TLS handshake')
    .option('--plaintext', 'the caller proves no identity')
    .option('--tcp', 'a raw TCP connection, no HTTP request')
    .addOption(
      new Option('--ext-authz <answer>', 'what the providers of CUSTOM policies answer').choices([
        'allow',
        'deny',
        'error',
      ]),
    )
    .addOption(new Option('--expect <decision>', 'exit with 1 unless this is the decision').choices(['allow', 'deny']))
    .addOption(
      new Option('-o, --output <format>', 'output format').choices(['table', 'wide', 'json', 'yaml']).default('table'),
    )
    .addHelpText('after', HELP)
    .action(async (options: AuthzOptions) => {
      process.exitCode = await authz(options);
    });
}

async function authz(options: AuthzOptions): Promise<number> {
  if (options.requests === undefined) return decideOne(options);
  if (options.from !== undefined || options.to !== undefined) {
    throw new MeshError('ERR_USAGE', 'either --requests, or --from and --to');
  }
  if (options.requests === '-' && options.filename.includes('-')) {
    throw new MeshError('ERR_USAGE', 'manifests and requests cannot both come from standard input');
  }
  const mesh = await compiledMesh(options);
  return authorizeLines(mesh.authorization, { input: linesOf(options.requests), output: process.stdout });
}

async function compiledMesh({ filename, extAuthz }: AuthzOptions): Promise<CompiledMesh> {
  const config = await loadManifests(filename);
  for (const { policy, path, message } of authorizationWarnings(config)) {
    process.stderr.write(`warning: AuthorizationPolicy ${policy.namespace}/${policy.name}: ${path}: ${message}\n`);
  }
  return compileMesh(config, extAuthz === undefined ? {} : { externalAuthorizer: () => extAuthz });
}

const CHUNK_BYTES = 1 << 20;

const READ_FAULTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'permission denied'],
]);

async function* linesOf(file: string): AsyncIterable<string> {
  const stream = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: CHUNK_BYTES });
  stream.setEncoding('utf8');
  try {
    for await (const chunk of stream) yield String(chunk);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const reason = READ_FAULTS.get(code) ?? messageOf(cause);
    throw new MeshError('ERR_CONFIG_IO', `cannot read \`${file}\`: ${reason}`, { cause });
  }
}

async function decideOne(options: AuthzOptions): Promise<number> {
  if (options.to === undefined) throw new MeshError('ERR_USAGE', 'say what is called with --to, or use --requests');
  if (options.from === undefined && options.plaintext !== true) {
    throw new MeshError('ERR_USAGE', 'say who calls with --from, or --plaintext for a caller without identity');
  }
  const mesh = await compiledMesh(options);
  const asked = requestOf(mesh, { ...options, to: options.to });
  warnOfClosedDoor(mesh, asked.request);
  const { decision, ...answer } = await answerOf(mesh, asked.request, options);
  process.stdout.write(render({ ...asked, decision, ...answer }, options.output));
  return options.expect === undefined || options.expect === decision.decision ? 0 : 1;
}

interface Answer {
  readonly decision: Decision;
  readonly trace: DecisionTrace;
  /** The challenge beside a refused token. */
  readonly wwwAuthenticate?: string;
}

/** In the order of the filters: CUSTOM policies, tokens, the other AuthorizationPolicies. */
async function answerOf(mesh: CompiledMesh, asked: AuthorizationRequest, options: AuthzOptions): Promise<Answer> {
  const at = options.at === undefined ? DEFAULT_EPOCH : parseInstant(options.at);
  const jwks = options.jwks === undefined ? undefined : await readText(options.jwks);
  const program = mesh.authorization.program(asked.destination);
  const refusal = program.admit(asked);
  if (refusal !== undefined) return { decision: refusal, trace: refusal.trace };
  const result = await authenticateRequest(mesh, asked, { at, jwks });
  if ('decision' in result) return { ...result, trace: result.decision.trace };
  return { decision: program.decide(result.request, true), trace: program.trace(result.request, true) };
}

async function readText(file: string): Promise<string> {
  let text = '';
  for await (const chunk of linesOf(file)) text += chunk;
  return text;
}

/** Policies are asked about a connection only once there is one. */
function warnOfClosedDoor(mesh: CompiledMesh, { destination, source }: AuthorizationRequest): void {
  const { namespace, workload, labels, port } = destination;
  if (source?.principal !== undefined) return;
  const declared = mesh.config.workloads.find((each) => each.namespace === namespace && each.name === workload);
  const server = { namespace, labels: declared?.labels ?? labels ?? {} };
  if (mesh.peerAuthentication(server, port).mode !== 'STRICT') return;
  process.stderr.write(
    `warning: PeerAuthentication is STRICT on port ${port}: the server closes a plaintext connection before any AuthorizationPolicy is asked\n`,
  );
}

interface Asked {
  readonly request: AuthorizationRequest;
  /** Why the caller has no identity, where it has none. */
  readonly plaintext: string;
}

function requestOf(mesh: CompiledMesh, options: AuthzOptions & { readonly to: string }): Asked {
  const { method, path, host, ip, remoteIp, sni } = options;
  const destination = destinationOf(mesh.config, options);
  const { principal, reason = 'plaintext' } = identityOf(mesh, options, destination);
  const headers = headersOf(options.header ?? []);
  const claims = claimsOf(options.claim ?? []);
  const request = readAuthorizationRequest({
    destination,
    source: defined({ principal, ip, remoteIp }),
    ...(sni === undefined ? {} : { connection: { sni } }),
    ...(options.tcp === true
      ? {}
      : { request: defined({ method, path, host, headers, auth: claims === undefined ? undefined : { claims } }) }),
  });
  return { request, plaintext: reason };
}

function defined(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A principal has at least five parts; a workload has two. */
function identityOf(
  mesh: CompiledMesh,
  { from, plaintext }: AuthzOptions,
  destination: Readonly<Record<string, unknown>>,
): CallerIdentity {
  if (from === undefined || plaintext === true) return {};
  if (from.split('/').length > 2) return { principal: from };
  const caller = findWorkload(mesh.config, from, '--from');
  const { namespace, workload, port } = destination;
  const server = mesh.config.workloads.find((each) => each.namespace === namespace && each.name === workload);
  return callerIdentity(mesh, caller, server, Number(port));
}

function findWorkload(config: MeshConfig, text: string, option: string): Workload {
  const found = config.workloads.find(({ namespace, name }) => `${namespace}/${name}` === text);
  if (found !== undefined) return found;
  if (!text.includes('/')) {
    throw new MeshError('ERR_USAGE', `${option} takes namespace/workload, not \`${text}\``);
  }
  const names = config.workloads.map(({ namespace, name }) => `${namespace}/${name}`);
  throw new MeshError('ERR_REQUEST_INVALID', `no workload \`${text}\` in the manifests${didYouMean(text, names)}`);
}

function destinationOf(
  config: MeshConfig,
  { to, labels, destinationIp: ip }: AuthzOptions & { readonly to: string },
): Readonly<Record<string, unknown>> {
  const colon = to.lastIndexOf(':');
  const name = colon < 0 ? to : to.slice(0, colon);
  const portText = colon < 0 ? undefined : to.slice(colon + 1);
  if (labels !== undefined) {
    const [namespace = '', ...rest] = name.split('/');
    const pairs = Object.fromEntries(labels.map((text) => pairOf(text, '--labels')));
    if (rest.length > 1) throw new MeshError('ERR_USAGE', `--to takes namespace[/workload][:port], not \`${to}\``);
    return defined({ namespace, labels: pairs, port: portOf(portText, undefined), ip });
  }
  const workload = findWorkload(config, name, '--to');
  const port = portOf(portText, workload);
  return defined({ namespace: workload.namespace, workload: workload.name, port, ip });
}

/** Where a workload declares no port at all. */
const DEFAULT_PORT = 80;

function portOf(text: string | undefined, workload: Workload | undefined): number {
  const ports = workload?.ports ?? [];
  if (text === undefined) return ports[0]?.number ?? DEFAULT_PORT;
  if (/^\d+$/.test(text)) return Number(text);
  const named = ports.find((port) => port.name === text);
  if (named !== undefined) return named.number;
  const names = ports.map((port) => port.name ?? '');
  throw new MeshError('ERR_REQUEST_INVALID', `no port \`${text}\` at the workload${didYouMean(text, names)}`);
}

function pairOf(text: string, option: string): readonly [string, string] {
  const equals = text.indexOf('=');
  if (equals <= 0) throw new MeshError('ERR_USAGE', `${option} takes name=value, not \`${text}\``);
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/** A name given twice stands for two header lines. */
function headersOf(texts: readonly string[]): Readonly<Record<string, readonly string[]>> | undefined {
  if (texts.length === 0) return undefined;
  const headers = new Map<string, string[]>();
  for (const text of texts) {
    const [name, value] = pairOf(text, '--header');
    headers.set(name, [...(headers.get(name) ?? []), value]);
  }
  return Object.fromEntries(headers);
}

function claimsOf(texts: readonly string[]): Readonly<Record<string, unknown>> | undefined {
  if (texts.length === 0) return undefined;
  return Object.fromEntries(
    texts.map((text) => {
      const [name, value] = pairOf(text, '--claim');
      if (!/^[[{]/.test(value)) return [name, value];
      try {
        return [name, JSON.parse(value) as unknown];
      } catch {
        throw new MeshError('ERR_USAGE', `the value of --claim ${name} is not valid JSON`);
      }
    }),
  );
}

function render(
  { request, plaintext, decision, trace, wwwAuthenticate }: Asked & Answer,
  format: AuthzOptions['output'],
): string {
  const challenge = wwwAuthenticate === undefined ? {} : { wwwAuthenticate };
  const value = { ...(JSON.parse(JSON.stringify(decision)) as Decision), trace, ...challenge };
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`;
  if (format === 'yaml') return stringify(value);
  const [by] = decision.determining;
  const row = [
    decision.decision.toUpperCase(),
    String(decision.status),
    by === undefined ? '<none>' : `${by.namespace}/${by.name}`,
    by?.rule === undefined ? '<none>' : String(by.rule),
    decision.reason,
  ];
  const caller = request.source?.principal ?? `no identity (${plaintext})`;
  const table = tabulate([['DECISION', 'STATUS', 'POLICY', 'RULE', 'REASON'], row]);
  const because =
    wwwAuthenticate === undefined
      ? explain(decision, trace)
      : `refused before any AuthorizationPolicy: ${decision.reason}\naccess log: ${trace.detail}\nwww-authenticate: ${wwwAuthenticate}`;
  return `${table}\ncaller: ${caller}\n${because}\n`;
}

const COLUMN_GAP = 3;

function tabulate(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)) + COLUMN_GAP);
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}
