/**
 * The mesh's certificate authority, as istiod runs one: a root, an intermediate that signs, the list of roots it gives
 * to whoever asks for a certificate, and the verdict on a peer's chain at an instant.
 *
 * Its root changes in two ways. `renewRoot` is what istiod does with a self-signed one: same key, new dates; old and new
 * verify each other's leaves. A plugged-in root is replaced by another key in the three steps of `rotateRoot`, in
 * whatever order; only one is safe. What is given out reaches a workload with its next certificate, or by a push.
 *
 * Verdicts take the roots that the verifying workload itself holds. Bundles are per trust domain; the accepted ones are
 * those of the mesh configuration.
 * @module
 */
import { addMs, assertNever, DAY_MS, type Instant, MeshError, messageOf, type Rng } from '../core/index.ts';
import { parseSpiffeId, type SpiffeId, trustDomainOf } from '../identity/index.ts';
import {
  Certificate,
  CertificateAuthority,
  type KeyAlgorithm,
  type RevocationList,
  SvidVerifier,
  type TrustBundleSet,
} from '../pki/index.ts';
import type { PeerVerdict } from '../wire/index.ts';
import { Revocations } from './revocations.ts';
import { BundleComposer, type TrustedRoots } from './trusted-roots.ts';

/** CITADEL_SELF_SIGNED_CA_CERT_TTL of istiod. */
const ROOT_TTL_MS: number = 3_650 * DAY_MS;
const INTERMEDIATE_TTL_MS: number = 365 * DAY_MS;
/** The CA is older than the world it is first seen in, so that a certificate of last week can be one of its own. */
const CA_AGE_MS: number = 7 * DAY_MS;

export interface MeshCaOptions {
  readonly trustDomain: string;
  /** Trust domains whose members are let in: its own, aliases and those of `caCertificates`. */
  readonly acceptedTrustDomains: readonly string[];
  /** The CA's own clock. */
  readonly now: () => Instant;
  readonly key: KeyAlgorithm;
  /** Gives reproducible keys where the algorithm allows it; absent: keys of the system's generator. */
  readonly rng?: Rng;
  /** Life of roots. @defaultValue 10 years */
  readonly rootTtlMs?: number;
  /** How old the first root is at the start. @defaultValue 7 days */
  readonly rootAgeMs?: number;
}

/** The steps from one root to another, in the order that is safe. */
export const ROOT_STEPS = ['distribute', 'switch', 'drop'] as const;
export type RootStep = (typeof ROOT_STEPS)[number];

/** What a request hears in an outage. */
export const CA_UNAVAILABLE = 'the certificate authority is unavailable';

/** A root with the intermediate that signs under it. */
interface Signer {
  readonly root: CertificateAuthority;
  readonly intermediate: CertificateAuthority;
}

export class MeshCa {
  readonly #options: MeshCaOptions;
  readonly #verifier = new SvidVerifier();
  readonly #revocations = new Revocations();
  #composer: BundleComposer;
  /** Every signer so far, the oldest first; the last is the one that a rotation leads to. */
  #signers: readonly Signer[];
  #signing: Signer;
  #trusted: TrustedRoots;
  readonly #made = { root: 0, intermediate: 0 };
  /** All that ever signed, for their revocation lists. */
  readonly #authorities: CertificateAuthority[] = [];
  /** Steps of the root rotation under way. */
  readonly #done = new Set<RootStep>();
  /** False: certificate requests fail, as in an outage of istiod. */
  available = true;

  constructor(options: MeshCaOptions) {
    this.#options = options;
    const { now, rootAgeMs = CA_AGE_MS, trustDomain, acceptedTrustDomains } = options;
    this.#composer = new BundleComposer([trustDomain, ...acceptedTrustDomains]);
    this.#signing = this.#newSigner(addMs(now(), -rootAgeMs), addMs(now(), -Math.min(rootAgeMs, CA_AGE_MS)));
    this.#signers = [this.#signing];
    this.#trusted = { roots: [this.#signing.root.certificate], federated: {} };
  }

  /** The root that certificates are signed under now. */
  get root(): CertificateAuthority {
    return this.#signing.root;
  }

  /** What signs now. */
  get intermediate(): CertificateAuthority {
    return this.#signing.intermediate;
  }

  /** The roots that are given out now: with every certificate, and by pushes. */
  get trusted(): TrustedRoots {
    return this.#trusted;
  }

