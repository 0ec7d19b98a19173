/**
 * RFC 5280 §4.2.1.10 and §6.1.3 (b), (c): name constraints.
 * https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.10
 */
import { describe, expect, it } from 'vitest';
import { verifyChain } from '../../../src/pki/index.ts';
import { type Bytes, ext, gn, makeAuthority, makeLeaf, name, NOON } from '../../kit/x509-maker.ts';

const root = makeAuthority('root');

interface Constraints {
  readonly permitted?: readonly Bytes[];
  readonly excluded?: readonly Bytes[];
}

function verdict(
  { permitted = [], excluded = [] }: Constraints,
  names: readonly Bytes[],
  subject = name({ O: 'mesh' }),
): string {
  const ca = makeAuthority('ca', root, { with: [ext.nameConstraints(permitted, excluded)] });
  const leaf = makeLeaf(ca, { subject, with: [ext.names(...names)] });
  const result = verifyChain([leaf, ca.certificate], { roots: [root.certificate], at: NOON, purpose: 'server' });
  return result.ok ? 'ok' : result.reason;
}

const [ok, bad] = ['ok', 'name_constraints'] as const;
const permit = (...permitted: Bytes[]): Constraints => ({ permitted });
const exclude = (...excluded: Bytes[]): Constraints => ({ excluded });

const ROWS: readonly (readonly [string, Constraints, Bytes, 'ok' | 'name_constraints'])[] = [
  ['DNS: the host itself', permit(gn.dns('a.test')), gn.dns('a.test'), ok],
  ['DNS: a host below', permit(gn.dns('a.test')), gn.dns('x.y.A.test'), ok],
  ['DNS: a host that only ends alike', permit(gn.dns('a.test')), gn.dns('ba.test'), bad],
  ['DNS: everything under the empty base', permit(gn.dns('')), gn.dns('b.test'), ok],
  ['DNS: one of several', permit(gn.dns('b.test'), gn.dns('a.test')), gn.dns('a.test'), ok],
  ['DNS: excluded', exclude(gn.dns('a.test')), gn.dns('x.a.test'), bad],
  ['DNS: excluded elsewhere', exclude(gn.dns('b.test')), gn.dns('a.test'), ok],
  ['DNS: both', { permitted: [gn.dns('test')], excluded: [gn.dns('a.test')] }, gn.dns('a.test'), bad],
  ['DNS: a wildcard within', permit(gn.dns('a.test')), gn.dns('*.a.test'), ok],
  ['DNS: a wildcard that reaches beyond', permit(gn.dns('b.a.test')), gn.dns('*.a.test'), bad],
  ['DNS: a wildcard that reaches an excluded host', exclude(gn.dns('b.a.test')), gn.dns('*.a.test'), bad],
  ['DNS: a constraint with a leading dot', permit(gn.dns('.a.test')), gn.dns('x.a.test'), bad],
  ['DNS: a constraint with a wildcard', permit(gn.dns('*.a.test')), gn.dns('x.a.test'), bad],
  ['DNS: a name that is none', permit(gn.dns('a.test')), gn.dns('x..a.test'), bad],
  ['URI: the host itself', permit(gn.uri('mesh.test')), gn.uri('spiffe://mesh.test/ns/a/sa/b'), ok],
  ['URI: a host below is another host', permit(gn.uri('mesh.test')), gn.uri('spiffe://x.mesh.test/a'), bad],
  ['URI: a host below a leading dot', permit(gn.uri('.mesh.test')), gn.uri('spiffe://x.mesh.test/a'), ok],
  ['URI: the host itself below a leading dot', permit(gn.uri('.mesh.test')), gn.uri('spiffe://mesh.test/a'), bad],
  ['URI: another trust domain', permit(gn.uri('mesh.test')), gn.uri('spiffe://evil.test/a'), bad],
  ['URI: excluded', exclude(gn.uri('mesh.test')), gn.uri('spiffe://mesh.test/a'), bad],
  ['URI: a port does not matter', permit(gn.uri('mesh.test')), gn.uri('https://mesh.test:8443/a'), ok],
  ['URI: user information', permit(gn.uri('mesh.test')), gn.uri('https://mesh.test@evil.test/'), bad],
  ['URI: no authority', exclude(gn.uri('mesh.test')), gn.uri('urn:mesh:a'), bad],
  ['URI: an address as host', exclude(gn.uri('mesh.test')), gn.uri('https://10.0.0.1/'), bad],
  ['e-mail: the mailbox', permit(gn.email('a@mesh.test')), gn.email('a@MESH.test'), ok],
  ['e-mail: the local part has case', permit(gn.email('a@mesh.test')), gn.email('A@mesh.test'), bad],
  ['e-mail: any mailbox of a host', permit(gn.email('mesh.test')), gn.email('a@mesh.test'), ok],
  ['e-mail: not of a host below', permit(gn.email('mesh.test')), gn.email('a@x.mesh.test'), bad],
  ['e-mail: of hosts below a leading dot', permit(gn.email('.mesh.test')), gn.email('a@x.mesh.test'), ok],
  ['e-mail: an asterisk is a character', permit(gn.email('*@mesh.test')), gn.email('a@mesh.test'), bad],
  ['e-mail: a name that is none', permit(gn.email('mesh.test')), gn.email('mesh.test'), bad],
  ['IP: within', permit(gn.ip(10, 0, 0, 0, 255, 0, 0, 0)), gn.ip(10, 1, 2, 3), ok],
  ['IP: outside', permit(gn.ip(10, 0, 0, 0, 255, 0, 0, 0)), gn.ip(11, 1, 2, 3), bad],
  ['IP: of the other family', permit(gn.ip(10, 0, 0, 0, 255, 0, 0, 0)), gn.ip(...Array<number>(16).fill(10)), bad],
  ['IP: a mask with holes', permit(gn.ip(10, 0, 0, 0, 255, 0, 255, 0)), gn.ip(10, 1, 0, 3), bad],
  ['IP: excluded', exclude(gn.ip(10, 0, 0, 0, 255, 0, 0, 0)), gn.ip(10, 1, 2, 3), bad],
  ['directory: the subject', permit(gn.directory(name({ O: 'MESH' }))), gn.dns('a.test'), ok],
  ['directory: another subject', permit(gn.directory(name({ O: 'other' }))), gn.dns('a.test'), bad],
  ['directory: excluded', exclude(gn.directory(name({ O: 'mesh' }))), gn.dns('a.test'), bad],
  ['a kind that is not constrained', permit(gn.dns('a.test')), gn.uri('spiffe://mesh.test/a'), ok],
  ['a kind that cannot be compared', exclude(gn.other()), gn.other(), bad],
  ['a kind that cannot be compared and does not occur', exclude(gn.other()), gn.dns('a.test'), ok],
];

