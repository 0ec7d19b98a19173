import { describe, expect, it } from 'vitest';
import { addMs, DAY_MS, DEFAULT_EPOCH, HOUR_MS } from '../../../src/core/index.ts';
import {
  CertificateAuthority,
  createForeignCertificate,
  TrustBundleSet,
  verifyChain,
  verifySvid,
} from '../../../src/pki/index.ts';

const AT = DEFAULT_EPOCH;
const window = { notBefore: AT, notAfter: addMs(AT, DAY_MS) };
const uri = 'spiffe://cluster.local/ns/default/sa/frontend';

describe('a foreign certificate', () => {
  it('is signed with SHA-256 and says what was asked', async () => {
    const { certificate } = await createForeignCertificate({
      commonName: 'legacy.local',
      ...window,
      dnsNames: ['legacy.local'],
    });
    expect(certificate).toMatchObject({ ...window, dnsSans: ['legacy.local'], isCa: false });
    expect(certificate.signatureAlgorithm.oid).toBe('1.2.840.10045.4.3.2');
    expect(certificate.subject.toString()).toBe('CN=legacy.local');
  });

  it('that claims an identity of the mesh is refused by its bundle', async () => {
    const mesh = CertificateAuthority.createRoot({ trustDomain: 'cluster.local', at: AT });
    const rogue = await createForeignCertificate({ commonName: 'rogue', ...window, ca: true });
    const { certificate } = await createForeignCertificate({
      commonName: 'victim',
      ...window,
      uris: [uri],
      issuer: rogue,
    });
    const at = addMs(AT, HOUR_MS);
    const judge = (roots: Parameters<typeof TrustBundleSet.of>[0]) =>
      verifySvid([certificate, rogue.certificate], { bundles: TrustBundleSet.of(roots), at, purpose: 'client' });
    expect(judge({ 'cluster.local': [mesh.root] })).toMatchObject({ ok: false, reason: 'untrusted_root' });
    // The chain itself is sound: only trust is missing.
    expect(verifyChain([certificate], { roots: [rogue.certificate], at, purpose: 'client' })).toMatchObject({
      ok: true,
    });
  });

  it('can have an RSA key', async () => {
    const { key, certificate } = await createForeignCertificate({ commonName: 'old', ...window, key: 'rsa-2048' });
    expect(key.algorithm).toBe('rsa-2048');
    expect(certificate.publicKey.asymmetricKeyType).toBe('rsa');
  });

  it('is refused a name that would not survive', async () => {
    await expect(createForeignCertificate({ commonName: 'a,b', ...window })).rejects.toThrow('`a,b`');
  });
});