  /** Bundles of who has heard the latest. */
  get bundles(): TrustBundleSet {
    return this.bundlesOf(this.#trusted);
  }

  bundlesOf(trusted: TrustedRoots): TrustBundleSet {
    return this.#composer.compose(trusted);
  }

  /** Every root so far, the oldest first. */
  get roots(): readonly Certificate[] {
    return this.#signers.map(({ root }) => root.certificate);
  }

  /**
   * Signs a request for the identity of an authenticated caller.
   * @throws MeshError `ERR_PKI_ISSUE`
   */
  sign(
    csr: Uint8Array,
    options: { readonly spiffeId: SpiffeId; readonly at: Instant; readonly ttlMs: number },
  ): readonly Certificate[] {
    if (!this.available) throw new MeshError('ERR_PKI_ISSUE', CA_UNAVAILABLE);
    return this.#signing.intermediate.issueSvid(csr, options);
  }

  // --- roots ---------------------------------------------------------------------------------------------------

  /**
   * One step of the way to a new root: give it out beside the others, sign under it, or give it out alone. The first
   * step makes the new root; a step after all three begins another rotation.
   */
  rotateRoot(step: RootStep): void {
    if (this.#done.size === ROOT_STEPS.length) this.#done.clear();
    if (this.#done.size === 0) this.#signers = [...this.#signers, this.#newSigner(this.#now(), this.#now())];
    this.#done.add(step);
    const next = this.#signers.at(-1) ?? this.#signing;
    switch (step) {
      case 'distribute':
        this.#give([...this.#trusted.roots, next.root.certificate]);
        return;
      case 'switch':
        this.#signing = next;
        return;
      case 'drop':
        this.#give([next.root.certificate]);
        return;
      default:
        assertNever(step);
    }
  }

  /** Gives out every root there ever was: the way back from a root that was dropped too early. */
  restoreRoots(): void {
    this.#done.delete('drop');
    this.#give(this.roots);
  }

  /** A new certificate for the signing root, with the same key, and a new intermediate below it. */
  renewRoot(): void {
    const { root } = this.#signing;
    const at = this.#now();
    const renewed = root.renew({ at, ttlMs: this.#options.rootTtlMs ?? ROOT_TTL_MS });
    this.#replace({ root: renewed, intermediate: this.#newIntermediate(renewed, at) });
    this.#give(
      this.#trusted.roots.map((known) =>
        known.fingerprint === root.certificate.fingerprint ? renewed.certificate : known,
      ),
    );
  }

  /** Another intermediate, with a key of its own, under the same root. */
  rotateIntermediate(): void {
    const { root } = this.#signing;
    this.#replace({ root, intermediate: this.#newIntermediate(root, this.#now()) });
  }

  /** Trusts another mesh's roots for that mesh's trust domain. */
  federate(trustDomain: string, roots: readonly Certificate[]): void {
    this.#trusted = { ...this.#trusted, federated: { ...this.#trusted.federated, [trustDomain]: roots } };
  }

  /** The trust domain that certificates are for, and those whose members are let in: as the mesh configuration says. */
  accept(trustDomain: string, accepted: readonly string[]): void {
    this.#composer = new BundleComposer([trustDomain, ...accepted]);
    this.#signers = this.#signers.map((signer) => {
      const { root, intermediate } = signer;
      const widened = { root: root.issuingFor([trustDomain]), intermediate: intermediate.issuingFor([trustDomain]) };
      if (signer === this.#signing) this.#signing = widened;
      return widened;
    });
  }

  /** From now on certificates are checked against revocation lists, and this one is on them. */
  revoke(serial: string): void {
    this.#revocations.revoke(serial, this.#now());
  }

  isRevoked(serial: string): boolean {
    return this.#revocations.has(serial);
  }

  /** When the revocation lists of now are usable; nothing while none are checked. */
  get revocationWindow(): { readonly from: Instant; readonly until: Instant } | undefined {
    const [list] = this.#crls() ?? [];
    if (list?.nextUpdate === undefined) return undefined;
    return { from: list.thisUpdate, until: list.nextUpdate };
  }

  #crls(): readonly RevocationList[] | undefined {
    return this.#revocations.lists(this.#authorities, this.#now());
  }

  #give(roots: readonly Certificate[]): void {
    const distinct = [...new Map(roots.map((root) => [root.fingerprint, root])).values()];
    this.#trusted = { ...this.#trusted, roots: distinct };
  }

