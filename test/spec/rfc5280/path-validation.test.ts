/**
 * RFC 5280 §6.1 with §4.1 and §4.2, clause by clause. Every refused case differs from the accepted one in one respect.
 * https://www.rfc-editor.org/rfc/rfc5280
 */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { addMs, type Instant } from '../../../src/core/index.ts';
import { type Certificate, RevocationList, verifyChain, type VerifyOptions } from '../../../src/pki/index.ts';
import {
  bits,
  CLIENT_AUTH,
  context,
  type Change,
  ecKey,
  edKey,
  ext,
  gn,
  int,
  makeAuthority,
  makeLeaf,
  makeList,
  name,
  NOON,
  NOT_AFTER,
  NOT_BEFORE,
  octets,
  oid,
  rsaKey,
  seq,
  SERVER_AUTH,
  tlv,
} from '../../kit/x509-maker.ts';

const root = makeAuthority('root');
const ca = makeAuthority('ca', root);

function verdict(presented: readonly Certificate[], options: Partial<VerifyOptions> = {}): string {
  const result = verifyChain(presented, { roots: [root.certificate], at: NOON, purpose: 'server', ...options });
  return result.ok ? 'ok' : result.reason;
}

/** The verdict on leaf, CA and root, with changes to one of them. */
function withLeaf(change: Change, options: Partial<VerifyOptions> = {}): string {
  return verdict([makeLeaf(ca, change), ca.certificate], options);
}
function withCa(change: Change, options: Partial<VerifyOptions> = {}): string {
  const changed = makeAuthority('ca', root, change);
  return verdict([makeLeaf(changed), changed.certificate], options);
}
function withRoot(change: Change): string {
  const changed = makeAuthority('root', undefined, change);
  return verdict([makeLeaf(changed)], { roots: [changed.certificate] });
}

const flip = (signature: Uint8Array): Uint8Array => {
  const copy = Uint8Array.from(signature);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
};

describe('rfc5280/6.1: the valid chain', () => {
  it('is accepted, for both roles, with the common window of its certificates', () => {
    const short = makeAuthority('ca', root, { notAfter: addMs(NOT_AFTER, -3_600_000) });
    const leaf = makeLeaf(short, { notBefore: addMs(NOT_BEFORE, 1_000) });
    const options = { roots: [root.certificate], at: NOON, purpose: 'client' as const };
    expect(verifyChain([leaf, short.certificate], options)).toMatchObject({
      ok: true,
      chain: [leaf, short.certificate, root.certificate],
      validFrom: addMs(NOT_BEFORE, 1_000),
      validUntil: addMs(NOT_AFTER, -3_600_000),
    });
  });

  it('is accepted in any order after the leaf, with strangers in between', () => {
    const stranger = makeAuthority('stranger');
    const second = makeAuthority('second', ca);
    const presented = [makeLeaf(second), stranger.certificate, ca.certificate, root.certificate, second.certificate];
    expect(verdict(presented)).toBe('ok');
  });

  it.each([
    ['Ed25519', edKey()],
    ['P-384', ecKey('P-384')],
    ['RSA-2048', rsaKey(2048)],
  ])('is accepted when signed with %s', (_, key) => {
    expect(withCa({ key })).toBe('ok');
  });
});

describe('rfc5280/6.1.3 (a)(1): signatures', () => {
  it('refuses a leaf whose signature was changed', () => expect(withLeaf({ tamper: flip })).toBe('bad_signature'));
  it('refuses an intermediate whose signature was changed', () =>
    expect(withCa({ tamper: flip })).toBe('bad_signature'));
  it('refuses a leaf signed by another key under the same name and key identifier', () => {
    expect(withLeaf({ issuerKey: ecKey() })).toBe('bad_signature');
  });
  it('refuses a signature by a key of another kind', () =>
    expect(withLeaf({ issuerKey: edKey() })).toBe('bad_signature'));
  it('refuses SHA-1', () => expect(withLeaf({ digest: 'sha1' })).toBe('unsupported_signature'));
  it('says bad_signature, not expired, of a forged and expired leaf', () => {
    expect(withLeaf({ tamper: flip }, { at: addMs(NOT_AFTER, 1) })).toBe('bad_signature');
  });
});

