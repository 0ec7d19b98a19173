/**
 * Public keys between their SubjectPublicKeyInfo bytes and `KeyObject`s, without OpenSSL's DER encoder and decoder:
 * those cost as much as a signature verification each (0.09 ms), the JWK route a fraction. The bytes are the same, and
 * a key the fast route does not know goes the slow one.
 *
 * Parsed keys are remembered (bounded): a CA that checks a request made in this process does not parse the key again.
 *
 * A `KeyObject` that `generateKeyPairSync` returned must never be exported as JWK: Node 20 holds the key's lock while it
 * allocates, and a garbage collection in that moment that frees the generation job waits for the same lock, forever.
 * So JWKs come from the generation itself (`publicKeyEncoding`), and none is exported here.
 *
 * Source: RFC 5280 §4.1.2.7, RFC 5480 §2 (EC), RFC 8410 §4 (Ed25519), RFC 8017 App. A.1.1 (RSA).
 * @module
 */
import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { invariant } from '../core/index.ts';
import { CURVE, KEY } from './der/oids.ts';
import { DerReader, latin1 } from './der/reader.ts';
import { derBitString, derNull, derOid, derSequence, derUnsigned } from './der/writer.ts';

const EC_PUBLIC_KEY = derOid(KEY.ec);

interface Shape {
  readonly algorithm: KeyAlgorithm;
  /** What comes before the raw point or key. */
  readonly prefix: Uint8Array;
  readonly kty: 'EC' | 'OKP';
  readonly crv: string;
  /** Octets of one coordinate (EC) or of the key (OKP). */
  readonly octets: number;
}

export const KEY_ALGORITHMS = ['ecdsa-p256', 'ecdsa-p384', 'ed25519', 'rsa-2048', 'rsa-3072'] as const;
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];

const SHAPES: readonly Shape[] = [
  {
    algorithm: 'ecdsa-p256',
    kty: 'EC',
    crv: 'P-256',
    octets: 32,
    prefix: prefixOf(derSequence(EC_PUBLIC_KEY, derOid(CURVE.p256)), 65, 4),
  },
  {
    algorithm: 'ecdsa-p384',
    kty: 'EC',
    crv: 'P-384',
    octets: 48,
    prefix: prefixOf(derSequence(EC_PUBLIC_KEY, derOid(CURVE.p384)), 97, 4),
  },
  {
    algorithm: 'ed25519',
    kty: 'OKP',
    crv: 'Ed25519',
    octets: 32,
    prefix: prefixOf(derSequence(derOid(KEY.ed25519)), 32),
  },
];

/** SubjectPublicKeyInfo up to the key's own octets (up to the 04 of an uncompressed point, inclusive). */
function prefixOf(algorithm: Uint8Array, keyOctets: number, ...lead: readonly number[]): Uint8Array {
  const whole = derSequence(algorithm, derBitString(Uint8Array.from(lead), new Uint8Array(keyOctets - lead.length)));
  return whole.subarray(0, whole.length - keyOctets + lead.length);
}

const RSA_ALGORITHM = derSequence(derOid(KEY.rsa), derNull());

/** SubjectPublicKeyInfo from a JWK, which holds the same numbers. */
export function spkiOfJwk(jwk: JsonWebKey): Uint8Array {
  const shape = SHAPES.find(({ kty, crv }) => kty === jwk.kty && crv === jwk.crv);
  if (shape === undefined) {
    invariant(jwk.kty === 'RSA', `a JWK of kind ${jwk.kty}`);
    const numbers = derSequence(derUnsigned(base64url(jwk.n)), derUnsigned(base64url(jwk.e)));
    return derSequence(RSA_ALGORITHM, derBitString(numbers));
  }
  const { kty, octets, prefix } = shape;
  const spki = new Uint8Array(prefix.length + octets * (kty === 'EC' ? 2 : 1));
  spki.set(prefix);
  spki.set(base64url(jwk.x), prefix.length);
  if (kty === 'EC') spki.set(base64url(jwk.y), prefix.length + octets);
  return spki;
}

function base64url(text: string | undefined): Uint8Array {
  invariant(text !== undefined, 'a JWK without its numbers');
  return Buffer.from(text, 'base64url');
}

export interface PublicKey {
  readonly key: KeyObject;
  /** Nothing for a key of another kind or size than ours. */
  readonly algorithm: KeyAlgorithm | undefined;
}

/** How many parsed keys are remembered; the oldest goes first. */
const REMEMBERED_MAX = 256;
const remembered = new Map<string, PublicKey>();

/** The key in `spki`; what `node:crypto` throws on bytes that are no key goes through. */
export function publicKeyOf(spki: Uint8Array): PublicKey {
  const index = indexOf(spki);
  const known = remembered.get(index);
  if (known !== undefined) return known;
  const parsed = parse(spki);
  remember(index, parsed);
  return parsed;
}

/** Remembers a key that was made here together with its bytes. */
export function rememberPublicKey(spki: Uint8Array, publicKey: PublicKey): void {
  remember(indexOf(spki), publicKey);
}

function remember(index: string, publicKey: PublicKey): void {
  if (remembered.size >= REMEMBERED_MAX) {
    const [oldest] = remembered.keys();
    if (oldest !== undefined) remembered.delete(oldest);
  }
  remembered.set(index, publicKey);
}

function indexOf(spki: Uint8Array): string {
  return latin1(spki);
}

/** Octets of a key identifier. */
const KEY_IDENTIFIER_OCTETS = 20;

/** The key identifier of RFC 7093 §2 (1): the first 160 bits of the SHA-256 of `subjectPublicKey`. */
export function keyIdentifierOf(spki: Uint8Array): Uint8Array {
  const reader = new DerReader(spki, 'public key').sequence();
  reader.sequence();
  return createHash('sha256').update(reader.bitString().bytes).digest().subarray(0, KEY_IDENTIFIER_OCTETS);
}

function parse(spki: Uint8Array): PublicKey {
  const shape = SHAPES.find(
    ({ kty, octets, prefix }) =>
      spki.length === prefix.length + octets * (kty === 'EC' ? 2 : 1) && prefix.every((octet, i) => spki[i] === octet),
  );
  if (shape === undefined) {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    return { key, algorithm: algorithmOfParsed(key) };
  }
  const { algorithm, kty, crv, octets, prefix } = shape;
  const part = (index: number): string => {
    const from = prefix.length + index * octets;
    return Buffer.from(spki.subarray(from, from + octets)).toString('base64url');
  };
  const jwk = kty === 'EC' ? { kty, crv, x: part(0), y: part(1) } : { kty, crv, x: part(0) };
  return { key: createPublicKey({ key: jwk, format: 'jwk' }), algorithm };
}

/** The algorithm of a key that was parsed, not generated. */
export function algorithmOfParsed(key: KeyObject): KeyAlgorithm | undefined {
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
