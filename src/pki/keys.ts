/**
 * Key pairs: the algorithms Istio offers workloads (ECDSA P-256 and P-384, RSA) and Ed25519.
 *
 * A pair made with an `Rng` is reproducible and therefore no secret: it is for seeded worlds alone. ECDSA and Ed25519
 * keys can be reproduced; RSA keys cannot, since `node:crypto` finds their primes itself, and asking for one is
 * refused rather than silently not reproducible. Only Ed25519 *signatures* are deterministic as well, so only with
 * Ed25519 are certificates equal byte for byte; ECDSA draws a nonce inside OpenSSL.
 * Source: FIPS 186-5 A.2.1 (EC key from extra random bits), RFC 8032 §5.1.5, RFC 8410 §7.
 * @module
 */
import { createECDH, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { assertNever, invariant, MeshError, messageOf, type Rng } from '../core/index.ts';
import { rememberPublicKey, spkiOf } from './public-key.ts';

export const KEY_ALGORITHMS = ['ecdsa-p256', 'ecdsa-p384', 'ed25519', 'rsa-2048', 'rsa-3072'] as const;
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];

/** What workloads and authorities get unless they ask: small, fast, accepted everywhere. */
export const DEFAULT_KEY_ALGORITHM: KeyAlgorithm = 'ecdsa-p256';

export interface KeyPair {
  readonly algorithm: KeyAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** PKCS#8. Costs as much as issuing a certificate: for files and people, not for handshakes. */
  privateKeyPem(): string;
}

/**
 * Makes a key pair, synchronously.
 * @param options.rng makes the key reproducible (EC and Ed25519)
 * @throws MeshError `ERR_PKI_ISSUE` for a reproducible RSA key
 */
export function generateKeyPair(algorithm: KeyAlgorithm, options: { readonly rng?: Rng } = {}): KeyPair {
  const { rng } = options;
  if (rng === undefined) {
    const { privateKey, publicKey } = randomPair(algorithm);
    return pairOf(algorithm, privateKey, publicKey);
  }
  const privateKey = seededPrivateKey(algorithm, rng);
  return pairOf(algorithm, privateKey, createPublicKey(privateKey));
}

/**
 * Reads a PKCS#8 (or SEC 1, PKCS#1) private key in PEM.
 * @throws MeshError `ERR_PKI_ENCODING` if it is no key, or one of another algorithm
 */
export function keyPairFromPem(pem: string): KeyPair {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (error) {
    throw new MeshError('ERR_PKI_ENCODING', `not a private key in PEM: ${messageOf(error)}`, { cause: error });
  }
  const publicKey = createPublicKey(privateKey);
  const algorithm = keyAlgorithmOf(publicKey);
  if (algorithm === undefined) {
    throw new MeshError('ERR_PKI_ENCODING', `the key is none of ${KEY_ALGORITHMS.join(', ')}`);
  }
  return pairOf(algorithm, privateKey, publicKey);
}

/** The algorithm of a key, if it is one of ours. */
export function keyAlgorithmOf(key: KeyObject): KeyAlgorithm | undefined {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return 'ed25519';
    case 'ec':
      return namedCurve === 'prime256v1' ? 'ecdsa-p256' : namedCurve === 'secp384r1' ? 'ecdsa-p384' : undefined;
    case 'rsa':
      return modulusLength === 2048 ? 'rsa-2048' : modulusLength === 3072 ? 'rsa-3072' : undefined;
    default:
      return undefined;
  }
}

function pairOf(algorithm: KeyAlgorithm, privateKey: KeyObject, publicKey: KeyObject): KeyPair {
  const spki = spkiOf(publicKey);
  rememberPublicKey(spki, publicKey);
  return {
    algorithm,
    privateKey,
    publicKey,
    spki,
    privateKeyPem: () => privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}

function randomPair(algorithm: KeyAlgorithm): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (algorithm) {
    case 'ecdsa-p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'ecdsa-p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'ed25519':
      return generateKeyPairSync('ed25519');
    case 'rsa-2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
    case 'rsa-3072':
      return generateKeyPairSync('rsa', { modulusLength: 3072 });
    default:
      return assertNever(algorithm);
  }
}

function seededPrivateKey(algorithm: KeyAlgorithm, rng: Rng): KeyObject {
  switch (algorithm) {
    case 'ecdsa-p256':
      return seededEcKey(rng, { crv: 'P-256', curve: 'prime256v1', octets: 32, order: ORDER_P256 });
    case 'ecdsa-p384':
      return seededEcKey(rng, { crv: 'P-384', curve: 'secp384r1', octets: 48, order: ORDER_P384 });
    case 'ed25519': {
      const pkcs8 = Buffer.concat([ED25519_PKCS8_PREFIX, rng.bytes(32)]);
      return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    }
    case 'rsa-2048':
    case 'rsa-3072':
      throw new MeshError('ERR_PKI_ISSUE', `a reproducible \`${algorithm}\` key cannot be made; use an EC or Ed25519 key`);
    default:
      return assertNever(algorithm);
  }
}

/** PrivateKeyInfo of RFC 8410 up to the 32 octets of the seed. */
const ED25519_PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const ORDER_P256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ORDER_P384 =
  0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;

interface Curve {
  readonly crv: string;
  readonly curve: string;
  readonly octets: number;
  readonly order: bigint;
}

function seededEcKey(rng: Rng, { crv, curve, octets, order }: Curve): KeyObject {
  // 64 bits more than the order has, so that the reduction leaves no bias worth the name.
  const wide = BigInt(`0x${Buffer.from(rng.bytes(octets + 8)).toString('hex')}`);
  const d = Buffer.from(((wide % (order - 1n)) + 1n).toString(16).padStart(octets * 2, '0'), 'hex');
  const ecdh = createECDH(curve);
  ecdh.setPrivateKey(d);
  const point = ecdh.getPublicKey();
  invariant(point.length === 1 + 2 * octets, 'an uncompressed point of another length');
  const x = point.subarray(1, 1 + octets).toString('base64url');
  const y = point.subarray(1 + octets).toString('base64url');
  return createPrivateKey({ key: { kty: 'EC', crv, x, y, d: d.toString('base64url') }, format: 'jwk' });
}
