/**
 * An X.509 certificate: parsed once, strictly, then immutable. Parsing says nothing about trust; `verifyChain` does. What
 * comes from elsewhere is parsed before there is a `Certificate` of it; what was signed here, when it is first asked.
 *
 * Strict means DER with nothing left over, no repeated extension, known extensions well-formed, a serial number that is
 * not negative. The public key is only decoded when it is asked for.
 *
 * Not modelled: issuer and subject unique identifiers (read and ignored).
 *
 * Source: RFC 5280 §4.1.
 * @module
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { type Instant, messageOf } from '../core/index.ts';
import { bitStringOf, bytesEqual, contextTag, DerReader, derWhole, encodingError, TAG } from './der/reader.ts';
import { parseExtensions, serialHex, type Extensions } from './extensions.ts';
import { Name } from './name.ts';
import { decodePem, encodePem } from './pem.ts';

/** An AlgorithmIdentifier: `encoded` is the whole structure. */
export interface AlgorithmIdentifier {
  readonly oid: string;
  readonly parameters: Uint8Array | undefined;
  readonly encoded: Uint8Array;
}

const PEM_LABEL = 'CERTIFICATE';
const NO_EXTENSIONS: Extensions = { all: [] };

interface CertificateFields {
  readonly tbs: Uint8Array;
  readonly version: 1 | 2 | 3;
  readonly serialBytes: Uint8Array;
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly signature: Uint8Array;
  readonly issuer: Name;
  readonly subject: Name;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly spki: Uint8Array;
  readonly extensions: Extensions;
}

/** What the signer of a certificate knows of it without reading it back. */
export interface SignedParts {
  readonly serialBytes: Uint8Array;
  /** Whole seconds, as the certificate has them. */
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

export class Certificate {
  readonly der: Uint8Array;
  /** Lower-case hex, without `0x`. */
  readonly serial: string;
  /** The content of the serial number's INTEGER. */
  readonly serialBytes: Uint8Array;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  #fields: CertificateFields | undefined;
  #fingerprint: string | undefined;
  #publicKey: KeyObject | undefined;
  #uriSans: readonly string[] | undefined;

  private constructor(der: Uint8Array, parts: SignedParts, fields?: CertificateFields) {
    this.der = der;
    this.serial = serialHex(parts.serialBytes);
    this.serialBytes = parts.serialBytes;
    this.notBefore = parts.notBefore;
    this.notAfter = parts.notAfter;
    this.#fields = fields;
  }

  /**
   * Reads exactly one certificate; the bytes are copied.
   * @throws MeshError `ERR_PKI_ENCODING`
   */
  static fromDer(der: Uint8Array): Certificate {
    const own = new Uint8Array(der);
    const fields = readCertificate(own);
    return new Certificate(own, fields, fields);
  }

  /**
   * A certificate that was just made here. Reading costs a third of issuing, and few ask for more than its maker knows:
   * it is read when somebody does. The bytes are not copied, and the parts are believed: only for who signed.
   * @internal
   */
  static signed(der: Uint8Array, parts: SignedParts): Certificate {
    return new Certificate(der, parts);
  }

  get version(): 1 | 2 | 3 {
    return this.#read().version;
  }

  get subject(): Name {
    return this.#read().subject;
  }

  get issuer(): Name {
    return this.#read().issuer;
  }

  get extensions(): Extensions {
    return this.#read().extensions;
  }

  get signatureAlgorithm(): AlgorithmIdentifier {
    return this.#read().signatureAlgorithm;
  }

  /** The signed part. */
  get tbs(): Uint8Array {
    return this.#read().tbs;
  }

  get signature(): Uint8Array {
    return this.#read().signature;
  }

  /** SubjectPublicKeyInfo. */
  get spki(): Uint8Array {
    return this.#read().spki;
  }

  #read(): CertificateFields {
    return (this.#fields ??= readCertificate(this.der));
  }

  /**
   * Reads the one certificate of a PEM text.
   * @throws MeshError `ERR_PKI_ENCODING` when there is none, or more than one
   */
  static fromPem(pem: string): Certificate {
    const [first, ...more] = Certificate.allFromPem(pem);
    if (first === undefined) throw encodingError('no certificate in this PEM text');
    if (more.length > 0) throw encodingError(`${more.length + 1} certificates where one is expected`);
    return first;
  }

  /** Every certificate of a PEM text, in order; other blocks are skipped. */
  static allFromPem(pem: string): Certificate[] {
    return decodePem(pem, PEM_LABEL).map((der) => Certificate.fromDer(der));
  }

