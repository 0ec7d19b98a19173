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
import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { assertNever, MeshError, messageOf, type Rng } from '../core/index.ts';
import { algorithmOfParsed, KEY_ALGORITHMS, rememberPublicKey, spkiOfJwk, type KeyAlgorithm } from './public-key.ts';

export { KEY_ALGORITHMS, type KeyAlgorithm };

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
  return pairOf(algorithm, rng === undefined ? randomPair(algorithm) : seededPair(algorithm, rng));
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
  const algorithm = algorithmOfParsed(publicKey);
  if (algorithm === undefined) {
    throw new MeshError('ERR_PKI_ENCODING', `the key is none of ${KEY_ALGORITHMS.join(', ')}`);
  }
  return pairOf(algorithm, { privateKey, spki: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })) });
}

interface RawPair {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
}

function pairOf(algorithm: KeyAlgorithm, { privateKey, spki }: RawPair): KeyPair {
  const publicKey = createPublicKey(privateKey);
  rememberPublicKey(spki, { key: publicKey, algorithm });
  return {
    algorithm,
    privateKey,
    publicKey,
    spki,
    privateKeyPem: () => privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}

const AS_JWK = { format: 'jwk' } as const;

interface GeneratedPair {
  readonly privateKey: KeyObject;
  readonly publicKey: JsonWebKey;
}

function randomPair(algorithm: KeyAlgorithm): RawPair {
  const { privateKey, publicKey } = generate(algorithm);
  return { privateKey, spki: spkiOfJwk(publicKey) };
}

/** `@types/node` does not know that a public key may be asked for as JWK, which Node has done since 15.9. */
function generate(algorithm: KeyAlgorithm): GeneratedPair {
  const options = { publicKeyEncoding: AS_JWK };
  switch (algorithm) {
    case 'ecdsa-p256':
      return generateKeyPairSync('ec', { ...options, namedCurve: 'P-256' } as never) as unknown as GeneratedPair;
    case 'ecdsa-p384':
      return generateKeyPairSync('ec', { ...options, namedCurve: 'P-384' } as never) as unknown as GeneratedPair;
    case 'ed25519':
      return generateKeyPairSync('ed25519', options as never) as unknown as GeneratedPair;
    case 'rsa-2048':
      return generateKeyPairSync('rsa', { ...options, modulusLength: 2048 } as never) as unknown as GeneratedPair;
    case 'rsa-3072':
      return generateKeyPairSync('rsa', { ...options, modulusLength: 3072 } as never) as unknown as GeneratedPair;
    default:
      return assertNever(algorithm);
  }
}

function seededPair(algorithm: KeyAlgorithm, rng: Rng): RawPair {
  switch (algorithm) {
    case 'ecdsa-p256':
      return seededEcPair(rng, { crv: 'P-256', curve: 'prime256v1', octets: 32, order: ORDER_P256 });
    case 'ecdsa-p384':
      return seededEcPair(rng, { crv: 'P-384', curve: 'secp384r1', octets: 48, order: ORDER_P384 });
    case 'ed25519': {
      const pkcs8 = Buffer.concat([ED25519_PKCS8_PREFIX, rng.bytes(32)]);
      const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
      return { privateKey, spki: spkiOfJwk(createPublicKey(privateKey).export(AS_JWK)) };
    }
    case 'rsa-2048':
    case 'rsa-3072':
      throw new MeshError(
        'ERR_PKI_ISSUE',
        `a reproducible \`${algorithm}\` key cannot be made; use an EC or Ed25519 key`,
      );
    default:
      return assertNever(algorithm);
  }
}

/** PrivateKeyInfo of RFC 8410 up to the 32 octets of the seed. */
const ED25519_PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const ORDER_P256 = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ORDER_P384 = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;

interface Curve {
  readonly crv: string;
  readonly curve: string;
  readonly octets: number;
  readonly order: bigint;
}

function seededEcPair(rng: Rng, { crv, curve, octets, order }: Curve): RawPair {
  // 64 bits more than the order has, so that the reduction leaves no bias worth the name.
  const wide = BigInt(`0x${Buffer.from(rng.bytes(octets + 8)).toString('hex')}`);
  const d = Buffer.from(((wide % (order - 1n)) + 1n).toString(16).padStart(octets * 2, '0'), 'hex');
  const ecdh = createECDH(curve);
  ecdh.setPrivateKey(d);
  // 04, then both coordinates.
  const point = ecdh.getPublicKey();
  const x = point.subarray(1, 1 + octets).toString('base64url');
  const y = point.subarray(1 + octets).toString('base64url');
  const jwk = { kty: 'EC', crv, x, y };
  return {
    privateKey: createPrivateKey({ key: { ...jwk, d: d.toString('base64url') }, format: 'jwk' }),
    spki: spkiOfJwk(jwk),
  };
}
