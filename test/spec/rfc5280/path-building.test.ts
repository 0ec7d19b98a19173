/**
 * Path building (RFC 4158, RFC 5280 §6): several candidates, cross-signing, dead ends, and chains made to exhaust.
 * https://www.rfc-editor.org/rfc/rfc4158
 */
import { describe, expect, it } from 'vitest';
import { addMs } from '../../../src/core/index.ts';
import { type Certificate, verifyChain, type VerifyOptions } from '../../../src/pki/index.ts';
import {
  type Authority,
  type Change,
  ecKey,
  ext,
  gn,
  makeAuthority,
  makeLeaf,
  name,
  NOON,
  NOT_BEFORE,
} from '../../kit/x509-maker.ts';

const root = makeAuthority('root');
const expired: Change = { notAfter: addMs(NOT_BEFORE, 1_000) };
const anyKeyId: Change = { without: ['2.5.29.14', '2.5.29.35'] };

function verify(
  presented: readonly Certificate[],
  options: Partial<VerifyOptions> = {},
): ReturnType<typeof verifyChain> {
  return verifyChain(presented, { roots: [root.certificate], at: NOON, purpose: 'server', ...options });
}
function reason(...call: Parameters<typeof verify>): string {
  const result = verify(...call);
  return result.ok ? 'ok' : result.reason;
}
/** The same name and key, certified by someone else. */
function crossSign(authority: Authority, parent: Authority, change: Change = {}): Certificate {
  return makeAuthority('', parent, {
    subject: authority.subject,
    key: authority.key,
    with: [ext.subjectKeyId(authority.keyId)],
    ...change,
  }).certificate;
}

describe('rfc4158: path building', () => {
  it('passes over an expired certificate of the same CA', () => {
    const ca = makeAuthority('ca', root);
    const old = crossSign(ca, root, expired);
    const leaf = makeLeaf(ca);
    expect(reason([leaf, old, ca.certificate])).toBe('ok');
    expect(reason([leaf, ca.certificate, old])).toBe('ok');
    expect(reason([leaf, old])).toBe('expired');
  });

  it('finds the other way when a root was cross-signed', () => {
    const next = makeAuthority('next');
    const bridge = crossSign(next, root);
    const leaf = makeLeaf(next);
    expect(verify([leaf, bridge])).toMatchObject({ ok: true, chain: [leaf, bridge, root.certificate] });
    expect(verify([leaf, bridge], { roots: [next.certificate] })).toMatchObject({ chain: [leaf, next.certificate] });
    expect(verify([leaf, bridge], { roots: [root.certificate, crossSign(next, next, expired)] })).toMatchObject({
      ok: true,
    });
  });

  it('backs out of a branch whose rules fail further up', () => {
    const ca = makeAuthority('ca', root);
    const strict = makeAuthority('strict', root, { with: [ext.nameConstraints([gn.directory(name({ O: 'else' }))])] });
    const dead = crossSign(ca, strict);
    const leaf = makeLeaf(ca);
    expect(reason([leaf, dead, strict.certificate, ca.certificate])).toBe('ok');
    expect(reason([leaf, dead, strict.certificate])).toBe('name_constraints');
  });

  it('tries every key of an issuer name', () => {
    const twins = Array.from({ length: 20 }, () => makeAuthority('twin', root, anyKeyId));
    const signer = twins[13] ?? root;
    expect(reason([makeLeaf(signer, anyKeyId), ...twins.map((twin) => twin.certificate)])).toBe('ok');
  });
});

describe('rfc4158: hostile chains end quickly and are refused', () => {
  it('a cycle of two authorities', () => {
    const a = makeAuthority('a');
    const b = makeAuthority('b', a);
    expect(reason([makeLeaf(b), b.certificate, crossSign(a, b)])).toBe('untrusted_root');
  });

  it('a hundred authorities of one name, each signed by each', () => {
    const all = Array.from({ length: 100 }, () => makeAuthority('same', undefined, { ...anyKeyId, key: ecKey() }));
    const ring = all.map((one, i) => crossSign(one, all[(i + 1) % all.length] ?? one, anyKeyId));
    expect(reason([makeLeaf(all[0] ?? root, anyKeyId), ...ring])).toBe('work_limit');
  });

  it('a chain that is too long, though valid', () => {
    let top = root;
    const chain: Certificate[] = [];
    for (let i = 0; i < 15; i++) {
      top = makeAuthority(`ca-${i}`, top);
      chain.unshift(top.certificate);
    }
    expect(reason([makeLeaf(top), ...chain])).toBe('chain_too_long');
    expect(reason([makeLeaf(top), ...chain], { limits: { pathMax: 17 } })).toBe('ok');
  });

  it('a thousand certificates, or too many bytes', () => {
    const leaf = makeLeaf(root);
    expect(reason([leaf, ...Array<Certificate>(1_000).fill(root.certificate)])).toBe('chain_too_large');
    const huge = makeLeaf(root, { with: [{ oid: '1.2.3.4', value: Buffer.alloc(200_000) }] });
    expect(reason([huge])).toBe('chain_too_large');
  });

  it('thousands of names under thousands of constraints', () => {
    const names = Array.from({ length: 2_000 }, (_, i) => gn.dns(`h${i}.test`));
    const ca = makeAuthority('ca', undefined, { with: [ext.nameConstraints([...names, gn.dns('test')])] });
    const leaf = makeLeaf(ca, { with: [ext.names(...names)] });
    expect(reason([leaf], { roots: [ca.certificate] })).toBe('work_limit');
  });
});