describe('rfc5280/6.1.3 (a)(2): validity at the instant', () => {
  const cases: readonly [string, Instant, string][] = [
    ['a millisecond before notBefore', addMs(NOT_BEFORE, -1), 'not_yet_valid'],
    ['at notBefore', NOT_BEFORE, 'ok'],
    ['at notAfter', NOT_AFTER, 'ok'],
    ['a millisecond after notAfter', addMs(NOT_AFTER, 1), 'expired'],
  ];
  it.each(cases)('%s', (_, at, expected) => expect(withLeaf({}, { at })).toBe(expected));

  const long: Change = { notAfter: addMs(NOT_AFTER, 1e10) };
  it('holds for intermediates', () => {
    const [longRoot] = [makeAuthority('root', undefined, long)];
    const shortCa = makeAuthority('ca', longRoot);
    const options = { roots: [longRoot.certificate], at: addMs(NOT_AFTER, 1) };
    expect(verdict([makeLeaf(shortCa, long), shortCa.certificate], options)).toBe('expired');
  });
  it('holds for roots', () => {
    const longCa = makeAuthority('ca', root, long);
    expect(verdict([makeLeaf(longCa, long), longCa.certificate], { at: addMs(NOT_AFTER, 1) })).toBe('expired');
  });
  it('works for years that UTCTime cannot write, and before 1970', () => {
    const [from, to] = [Date.UTC(1951, 0, 1) as Instant, Date.UTC(2150, 0, 1) as Instant];
    const wide = { notBefore: from, notAfter: to };
    const old = makeAuthority('root', undefined, wide);
    const options = { roots: [old.certificate], at: Date.UTC(2149, 5, 1) as Instant };
    expect(verdict([makeLeaf(old, wide)], options)).toBe('ok');
    expect(verdict([makeLeaf(old, wide)], { ...options, at: Date.UTC(1960, 0, 1) as Instant })).toBe('ok');
  });
});

describe('rfc5280/6.1.3 (a)(4): issuers', () => {
  it('refuses a leaf without its intermediate', () => expect(verdict([makeLeaf(ca)])).toBe('untrusted_root'));
  it('refuses the same chain under another root', () => {
    expect(withLeaf({}, { roots: [makeAuthority('root').certificate] })).toBe('untrusted_root');
  });
  it('refuses without roots', () => expect(withLeaf({}, { roots: [] })).toBe('untrusted_root'));
  it('refuses no certificate at all', () => expect(verdict([])).toBe('empty_chain'));
  it('says untrusted_root, not expired, of a valid leaf under an expired root of an attacker', () => {
    const rogue = makeAuthority('rogue', undefined, { notAfter: addMs(NOT_BEFORE, 1_000) });
    expect(verdict([makeLeaf(rogue), rogue.certificate])).toBe('untrusted_root');
  });
  it('compares names without case and with white space folded (§7.1)', () => {
    const loud = makeAuthority('Mesh  Root ', undefined, { subject: name({ CN: ' Mesh  Root' }, 0x13) });
    const leaf = makeLeaf(loud, { issuer: name({ CN: 'mesh root' }) });
    expect(verdict([leaf], { roots: [loud.certificate] })).toBe('ok');
  });
  it('accepts a trusted intermediate without its root', () => {
    expect(verdict([makeLeaf(ca)], { roots: [ca.certificate] })).toBe('ok');
  });
  it('accepts a leaf that is itself trusted, with the other rules still holding', () => {
    const leaf = makeLeaf(ca);
    expect(verdict([leaf], { roots: [leaf] })).toBe('ok');
    expect(verdict([leaf], { roots: [leaf], at: addMs(NOT_AFTER, 1) })).toBe('expired');
  });
});

