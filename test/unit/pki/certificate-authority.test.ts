import { X509Certificate as NodeCertificate, createPrivateKey, createPublicKey } from 'node:crypto';
import 'reflect-metadata';
import * as peculiar from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import {
  addMs,
  DAY_MS,
  DEFAULT_EPOCH,
  formatInstant,
  HOUR_MS,
  MINUTE_MS,
  Rng,
  SECOND_MS,
} from '../../../src/core/index.ts';
import { parseSpiffeId, workloadSpiffeId, type SpiffeId } from '../../../src/identity/index.ts';
import {
  CertificateAuthority,
  createCsr,
  encodePem,
  generateKeyPair,
  issueSvid,
  KEY_ALGORITHMS,
  MAX_LEAF_TTL_MS,
  RevocationList,
  TrustBundleSet,
  verifyChain,
  verifySvid,
  type Certificate,
} from '../../../src/pki/index.ts';
import { HAS_OPENSSL, openssl } from '../../kit/openssl.ts';

const AT = DEFAULT_EPOCH;
const LATER = addMs(AT, HOUR_MS);
const TD = 'cluster.local';
const spiffeId: SpiffeId = workloadSpiffeId({ trustDomain: TD, namespace: 'default', serviceAccount: 'frontend' });
const root = CertificateAuthority.createRoot({ trustDomain: TD, at: AT });

function pem(...certificates: readonly Certificate[]): string {
  return certificates.map((certificate) => certificate.toPem()).join('');
}

/** What `openssl verify` says, strictly, at an instant. */
function opensslVerify(chain: readonly Certificate[], roots: readonly Certificate[], at: number, extra: string[] = []) {
  const [leaf, ...rest] = chain;
  if (leaf === undefined) throw new Error('no leaf');
  return openssl(
    [
      'verify',
      '-x509_strict',
      '-attime',
      String(Math.floor(at / 1000)),
      '-purpose',
      'sslserver',
      ...extra,
      '-CAfile',
      '@roots.pem',
      ...(rest.length > 0 ? ['-untrusted', '@chain.pem'] : []),
      '@leaf.pem',
    ],
    { 'roots.pem': pem(...roots), 'chain.pem': pem(...rest), 'leaf.pem': leaf.toPem() },
  );
}

function accepts(chain: readonly Certificate[], roots: readonly Certificate[], at = LATER) {
  return verifySvid(chain, { bundles: TrustBundleSet.of({ [TD]: roots }), at, purpose: 'server', strict: true });
}

