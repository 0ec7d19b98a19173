/**
 * The mesh's certificate authority, as istiod runs one: a self-signed root, an intermediate that signs, the bundle
 * every sidecar trusts, and the verdict on a peer's chain at the virtual instant.
 * @module
 */
import { addMs, DAY_MS, HOUR_MS, type Instant, MeshError, messageOf, type Rng } from '../core/index.ts';
import { type SpiffeId, trustDomainOf } from '../identity/index.ts';
import {
  type Certificate,
  CertificateAuthority,
  type KeyAlgorithm,
  SvidVerifier,
  TrustBundleSet,
} from '../pki/index.ts';
import type { PeerVerdict } from '../wire/index.ts';

/** DEFAULT_WORKLOAD_CERT_TTL of istiod. */
export const DEFAULT_LEAF_TTL_MS: number = 24 * HOUR_MS;
/** CITADEL_SELF_SIGNED_CA_CERT_TTL of istiod. */
const ROOT_TTL_MS: number = 3_650 * DAY_MS;
const INTERMEDIATE_TTL_MS: number = 365 * DAY_MS;
/** The CA is older than the world it is first seen in, so that a certificate of last week can be one of its own. */
const CA_AGE_MS: number = 7 * DAY_MS;

export interface MeshCaOptions {
  readonly trustDomain: string;
  /** Further trust domains whose members are let in: aliases and those of `caCertificates`. */
  readonly acceptedTrustDomains: readonly string[];
  readonly at: Instant;
  readonly key: KeyAlgorithm;
  /** Gives reproducible keys where the algorithm allows it; absent: keys of the system's generator. */
  readonly rng?: Rng;
}

export class MeshCa {
  readonly #verifier = new SvidVerifier();
  readonly #bundles: TrustBundleSet;
  readonly root: CertificateAuthority;
  readonly intermediate: CertificateAuthority;
  /** False: certificate requests fail, as in an outage of istiod. */
  available = true;

  constructor(options: MeshCaOptions) {
    const { trustDomain, key, rng } = options;
    const at = addMs(options.at, -CA_AGE_MS);
    const seeded = (name: string): { readonly rng?: Rng } => (rng === undefined ? {} : { rng: rng.fork(name) });
    this.root = CertificateAuthority.createRoot({
      trustDomain,
      issuesFor: options.acceptedTrustDomains,
      at,
      ttlMs: ROOT_TTL_MS,
      key,
      ...seeded('root'),
    });
    this.intermediate = this.root.createIntermediate({
      at,
      ttlMs: INTERMEDIATE_TTL_MS,
      key,
      ...seeded('intermediate'),
    });
    // Istio hands every sidecar one bundle for all trust domains it accepts.
    const domains = [trustDomain, ...options.acceptedTrustDomains];
    this.#bundles = TrustBundleSet.of(Object.fromEntries(domains.map((domain) => [domain, [this.root.certificate]])));
  }

  /** What every sidecar trusts. */
  get bundles(): TrustBundleSet {
    return this.#bundles;
  }

  /**
   * Signs a request for the identity of an authenticated caller.
   * @throws MeshError `ERR_PKI_ISSUE`
   */
  sign(
    csr: Uint8Array,
    options: { readonly spiffeId: SpiffeId; readonly at: Instant; readonly ttlMs: number },
  ): readonly Certificate[] {
    if (!this.available) throw new MeshError('ERR_PKI_ISSUE', 'the certificate authority is unavailable');
    return this.intermediate.issueSvid(csr, options);
  }

  /** A server's verdict on its client: chain, profile, and a trust domain that is let in. */
  verifyClient(chain: readonly Uint8Array[], at: Instant): PeerVerdict {
    return this.#verify(chain, at, 'client');
  }

  /** A client's verdict on its server: the same, and the exact name, where names are expected. */
  verifyServer(chain: readonly Uint8Array[], at: Instant, names: readonly string[]): PeerVerdict {
    const verdict = this.#verify(chain, at, 'server');
    if (!verdict.ok || names.length === 0 || (verdict.principal !== undefined && names.includes(verdict.principal))) {
      return verdict;
    }
    const expected = names.length === 1 ? names[0] : `one of ${names.join(', ')}`;
    return { ok: false, reason: 'san_mismatch', detail: `the server is ${verdict.principal}, expected ${expected}` };
  }

  #verify(chain: readonly Uint8Array[], at: Instant, purpose: 'client' | 'server'): PeerVerdict {
    try {
      const result = this.#verifier.verifyDer(chain, { bundles: this.#bundles, at, purpose });
      if (!result.ok) return result;
      return { ok: true, principal: result.spiffeId, validUntil: result.validUntil };
    } catch (error) {
      // A chain that cannot even be read is refused like any other bad chain.
      return { ok: false, reason: 'malformed', detail: messageOf(error) };
    }
  }

  /** Whether the mesh lets this trust domain in at all. */
  accepts(id: SpiffeId): boolean {
    return this.#bundles.trustDomains.includes(trustDomainOf(id));
  }
}
