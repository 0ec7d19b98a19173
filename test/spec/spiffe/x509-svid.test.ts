/**
 * SPIFFE X509-SVID §2 to §5. Every refused case differs from the accepted one in one respect.
 * https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md
 */
import { describe, expect, it } from 'vitest';
import { addMs } from '../../../src/core/index.ts';
import { TrustBundleSet, verifySvid, type SvidResult } from '../../../src/pki/index.ts';
import {
  type Authority,
  type Change,
  CLIENT_AUTH,
  ext,
  gn,
  makeAuthority,
  makeLeaf,
  name,
  NOON,
  NOT_AFTER,
  SERVER_AUTH,
} from '../../kit/x509-maker.ts';

const root = makeAuthority('root');
const ca = makeAuthority('ca', root);
const bundles = TrustBundleSet.of({ 'mesh.test': [root.certificate] });

function verify(change: Change, issuer: Authority = ca, set = bundles): SvidResult {
  return verifySvid([makeLeaf(issuer, change), issuer.certificate], { bundles: set, at: NOON, purpose: 'client' });
}
function verdict(...call: Parameters<typeof verify>): string {
  const result = verify(...call);
  return result.ok ? 'ok' : result.reason;
}
const uris = (...values: readonly string[]): Change => ({ with: [ext.names(...values.map(gn.uri))] });

describe('x509-svid/2: the SPIFFE ID', () => {
  it('is the one URI of the leaf', () => {
    expect(verify({})).toMatchObject({ ok: true, spiffeId: 'spiffe://mesh.test/ns/shop/sa/cart' });
  });
  it('may stand beside names of other kinds', () => {
    expect(verdict({ with: [ext.names(gn.dns('cart.test'), gn.uri('spiffe://mesh.test/cart'))] })).toBe('ok');
  });
  it('must be there', () => expect(verdict({ with: [ext.names(gn.dns('cart.test'))] })).toBe('svid_no_uri'));
  it('must be the only URI, even beside one that is no SPIFFE ID', () => {
    expect(verdict(uris('spiffe://mesh.test/a', 'https://mesh.test/a'))).toBe('svid_several_uris');
    expect(verdict(uris('spiffe://mesh.test/a', 'spiffe://mesh.test/a'))).toBe('svid_several_uris');
  });
  it.each([
    'https://mesh.test/a',
    'spiffe://mesh.test/a/',
    'spiffe://mesh.test//a',
    'spiffe://Mesh.test/a',
    'spiffe://mesh.test/../a',
    'spiffe://mesh.test:1/a',
    'SPIFFE://mesh.test/a',
  ])('must be well-formed: not %s', (uri) => expect(verdict(uris(uri))).toBe('svid_invalid_id'));
  it('must have a path (§3.1)', () => expect(verdict(uris('spiffe://mesh.test'))).toBe('svid_no_path'));
  it('must be critical without a subject (§3.1)', () => {
    const names = ext.names(gn.uri('spiffe://mesh.test/a'));
    expect(verdict({ subject: name({}), with: [{ ...names, critical: true }] })).toBe('ok');
    expect(verdict({ subject: name({}), with: [names] })).toBe('svid_san_not_critical');
  });
});

describe('x509-svid/3.2: signing certificates', () => {
  const signer = (...values: readonly string[]): Authority => makeAuthority('signer', root, uris(...values));
  it('may be SVIDs of a trust domain', () => expect(verdict({}, signer('spiffe://mesh.test'))).toBe('ok'));
  it('may be of another trust domain', () => expect(verdict({}, signer('spiffe://parent.test'))).toBe('ok'));
  it('may not have a path', () => expect(verdict({}, signer('spiffe://mesh.test/ca'))).toBe('svid_signing_id'));
  it('may not have several SPIFFE IDs', () => {
    expect(verdict({}, signer('spiffe://mesh.test', 'spiffe://other.test'))).toBe('svid_signing_id');
  });
  it('may not have a malformed one', () => expect(verdict({}, signer('spiffe://mesh.test/'))).toBe('svid_signing_id'));
  it('are held to it as roots, too', () => {
    const top = makeAuthority('top', undefined, uris('spiffe://mesh.test/root'));
    expect(verdict({}, top, TrustBundleSet.of({ 'mesh.test': [top.certificate] }))).toBe('svid_signing_id');
  });
});

describe('x509-svid/4: constraints and usage', () => {
  it('refuses a leaf that is a CA (§4.1)', () =>
    expect(verdict({ with: [ext.basicConstraints(true)] })).toBe('svid_leaf_is_ca'));
  it('accepts a leaf without basic constraints', () => expect(verdict({ without: ['2.5.29.19'] })).toBe('ok'));
  it.each(['keyCertSign', 'cRLSign'])('refuses a leaf with %s (§4.3)', (usage) => {
    expect(verdict({ with: [ext.keyUsage('digitalSignature', usage)] })).toBe('svid_leaf_can_sign');
  });
  it('refuses a leaf without digitalSignature, or without key usage (§4.3)', () => {
    expect(verdict({ with: [ext.keyUsage('keyAgreement')] })).toBe('svid_key_usage');
    expect(verdict({ without: ['2.5.29.15'] })).toBe('svid_key_usage');
  });
  it('accepts a leaf without extended key usage (§4.4)', () => expect(verdict({ without: ['2.5.29.37'] })).toBe('ok'));
  it('holds the extended key usage to the role of the peer (§4.4)', () => {
    expect(verdict({ with: [ext.purposes(CLIENT_AUTH)] })).toBe('ok');
    expect(verdict({ with: [ext.purposes(SERVER_AUTH)] })).toBe('extended_key_usage');
  });
  it('keeps a signing certificate to its name constraints (§4.2)', () => {
    const narrow = (host: string): Authority =>
      makeAuthority('narrow', root, { with: [ext.nameConstraints([gn.uri(host)])] });
    expect(verdict({}, narrow('mesh.test'))).toBe('ok');
    expect(verdict({}, narrow('other.test'))).toBe('name_constraints');
  });
});

describe('x509-svid/5: validation', () => {
  it('chooses the roots by the leaf’s own trust domain', () => {
    const foreign = TrustBundleSet.of({
      'mesh.test': [makeAuthority('x').certificate],
      'other.test': [root.certificate],
    });
    expect(verdict({}, ca, foreign)).toBe('untrusted_root');
    expect(verdict(uris('spiffe://other.test/a'), ca, foreign)).toBe('ok');
    expect(verdict(uris('spiffe://none.test/a'), ca, foreign)).toBe('svid_unknown_trust_domain');
  });
  it('does not take a leaf that stands in the bundle', () => {
    const leaf = makeLeaf(ca);
    const set = bundles.with('mesh.test', [leaf]);
    expect(verifySvid([leaf], { bundles: set, at: NOON, purpose: 'client' })).toMatchObject({
      reason: 'untrusted_root',
    });
  });
  it('follows RFC 5280 otherwise', () => {
    const at = addMs(NOT_AFTER, 1);
    expect(verifySvid([makeLeaf(ca), ca.certificate], { bundles, at, purpose: 'client' })).toMatchObject({
      reason: 'expired',
    });
    expect(verifySvid([], { bundles, at, purpose: 'client' })).toMatchObject({ reason: 'empty_chain' });
  });
});
