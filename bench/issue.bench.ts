/**
 * What an SVID costs: key, request, check of the request, certificate.
 *
 * Beside it, in the same run and taking turns: the bare asymmetric operations the flow cannot do without (one key pair,
 * two signatures, one verification, by node:crypto), `selfsigned` (key and CA-signed leaf; no request) and
 * `@peculiar/x509` (the whole flow). Goal: at most twice the bare operations. Not asked: throughput of many cores, or
 * what RSA costs, whose key generation hides all else.
 */
import { generateKeyPairSync, sign, verify, webcrypto } from 'node:crypto';
import 'reflect-metadata';
import * as peculiar from '@peculiar/x509';
import selfsigned from 'selfsigned';
import { DEFAULT_EPOCH } from '../src/core/index.ts';
import { workloadSpiffeId } from '../src/identity/index.ts';
import { CertificateAuthority, issueSvid } from '../src/pki/index.ts';

export interface IssueParameters {
  /** Rounds; in each, every contender runs once. */
  readonly rounds: number;
  /** How many of our own and of the bare flow make one measurement. */
  readonly batch: number;
  /** Packages a hundred times slower run only in every so many rounds. */
  readonly slowEvery: number;
}

export interface BenchRow {
  readonly name: string;
  readonly medianMs: number;
  /** Median of the round-by-round ratios to the bare operations, with its 95 % confidence interval. */
  readonly ratio: number;
  readonly ratioLow: number;
  readonly ratioHigh: number;
  readonly samples: number;
}

export interface BenchResult {
  readonly name: string;
  readonly rows: readonly BenchRow[];
}

const at = DEFAULT_EPOCH;
const spiffeId = workloadSpiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'frontend' });

interface Contender {
  readonly name: string;
  readonly slow: boolean;
  readonly issue: () => void | Promise<void>;
}

/** Bytes of the size of a request and of a certificate to sign. */
const BODY = Buffer.alloc(300, 7);

function bareOperations(): void {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const request = sign('sha256', BODY, privateKey);
  if (!verify('sha256', BODY, publicKey, request)) throw new Error('a signature does not verify');
  sign('sha256', BODY, privateKey);
}

async function contenders(): Promise<readonly Contender[]> {
  const authority = CertificateAuthority.createRoot({ trustDomain: 'cluster.local', at });
  const ca = { key: authority.key.privateKeyPem(), cert: authority.root.toPem() };
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    Buffer.from(ca.key.replace(/-----[^-]+-----|\s/g, ''), 'base64'),
    algorithm,
    false,
    ['sign'],
  );
  peculiar.cryptoProvider.set(webcrypto as never);
  return [
    { name: 'node:crypto, bare operations', slow: false, issue: bareOperations },
    { name: 'meshproof', slow: false, issue: () => void issueSvid(authority, { spiffeId, at }) },
    { name: 'selfsigned', slow: true, issue: () => issueWithSelfsigned(ca) },
    { name: '@peculiar/x509', slow: true, issue: () => issueWithPeculiar(signingKey, algorithm) },
  ];
}

async function issueWithSelfsigned(ca: { readonly key: string; readonly cert: string }): Promise<void> {
  await selfsigned.generate([{ name: 'commonName', value: 'frontend' }], {
    algorithm: 'sha256',
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 6, value: spiffeId }] }],
    ca,
  });
}

async function issueWithPeculiar(signingKey: webcrypto.CryptoKey, algorithm: { readonly name: string }): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  if (!('privateKey' in keys)) throw new Error('not a key pair');
  const names = new peculiar.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }], true);
  const request = await peculiar.Pkcs10CertificateRequestGenerator.create({
    keys: keys as never,
    signingAlgorithm: algorithm as never,
    extensions: [names],
  });
  if (!(await request.verify())) throw new Error('a request does not verify');
  await peculiar.X509CertificateGenerator.create({
    issuer: 'O=cluster.local',
    subject: '',
    notBefore: new Date(at),
    notAfter: new Date(at + 86_400_000),
    publicKey: request.publicKey,
    signingKey: signingKey as never,
    signingAlgorithm: algorithm as never,
    extensions: [names, new peculiar.BasicConstraintsExtension(false, undefined, true)],
  });
}

/** Runs every contender in turn, round after round. */
async function run(parameters: IssueParameters): Promise<BenchResult> {
  const { rounds, batch, slowEvery } = parameters;
  const field = await contenders();
  const times = new Map(field.map(({ name }) => [name, [] as number[]]));
  const ratios = new Map(field.map(({ name }) => [name, [] as number[]]));
  const warmUp = Math.ceil(rounds / 10);
  for (let round = -warmUp; round < rounds; round++) {
    let bareMs = 0;
    // The order turns, so that no contender always pays for the garbage of the same other one.
    for (let i = 0; i < field.length; i++) {
      const contender = field[i === 0 ? 0 : 1 + ((i + round + warmUp) % (field.length - 1))];
      if (contender === undefined || (contender.slow && round % slowEvery !== 0)) continue;
      const ms = await millisecondsEach(contender, contender.slow ? 1 : batch);
      if (contender === field[0]) bareMs = ms;
      if (round < 0) continue;
      times.get(contender.name)?.push(ms);
      ratios.get(contender.name)?.push(ms / bareMs);
    }
  }
  return { name, rows: field.map((contender) => rowOf(contender.name, times, ratios)) };
}

async function millisecondsEach({ issue }: Contender, repetitions: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < repetitions; i++) {
    const pending = issue();
    if (pending !== undefined) await pending;
  }
  return (performance.now() - start) / repetitions;
}

type Samples = ReadonlyMap<string, readonly number[]>;

function rowOf(contender: string, times: Samples, ratios: Samples): BenchRow {
  const sorted = [...(ratios.get(contender) ?? [])].sort((a, b) => a - b);
  // Order statistics around the median: the 95 % interval whatever the distribution.
  const spread = 0.98 * Math.sqrt(sorted.length);
  const rank = (r: number): number => sorted[Math.max(0, Math.min(sorted.length - 1, Math.round(r)))] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    name: contender,
    medianMs: median(times.get(contender) ?? []),
    ratio: rank(middle),
    ratioLow: rank(middle - spread),
    ratioHigh: rank(middle + spread),
    samples: sorted.length,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** One line a row. */
function renderIssue(result: BenchResult): string {
  return result.rows
    .map(({ name, medianMs, ratio, ratioLow, ratioHigh, samples }) =>
      [
        name.padEnd(30),
        `${medianMs.toFixed(3)} ms`.padStart(11),
        `${ratio.toFixed(2)} x bare`.padStart(14),
        ` [${ratioLow.toFixed(2)}, ${ratioHigh.toFixed(2)}]`.padEnd(20),
        `${samples} samples`,
      ].join(' '),
    )
    .join('\n');
}

const name = 'issue';

export const issueBench: {
  readonly name: string;
  readonly question: string;
  readonly parameters: { readonly smoke: IssueParameters; readonly full: IssueParameters };
  readonly run: (parameters: IssueParameters) => Promise<BenchResult>;
  readonly render: (result: BenchResult) => string;
} = {
  name,
  question: 'What does an ECDSA P-256 SVID cost, beside the operations it cannot do without?',
  parameters: {
    smoke: { rounds: 10, batch: 5, slowEvery: 5 },
    full: { rounds: 400, batch: 25, slowEvery: 4 },
  },
  run,
  render: renderIssue,
};