describe('rfc5280/4.2.1.1: key identifiers', () => {
  it('refuses an issuer of the right name whose key identifier differs', () => {
    expect(withLeaf({ with: [ext.authorityKeyId(Buffer.from('other'))] })).toBe('untrusted_root');
  });
  it('accepts certificates without key identifiers', () => {
    expect(withLeaf({ without: ['2.5.29.35', '2.5.29.14'] })).toBe('ok');
  });
  it('refuses an authority serial number that is not the issuer’s', () => {
    const byName = (serial: string): Change => ({
      with: [
        {
          oid: '2.5.29.35',
          value: seq(context(1, gn.directory(root.subject)), tlv(0x82, Buffer.from(serial, 'hex'))),
        },
      ],
    });
    expect(withLeaf(byName(ca.certificate.serial))).toBe('ok');
    expect(withLeaf(byName('0badcafe'))).toBe('untrusted_root');
  });
});

describe('rfc5280/6.1.4 (k): basic constraints', () => {
  it('refuses an issuer that is no CA', () => expect(withCa({ with: [ext.basicConstraints(false)] })).toBe('not_a_ca'));
  it('refuses an issuer without basic constraints', () => expect(withCa({ without: ['2.5.29.19'] })).toBe('not_a_ca'));
  it('refuses a root without basic constraints', () => expect(withRoot({ without: ['2.5.29.19'] })).toBe('not_a_ca'));
  it('refuses a leaf acting as an issuer', () => {
    const key = ecKey();
    const middle = makeLeaf(ca, { key, subject: name({ CN: 'middle' }) });
    const parent = { key, subject: name({ CN: 'middle' }), keyId: Buffer.from('leaf'), certificate: middle };
    expect(verdict([makeLeaf(parent), middle, ca.certificate])).toBe('not_a_ca');
  });
});

describe('rfc5280/6.1.4 (l), (m): path length', () => {
  it('counts the intermediates below', () => {
    expect(withCa({ with: [ext.basicConstraints(true, 0)] })).toBe('ok');
    const tight = makeAuthority('tight', undefined, { with: [ext.basicConstraints(true, 1)] });
    const one = makeAuthority('one', tight);
    const two = makeAuthority('two', one);
    const options = { roots: [tight.certificate] };
    expect(verdict([makeLeaf(one), one.certificate], options)).toBe('ok');
    expect(verdict([makeLeaf(two), two.certificate, one.certificate], options)).toBe('path_length_exceeded');
  });
  it('does not count self-issued intermediates', () => {
    const tight = makeAuthority('tight', undefined, { with: [ext.basicConstraints(true, 0)] });
    const next = makeAuthority('tight', tight);
    expect(next.certificate.isSelfIssued).toBe(true);
    expect(verdict([makeLeaf(next), next.certificate], { roots: [tight.certificate] })).toBe('ok');
  });
});

describe('rfc5280/6.1.4 (n), 4.2.1.3: key usage', () => {
  it('refuses an issuer without keyCertSign', () =>
    expect(withCa({ with: [ext.keyUsage('cRLSign')] })).toBe('key_usage'));
  it('accepts an issuer without key usage', () => expect(withCa({ without: ['2.5.29.15'] })).toBe('ok'));
  it('refuses a leaf with keyCertSign', () => {
    expect(withLeaf({ with: [ext.keyUsage('digitalSignature', 'keyCertSign')] })).toBe('key_usage');
  });
  it('refuses a leaf whose usage is of no use to its role', () => {
    const encipher: Change = { with: [ext.keyUsage('keyEncipherment')] };
    expect(withLeaf(encipher)).toBe('ok');
    expect(withLeaf(encipher, { purpose: 'client' })).toBe('key_usage');
    expect(withLeaf({ with: [ext.keyUsage('nonRepudiation')] })).toBe('key_usage');
  });
});

