/**
 * PKCS#10 certification requests: made by a workload's agent, checked by the authority.
 *
 * A request proves possession of a private key and no more. The names in it are wishes: Istio's CA takes the identity
 * from the authenticated caller, and so does ours. Attributes other than the extension request are kept out of reach.
 * Source: RFC 2986 §4, RFC 2985 §5.4.2, RFC 5280 §4.2.1.6.
 * @module
 */
import { verify, type KeyObject } from 'node:crypto';
import { MeshError, messageOf } from '../core/index.ts';
import type { SpiffeId } from '../identity/index.ts';
import { EMPTY_NAME, encodeName } from './certificate-builder.ts';
import { ATTRIBUTE, EXTENSION } from './der/oids.ts';
import { bytesEqual, contextTag, DerReader, derWhole, latin1, TAG, type BitString } from './der/reader.ts';
import { derContext, derInteger, derOid, derSequence, derSetOfOne } from './der/writer.ts';
import { subjectAltName } from './extension-encoding.ts';
import { KEY_ALGORITHMS, type KeyAlgorithm, type KeyPair } from './keys.ts';
import { Name } from './name.ts';
import { publicKeyOf, type PublicKey } from './public-key.ts';
import { signedDer, verificationDigestOf } from './signing.ts';

export interface CsrSubject {
  readonly spiffeId: SpiffeId;
  /** Istio copies a common name of at most 64 characters into the certificate; its agents send none. */
  readonly commonName?: string;
}

/** A request whose signature has been checked. */
export interface Csr {
  readonly algorithm: KeyAlgorithm;
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly subject: Name;
  readonly commonName: string | undefined;
  /** What the request asks to be called. Not to be believed. */
  readonly requestedUris: readonly string[];
}

const EXTENSION_REQUEST = derOid('1.2.840.113549.1.9.14');
const VERSION_1 = derInteger(0);

/** A request for `subject`, signed with `key`; DER. */
export function createCsr(key: KeyPair, subject: CsrSubject): Uint8Array {
  const { spiffeId, commonName } = subject;
  const name = commonName === undefined ? EMPTY_NAME : encodeName({ commonName });
  const names = subjectAltName({ uris: [spiffeId] }, commonName === undefined);
  const attributes = derContext(0, derSequence(EXTENSION_REQUEST, derSetOfOne(derSequence(names))));
  return signedDer(derSequence(VERSION_1, name, key.spki, attributes), key);
}

/**
 * Reads a request and checks that it is signed with the key it is for.
 * @throws MeshError `ERR_PKI_ENCODING` for bytes that are no request, `ERR_PKI_ISSUE` for a request that does not hold
 */
export function verifyCsr(der: Uint8Array): Csr {
  const outer = derWhole(der, TAG.sequence, 'certificate request');
  const body = outer.expect(TAG.sequence);
  const algorithmIdentifier = outer.expect(TAG.sequence).encoded;
  const signature = outer.bitString();
  outer.end();

  const info = new DerReader(body.content, 'certificate request');
  if (info.smallInteger() !== 0) throw info.fail('version is not 1');
  const subject = Name.fromDer(info.expect(TAG.sequence).encoded);
  const spki = info.expect(TAG.sequence).encoded;
  const requestedUris = readAttributes(info);
  info.end();

  const { publicKey, algorithm } = readKey(spki);
  checkSignature({ algorithm, publicKey, algorithmIdentifier, signature, body: body.encoded });
  return { algorithm, publicKey, spki, subject, commonName: subject.attribute(ATTRIBUTE.commonName)[0], requestedUris };
}

function readKey(spki: Uint8Array): { publicKey: KeyObject; algorithm: KeyAlgorithm } {
  let parsed: PublicKey;
  try {
    parsed = publicKeyOf(spki);
  } catch (error) {
    throw new MeshError('ERR_PKI_ENCODING', `certificate request: not a public key: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const { key: publicKey, algorithm } = parsed;
  if (algorithm === undefined) {
    throw new MeshError('ERR_PKI_ISSUE', `certificate request: the key is none of ${KEY_ALGORITHMS.join(', ')}`);
  }
  return { publicKey, algorithm };
}

interface SignedRequest {
  readonly algorithm: KeyAlgorithm;
  readonly publicKey: KeyObject;
  readonly algorithmIdentifier: Uint8Array;
  readonly signature: BitString;
  readonly body: Uint8Array;
}

function checkSignature({ algorithm, publicKey, algorithmIdentifier, signature, body }: SignedRequest): void {
  const digest = verificationDigestOf(algorithm, algorithmIdentifier);
  if (digest === undefined) {
    throw new MeshError(
      'ERR_PKI_ISSUE',
      'certificate request: the signature algorithm is unknown, weak or not of the key',
    );
  }
  const holds = signature.unusedBits === 0 && verify(digest.name, body, publicKey, signature.bytes);
  if (!holds) {
    throw new MeshError('ERR_PKI_ISSUE', 'certificate request: the signature does not prove possession of the key');
  }
}

/** `[0] IMPLICIT SET OF Attribute`: the URIs of a subjectAltName in the extension request. */
function readAttributes(info: DerReader): readonly string[] {
  const uris: string[] = [];
  const attributes = info.into(contextTag(0, 'constructed'), 'certificate request attributes');
  while (!attributes.done) {
    const attribute = attributes.sequence();
    const isExtensionRequest = bytesEqual(attribute.expect(TAG.oid).encoded, EXTENSION_REQUEST);
    const values = attribute.into(TAG.set);
    attribute.end();
    if (!isExtensionRequest) continue;
    const extensions = values.sequence();
    values.end();
    while (!extensions.done) uris.push(...readExtension(extensions.sequence()));
  }
  return uris;
}

function readExtension(extension: DerReader): readonly string[] {
  const id = extension.oid();
  extension.booleanDefaultFalse();
  const value = extension.octetString();
  extension.end();
  if (id !== EXTENSION.subjectAltName) return [];
  const uris: string[] = [];
  const names = derWhole(value, TAG.sequence, 'certificate request names');
  while (!names.done) {
    const { tag, content } = names.element();
    if (tag === contextTag(6, 'primitive')) uris.push(latin1(content));
  }
  return uris;
}
