/**
 * Certificate revocation lists: read strictly, checked against the certificates of a path.
 *
 * Complete lists of one issuer only. Delta lists, indirect lists and lists for a part of the certificates (an issuing
 * distribution point) are not usable and count as absent, and absent means refused: revocation is only asked for by
 * whoever wants it. A serial number on a validly signed list is revoked whatever the list's dates and the entry's say.
 *
 * Source: RFC 5280 §5, §6.3.
 * @module
 */
import { type Instant, MeshError } from '../core/index.ts';
import { readAlgorithm, type AlgorithmIdentifier, type Certificate } from './certificate.ts';
import { EXTENSION } from './der/oids.ts';
import { bytesEqual, contextTag, DerReader, derWhole, encodingError, TAG } from './der/reader.ts';
import {
  parseAuthorityKeyId,
  readExtensionList,
  serialHex,
  type AuthorityKeyIdentifier,
  type RawExtension,
} from './extensions.ts';
import { Name } from './name.ts';
import { decodePem, encodePem } from './pem.ts';
import { titleOf } from './path-rules.ts';
import { signatureFault } from './signature.ts';
import { fault, type Fault } from './verify-reasons.ts';

const PEM_LABEL = 'X509 CRL';

interface ListFields {
  readonly algorithm: AlgorithmIdentifier;
  readonly issuer: Name;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant | undefined;
  readonly revoked: ReadonlySet<string>;
  readonly authorityKeyId: AuthorityKeyIdentifier | undefined;
  /** Why the list cannot be used as it is, or nothing. */
  readonly unusable: string | undefined;
}

export class RevocationList {
  readonly der: Uint8Array;
  readonly issuer: Name;
  readonly thisUpdate: Instant;
  readonly nextUpdate: Instant | undefined;
  /** Serial numbers as `Certificate.serial` writes them. */
  readonly revoked: ReadonlySet<string>;
  readonly #fields: ListFields;
  readonly #tbs: Uint8Array;
  readonly #signature: Uint8Array;
  readonly #signedBy = new WeakMap<Certificate, boolean>();

