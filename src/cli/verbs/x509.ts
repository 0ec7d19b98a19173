/**
 * `meshproof x509 verify --jsonl`: path validation for harnesses. One JSON object a line on stdin, one answer a line on
 * stdout in the same order, each as soon as its line is complete.
 *
 * A line that is not a request answers `{"id":…,"error":…}`, and the run ends with exit code 2. A certificate that is not
 * strict DER is no such line: a presented one makes the chain `malformed`, a trusted one is not trusted.
 * @module
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { didYouMean, formatInstant, type Instant, MeshError, messageOf, parseInstant } from '../../core/index.ts';
import {
  Certificate,
  decodePem,
  RevocationList,
  TrustBundleSet,
  verifyChain,
  verifySvid,
  type PeerPurpose,
  type SvidReason,
  type SvidResult,
  type VerifyResult,
} from '../../pki/index.ts';
import { isSpiffeId, trustDomainOf } from '../../identity/index.ts';

/** One line, checked. */
interface VerifyRequest {
  readonly id: unknown;
  readonly leaf: string;
  readonly intermediates: readonly string[];
  readonly roots: readonly string[] | undefined;
  readonly bundles: ReadonlyMap<string, readonly string[]> | undefined;
  readonly crls: readonly string[] | undefined;
  readonly at: Instant;
  readonly purpose: PeerPurpose;
  readonly profile: 'rfc5280' | 'svid';
  readonly strict: boolean;
}

type Answer =
  | {
      readonly id: unknown;
      readonly ok: true;
      readonly validFrom: string;
      readonly validUntil: string;
      readonly spiffeId?: string;
    }
  | { readonly id: unknown; readonly ok: false; readonly reason: SvidReason; readonly detail: string }
  | { readonly id: unknown; readonly error: string };

const FIELDS = [
  'id',
  'leaf',
  'intermediates',
  'roots',
  'bundles',
  'crls',
  'at',
  'purpose',
  'profile',
  'strict',
] as const;
type Field = (typeof FIELDS)[number];

interface X509VerifyStreams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** Adds `x509 verify` to the program. */
export function x509Verb(program: Command): void {
  program
    .command('x509')
    .description('questions about X.509 certificates')
    .addHelpText('after', '\nExample:\n  $ meshproof x509 verify --jsonl < chains.jsonl')
    .command('verify')
    .description('validate certificate chains at a given time')
    .requiredOption('--jsonl', 'read one JSON request a line from stdin, write one JSON answer a line to stdout')
    .addHelpText('after', VERIFY_HELP)
    .action(async () => {
      process.exitCode = await verifyLines({ input: process.stdin, output: process.stdout });
    });
}

const VERIFY_HELP = `
A request: {"id":"c1","leaf":"PEM","intermediates":["PEM"],"roots":["PEM"],"at":"2026-01-01T00:00:00Z","purpose":"server","profile":"rfc5280"}
An answer: {"id":"c1","ok":false,"reason":"expired","detail":"…"}

purpose is the role of the peer that presents the leaf: server or client. profile is rfc5280 or svid; with svid,
"bundles": {"trust.domain": ["PEM"]} may stand instead of roots. "crls": ["PEM"] asks for revocation, "strict": true
for the rules for issuers as well. Exit code 2 if a line was no request.

Example:
  $ meshproof x509 verify --jsonl < chains.jsonl
`;

/**
 * Answers every line of `input`.
 * @returns the exit code: 0, or 2 if a line was no request
 */
export async function verifyLines({ input, output }: X509VerifyStreams): Promise<0 | 2> {
  let exitCode: 0 | 2 = 0;
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    if (line.trim() === '') continue;
    const answer = answerLine(line);
    if ('error' in answer) exitCode = 2;
    if (!output.write(`${JSON.stringify(answer)}\n`)) await once(output, 'drain');
  }
  return exitCode;
}

/** The answer to one line. */
export function answerLine(line: string): Answer {
  let id: unknown = null;
  try {
    const value: unknown = JSON.parse(line);
    if (!isRecord(value)) throw usage('a line must be a JSON object');
    id = value['id'] ?? null;
    return answerRequest(readRequest(value));
  } catch (error) {
    if (error instanceof MeshError || error instanceof SyntaxError) return { id, error: messageOf(error) };
    throw error;
  }
}