describe.each(KEY_ALGORITHMS)('with %s keys', (key) => {
  const authority = CertificateAuthority.createRoot({ trustDomain: TD, at: AT, key });
  const intermediate = authority.createIntermediate({ at: AT, key: 'ecdsa-p256' });
  const svid = issueSvid(authority, { spiffeId, at: LATER, key });
  const below = issueSvid(intermediate, { spiffeId, at: LATER, key: 'ed25519' });

  it('is accepted by our own verifier, straight and over an intermediate', () => {
    expect(accepts(svid.chain, [authority.root])).toMatchObject({ ok: true, spiffeId });
    expect(accepts(below.chain, [authority.root])).toMatchObject({ ok: true, spiffeId });
    expect(accepts(svid.chain, [root.root])).toMatchObject({ ok: false });
  });

  it.skipIf(!HAS_OPENSSL)('is accepted by openssl, straight and over an intermediate', () => {
    expect(opensslVerify(svid.chain, [authority.root], LATER)).toMatchObject({ ok: true });
    expect(opensslVerify(below.chain, [authority.root], LATER)).toMatchObject({ ok: true });
    expect(opensslVerify(svid.chain, [authority.root], svid.notAfter + SECOND_MS)).toMatchObject({ ok: false });
  });

  it('is read alike by node:crypto', () => {
    const [leaf] = svid.chain;
    const read = new NodeCertificate(leaf?.der ?? '');
    expect(read.subjectAltName).toBe(`URI:${spiffeId}`);
    expect(read.ca).toBe(false);
    expect(read.serialNumber.toLowerCase()).toBe(svid.serial);
    expect(Date.parse(read.validFrom)).toBe(svid.notBefore);
    expect(Date.parse(read.validTo)).toBe(svid.notAfter);
    expect(read.checkPrivateKey(createPrivateKey(svid.key.privateKeyPem()))).toBe(true);
    expect(read.verify(createPublicKey(authority.key.privateKey))).toBe(true);
    expect(read.checkIssued(new NodeCertificate(authority.root.der))).toBe(true);
  });

  it('is read alike by @peculiar/x509', () => {
    const [leaf] = svid.chain;
    const read = new peculiar.X509Certificate(Buffer.from(leaf?.der ?? []));
    expect(read.subject).toBe('');
    expect(read.issuer).toBe(`O=${TD}`);
    expect(read.getExtension(peculiar.SubjectAlternativeNameExtension)).toMatchObject({ critical: true });
    expect(
      read.getExtension(peculiar.SubjectAlternativeNameExtension)?.names.items.map((n) => [n.type, n.value]),
    ).toEqual([['url', spiffeId]]);
    expect(read.getExtension(peculiar.KeyUsagesExtension)).toMatchObject({
      critical: true,
      usages: peculiar.KeyUsageFlags.digitalSignature | peculiar.KeyUsageFlags.keyEncipherment,
    });
    expect(read.getExtension(peculiar.ExtendedKeyUsageExtension)?.usages).toEqual([
      peculiar.ExtendedKeyUsage.serverAuth,
      peculiar.ExtendedKeyUsage.clientAuth,
    ]);
    expect(read.getExtension(peculiar.BasicConstraintsExtension)).toMatchObject({ critical: true, ca: false });
    const authorityKey = read.getExtension(peculiar.AuthorityKeyIdentifierExtension)?.keyId;
    const top = new peculiar.X509Certificate(Buffer.from(authority.root.der));
    expect(top.getExtension(peculiar.SubjectKeyIdentifierExtension)?.keyId).toBe(authorityKey);
  });

  it.skipIf(!HAS_OPENSSL)('asks with a request openssl accepts', () => {
    const csr = encodePem(createCsr(svid.key, { spiffeId }), 'CERTIFICATE REQUEST');
    const result = openssl(['req', '-verify', '-noout', '-text', '-in', '@csr.pem'], { 'csr.pem': csr });
    expect(result).toMatchObject({ ok: true });
    expect(result.output).toContain(`URI:${spiffeId}`);
  });
});

