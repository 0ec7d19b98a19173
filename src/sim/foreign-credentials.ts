/**
 * What a caller without a sidecar may hold: nothing, a stolen certificate, an expired one, or one from another CA.
 * @module
 */
import { addMs, assertNever, DAY_MS, type Instant, type Rng } from '../core/index.ts';
import { type SpiffeId, trustDomainOf } from '../identity/index.ts';
import {
  CertificateAuthority,
  createCsr,
  createForeignCertificate,
  generateKeyPair,
  type KeyAlgorithm,
} from '../pki/index.ts';
import type { Credential } from '../wire/index.ts';
import type { MeshCa } from './mesh-ca.ts';
import type { CallerCertificate } from './request.ts';

export interface ForeignCredentialOptions {
  readonly certificate: CallerCertificate;
  readonly spiffeId: SpiffeId;
  readonly ca: MeshCa;
  readonly at: Instant;
  readonly key: KeyAlgorithm;
  readonly rng?: Rng;
}

/** How long ago the expired certificate was issued; it lived half as long. */
export const EXPIRED_AGE_MS: number = 2 * DAY_MS;
/** How long held certificates live. */
export const HELD_TTL_MS: number = DAY_MS;

/** @returns nothing for `none`: the caller shows no certificate */
export async function foreignCredential(options: ForeignCredentialOptions): Promise<Credential | undefined> {
  const { certificate, spiffeId, ca, at } = options;
  // A genuine certificate of a trust domain that is not let in comes from that domain's own authority.
  const own = ca.accepts(spiffeId);
  switch (certificate) {
    case 'none':
      return undefined;
    case 'mesh':
      if (!own) return otherAuthority(options, at);
      // Not asked of the CA now: it was stolen before, and serves while the CA is away.
      return signed(options, (csr) => ca.intermediate.issueSvid(csr, { spiffeId, at, ttlMs: HELD_TTL_MS }));
    case 'expired': {
      const issuedAt = addMs(at, -EXPIRED_AGE_MS);
      if (!own) return otherAuthority(options, issuedAt);
      return signed(options, (csr) => ca.intermediate.issueSvid(csr, { spiffeId, at: issuedAt, ttlMs: HELD_TTL_MS }));
    }
    case 'rogue':
      return otherAuthority(options, at);
    case 'self-signed':
      return selfSigned(spiffeId, at);
    default:
      return assertNever(certificate);
  }
}

function otherAuthority(options: ForeignCredentialOptions, at: Instant): Credential {
  const { spiffeId, key } = options;
  const other = CertificateAuthority.createRoot({ trustDomain: trustDomainOf(spiffeId), at, key });
  return signed(options, (csr) => other.issueSvid(csr, { spiffeId, at, ttlMs: HELD_TTL_MS }));
}

function signed(
  { key, spiffeId }: ForeignCredentialOptions,
  sign: (csr: Uint8Array) => Credential['chain'],
): Credential {
  const keyPair = generateKeyPair(key);
  return { chain: sign(createCsr(keyPair, { spiffeId })), key: keyPair };
}

async function selfSigned(spiffeId: SpiffeId, at: Instant): Promise<Credential> {
  const made = await createForeignCertificate({
    commonName: 'self',
    uris: [spiffeId],
    notBefore: at,
    notAfter: addMs(at, HELD_TTL_MS),
  });
  return { chain: [made.certificate], key: made.key };
}
