import { describe, expect, it } from 'vitest';
import { addMs, DEFAULT_EPOCH, HOUR_MS, Rng } from '../../../src/core/index.ts';
import { workloadSpiffeId } from '../../../src/identity/index.ts';
import { Certificate, CertificateAuthority, issueSvid, secretRows, secretsDump } from '../../../src/pki/index.ts';

const AT = DEFAULT_EPOCH;
const spiffeId = workloadSpiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'frontend' });
const authority = CertificateAuthority.createRoot({
  trustDomain: 'cluster.local',
  at: AT,
  key: 'ed25519',
  rng: new Rng('view'),
});
const below = authority.createIntermediate({ at: AT });
const svid = issueSvid(below, { spiffeId, at: addMs(AT, HOUR_MS) });

describe('the rows of proxy-config secret', () => {
  it('show the leaf and the first root', () => {
    expect(secretRows({ svid, roots: [authority.root], at: addMs(AT, 2 * HOUR_MS) })).toEqual([
      {
        resourceName: 'default',
        type: 'Cert Chain',
        status: 'ACTIVE',
        validCert: true,
        serialNumber: svid.serial.padStart(32, '0'),
        notAfter: '2026-01-02T01:00:00Z',
        notBefore: '2026-01-01T00:58:00Z',
      },
      {
        resourceName: 'ROOTCA',
        type: 'CA',
        status: 'ACTIVE',
        validCert: true,
        serialNumber: authority.root.serial.padStart(32, '0'),
        notAfter: '2035-12-30T00:00:00Z',
        notBefore: '2026-01-01T00:00:00Z',
      },
    ]);
  });

  it('compare the dates at the instant, both ends included', () => {
    const valid = (at: number) => secretRows({ svid, roots: [], at: addMs(AT, at - AT) })[0]?.validCert;
    expect([svid.notBefore - 1, svid.notBefore, svid.notAfter, svid.notAfter + 1].map(valid)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('are warming without a certificate', () => {
    for (const row of secretRows({ roots: [], at: AT })) {
      expect(row).toMatchObject({ type: '', status: 'WARMING', validCert: false, serialNumber: '' });
    }
  });
});

describe('the secrets dump', () => {
  it('holds chain and roots as base64 of PEM, and no key', () => {
    const dump = secretsDump({ svid, roots: [authority.root], at: AT });
    const [own, roots] = dump.dynamicActiveSecrets;
    const pem = (base64 = '') => Buffer.from(base64, 'base64').toString();
    expect(own).toMatchObject({ name: 'default', lastUpdated: '2026-01-01T01:00:00Z' });
    expect(
      Certificate.allFromPem(pem(own?.secret.tlsCertificate?.certificateChain.inlineBytes)).map((c) => c.serial),
    ).toEqual(svid.chain.map((c) => c.serial));
    expect(own?.secret.tlsCertificate?.privateKey.inlineBytes).toBe('W3JlZGFjdGVkXQ==');
    expect(pem(roots?.secret.validationContext?.trustedCa.inlineBytes)).toBe(authority.root.toPem());
    expect(dump.dynamicWarmingSecrets).toBeUndefined();
  });

  it('shows what is missing as warming', () => {
    expect(secretsDump({ roots: [], at: AT })).toMatchObject({
      dynamicActiveSecrets: [],
      dynamicWarmingSecrets: [{ name: 'default' }, { name: 'ROOTCA' }],
    });
  });
});