describe('signing certificates', () => {
  it.skipIf(!HAS_OPENSSL)('carry certSign, cRLSign, CA:TRUE and the ID of the trust domain', () => {
    const below = root.createIntermediate({ at: AT, pathLength: 0 });
    for (const [certificate, constraints] of [
      [root.certificate, 'CA:TRUE\n'],
      [below.certificate, 'CA:TRUE, pathlen:0\n'],
    ] as const) {
      const { output } = openssl(['x509', '-noout', '-text', '-in', '@c.pem'], { 'c.pem': certificate.toPem() });
      expect(output).toContain(`X509v3 Basic Constraints: critical\n                ${constraints}`);
      expect(output).toContain('X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n');
      expect(output).toContain(`URI:spiffe://${TD}\n`);
      expect(output).not.toContain('Extended Key Usage');
    }
    expect(root.certificate.notBefore).toBe(AT);
    expect(root.certificate.notAfter).toBe(addMs(AT, 3650 * DAY_MS));
  });

  it('keep to their path length', () => {
    const below = root.createIntermediate({ at: AT, pathLength: 0 });
    expect(() => below.createIntermediate({ at: AT })).toThrow(expect.objectContaining({ code: 'ERR_PKI_ISSUE' }));
    const deep = root.createIntermediate({ at: AT }).createIntermediate({ at: AT, commonName: 'Second' });
    const svid = issueSvid(deep, { spiffeId, at: LATER });
    expect(svid.chain).toHaveLength(3);
    expect(accepts(svid.chain, [root.root])).toMatchObject({ ok: true });
  });

  it('can be made to last until the last date there is', () => {
    const lasting = CertificateAuthority.createRoot({ trustDomain: TD, at: AT, ttlMs: 1e15 });
    expect(formatInstant(lasting.certificate.notAfter)).toBe('9999-12-31T23:59:59Z');
    const svid = issueSvid(lasting, { spiffeId, at: LATER });
    expect(accepts(svid.chain, [lasting.root])).toMatchObject({ ok: true });
    if (HAS_OPENSSL) expect(opensslVerify(svid.chain, [lasting.root], LATER)).toMatchObject({ ok: true });
  });

  it('sign no other authority where their path length forbids it', () => {
    const narrow = CertificateAuthority.createRoot({ trustDomain: TD, at: AT, pathLength: 0 });
    expect(() => root.crossSignedBy(narrow, { at: LATER })).toThrow('allows no intermediate');
    expect(() => root.createIntermediate({ at: AT }).crossSignedBy(narrow, { at: LATER })).toThrow('only a root');
  });

  it('refuse settings out of range', () => {
    for (const wrong of [{ pathLength: -1 }, { pathLength: 1.5 }, { ttlMs: 0 }, { ttlMs: Number.NaN }]) {
      expect(() => CertificateAuthority.createRoot({ trustDomain: TD, at: AT, ...wrong })).toThrow(
        expect.objectContaining({ code: 'ERR_PKI_OPTION' }),
      );
    }
  });
});

describe('an SVID', () => {
  it('is dated two minutes back, and lives a day unless asked otherwise', () => {
    const svid = issueSvid(root, { spiffeId, at: addMs(LATER, 999) });
    expect([svid.notBefore, svid.notAfter]).toEqual([addMs(LATER, -2 * MINUTE_MS), addMs(LATER, DAY_MS)]);
    expect(issueSvid(root, { spiffeId, at: LATER, ttlMs: -5 }).notAfter).toBe(addMs(LATER, DAY_MS));
    expect(issueSvid(root, { spiffeId, at: LATER, ttlMs: MAX_LEAF_TTL_MS }).notAfter).toBe(addMs(LATER, 90 * DAY_MS));
  });

  it('is refused above the limit, and clamped to its signer', () => {
    for (const ttlMs of [MAX_LEAF_TTL_MS + 1, Number.POSITIVE_INFINITY, Number.NaN]) {
      expect(() => issueSvid(root, { spiffeId, at: LATER, ttlMs })).toThrow(
        expect.objectContaining({ code: 'ERR_PKI_ISSUE' }),
      );
    }
    const short = root.createIntermediate({ at: AT, ttlMs: 2 * HOUR_MS });
    expect(issueSvid(short, { spiffeId, at: LATER }).notAfter).toBe(addMs(AT, 2 * HOUR_MS));
    expect(() => issueSvid(short, { spiffeId, at: addMs(AT, 3 * HOUR_MS) })).toThrow('expired at 2026-01-01T02:00:00Z');
    expect(() => issueSvid(root, { spiffeId, at: addMs(AT, -SECOND_MS) })).toThrow('not valid before');
  });

  it('names who the caller is, not who the request says it is', () => {
    const key = generateKeyPair('ecdsa-p256');
    const csr = createCsr(key, { spiffeId: parseSpiffeId('spiffe://cluster.local/ns/kube-system/sa/admin') });
    const [leaf] = root.issueSvid(csr, { spiffeId, at: LATER });
    expect(leaf?.uriSans).toEqual([spiffeId]);
  });

  it('keeps a common name of at most 64 characters, and only then has a subject', () => {
    const key = generateKeyPair('ecdsa-p256');
    const leafWith = (commonName: string) =>
      root.issueSvid(createCsr(key, { spiffeId, commonName }), { spiffeId, at: LATER })[0];
    expect(leafWith('a'.repeat(64))?.subject.toString()).toBe(`CN=${'a'.repeat(64)}`);
    expect(leafWith('a'.repeat(65))?.subject.isEmpty).toBe(true);
  });

  it.each([
    ['spiffe://other.domain/ns/default/sa/frontend', 'not of trust domain'],
    ['spiffe://cluster.local', 'names a trust domain'],
    ['spiffe://cluster.local/a/../b', 'dot segment'],
  ])('is refused to %s', (id, message) => {
    expect(() => issueSvid(root, { spiffeId: id as SpiffeId, at: LATER })).toThrow(message);
  });

  it('of another trust domain is only signed by who was made for it', () => {
    const migrated = CertificateAuthority.createRoot({ trustDomain: TD, at: AT, issuesFor: ['new.domain'] });
    const id = parseSpiffeId('spiffe://new.domain/ns/default/sa/frontend');
    const svid = issueSvid(migrated, { spiffeId: id, at: LATER });
    const bundles = TrustBundleSet.of({ 'new.domain': [migrated.root] });
    expect(verifySvid(svid.chain, { bundles, at: LATER, purpose: 'client' })).toMatchObject({ ok: true });
  });

  it('has a positive serial number of up to 128 bits, each time another', () => {
    const serials = Array.from({ length: 50 }, () => issueSvid(root, { spiffeId, at: LATER, key: 'ed25519' }).serial);
    expect(new Set(serials).size).toBe(50);
    expect(serials.every((serial) => /^[0-9a-f]{2,32}$/.test(serial))).toBe(true);
    expect(serials.some((serial) => serial.length === 32 && serial >= '8')).toBe(true);
  });
});

