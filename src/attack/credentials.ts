/**
 * What attackers hold: certificates of their own making, genuine ones of somebody else, old ones, and what they mint
 * with a CA they should not have.
 * @module
 */
import { addMs, DAY_MS } from '../core/index.ts';
import type { SpiffeId } from '../identity/index.ts';
import { CertificateAuthority, createForeignCertificate, encodePem, issueSvid } from '../pki/index.ts';
import type { Simulation } from '../sim/index.ts';
import type { Credential } from '../wire/index.ts';

/** How long ago an expired certificate was issued; it lived half as long. */
const EXPIRED_AGE_MS: number = 2 * DAY_MS;

/** The name asked for, signed by a CA of the attacker's own with the mesh's trust domain on it. */
export function rogueCredential({ clock, compiled }: Simulation, spiffeId: SpiffeId): Credential {
  const { trustDomain } = compiled.config.settings;
  const rogue = CertificateAuthority.createRoot({ trustDomain, at: clock.now() });
  return issueSvid(rogue, { spiffeId, at: clock.now() });
}

/** The name asked for, signed by nobody but itself. */
export async function selfSignedCredential({ clock }: Simulation, spiffeId: SpiffeId): Promise<Credential> {
  const at = clock.now();
  const made = await createForeignCertificate({
    commonName: 'attacker',
    uris: [spiffeId],
    notBefore: at,
    notAfter: addMs(at, DAY_MS),
  });
  return { chain: [made.certificate], key: made.key };
}

/** A genuine certificate of the mesh's CA: another account's by right, or any name with a stolen CA key. */
export function genuineCredential({ ca, clock }: Simulation, spiffeId: SpiffeId): Credential {
  return issueSvid(ca.intermediate, { spiffeId, at: clock.now() });
}

/** A genuine certificate that has expired. */
export function expiredCredential({ ca, clock }: Simulation, spiffeId: SpiffeId): Credential {
  return issueSvid(ca.intermediate, { spiffeId, at: addMs(clock.now(), -EXPIRED_AGE_MS), ttlMs: DAY_MS });
}

/** As `node:tls` takes it. */
export function pemOf({ chain, key }: Credential): { readonly cert: string; readonly key: string } {
  return {
    cert: chain.map(({ der }) => encodePem(der, 'CERTIFICATE')).join(''),
    key: encodePem(key.privateKey.export({ type: 'pkcs8', format: 'der' }), 'PRIVATE KEY'),
  };
}
