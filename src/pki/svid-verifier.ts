/**
 * A verifier for a stream of peers: remembers certificates by fingerprint and accepted chains by their bytes, with the
 * window in which they stay valid, so that meeting a peer again costs a hash. Both memories are bounded.
 *
 * Refusals are not remembered: they may turn into acceptance with time, and remembering them would let strangers fill
 * the memory. Certificates are remembered only once a chain with them was accepted, for the same reason.
 * @module
 */
import { hash } from 'node:crypto';
import { MeshError } from '../core/index.ts';
import { Certificate } from './certificate.ts';
import { DEFAULT_VERIFY_LIMITS, refusal, type VerifyLimits } from './verify-chain.ts';
import { verifySvid, type SvidOptions, type SvidResult, type VerifiedSvid } from './verify-svid.ts';
import { fault } from './verify-reasons.ts';

export interface SvidVerifierOptions {
  /**
   * Accepted chains kept.
   * @defaultValue 1024
   */
  readonly chainsMax?: number;
  readonly limits?: Partial<VerifyLimits>;
}

const CHAINS_MAX = 1024;
/** A chain brings an intermediate or two, and many chains share them. */
const CERTIFICATES_PER_CHAIN = 2;

interface Remembered {
  readonly result: VerifiedSvid;
  readonly options: Pick<SvidOptions, 'purpose' | 'crls' | 'strict'>;
  readonly bundlesId: string;
}

export class SvidVerifier {
  readonly #limits: VerifyLimits;
  readonly #chains: BoundedMap<Remembered>;
  readonly #certificates: BoundedMap<Certificate>;

  constructor(options: SvidVerifierOptions = {}) {
    const { chainsMax = CHAINS_MAX } = options;
    this.#limits = { ...DEFAULT_VERIFY_LIMITS, ...options.limits };
    this.#chains = new BoundedMap(chainsMax);
    this.#certificates = new BoundedMap(chainsMax * CERTIFICATES_PER_CHAIN);
  }

  /** Accepted chains in memory. */
  get size(): number {
    return this.#chains.size;
  }

  /**
   * Validates what a peer sent, leaf first. Malformed bytes are a refusal, not an exception.
   */
  verifyDer(presented: readonly Uint8Array[], options: Omit<SvidOptions, 'limits'>): SvidResult {
    const { presentedMax, presentedBytesMax } = this.#limits;
    const bytes = presented.reduce((sum, der) => sum + der.length, 0);
    if (presented.length > presentedMax || bytes > presentedBytesMax) {
      return refusal(fault('chain_too_large', `${presented.length} certificates of ${bytes} bytes`));
    }
    const fingerprints = presented.map((der) => hash('sha256', der, 'hex'));
    const key = `${options.purpose}:${fingerprints.join(':')}`;
    return this.#recall(key, options) ?? this.#verify({ key, fingerprints, presented }, options);
  }

  #recall(key: string, options: Omit<SvidOptions, 'limits'>): VerifiedSvid | undefined {
    const known = this.#chains.get(key);
    if (known === undefined) return undefined;
    const { result, bundlesId } = known;
    const same =
      bundlesId === options.bundles.id &&
      known.options.crls === options.crls &&
      (known.options.strict ?? false) === (options.strict ?? false);
    return same && options.at >= result.validFrom && options.at <= result.validUntil ? result : undefined;
  }

  #verify(
    peer: { readonly key: string; readonly fingerprints: readonly string[]; readonly presented: readonly Uint8Array[] },
    options: Omit<SvidOptions, 'limits'>,
  ): SvidResult {
    let certificates: readonly Certificate[];
    try {
      certificates = peer.presented.map((der, i) => this.#parse(der, peer.fingerprints[i] ?? ''));
    } catch (error) {
      if (error instanceof MeshError) return refusal(fault('malformed', error.message));
      throw error;
    }
    const result = verifySvid(certificates, { ...options, limits: this.#limits });
    if (!result.ok) return result;
    for (const [i, certificate] of certificates.entries()) {
      // The leaf is remembered with its chain.
      if (i > 0) this.#certificates.set(peer.fingerprints[i] ?? '', certificate);
    }
    this.#chains.set(peer.key, { result, options, bundlesId: options.bundles.id });
    return result;
  }

  #parse(der: Uint8Array, fingerprint: string): Certificate {
    return this.#certificates.get(fingerprint) ?? Certificate.fromDer(der);
  }
}

/** Forgets what was not used for the longest time. */
class BoundedMap<V> {
  readonly #entries = new Map<string, V>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#max) break;
      this.#entries.delete(oldest);
    }
  }
}