describe('a seeded authority', () => {
  const world = (key: 'ed25519' | 'ecdsa-p256' | 'ecdsa-p384') => {
    const rng = new Rng('world');
    const authority = CertificateAuthority.createRoot({ trustDomain: TD, at: AT, key, rng: rng.fork('ca') });
    return issueSvid(authority, { spiffeId, at: LATER, key, rng: rng.fork('frontend') });
  };

  it('issues the same bytes again with Ed25519', () => {
    expect(world('ed25519').chain[0]?.der).toEqual(world('ed25519').chain[0]?.der);
  });

  it.each(['ecdsa-p256', 'ecdsa-p384'] as const)('has the same keys and serial numbers again with %s', (key) => {
    const [one, two] = [world(key), world(key)];
    expect(one.key.privateKeyPem()).toBe(two.key.privateKeyPem());
    expect(one.serial).toBe(two.serial);
  });

  it('says that RSA keys cannot be reproduced', () => {
    expect(() => generateKeyPair('rsa-2048', { rng: new Rng() })).toThrow('reproducible `rsa-2048` key cannot be made');
  });
});

describe('root rotation', () => {
  const oldSvid = issueSvid(root, { spiffeId, at: LATER });

  it('with the same key: old leaves fit the new root and new ones the old root', () => {
    const renewed = root.renew({ at: LATER });
    expect(renewed.certificate.notAfter).toBeGreaterThan(root.certificate.notAfter);
    expect(renewed.certificate.serial).not.toBe(root.certificate.serial);
    expect(renewed.certificate.subject.equals(root.certificate.subject)).toBe(true);
    const newSvid = issueSvid(renewed, { spiffeId, at: LATER });
    for (const [chain, top] of [
      [oldSvid.chain, renewed.root],
      [newSvid.chain, root.root],
    ] as const) {
      expect(accepts(chain, [top])).toMatchObject({ ok: true });
      if (HAS_OPENSSL) expect(opensslVerify(chain, [top], LATER)).toMatchObject({ ok: true });
    }
  });

  it('renews an intermediate under its parent', () => {
    const below = root.createIntermediate({ at: AT, ttlMs: DAY_MS });
    const renewed = below.renew({ at: LATER, ttlMs: 2 * DAY_MS });
    expect(renewed.certificate.notAfter).toBe(addMs(LATER, 2 * DAY_MS));
    const svid = issueSvid(below, { spiffeId, at: LATER });
    expect(accepts([...svid.chain.slice(0, 1), renewed.certificate], [root.root])).toMatchObject({ ok: true });
  });

  it('with a new key: refused without a bundle of both, accepted with it', () => {
    const next = CertificateAuthority.createRoot({ trustDomain: TD, at: AT });
    const svid = issueSvid(next, { spiffeId, at: LATER });
    expect(accepts(svid.chain, [root.root])).toMatchObject({ ok: false });
    for (const chain of [svid.chain, oldSvid.chain]) {
      expect(accepts(chain, [root.root, next.root])).toMatchObject({ ok: true });
      if (HAS_OPENSSL) expect(opensslVerify(chain, [root.root, next.root], LATER)).toMatchObject({ ok: true });
    }
  });

  it('with a new key, cross-signed: accepted by who knows one root only, either', () => {
    const next = CertificateAuthority.createRoot({ trustDomain: TD, at: AT }).crossSignedBy(root, { at: AT });
    for (const authority of [next, next.createIntermediate({ at: AT })]) {
      const svid = issueSvid(authority, { spiffeId, at: LATER });
      for (const top of [root.root, next.root]) {
        expect(accepts(svid.chain, [top])).toMatchObject({ ok: true });
        if (HAS_OPENSSL) expect(opensslVerify(svid.chain, [top], LATER)).toMatchObject({ ok: true });
      }
    }
  });
});

