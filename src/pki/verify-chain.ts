/**
 * Path validation at an instant: is there a path of issuers from this leaf to a trusted root, valid now?
 *
 * A depth-first search with backtracking over every candidate issuer, presented or trusted, so cross-signed roots and
 * renewed intermediates are found. A wrong branch costs a signature check at most, and the checks, the length of a path,
 * the certificates and their bytes are bounded: hostile chains end quickly, refused. A certificate with the name and the
 * key of one that is already in the path is never added, which rules cycles out.
 *
 * When no path is valid, a second search that only follows names and signatures finds the path people meant, so that the
 * reason is what is wrong with it, and authenticity comes first: a forged or rootless chain is never called expired.
 *
 * A trusted certificate need not be self-signed (OpenSSL's `-partial_chain`). Not modelled: fetching of issuers,
 * certificate policies; host names are for the caller.
 *
 * Source: RFC 5280 §6.1, RFC 4158.
 * @module
 */
// INVARIANT: an accepted chain ends in a certificate of `roots` and every link of it was verified.
import type { Instant } from '../core/index.ts';
import type { Certificate } from './certificate.ts';
import { diagnose } from './chain-diagnosis.ts';
import { IssuerPool, isRepeated } from './issuer-pool.ts';
import { issuerFault, leafFault, type PeerPurpose, type RuleContext } from './path-rules.ts';
import { checkRevocation, type RevocationList } from './revocation.ts';
import { certificateSignatureFault, schemeOf } from './signature.ts';
import { fault, type Fault, type VerifyReason } from './verify-reasons.ts';

export interface VerifyLimits {
  /** Certificates in a path, leaf and root included. */
  readonly pathMax: number;
  readonly presentedMax: number;
  readonly presentedBytesMax: number;
  /** Links tried, each of which costs a signature check unless it was tried before. */
  readonly signatureChecksMax: number;
  readonly nameComparisonsMax: number;
}

/** OpenSSL reads at most 100 KiB of certificates from a peer; the others leave room for every real chain. */
export const DEFAULT_VERIFY_LIMITS: VerifyLimits = {
  pathMax: 16,
  presentedMax: 128,
  presentedBytesMax: 100 * 1024,
  signatureChecksMax: 100,
  nameComparisonsMax: 1 << 16,
};

export interface VerifyOptions {
  /** Trusted certificates; freeze the array, and its index is kept. */
  readonly roots: readonly Certificate[];
  readonly at: Instant;
  /** The role of the peer that presents the leaf. */
  readonly purpose: PeerPurpose;
  /** Given, even if empty: every certificate below the root must be vouched for by a list of its issuer. */
  readonly crls?: readonly RevocationList[];
  /**
   * Refuse what breaks RFC 5280's rules for issuers, too (`openssl verify -x509_strict`).
   * @defaultValue false
   */
  readonly strict?: boolean;
  readonly limits?: Partial<VerifyLimits>;
}

export interface VerifiedChain {
  readonly ok: true;
  /** Leaf first, root last. */
  readonly chain: readonly Certificate[];
  /** The window in which the same chain stays valid; both ends belong to it. */
  readonly validFrom: Instant;
  readonly validUntil: Instant;
}

export type VerifyRefusal<R extends string = VerifyReason> = {
  readonly ok: false;
  readonly reason: R;
  /** One line for people. */
  readonly detail: string;
};

export type VerifyResult = VerifiedChain | VerifyRefusal;

/**
 * Validates what a peer presented.
 * @param presented leaf first; the order of the rest does not matter
 */
export function verifyChain(presented: readonly Certificate[], options: VerifyOptions): VerifyResult {
  const limits = { ...DEFAULT_VERIFY_LIMITS, ...options.limits };
  const [leaf, ...others] = presented;
  if (leaf === undefined) return refusal(fault('empty_chain', 'no certificate was presented'));
  const large = sizeFault(presented, limits);
  if (large !== undefined) return refusal(large);
  const pool = new IssuerPool(others, options.roots);
  const search = new PathSearch(pool, options, limits);
  return search.run(leaf);
}