  /** SHA-256 of the DER, lower-case hex. */
  get fingerprint(): string {
    this.#fingerprint ??= createHash('sha256').update(this.der).digest('hex');
    return this.#fingerprint;
  }

  /**
   * The public key.
   * @throws MeshError `ERR_PKI_ENCODING` when OpenSSL cannot read it
   */
  get publicKey(): KeyObject {
    if (this.#publicKey === undefined) {
      try {
        this.#publicKey = createPublicKey({ key: Buffer.from(this.spki), format: 'der', type: 'spki' });
      } catch (error) {
        throw encodingError(`public key: ${messageOf(error)}`);
      }
    }
    return this.#publicKey;
  }

  /** URIs of the subject alternative name, in order. */
  get uriSans(): readonly string[] {
    this.#uriSans ??= (this.extensions.subjectAltName ?? []).flatMap((name) =>
      name.kind === 'uri' ? [name.text] : [],
    );
    return this.#uriSans;
  }

  /** DNS names of the subject alternative name, in order. */
  get dnsSans(): readonly string[] {
    return (this.extensions.subjectAltName ?? []).flatMap((name) => (name.kind === 'dns' ? [name.text] : []));
  }

  /** Whether basic constraints say `cA`. */
  get isCa(): boolean {
    return this.extensions.basicConstraints?.ca === true;
  }

  /** Issuer and subject are the same name (RFC 5280 §6.1). Says nothing about who signed. */
  get isSelfIssued(): boolean {
    return this.subject.equals(this.issuer);
  }

  equals(other: Certificate): boolean {
    return this === other || bytesEqual(this.der, other.der);
  }

  toPem(): string {
    return encodePem(this.der, PEM_LABEL);
  }
}

function readCertificate(der: Uint8Array): CertificateFields {
  const outer = derWhole(der, TAG.sequence, 'certificate');
  const tbs = outer.expect(TAG.sequence);
  const outerAlgorithm = readAlgorithm(outer);
  const signature = outer.bitString();
  outer.end();
  if (signature.unusedBits !== 0) throw encodingError('certificate: signature is not whole bytes');
  const fields = readTbs(tbs.content);
  if (!bytesEqual(fields.signatureAlgorithm.encoded, outerAlgorithm.encoded)) {
    throw encodingError('certificate: the two signature algorithms differ');
  }
  return { ...fields, tbs: tbs.encoded, signature: signature.bytes };
}

function readTbs(content: Uint8Array): Omit<CertificateFields, 'tbs' | 'signature'> {
  const reader = new DerReader(content, 'certificate');
  const version = readVersion(reader);
  const serialBytes = reader.integer();
  if ((serialBytes[0] ?? 0) >= 0x80) throw encodingError('certificate: negative serial number');
  const signatureAlgorithm = readAlgorithm(reader);
  const issuer = Name.fromDer(reader.expect(TAG.sequence).encoded);
  const validity = reader.sequence('validity');
  const notBefore = validity.time();
  const notAfter = validity.time();
  validity.end();
  const subject = Name.fromDer(reader.expect(TAG.sequence).encoded);
  const spki = reader.expect(TAG.sequence).encoded;
  for (const number of [1, 2]) {
    const tag = contextTag(number, 'primitive');
    if (reader.peek() !== tag) continue;
    if (version === 1) throw encodingError('certificate: unique identifier in version 1');
    bitStringOf(reader.content(tag), reader);
  }
  const extensionBlock = reader.intoOptional(contextTag(3, 'constructed'));
  reader.end();
  if (extensionBlock && version !== 3) throw encodingError(`certificate: extensions in version ${version}`);
  const extensions = extensionBlock ? parseExtensions(extensionBlock) : NO_EXTENSIONS;
  return { version, serialBytes, signatureAlgorithm, issuer, subject, notBefore, notAfter, spki, extensions };
}

function readVersion(reader: DerReader): 1 | 2 | 3 {
  const block = reader.intoOptional(contextTag(0, 'constructed'));
  if (block === undefined) return 1;
  const value = block.smallInteger();
  block.end();
  // Version 1 is the DEFAULT and must not be written.
  if (value !== 1 && value !== 2) throw encodingError(`certificate: version number ${value}`);
  return value === 2 ? 3 : 2;
}

/** Reads an AlgorithmIdentifier. */
export function readAlgorithm(reader: DerReader): AlgorithmIdentifier {
  const { content, encoded } = reader.expect(TAG.sequence);
  const inner = new DerReader(content, 'algorithm identifier');
  const oid = inner.oid();
  const parameters = inner.done ? undefined : inner.element().encoded;
  inner.end();
  return { oid, parameters, encoded };
}