describe('rfc5280/4.2.1.12: extended key usage', () => {
  it('holds the leaf to the role', () => {
    const onlyClient: Change = { with: [ext.purposes(CLIENT_AUTH)] };
    expect(withLeaf(onlyClient, { purpose: 'client' })).toBe('ok');
    expect(withLeaf(onlyClient)).toBe('extended_key_usage');
  });
  it('holds intermediates and roots to it', () => {
    expect(withCa({ with: [ext.purposes(SERVER_AUTH)] })).toBe('ok');
    expect(withCa({ with: [ext.purposes(CLIENT_AUTH)] })).toBe('extended_key_usage');
    expect(withRoot({ with: [ext.purposes(CLIENT_AUTH)] })).toBe('extended_key_usage');
  });
  it('does not take anyExtendedKeyUsage for TLS, as OpenSSL does not', () => {
    expect(withLeaf({ with: [ext.purposes('2.5.29.37.0')] })).toBe('extended_key_usage');
  });
  it('obeys Netscape’s certificate type', () => {
    const type = (byte: number): Change => ({
      with: [{ oid: '2.16.840.1.113730.1.1', value: bits(Buffer.from([byte]), 6) }],
    });
    expect(withLeaf(type(0x40))).toBe('ok');
    expect(withLeaf(type(0x80))).toBe('extended_key_usage');
  });
});

describe('rfc5280/4.2: critical extensions', () => {
  const odd = (critical: boolean): Change => ({
    with: [{ oid: '1.2.3.4.5', critical, value: octets(Buffer.from('x')) }],
  });
  it.each([
    ['leaf', withLeaf],
    ['intermediate', withCa],
    ['root', withRoot],
  ] as const)('refuses an unknown one in a %s', (_, verify) => {
    expect(verify(odd(false))).toBe('ok');
    expect(verify(odd(true))).toBe('unhandled_critical_extension');
  });
  it('refuses what needs rules that are not implemented, critical or not', () => {
    const policy = { oid: '2.5.29.36', value: seq(tlv(0x80, Buffer.from([0]))) };
    expect(withCa({ with: [policy] })).toBe('unhandled_critical_extension');
    const proxy = { oid: '1.3.6.1.5.5.7.1.14', value: seq(seq(oid('1.3.6.1.5.5.7.21.1'))) };
    expect(withLeaf({ with: [proxy] })).toBe('unhandled_critical_extension');
  });
});

describe('rfc5280/4.1: the certificate itself', () => {
  it('refuses version 1', () => expect(withLeaf({ version: 1, extensions: [] })).toBe('certificate_profile'));
  it('refuses serial number 0, but not a root’s', () => {
    expect(withLeaf({ serial: int(0) })).toBe('certificate_profile');
    expect(withRoot({ serial: int(0) })).toBe('ok');
  });
  it('refuses a serial number of more than 20 bytes', () => {
    expect(withLeaf({ serial: int((1n << 159n) - 1n) })).toBe('ok');
    expect(withLeaf({ serial: int(1n << 160n) })).toBe('certificate_profile');
  });
  it('refuses name constraints outside a CA', () => {
    expect(withLeaf({ with: [ext.nameConstraints([gn.dns('a.test')])] })).toBe('certificate_profile');
  });
  it('refuses an empty issuer', () => {
    const nameless = makeAuthority('', undefined, { subject: name({}) });
    expect(verdict([makeLeaf(nameless)], { roots: [nameless.certificate] })).toBe('certificate_profile');
  });
});

describe('rfc5280/4.1.2.7: keys', () => {
  const spkiOf = (modulusLength: number): Change => ({ key: rsaKey(modulusLength) });
  it('refuses an RSA key of 1024 bits', () => expect(withLeaf(spkiOf(1024))).toBe('unsupported_key'));
  it('refuses P-192', () => expect(withLeaf({ key: ecKey('prime192v1') })).toBe('unsupported_key'));
  it('refuses DSA', () => {
    const { publicKey } = generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 });
    expect(withLeaf({ spki: publicKey.export({ format: 'der', type: 'spki' }) })).toBe('unsupported_key');
  });
  it('refuses a point that is not on its curve', () => {
    const { spki } = ecKey();
    expect(withLeaf({ spki: flip(spki) })).toBe('unsupported_key');
  });
});