function sizeFault(presented: readonly Certificate[], limits: VerifyLimits): Fault | undefined {
  if (presented.length > limits.presentedMax) {
    return fault('chain_too_large', `${presented.length} certificates, at most ${limits.presentedMax} are looked at`);
  }
  const bytes = presented.reduce((sum, certificate) => sum + certificate.der.length, 0);
  if (bytes > limits.presentedBytesMax) {
    return fault(
      'chain_too_large',
      `${bytes} bytes of certificates, at most ${limits.presentedBytesMax} are looked at`,
    );
  }
  return undefined;
}

class PathSearch {
  readonly #pool: IssuerPool;
  readonly #options: VerifyOptions;
  readonly #limits: VerifyLimits;
  readonly #rules: RuleContext;
  #checksLeft: number;
  #outOfWork: string | undefined;

  constructor(pool: IssuerPool, options: VerifyOptions, limits: VerifyLimits) {
    const { at, purpose, strict = false } = options;
    this.#pool = pool;
    this.#options = options;
    this.#limits = limits;
    this.#checksLeft = limits.signatureChecksMax;
    this.#rules = { at, purpose, strict, budget: { nameComparisons: limits.nameComparisonsMax } };
  }

  run(leaf: Certificate): VerifyResult {
    if (leafFault(leaf, this.#rules) === undefined) {
      const found = this.#findValid([leaf]);
      if (found !== undefined) return found;
      if (this.#outOfWork !== undefined) return refusal(fault('work_limit', this.#outOfWork));
    }
    this.#rules.budget.nameComparisons = this.#limits.nameComparisonsMax;
    const { crls, at } = this.#options;
    return refusal(diagnose(leaf, { pool: this.#pool, rules: this.#rules, crls, at, pathMax: this.#limits.pathMax }));
  }

  /** The first valid path that starts with `path`, or nothing. */
  #findValid(path: readonly Certificate[]): VerifiedChain | undefined {
    const subject = path.at(-1);
    if (subject === undefined || schemeOf(subject.signatureAlgorithm) === undefined) return this.#onlyLeaf(path);
    for (const { certificate, trusted } of this.#pool.issuersOf(subject)) {
      if (isRepeated(path, certificate) || path.length >= this.#limits.pathMax) continue;
      const broken = issuerFault(certificate, path, this.#rules);
      if (broken?.reason === 'work_limit') this.#outOfWork = broken.detail;
      if (this.#outOfWork !== undefined) return undefined;
      if (broken !== undefined) continue;
      if (this.#checksLeft-- <= 0) {
        this.#outOfWork = `more than ${this.#limits.signatureChecksMax} links to check`;
        return undefined;
      }
      if (certificateSignatureFault(subject, certificate) !== undefined) continue;
      const longer = [...path, certificate];
      const found = trusted ? this.#accept(longer) : this.#findValid(longer);
      if (found !== undefined || this.#outOfWork !== undefined) return found;
    }
    return this.#onlyLeaf(path);
  }

  /** A leaf that is itself trusted needs no issuer. */
  #onlyLeaf(path: readonly Certificate[]): VerifiedChain | undefined {
    const [leaf] = path;
    return path.length === 1 && leaf !== undefined && this.#pool.isTrusted(leaf) ? this.#accept(path) : undefined;
  }

  #accept(chain: readonly Certificate[]): VerifiedChain | undefined {
    const { crls, at } = this.#options;
    const revocation = crls && checkRevocation(chain, crls, at);
    if (revocation && 'reason' in revocation) return undefined;
    let validFrom = revocation?.validFrom ?? (-Infinity as Instant);
    let validUntil = revocation?.validUntil ?? (Infinity as Instant);
    for (const { notBefore, notAfter } of chain) {
      if (notBefore > validFrom) validFrom = notBefore;
      if (notAfter < validUntil) validUntil = notAfter;
    }
    return { ok: true, chain, validFrom, validUntil };
  }
}

/** A fault as the answer. */
export function refusal<R extends string>(found: { readonly reason: R; readonly detail: string }): VerifyRefusal<R> {
  return { ok: false, reason: found.reason, detail: found.detail };
}
