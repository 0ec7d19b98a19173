/**
 * Trust bundles: which root certificates speak for which trust domain. Immutable values; a rotation makes a new one.
 *
 * A domain's roots never vouch for another domain (SPIFFE Trust Domain and Bundle §3), which is why a verifier takes
 * the whole set and chooses by the leaf's own identity.
 * @module
 */
import { createHash } from 'node:crypto';
import { parseTrustDomain, type TrustDomain } from '../identity/index.ts';
import { Certificate } from './certificate.ts';

/** The roots of one trust domain. */
export class TrustBundle {
  readonly trustDomain: TrustDomain;
  /** Without duplicates, in the order given. */
  readonly roots: readonly Certificate[];

  private constructor(trustDomain: TrustDomain, roots: readonly Certificate[]) {
    this.trustDomain = trustDomain;
    this.roots = Object.freeze([...new Map(roots.map((root) => [root.fingerprint, root])).values()]);
  }

  /** @throws MeshError `ERR_IDENTITY_SYNTAX` */
  static of(trustDomain: string, roots: readonly Certificate[]): TrustBundle {
    return new TrustBundle(parseTrustDomain(trustDomain), roots);
  }

  /** @throws MeshError `ERR_PKI_ENCODING`, `ERR_IDENTITY_SYNTAX` */
  static fromPem(trustDomain: string, pem: string): TrustBundle {
    return TrustBundle.of(trustDomain, Certificate.allFromPem(pem));
  }

  toPem(): string {
    return this.roots.map((root) => root.toPem()).join('');
  }
}

const NO_ROOTS: readonly Certificate[] = Object.freeze([]);

/** Bundles of several trust domains. */
export class TrustBundleSet {
  static readonly empty: TrustBundleSet = new TrustBundleSet(new Map());

  readonly #bundles: ReadonlyMap<string, TrustBundle>;
  #id: string | undefined;

  private constructor(bundles: ReadonlyMap<string, TrustBundle>) {
    this.#bundles = bundles;
  }

  /** @throws MeshError `ERR_IDENTITY_SYNTAX` */
  static of(entries: Readonly<Record<string, readonly Certificate[]>>): TrustBundleSet {
    const bundles = Object.entries(entries).map(([domain, roots]) => TrustBundle.of(domain, roots));
    return new TrustBundleSet(new Map(bundles.map((bundle) => [bundle.trustDomain, bundle])));
  }

  /** The roots of a trust domain; none for a domain the set does not know. */
  roots(trustDomain: string): readonly Certificate[] {
    return this.#bundles.get(trustDomain)?.roots ?? NO_ROOTS;
  }

  has(trustDomain: string): boolean {
    return this.#bundles.has(trustDomain);
  }

  /** The same set, with other roots for one domain. */
  with(trustDomain: string, roots: readonly Certificate[]): TrustBundleSet {
    const bundle = TrustBundle.of(trustDomain, roots);
    return new TrustBundleSet(new Map([...this.#bundles, [bundle.trustDomain, bundle]]));
  }

  /** The same set without one domain. */
  without(trustDomain: string): TrustBundleSet {
    return new TrustBundleSet(new Map([...this.#bundles].filter(([domain]) => domain !== trustDomain)));
  }

  /** In alphabetical order. */
  get trustDomains(): readonly TrustDomain[] {
    return [...this.#bundles.values()].map((bundle) => bundle.trustDomain).sort();
  }

  /** Equal for sets of equal content: a hash over domains and root fingerprints. */
  get id(): string {
    this.#id ??= this.#contentHash();
    return this.#id;
  }

  #contentHash(): string {
    const content = this.trustDomains.map((domain) => [
      domain,
      this.roots(domain)
        .map((root) => root.fingerprint)
        .sort(),
    ]);
    return createHash('sha256').update(JSON.stringify(content)).digest('hex');
  }
}
