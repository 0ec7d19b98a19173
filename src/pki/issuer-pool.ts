/**
 * Who may have issued a certificate: candidates among the presented and the trusted certificates, by name and key
 * identifier. Being a candidate says nothing about rights or signatures.
 *
 * Source: RFC 5280 §4.2.1.1; OpenSSL's `X509_check_issued`.
 * @module
 */
import type { Certificate } from './certificate.ts';
import { bytesEqual } from './der/reader.ts';
import { directoryNameOf } from './extensions.ts';

type ByName = ReadonlyMap<string, readonly Certificate[]>;
const rootIndexes = new WeakMap<readonly Certificate[], ByName>();

function indexByName(certificates: readonly Certificate[]): ByName {
  const index = new Map<string, Certificate[]>();
  for (const certificate of certificates) {
    const list = index.get(certificate.subject.key);
    if (list) list.push(certificate);
    else index.set(certificate.subject.key, [certificate]);
  }
  return index;
}

/** An index of roots outlives the call only where the array cannot change under it. */
function indexRoots(roots: readonly Certificate[]): ByName {
  if (!Object.isFrozen(roots)) return indexByName(roots);
  let index = rootIndexes.get(roots);
  if (index === undefined) rootIndexes.set(roots, (index = indexByName(roots)));
  return index;
}

export interface Candidate {
  readonly certificate: Certificate;
  readonly trusted: boolean;
}

/** Who may have issued a certificate, by name and key identifier. */
export class IssuerPool {
  readonly #presented: ByName;
  readonly #roots: ByName;

  constructor(presented: readonly Certificate[], roots: readonly Certificate[]) {
    this.#presented = indexByName(presented);
    this.#roots = indexRoots(roots);
  }

  /** Roots first: the shortest path is the cheapest, and the one OpenSSL takes. */
  issuersOf(subject: Certificate): readonly Candidate[] {
    const { key } = subject.issuer;
    const roots = this.#roots.get(key) ?? [];
    const presented = this.#presented.get(key) ?? [];
    const candidates = [
      ...roots.map((certificate) => ({ certificate, trusted: true })),
      ...presented.map((certificate) => ({ certificate, trusted: false })),
    ];
    return candidates.filter(({ certificate }) => keyIdentifierFits(subject, certificate));
  }

  hasIssuerByName(subject: Certificate): boolean {
    return this.#roots.has(subject.issuer.key) || this.#presented.has(subject.issuer.key);
  }

  isTrusted(certificate: Certificate): boolean {
    return (this.#roots.get(certificate.subject.key) ?? []).some((root) => root.equals(certificate));
  }
}

/** Key identifiers that are present on both sides must agree, as OpenSSL demands. */
function keyIdentifierFits(subject: Certificate, issuer: Certificate): boolean {
  const wanted = subject.extensions.authorityKeyId;
  if (wanted === undefined) return true;
  const { subjectKeyId } = issuer.extensions;
  if (wanted.keyId !== undefined && subjectKeyId !== undefined && wanted.keyId !== subjectKeyId) return false;
  if (wanted.serial !== undefined && wanted.serial !== issuer.serial) return false;
  const name = wanted.issuer && directoryNameOf(wanted.issuer);
  return name === undefined || name.equals(issuer.issuer);
}

/** Whether the name and the key of `issuer` are in the path already: going on would only go round. */
export function isRepeated(path: readonly Certificate[], issuer: Certificate): boolean {
  return path.some((one) => bytesEqual(one.spki, issuer.spki) && one.subject.equals(issuer.subject));
}
