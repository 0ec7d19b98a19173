/**
 * Signing certificates, requests and revocation lists: which AlgorithmIdentifier a key signs with, and the signature.
 *
 * One choice a key: SHA-256 for P-256 and RSA (PKCS#1 v1.5), SHA-384 for P-384, Ed25519 pure. MD5 and SHA-1 cannot be
 * asked for.
 * Source: RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3.
 * @module
 */
import { sign, type KeyObject } from 'node:crypto';
import { SIGNATURE } from './der/oids.ts';
import { bytesEqual } from './der/reader.ts';
import { derBitString, derNull, derOid, derSequence } from './der/writer.ts';
import type { KeyAlgorithm, KeyPair } from './keys.ts';

interface Scheme {
  /** As `node:crypto` wants it: nothing for Ed25519. */
  readonly digest: 'sha256' | 'sha384' | undefined;
  readonly identifier: Uint8Array;
}

const ECDSA_SHA256: Scheme = { digest: 'sha256', identifier: derSequence(derOid(SIGNATURE.ecdsaSha256)) };
const ECDSA_SHA384: Scheme = { digest: 'sha384', identifier: derSequence(derOid(SIGNATURE.ecdsaSha384)) };
const RSA_SHA256: Scheme = { digest: 'sha256', identifier: derSequence(derOid(SIGNATURE.rsaSha256), derNull()) };
const ED25519: Scheme = { digest: undefined, identifier: derSequence(derOid(SIGNATURE.ed25519)) };

const SCHEMES: Readonly<Record<KeyAlgorithm, Scheme>> = {
  'ecdsa-p256': ECDSA_SHA256,
  'ecdsa-p384': ECDSA_SHA384,
  ed25519: ED25519,
  'rsa-2048': RSA_SHA256,
  'rsa-3072': RSA_SHA256,
};

/** The AlgorithmIdentifier a key of this algorithm signs with. */
export function signatureIdentifierOf(algorithm: KeyAlgorithm): Uint8Array {
  return SCHEMES[algorithm].identifier;
}

/** Who signs. */
export interface Signer {
  readonly algorithm: KeyAlgorithm;
  readonly privateKey: KeyObject;
}

/** `SEQUENCE { body, AlgorithmIdentifier, BIT STRING }`: the shape of everything signed in X.509. */
export function signedDer(body: Uint8Array, signer: Signer | KeyPair): Uint8Array {
  const { digest, identifier } = SCHEMES[signer.algorithm];
  return derSequence(body, identifier, derBitString(sign(digest, body, signer.privateKey)));
}

/** What `node:crypto` needs to check a signature; `name` is nothing where the algorithm has its own digest. */
export interface VerificationDigest {
  readonly name: 'sha256' | 'sha384' | 'sha512' | undefined;
}

const EC_DIGESTS: readonly (readonly [Uint8Array, VerificationDigest])[] = [
  [derSequence(derOid(SIGNATURE.ecdsaSha256)), { name: 'sha256' }],
  [derSequence(derOid(SIGNATURE.ecdsaSha384)), { name: 'sha384' }],
  [derSequence(derOid(SIGNATURE.ecdsaSha512)), { name: 'sha512' }],
];
const RSA_DIGESTS: readonly (readonly [Uint8Array, VerificationDigest])[] = [
  [derSequence(derOid(SIGNATURE.rsaSha256), derNull()), { name: 'sha256' }],
  [derSequence(derOid(SIGNATURE.rsaSha384), derNull()), { name: 'sha384' }],
  [derSequence(derOid(SIGNATURE.rsaSha512), derNull()), { name: 'sha512' }],
];
const VERIFIABLE: Readonly<Record<KeyAlgorithm, readonly (readonly [Uint8Array, VerificationDigest])[]>> = {
  'ecdsa-p256': EC_DIGESTS,
  'ecdsa-p384': EC_DIGESTS,
  ed25519: [[ED25519.identifier, { name: undefined }]],
  'rsa-2048': RSA_DIGESTS,
  'rsa-3072': RSA_DIGESTS,
};

/** How to check a signature made with such a key under this AlgorithmIdentifier; nothing if that is not done. */
export function verificationDigestOf(key: KeyAlgorithm, identifier: Uint8Array): VerificationDigest | undefined {
  return VERIFIABLE[key].find(([known]) => bytesEqual(known, identifier))?.[1];
}