  private constructor(der: Uint8Array) {
    const outer = derWhole(der, TAG.sequence, 'revocation list');
    const tbs = outer.expect(TAG.sequence);
    const algorithm = readAlgorithm(outer);
    const signature = outer.bitString();
    outer.end();
    this.#fields = readList(tbs.content);
    if (signature.unusedBits !== 0) throw encodingError('revocation list: signature is not whole bytes');
    if (!bytesEqual(algorithm.encoded, this.#fields.algorithm.encoded)) {
      throw encodingError('revocation list: the two signature algorithms differ');
    }
    this.der = der;
    this.issuer = this.#fields.issuer;
    this.thisUpdate = this.#fields.thisUpdate;
    this.nextUpdate = this.#fields.nextUpdate;
    this.revoked = this.#fields.revoked;
    this.#tbs = tbs.encoded;
    this.#signature = signature.bytes;
  }

  /** @throws MeshError `ERR_PKI_ENCODING` */
  static fromDer(der: Uint8Array): RevocationList {
    return new RevocationList(Uint8Array.from(der));
  }

  /** @throws MeshError `ERR_PKI_ENCODING` */
  static allFromPem(pem: string): RevocationList[] {
    return decodePem(pem, PEM_LABEL).map((der) => RevocationList.fromDer(der));
  }

  toPem(): string {
    return encodePem(this.der, PEM_LABEL);
  }

  /** Why this list says nothing about certificates of `issuer`, or nothing. Dates are for the caller. */
  unusableFor(issuer: Certificate): string | undefined {
    const { unusable, authorityKeyId } = this.#fields;
    if (!this.issuer.equals(issuer.subject)) return 'it is another issuer’s';
    const { subjectKeyId, keyUsage } = issuer.extensions;
    if (authorityKeyId?.keyId !== undefined && subjectKeyId !== undefined && authorityKeyId.keyId !== subjectKeyId) {
      return 'it is signed by another key';
    }
    if (unusable !== undefined) return unusable;
    if (keyUsage && !keyUsage.has('cRLSign')) return 'its issuer has no cRLSign';
    return this.#isSignedBy(issuer) ? undefined : 'its signature does not verify';
  }

  #isSignedBy(issuer: Certificate): boolean {
    let signed = this.#signedBy.get(issuer);
    if (signed === undefined) {
      const { algorithm } = this.#fields;
      signed = signatureFault({ tbs: this.#tbs, signature: this.#signature, algorithm }, issuer) === undefined;
      this.#signedBy.set(issuer, signed);
    }
    return signed;
  }
}

/** What revocation lists say about a path. */
export type RevocationVerdict = Fault | { readonly validFrom: Instant; readonly validUntil: Instant };

/**
 * Asks the lists about every certificate of a path but its root.
 * @param path leaf first, root last
 */
export function checkRevocation(
  path: readonly Certificate[],
  lists: readonly RevocationList[],
  at: Instant,
): RevocationVerdict {
  let [validFrom, validUntil] = [-Infinity as Instant, Infinity as Instant];
  for (const [depth, certificate] of path.entries()) {
    const issuer = path[depth + 1];
    if (issuer === undefined) break;
    const verdict = checkOne(certificate, issuer, lists, at);
    if ('reason' in verdict) return verdict;
    if (verdict.validFrom > validFrom) validFrom = verdict.validFrom;
    if (verdict.validUntil < validUntil) validUntil = verdict.validUntil;
  }
  return { validFrom, validUntil };
}

function checkOne(
  certificate: Certificate,
  issuer: Certificate,
  lists: readonly RevocationList[],
  at: Instant,
): RevocationVerdict {
  const why: string[] = [];
  let current: { readonly validFrom: Instant; readonly validUntil: Instant } | undefined;
  for (const list of lists) {
    if (!list.issuer.equals(issuer.subject)) continue;
    const unusable = list.unusableFor(issuer);
    if (unusable !== undefined) {
      why.push(unusable);
      continue;
    }
    if (list.revoked.has(certificate.serial)) {
      return fault('revoked', `${titleOf(certificate)} is on the list of ${titleOf(issuer)}`);
    }
    const { thisUpdate, nextUpdate } = list;
    if (nextUpdate === undefined) why.push('it names no next update');
    else if (at < thisUpdate) why.push('it is not valid yet');
    else if (at > nextUpdate) why.push('it is out of date');
    else current ??= { validFrom: thisUpdate, validUntil: nextUpdate };
  }
  const reason = why.length > 0 ? why.join('; ') : 'there is none';
  return current ?? fault('revocation_unknown', `revocation list of ${titleOf(issuer)}: ${reason}`);
}

function readList(content: Uint8Array): ListFields {
  const reader = new DerReader(content, 'revocation list');
  const version = reader.peek() === TAG.integer ? reader.smallInteger() : 0;
  if (version !== 1) throw encodingError('revocation list: not version 2');
  const algorithm = readAlgorithm(reader);
  const issuer = Name.fromDer(reader.expect(TAG.sequence).encoded);
  const thisUpdate = reader.time();
  const hasNext = reader.peek() === TAG.utcTime || reader.peek() === TAG.generalizedTime;
  const nextUpdate = hasNext ? reader.time() : undefined;
  const entries = reader.intoOptional(TAG.sequence);
  const { revoked, unusable: badEntry } = entries ? readEntries(entries) : NO_ENTRIES;
  const block = reader.intoOptional(contextTag(0, 'constructed'));
  reader.end();
  const extensions = block ? readExtensionList(block) : [];
  const keyId = extensions.find((e) => e.oid === EXTENSION.authorityKeyIdentifier);
  const authorityKeyId = keyId && parseAuthorityKeyId(keyId.value);
  const unusable = badEntry ?? listProblem(extensions);
  return { algorithm, issuer, thisUpdate, nextUpdate, revoked, authorityKeyId, unusable };
}

const NO_ENTRIES: Pick<ListFields, 'revoked' | 'unusable'> = { revoked: new Set(), unusable: undefined };

function readEntries(list: DerReader): Pick<ListFields, 'revoked' | 'unusable'> {
  const revoked = new Set<string>();
  let unusable: string | undefined;
  while (!list.done) {
    const entry = list.sequence();
    revoked.add(serialHex(entry.integer()));
    entry.time();
    // An entry that needs an extension nobody here knows, such as an indirect list's certificate issuer.
    const critical = entry.done ? undefined : readExtensionList(entry).find((e) => e.critical);
    if (critical) unusable = `an entry has the critical extension ${critical.oid}`;
    entry.end();
  }
  return { revoked, unusable };
}

function listProblem(extensions: readonly RawExtension[]): string | undefined {
  const number = extensions.find((e) => e.oid === EXTENSION.crlNumber);
  if (number === undefined) return 'it has no CRL number';
  if (number.critical) return 'its CRL number is critical';
  try {
    const reader = new DerReader(number.value, 'CRL number');
    reader.smallInteger();
    reader.end();
  } catch (error) {
    if (error instanceof MeshError) return 'its CRL number is malformed';
    throw error;
  }
  const partial = [EXTENSION.deltaCrlIndicator, EXTENSION.issuingDistributionPoint];
  const critical = extensions.find((e) => e.critical || partial.some((oid) => oid === e.oid));
  return critical && `extension ${critical.oid} is not handled`;
}
