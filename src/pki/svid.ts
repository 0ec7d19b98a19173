/**
 * An X.509-SVID with its key: what a workload holds. `issueSvid` is the whole flow in one process: key, request, check,
 * certificate.
 *
 * Source: SPIFFE X509-SVID §2–3.
 * @module
 */
import { invariant, type Instant, type Rng } from '../core/index.ts';
import type { SpiffeId } from '../identity/index.ts';
import type { CertificateAuthority } from './certificate-authority.ts';
import type { Certificate } from './certificate.ts';
import { createCsr } from './csr.ts';
import { DEFAULT_KEY_ALGORITHM, generateKeyPair, type KeyAlgorithm, type KeyPair } from './keys.ts';

export interface Svid {
  readonly spiffeId: SpiffeId;
  /** Leaf first, no root. */
  readonly chain: readonly Certificate[];
  readonly key: KeyPair;
  /** When the workload got it: its renewal counts from here, not from NotBefore. */
  readonly receivedAt: Instant;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** Hexadecimal, lower case. */
  readonly serial: string;
}

export interface IssueSvidOptions {
  readonly spiffeId: SpiffeId;
  readonly at: Instant;
  /** @defaultValue 24 h */
  readonly ttlMs?: number;
  /** @defaultValue `ecdsa-p256` */
  readonly key?: KeyAlgorithm;
  /** Makes the key reproducible. */
  readonly rng?: Rng;
}

/**
 * Key, request, check and certificate.
 * @throws MeshError `ERR_PKI_ISSUE`
 */
export function issueSvid(authority: CertificateAuthority, options: IssueSvidOptions): Svid {
  const { spiffeId, at, ttlMs, key: algorithm = DEFAULT_KEY_ALGORITHM, rng } = options;
  const key = generateKeyPair(algorithm, rng === undefined ? {} : { rng });
  const csr = createCsr(key, { spiffeId });
  return svidOf(authority.issueSvid(csr, ttlMs === undefined ? { spiffeId, at } : { spiffeId, at, ttlMs }), {
    spiffeId,
    key,
    receivedAt: at,
  });
}

/** A chain an authority returned, with what belongs to it. */
export function svidOf(
  chain: readonly Certificate[],
  held: { readonly spiffeId: SpiffeId; readonly key: KeyPair; readonly receivedAt: Instant },
): Svid {
  const [leaf] = chain;
  invariant(leaf !== undefined, 'an SVID without a certificate');
  const { notBefore, notAfter, serial } = leaf;
  const { spiffeId, key, receivedAt } = held;
  return { spiffeId, chain, key, receivedAt, notBefore, notAfter, serial };
}

/** Certificates as one PEM text, in their order: what a `cert.pem` or a CA bundle holds. */
export function certificatesToPem(certificates: readonly Certificate[]): string {
  return certificates.map((certificate) => certificate.toPem()).join('');
}