describe('rfc5280/4.2.1.10: name constraints', () => {
  it.each(ROWS)('%s', (_, constraints, subject, expected) => expect(verdict(constraints, [subject])).toBe(expected));

  it('holds e-mail addresses of the subject, which must be IA5Strings', () => {
    const uri = [gn.uri('spiffe://a.test/b')];
    const email = (address: string, tag: number): Bytes => name({ email: address }, tag);
    expect(verdict(permit(gn.email('mesh.test')), uri, email('a@mesh.test', 0x16))).toBe(ok);
    expect(verdict(permit(gn.email('mesh.test')), uri, email('a@evil.test', 0x16))).toBe(bad);
    expect(verdict(permit(gn.dns('a.test')), uri, email('a@mesh.test', 0x0c))).toBe(bad);
  });
  it('holds the common name of a leaf without DNS names, as OpenSSL does', () => {
    const subject = name({ CN: 'evil.test' });
    expect(verdict(permit(gn.dns('a.test')), [gn.uri('spiffe://a.test/b')], subject)).toBe(bad);
    expect(verdict(permit(gn.dns('a.test')), [gn.dns('a.test')], subject)).toBe(ok);
  });
  it('of a root hold two steps down, and self-issued intermediates are exempt', () => {
    const only = [gn.directory(name({ O: 'mesh' }))];
    const top = makeAuthority('top', undefined, { with: [ext.nameConstraints(only)] });
    const again = makeAuthority('top', top);
    const at = (subject: Bytes): boolean =>
      verifyChain([makeLeaf(again, { subject }), again.certificate], {
        roots: [top.certificate],
        at: NOON,
        purpose: 'server',
      }).ok;
    expect([at(name({ O: 'mesh', CN: 'a' })), at(name({ O: 'else' }))]).toEqual([true, false]);
  });
  it('hold intermediates that are not self-issued', () => {
    const top = makeAuthority('top', undefined, { with: [ext.nameConstraints([gn.directory(name({ O: 'mesh' }))])] });
    const ca = makeAuthority('ca', top);
    const result = verifyChain([makeLeaf(ca, { subject: name({ O: 'mesh' }) }), ca.certificate], {
      roots: [top.certificate],
      at: NOON,
      purpose: 'server',
    });
    expect(result).toMatchObject({ ok: false, reason: bad });
  });
});