function answerRequest(request: VerifyRequest): Answer {
  const { id, at, purpose, strict } = request;
  const presentedDer = [
    decodeOne(request.leaf, 'leaf'),
    ...request.intermediates.flatMap((pem) => decode(pem, 'intermediates')),
  ];
  const trusted = new Map([...(request.bundles ?? [])].map(([td, pems]) => [td, readTrusted(pems, 'bundles')]));
  const roots = readTrusted(request.roots ?? [], 'roots');
  const crls = request.crls?.flatMap((pem) => RevocationList.allFromPem(pem));
  let presented: readonly Certificate[];
  try {
    presented = presentedDer.map((der) => Certificate.fromDer(der));
  } catch (error) {
    if (error instanceof MeshError) return { id, ok: false, reason: 'malformed', detail: error.message };
    throw error;
  }
  const options = { at, purpose, strict, ...(crls && { crls }) };
  if (request.profile === 'rfc5280') return answerOf(id, verifyChain(presented, { ...options, roots }));
  const bundles = request.bundles ? TrustBundleSet.of(Object.fromEntries(trusted)) : bundleForLeaf(presented, roots);
  return answerOf(id, verifySvid(presented, { ...options, bundles }));
}

/** Plain roots are those of the leaf's own trust domain; a leaf without one is refused before they matter. */
function bundleForLeaf([leaf]: readonly Certificate[], roots: readonly Certificate[]): TrustBundleSet {
  const uri = leaf?.uriSans[0] ?? '';
  return isSpiffeId(uri) ? TrustBundleSet.of({ [trustDomainOf(uri)]: roots }) : TrustBundleSet.empty;
}

function answerOf(id: unknown, result: VerifyResult | SvidResult): Answer {
  if (!result.ok) return { id, ok: false, reason: result.reason, detail: result.detail };
  const window = { validFrom: formatInstant(result.validFrom), validUntil: formatInstant(result.validUntil) };
  return { id, ok: true, ...window, ...('spiffeId' in result && { spiffeId: result.spiffeId }) };
}

function readTrusted(pems: readonly string[], field: Field): readonly Certificate[] {
  return pems.flatMap((pem) => decode(pem, field)).flatMap(tryCertificate);
}

/** What cannot be read cannot be trusted; the other roots still can. */
function tryCertificate(der: Uint8Array): readonly Certificate[] {
  try {
    return [Certificate.fromDer(der)];
  } catch (error) {
    if (error instanceof MeshError) return [];
    throw error;
  }
}

function decodeOne(pem: string, field: Field): Uint8Array {
  const [first, ...more] = decode(pem, field);
  if (first === undefined || more.length > 0) throw usage(`\`${field}\` must hold one certificate`);
  return first;
}

function decode(pem: string, field: Field): readonly Uint8Array[] {
  const blocks = decodePem(pem, 'CERTIFICATE');
  if (blocks.length === 0) throw usage(`\`${field}\` holds no PEM certificate`);
  return blocks;
}

function readRequest(value: Readonly<Record<string, unknown>>): VerifyRequest {
  const unknown = Object.keys(value).find((key) => !FIELDS.some((field) => field === key));
  if (unknown !== undefined) throw usage(`unknown field \`${unknown}\`${didYouMean(unknown, FIELDS)}`);
  const { id, leaf, at, purpose, profile = 'rfc5280', strict = false } = value;
  if (typeof leaf !== 'string') throw usage('`leaf` must be a PEM text');
  if (typeof at !== 'string') throw usage('`at` must be a time such as 2026-01-01T00:00:00Z');
  if (purpose !== 'server' && purpose !== 'client') throw usage('`purpose` must be server or client');
  if (profile !== 'rfc5280' && profile !== 'svid') throw usage('`profile` must be rfc5280 or svid');
  if (typeof strict !== 'boolean') throw usage('`strict` must be true or false');
  const roots = readTexts(value['roots'], 'roots');
  const bundles = readBundles(value['bundles']);
  if (bundles && profile !== 'svid') throw usage('`bundles` belongs to profile svid');
  if ((roots === undefined) === (bundles === undefined)) throw usage('one of `roots` and `bundles` is needed');
  const intermediates = readTexts(value['intermediates'], 'intermediates') ?? [];
  const crls = readTexts(value['crls'], 'crls');
  return { id, leaf, intermediates, roots, bundles, crls, at: parseInstant(at), purpose, profile, strict };
}

function readTexts(value: unknown, field: Field): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw usage(`\`${field}\` must be a list of PEM texts`);
  return value.map((item: unknown) => {
    if (typeof item !== 'string') throw usage(`\`${field}\` must be a list of PEM texts`);
    return item;
  });
}

function readBundles(value: unknown): ReadonlyMap<string, readonly string[]> | undefined {
  if (value === undefined) return undefined;
  if (!isRecord(value)) throw usage('`bundles` must map trust domains to lists of PEM texts');
  return new Map(Object.entries(value).map(([td, pems]) => [td, readTexts(pems, 'bundles') ?? []]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function usage(message: string): MeshError {
  return new MeshError('ERR_USAGE', message);
}
