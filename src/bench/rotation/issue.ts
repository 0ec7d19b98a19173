/**
 * What an SVID costs: key, request, check of the request, certificate; beside the operations it cannot do without and
 * the packages anyone would take.
 * @module
 */
import { generateKeyPairSync, sign, verify, type webcrypto } from 'node:crypto';
import { DEFAULT_EPOCH } from '../../core/index.ts';
import { workloadSpiffeId } from '../../identity/index.ts';
import { CertificateAuthority, issueSvid, type KeyAlgorithm } from '../../pki/index.ts';
import type { Skipped, Table } from '../bench.ts';
import { optionalPackage } from '../optional-package.ts';
import { type Contender, perCall, takeTurns } from '../rounds.ts';

export const BARE = 'node:crypto, bare operations';
export const OURS = 'meshproof';

const at = DEFAULT_EPOCH;
const spiffeId = workloadSpiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'frontend' });
/** Bytes of the size of a request and of a certificate to sign. */
const BODY = Buffer.alloc(300, 7);
/** Packages ten and a hundred times slower take part in every so many rounds. */
const SLOW_EVERY = 4;

export interface IssueOptions {
  readonly key: KeyAlgorithm;
  readonly rounds: number;
  /** Of our own and of the bare flow, in a turn. */
  readonly batch: number;
}

/** One key pair, two signatures (request, certificate), one check (of the request). */
function bareOperations(key: KeyAlgorithm): () => void {
  const generate = {
    'ecdsa-p256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    'ecdsa-p384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    ed25519: () => generateKeyPairSync('ed25519'),
    'rsa-2048': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    'rsa-3072': () => generateKeyPairSync('rsa', { modulusLength: 3072 }),
  }[key];
  const digest = key === 'ed25519' ? null : key === 'ecdsa-p384' ? 'sha384' : 'sha256';
  return () => {
    const { privateKey, publicKey } = generate();
    const request = sign(digest, BODY, privateKey);
    if (!verify(digest, BODY, publicKey, request)) throw new Error('a signature does not verify');
    sign(digest, BODY, privateKey);
  };
}

export async function issuing({
  key,
  rounds,
  batch,
}: IssueOptions): Promise<{ readonly table: Table; readonly skipped: readonly Skipped[] }> {
  const authority = CertificateAuthority.createRoot({ trustDomain: 'cluster.local', at, key });
  const skipped: Skipped[] = [];
  const contenders: Contender[] = [
    perCall(BARE, bareOperations(key), { batch }),
    perCall(OURS, () => void issueSvid(authority, { spiffeId, at, key }), { batch }),
  ];
  for (const found of [await withSelfsigned(authority, key), await withPeculiar(authority, key)]) {
    if ('why' in found) skipped.push(found);
    else contenders.push(found);
  }
  const title = `Issue an SVID, ${key}`;
  return { table: await takeTurns(contenders, { title, unit: 'ms', rounds, floor: BARE }), skipped };
}

/** Key and leaf; it knows no requests. */
async function withSelfsigned(authority: CertificateAuthority, key: KeyAlgorithm): Promise<Contender | Skipped> {
  const what = `selfsigned, ${key}`;
  if (key !== 'ecdsa-p256' && key !== 'rsa-2048') return { what, why: 'makes RSA instead, or another curve' };
  const loaded = await optionalPackage('selfsigned', () => import('selfsigned'));
  if (!loaded.ok) return loaded.skipped;
  const ca = { key: authority.key.privateKeyPem(), cert: authority.root.toPem() };
  const once = async (): Promise<void> => {
    await loaded.value.default.generate([{ name: 'commonName', value: 'frontend' }], {
      algorithm: 'sha256',
      keyType: key === 'rsa-2048' ? 'rsa' : 'ec',
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 6, value: spiffeId }] }],
      ca,
    });
  };
  return perCall('selfsigned (no request)', once, { batch: 1, every: SLOW_EVERY });
}

const PECULIAR_ALGORITHMS: Readonly<
  Partial<Record<KeyAlgorithm, webcrypto.EcKeyAlgorithm & { readonly hash: string }>>
> = {
  'ecdsa-p256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'ecdsa-p384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
};

/** The whole flow. */
async function withPeculiar(authority: CertificateAuthority, key: KeyAlgorithm): Promise<Contender | Skipped> {
  const algorithm = PECULIAR_ALGORITHMS[key];
  if (algorithm === undefined) return { what: `@peculiar/x509, ${key}`, why: 'compared on the EC keys only' };
  const loaded = await optionalPackage('@peculiar/x509', async () => {
    await import('reflect-metadata');
    return import('@peculiar/x509');
  });
  if (!loaded.ok) return loaded.skipped;
  const x509 = loaded.value;
  x509.cryptoProvider.set(globalThis.crypto);
  const { subtle } = globalThis.crypto;
  const pkcs8 = authority.key.privateKey.export({ format: 'der', type: 'pkcs8' });
  const signingKey = await subtle.importKey('pkcs8', new Uint8Array(pkcs8), algorithm, false, ['sign']);
  const once = async (): Promise<void> => {
    const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const names = new x509.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }], true);
    const request = await x509.Pkcs10CertificateRequestGenerator.create({
      keys,
      signingAlgorithm: algorithm,
      extensions: [names],
    });
    if (!(await request.verify())) throw new Error('a request does not verify');
    await x509.X509CertificateGenerator.create({
      issuer: 'O=cluster.local',
      subject: '',
      notBefore: new Date(at),
      notAfter: new Date(at + 86_400_000),
      publicKey: request.publicKey,
      signingKey,
      signingAlgorithm: algorithm,
      extensions: [names, new x509.BasicConstraintsExtension(false, undefined, true)],
    });
  };
  return perCall('@peculiar/x509', once, { batch: 1, every: SLOW_EVERY });
}