  #replace(signer: Signer): void {
    this.#signers = this.#signers.map((known) => (known === this.#signing ? signer : known));
    this.#signing = signer;
  }

  #now(): Instant {
    return this.#options.now();
  }

  #newSigner(rootAt: Instant, intermediateAt: Instant): Signer {
    const { trustDomain, rootTtlMs = ROOT_TTL_MS, key } = this.#options;
    const root = CertificateAuthority.createRoot({
      trustDomain,
      at: rootAt,
      ttlMs: rootTtlMs,
      key,
      issuesFor: this.#composer.accepted,
      ...this.#seeded('root'),
    });
    return { root, intermediate: this.#newIntermediate(root, intermediateAt) };
  }

  #newIntermediate(root: CertificateAuthority, at: Instant): CertificateAuthority {
    const { key } = this.#options;
    const made = root.createIntermediate({ at, ttlMs: INTERMEDIATE_TTL_MS, key, ...this.#seeded('intermediate') });
    this.#authorities.push(root, made);
    return made;
  }

  /** The first of each kind has the plain name, so that a world keeps its keys when it learns to rotate. */
  #seeded(name: 'root' | 'intermediate'): { readonly rng?: Rng } {
    const { rng } = this.#options;
    const number = this.#made[name]++;
    return rng === undefined ? {} : { rng: rng.fork(number === 0 ? name : `${name}/${number}`) };
  }

  // --- verdicts ------------------------------------------------------------------------------------------------

  /**
   * A server's verdict on its client: chain, profile, and a trust domain that is let in.
   * @param at what the server's clock shows
   * @param trusted the roots the server holds
   */
  verifyClient(chain: readonly Uint8Array[], at: Instant, trusted: TrustedRoots = this.#trusted): PeerVerdict {
    return this.#verify(chain, { at, purpose: 'client', trusted });
  }

  /** A client's verdict on its server: the same, and the exact name, where names are expected. */
  verifyServer(
    chain: readonly Uint8Array[],
    at: Instant,
    names: readonly string[],
    trusted: TrustedRoots = this.#trusted,
  ): PeerVerdict {
    const verdict = this.#verify(chain, { at, purpose: 'server', trusted });
    if (names.length === 0) return verdict;
    const unknown = !verdict.ok && verdict.reason === 'svid_unknown_trust_domain';
    if (!verdict.ok && !unknown) return verdict;
    const principal = verdict.ok ? verdict.principal : nameOf(chain);
    if (verdict.ok && principal !== undefined && names.includes(principal)) return verdict;
    const expected = names.length === 1 ? names[0] : `one of ${names.join(', ')}`;
    return { ok: false, reason: 'san_mismatch', detail: `the server is ${principal}, expected ${expected}` };
  }

  #verify(chain: readonly Uint8Array[], judge: Judgement): PeerVerdict {
    try {
      const bundles = this.bundlesOf(judge.trusted);
      const verdict = this.#verifyAgainst(bundles, chain, judge);
      if (verdict.ok || verdict.reason !== 'svid_unknown_trust_domain') return verdict;
      // Envoy has one list of roots for all names: whether the chain is genuine comes first.
      const domain = trustDomainOf(parseSpiffeId(nameOf(chain) ?? ''));
      const genuine = this.#verifyAgainst(bundles.with(domain, judge.trusted.roots), chain, judge);
      return genuine.ok ? verdict : genuine;
    } catch (error) {
      // A chain that cannot even be read is refused like any other bad chain.
      return { ok: false, reason: 'malformed', detail: messageOf(error) };
    }
  }

  #verifyAgainst(bundles: TrustBundleSet, chain: readonly Uint8Array[], { at, purpose }: Judgement): PeerVerdict {
    const crls = this.#crls();
    const result = this.#verifier.verifyDer(chain, { bundles, at, purpose, ...(crls && { crls }) });
    return result.ok ? { ok: true, principal: result.spiffeId, validUntil: result.validUntil } : result;
  }

  /** Whether the mesh lets this trust domain in at all. */
  accepts(id: SpiffeId): boolean {
    return this.bundles.trustDomains.includes(trustDomainOf(id));
  }
}

/** Who judges a chain: by which clock, in which role the peer stands, with which roots. */
interface Judgement {
  readonly at: Instant;
  readonly purpose: 'client' | 'server';
  readonly trusted: TrustedRoots;
}

/** The name the leaf gives itself. */
function nameOf([leaf]: readonly Uint8Array[]): string | undefined {
  return leaf === undefined ? undefined : Certificate.fromDer(leaf).uriSans[0];
}