describe('x509_strict: rules for issuers, on request', () => {
  const rules: readonly [string, () => string, () => string][] = [
    [
      'basic constraints of a CA are critical',
      () => withCa({ with: [{ ...ext.basicConstraints(true), critical: false }] }),
      () => withCa({ with: [{ ...ext.basicConstraints(true), critical: false }] }, { strict: true }),
    ],
    [
      'name constraints are critical',
      () => withCa({ with: [{ ...ext.nameConstraints([gn.uri('mesh.test')]), critical: false }] }),
      () => withCa({ with: [{ ...ext.nameConstraints([gn.uri('mesh.test')]), critical: false }] }, { strict: true }),
    ],
    [
      'a CA has a key usage',
      () => withCa({ without: ['2.5.29.15'] }),
      () => withCa({ without: ['2.5.29.15'] }, { strict: true }),
    ],
    [
      'a CA has a subject key identifier',
      () => withCa({ without: ['2.5.29.14'] }),
      () => withCa({ without: ['2.5.29.14'] }, { strict: true }),
    ],
    [
      'a leaf has an authority key identifier',
      () => withLeaf({ without: ['2.5.29.35'] }),
      () => withLeaf({ without: ['2.5.29.35'] }, { strict: true }),
    ],
    [
      'names without a subject are critical',
      () => withLeaf({ subject: name({}) }),
      () => withLeaf({ subject: name({}) }, { strict: true }),
    ],
  ];
  it('accepts the valid chain', () => expect(withLeaf({}, { strict: true })).toBe('ok'));
  it.each(rules)('%s', (_, lenient, strict) => {
    expect(lenient()).toBe('ok');
    expect(strict()).toBe('certificate_profile');
  });
});

describe('rfc5280/6.3: revocation', () => {
  const leaf = makeLeaf(ca);
  const rootList = RevocationList.fromDer(makeList(root));
  const judged = (list: Uint8Array, at = NOON): string =>
    verdict([leaf, ca.certificate], { crls: [rootList, RevocationList.fromDer(list)], at });

  it('accepts what no list names', () => expect(judged(makeList(ca, { revoked: ['0badcafe'] }))).toBe('ok'));
  it('refuses a revoked leaf', () => expect(judged(makeList(ca, { revoked: [leaf.serial] }))).toBe('revoked'));
  it('refuses a revoked intermediate', () => {
    const crls = [
      RevocationList.fromDer(makeList(ca)),
      RevocationList.fromDer(makeList(root, { revoked: [ca.certificate.serial] })),
    ];
    expect(verdict([leaf, ca.certificate], { crls })).toBe('revoked');
  });
  it('does not mind the same serial number on another issuer’s list', () => {
    const other = makeList(makeAuthority('other'), { revoked: [leaf.serial] });
    const crls = [rootList, RevocationList.fromDer(makeList(ca)), RevocationList.fromDer(other)];
    expect(verdict([leaf, ca.certificate], { crls })).toBe('ok');
  });
  it('refuses when a list is missing', () =>
    expect(verdict([leaf, ca.certificate], { crls: [rootList] })).toBe('revocation_unknown'));
  it('refuses a stale list', () =>
    expect(judged(makeList(ca, { nextUpdate: addMs(NOON, -1_000) }))).toBe('revocation_unknown'));
  it('refuses a list of the future', () =>
    expect(judged(makeList(ca, { thisUpdate: addMs(NOON, 1_000) }))).toBe('revocation_unknown'));
  it('refuses a forged list', () => expect(judged(makeList(ca, { key: ecKey() }))).toBe('revocation_unknown'));
  it('refuses a list without a number, or with a critical one', () => {
    expect(judged(makeList(ca, { extensions: [] }))).toBe('revocation_unknown');
    expect(judged(makeList(ca, { extensions: [{ oid: '2.5.29.20', critical: true, value: int(1) }] }))).toBe(
      'revocation_unknown',
    );
  });
  it('refuses a partial list', () => {
    const extensions = [
      { oid: '2.5.29.20', value: int(1) },
      { oid: '2.5.29.28', critical: true, value: seq(tlv(0x81, Buffer.from([0xff]))) },
    ];
    expect(judged(makeList(ca, { extensions }))).toBe('revocation_unknown');
  });
  it('refuses a list of an issuer that may not sign lists', () => {
    const mute = makeAuthority('ca', root, { with: [ext.keyUsage('keyCertSign')] });
    const crls = [rootList, RevocationList.fromDer(makeList(mute))];
    expect(verdict([makeLeaf(mute), mute.certificate], { crls })).toBe('revocation_unknown');
  });
});