describe('a revocation list', () => {
  const revoked = issueSvid(root, { spiffeId, at: LATER });
  const kept = issueSvid(root, { spiffeId, at: LATER });
  const list = root.issueCrl({
    at: LATER,
    number: 7,
    revoked: [{ serial: revoked.serial, revokedAt: LATER, reason: 'keyCompromise' }],
  });

  it('is obeyed by our own verifier', () => {
    const crls = [RevocationList.fromDer(list)];
    const options = { roots: [root.root], at: LATER, purpose: 'server', crls } as const;
    expect(verifyChain(kept.chain, options)).toMatchObject({ ok: true });
    expect(verifyChain(revoked.chain, options)).toMatchObject({ ok: false, reason: 'revoked' });
  });

  it.skipIf(!HAS_OPENSSL)('is obeyed by openssl', () => {
    const check = (leaf: Certificate | undefined) =>
      openssl(
        [
          'verify',
          '-crl_check',
          '-attime',
          String(LATER / 1000),
          '-CAfile',
          '@root.pem',
          '-CRLfile',
          '@crl.pem',
          '@leaf.pem',
        ],
        { 'root.pem': root.root.toPem(), 'crl.pem': encodePem(list, 'X509 CRL'), 'leaf.pem': leaf?.toPem() ?? '' },
      );
    expect(check(kept.chain[0])).toMatchObject({ ok: true });
    expect(check(revoked.chain[0]).output).toContain('certificate revoked');
    const { output } = openssl(['crl', '-noout', '-text', '-in', '@crl.pem'], {
      'crl.pem': encodePem(list, 'X509 CRL'),
    });
    expect(output).toContain('Key Compromise');
    expect(output).toMatch(/X509v3 CRL Number: \n\s+7/);
  });

  it('may be empty', () => {
    const empty = RevocationList.fromDer(root.issueCrl({ at: LATER, number: 1, revoked: [] }));
    const options = { roots: [root.root], at: LATER, purpose: 'server', crls: [empty] } as const;
    expect(verifyChain(revoked.chain, options)).toMatchObject({ ok: true });
  });

  it('is refused where the certificate does not allow it', () => {
    const plain = CertificateAuthority.createRoot({ trustDomain: TD, at: AT, signsCrls: false });
    expect(() => plain.issueCrl({ at: LATER, number: 1, revoked: [] })).toThrow('`cRLSign`');
  });
});
