import { describe, expect, it } from 'vitest';
import { addMs } from '../../../src/core/index.ts';
import { RevocationList, SvidVerifier, TrustBundleSet } from '../../../src/pki/index.ts';
import { gn, ext, makeAuthority, makeLeaf, makeList, NOON, NOT_AFTER } from '../../kit/x509-maker.ts';

const root = makeAuthority('root');
const ca = makeAuthority('ca', root);
const bundles = TrustBundleSet.of({ 'mesh.test': [root.certificate] });
const presented = [makeLeaf(ca).der, ca.certificate.der];
const options = { bundles, at: NOON, purpose: 'server' as const };

describe('SvidVerifier', () => {
  it('accepts as verifySvid does, and hands back the same value for the same peer', () => {
    const verifier = new SvidVerifier();
    const first = verifier.verifyDer(presented, options);
    expect(first).toMatchObject({ ok: true, spiffeId: 'spiffe://mesh.test/ns/shop/sa/cart' });
    expect(
      verifier.verifyDer(
        presented.map((der) => Uint8Array.from(der)),
        { ...options, at: addMs(NOON, 1) },
      ),
    ).toBe(first);
  });

  it('judges again outside the window', () => {
    const verifier = new SvidVerifier();
    expect(verifier.verifyDer(presented, options).ok).toBe(true);
    expect(verifier.verifyDer(presented, { ...options, at: NOT_AFTER }).ok).toBe(true);
    expect(verifier.verifyDer(presented, { ...options, at: addMs(NOT_AFTER, 1) })).toMatchObject({ reason: 'expired' });
  });

  it('judges again under other bundles, and not under equal ones', () => {
    const verifier = new SvidVerifier();
    const first = verifier.verifyDer(presented, options);
    const equal = TrustBundleSet.of({ 'mesh.test': [root.certificate] });
    expect(verifier.verifyDer(presented, { ...options, bundles: equal })).toBe(first);
    const rotated = bundles.with('mesh.test', [makeAuthority('next').certificate]);
    expect(verifier.verifyDer(presented, { ...options, bundles: rotated })).toMatchObject({ reason: 'untrusted_root' });
  });

  it('keeps the roles apart', () => {
    const verifier = new SvidVerifier();
    const leaf = makeLeaf(ca, { with: [ext.purposes('1.3.6.1.5.5.7.3.1')] });
    expect(verifier.verifyDer([leaf.der, ca.certificate.der], options).ok).toBe(true);
    expect(verifier.verifyDer([leaf.der, ca.certificate.der], { ...options, purpose: 'client' })).toMatchObject({
      reason: 'extended_key_usage',
    });
  });

  it('judges again under other revocation lists', () => {
    const verifier = new SvidVerifier();
    const leaf = makeLeaf(ca);
    const chain = [leaf.der, ca.certificate.der];
    expect(verifier.verifyDer(chain, options).ok).toBe(true);
    const crls = [
      RevocationList.fromDer(makeList(root)),
      RevocationList.fromDer(makeList(ca, { revoked: [leaf.serial] })),
    ];
    expect(verifier.verifyDer(chain, { ...options, crls })).toMatchObject({ reason: 'revoked' });
  });

  it('never takes another chain for a known one', () => {
    const verifier = new SvidVerifier();
    expect(verifier.verifyDer(presented, options).ok).toBe(true);
    expect(verifier.verifyDer(presented.slice(0, 1), options)).toMatchObject({ reason: 'untrusted_root' });
    const forged = makeLeaf({ ...ca, key: makeAuthority('x').key });
    expect(verifier.verifyDer([forged.der, ca.certificate.der], options)).toMatchObject({ reason: 'bad_signature' });
  });

  it('refuses bytes that are no certificate, and too many of them', () => {
    const verifier = new SvidVerifier();
    expect(verifier.verifyDer([Buffer.from('hello')], options)).toMatchObject({ reason: 'malformed' });
    expect(verifier.verifyDer([Buffer.alloc(200_000)], options)).toMatchObject({ reason: 'chain_too_large' });
    expect(verifier.verifyDer([], options)).toMatchObject({ reason: 'empty_chain' });
  });

  it('remembers a bounded number of peers, and no strangers', () => {
    const verifier = new SvidVerifier({ chainsMax: 3 });
    for (let i = 0; i < 10; i++) {
      const leaf = makeLeaf(ca, { with: [ext.names(gn.uri(`spiffe://mesh.test/${i}`))] });
      verifier.verifyDer([leaf.der, ca.certificate.der], options);
    }
    expect(verifier.size).toBe(3);
    const stranger = new SvidVerifier();
    stranger.verifyDer([makeLeaf(makeAuthority('rogue')).der], options);
    expect(stranger.size).toBe(0);
  });
});
