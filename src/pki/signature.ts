/**
 * Signing certificates, requests and revocation lists: which AlgorithmIdentifier a key signs with, and the signature.
 *
 * One choice a key: SHA-256 for P-256 and RSA (PKCS#1 v1.5), SHA-384 for P-384, Ed25519 pure. MD5 and SHA-1 cannot be
 * asked for.
 * Source: RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3.
 * @module
 */
import { sign, type KeyObject } from 'node:crypto';
import { derBitString, derNull, derOid, derSequence } from './der/writer.ts';
import type { KeyAlgorithm, KeyPair } from './keys.ts';

interface Scheme {
  /** As `node:crypto` wants it: nothing for Ed25519. */
  readonly digest: 'sha256' | 'sha384' | undefined;
  readonly identifier: Uint8Array;
}

const ECDSA_SHA256: Scheme = { digest: 'sha256', identifier: derSequence(derOid('1.2.840.10045.4.3.2')) };
const ECDSA_SHA384: Scheme = { digest: 'sha384', identifier: derSequence(derOid('1.2.840.10045.4.3.3')) };
const RSA_SHA256: Scheme = { digest: 'sha256', identifier: derSequence(derOid('1.2.840.113549.1.1.11'), derNull()) };
const ED25519: Scheme = { digest: undefined, identifier: derSequence(derOid('1.3.101.112')) };

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
