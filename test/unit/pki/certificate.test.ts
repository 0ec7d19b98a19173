import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DerReader } from '../../../src/pki/der/reader.ts';
import { Certificate, Name, TrustBundle, TrustBundleSet } from '../../../src/pki/index.ts';
import {
  bool,
  context,
  ext,
  gn,
  int,
  leafSpec,
  makeAuthority,
  makeDer,
  makeLeaf,
  name,
  NOT_AFTER,
  NOT_BEFORE,
  octets,
  oid,
  seq,
  tlv,
} from '../../kit/x509-maker.ts';

const root = makeAuthority('root');

describe('DerReader', () => {
  const read = (hex: string, use: (reader: DerReader) => unknown) => () =>
    use(new DerReader(Buffer.from(hex, 'hex'), 'test'));
  it.each([
    ['a length that could be shorter', '04810141', (r: DerReader) => r.octetString()],
    ['a length with leading zeros', `0482000141`, (r: DerReader) => r.octetString()],
    ['an indefinite length', '308004000000', (r: DerReader) => r.sequence()],
    ['a length beyond the end', '040541', (r: DerReader) => r.octetString()],
    ['a length of five bytes', '04850000000001', (r: DerReader) => r.octetString()],
    ['a multi-byte tag', '1f8101', (r: DerReader) => r.element()],
    ['a padded integer', '02020001', (r: DerReader) => r.integer()],
    ['a padded negative integer', '0202ff80', (r: DerReader) => r.integer()],
    ['an empty integer', '0200', (r: DerReader) => r.integer()],
    ['a boolean of 1', '010101', (r: DerReader) => r.boolean()],
    ['an object identifier with padding', '06038001ff', (r: DerReader) => r.oid()],
    ['an object identifier cut short', '060281', (r: DerReader) => r.oid()],
    ['unused bits that are set', '030201ff', (r: DerReader) => r.bitString()],
    ['eight unused bits', '03020800', (r: DerReader) => r.bitString()],
    ['a time without seconds', `170b${Buffer.from('2601010000Z').toString('hex')}`, (r: DerReader) => r.time()],
    ['a time with an offset', `1711${Buffer.from('260101000000+0000').toString('hex')}`, (r: DerReader) => r.time()],
    ['the 30th of February', `170d${Buffer.from('260230000000Z').toString('hex')}`, (r: DerReader) => r.time()],
    ['second 60', `170d${Buffer.from('260101000060Z').toString('hex')}`, (r: DerReader) => r.time()],
  ])('refuses %s', (_, hex, use) => {
    expect(read(hex, use)).toThrow(expect.objectContaining({ code: 'ERR_PKI_ENCODING' }));
  });
  it('reads UTCTime from 1950 to 2049', () => {
    const year = (digits: string): number =>
      new Date(
        new DerReader(Buffer.concat([Buffer.from([0x17, 13]), Buffer.from(`${digits}0101000000Z`)]), 't').time(),
      ).getUTCFullYear();
    expect([year('50'), year('99'), year('00'), year('49')]).toEqual([1950, 1999, 2000, 2049]);
  });
  it('reads object identifiers of every root', () => {
    expect(
      ['0603883703', '06032a8648', '060100'].map((hex) => new DerReader(Buffer.from(hex, 'hex'), 't').oid()),
    ).toEqual(['2.999.3', '1.2.840', '0.0']);
  });
});

describe('Certificate', () => {
  const leaf = makeLeaf(root, { with: [ext.names(gn.uri('spiffe://mesh.test/a'), gn.dns('a.test'))] });

  it('says what node:crypto says', () => {
    const other = new X509Certificate(leaf.der);
    expect(leaf.serial).toBe(other.serialNumber.toLowerCase());
    expect(leaf.fingerprint).toBe(other.fingerprint256.replaceAll(':', '').toLowerCase());
    expect(leaf.publicKey.equals(other.publicKey)).toBe(true);
    expect([leaf.notBefore, leaf.notAfter]).toEqual([Date.parse(other.validFrom), Date.parse(other.validTo)]);
    expect([leaf.isCa, root.certificate.isCa]).toEqual([other.ca, true]);
    expect([leaf.notBefore, leaf.notAfter]).toEqual([NOT_BEFORE, NOT_AFTER]);
    expect([leaf.uriSans, leaf.dnsSans]).toEqual([['spiffe://mesh.test/a'], ['a.test']]);
  });
  it('goes to PEM and back', () => {
    expect(Certificate.fromPem(leaf.toPem()).equals(leaf)).toBe(true);
    expect(Certificate.fromPem(new X509Certificate(leaf.der).toString()).equals(leaf)).toBe(true);
    expect(Certificate.allFromPem(`text\n${leaf.toPem()}\n${root.certificate.toPem()}`)).toHaveLength(2);
  });
  it('keeps its own copy of the bytes', () => {
    const bytes = Uint8Array.from(leaf.der);
    const copy = Certificate.fromDer(bytes);
    bytes.fill(0);
    expect(copy.equals(leaf)).toBe(true);
  });
  it.each([
    '',
    'hello',
    '-----BEGIN CERTIFICATE-----\nMII\n',
    '-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----',
  ])('refuses PEM %j', (pem) => {
    expect(() => Certificate.fromPem(pem)).toThrow(expect.objectContaining({ code: 'ERR_PKI_ENCODING' }));
  });

  const refused = (change: Parameters<typeof leafSpec>[1]) => () =>
    Certificate.fromDer(makeDer(leafSpec(root, change)));
  const duplicate = leafSpec(root).extensions;
  it.each([
    ['bytes after the end', () => Certificate.fromDer(Buffer.concat([leaf.der, Buffer.from([0])]))],
    ['a cut', () => Certificate.fromDer(leaf.der.subarray(0, -1))],
    ['a negative serial number', refused({ serial: tlv(0x02, Buffer.from([0x80])) })],
    ['a repeated extension', refused({ extensions: [...duplicate, ...duplicate.slice(0, 1)] })],
    ['alternative names without a name', refused({ with: [ext.names()] })],
    ['extensions in version 1', refused({ version: 1 })],
    ['a path length without cA', refused({ with: [ext.basicConstraints(false, 1)] })],
    ['an empty key usage', refused({ with: [ext.keyUsage()] })],
    ['an empty extended key usage', refused({ with: [ext.purposes()] })],
    ['a string in pieces in a name', refused({ subject: name({ CN: 'a' }, 0x2c) })],
    ['an other name that is none', refused({ with: [ext.names(context(0, int(1)))] })],
    ['an EDI party name', refused({ with: [ext.names(context(5, context(1, tlv(0x0c))))] })],
    ['a NUL in a name', refused({ with: [ext.names(gn.dns('a.test\0.evil'))] })],
    ['an address of five bytes', refused({ with: [ext.names(gn.ip(1, 2, 3, 4, 5))] })],
    ['name constraints without subtrees', refused({ with: [ext.nameConstraints([])] })],
    [
      'a subtree with a minimum',
      refused({ with: [{ oid: '2.5.29.30', value: seq(context(0, seq(gn.dns('a'), tlv(0x80, Buffer.from([0]))))) }] }),
    ],
    ['a key identifier that is no octet string', refused({ with: [{ oid: '2.5.29.14', value: int(1) }] })],
    [
      'basic constraints with more inside',
      refused({ with: [{ oid: '2.5.29.19', value: seq(bool(true), int(1), int(2)) }] }),
    ],
    ['a distribution point that is none', refused({ with: [{ oid: '2.5.29.31', value: octets(Buffer.from('x')) }] })],
  ])('refuses %s', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_PKI_ENCODING' }));
  });
});

describe('Name', () => {
  const parse = (attributes: Record<string, string>): Name => Name.fromDer(name(attributes));
  it('prints as RFC 4514 says, without control characters', () => {
    expect(parse({ C: 'DE', O: 'a, b', CN: ' x\n\u202e' }).toString()).toBe('CN=\\ x\\0a\\e2\\80\\ae,O=a\\, b,C=DE');
  });
  it('tells values apart that print alike in a key', () => {
    expect(parse({ CN: 'a"\u0002' }).equals(parse({ CN: 'a"', O: '' }))).toBe(false);
    expect(parse({ CN: 'a' }).equals(parse({ O: 'a' }))).toBe(false);
  });
  it('compares a hostile run of spaces in time that grows with its length', () => {
    // Quadratic folding takes longer than a test may.
    expect(parse({ CN: `a${' '.repeat(90_000)}b` }).equals(parse({ CN: ' A b ' }))).toBe(true);
  });
  it('refuses a BIT STRING value that is none, as OpenSSL does', () => {
    const value = (hex: string): Name =>
      Name.fromDer(seq(tlv(0x31, seq(oid('2.5.4.3'), tlv(0x03, Buffer.from(hex, 'hex'))))));
    expect(value('0061').toString()).toBe('CN=#0061');
    for (const hex of ['6c656166', '', '01ff']) {
      expect(() => value(hex)).toThrow(expect.objectContaining({ code: 'ERR_PKI_ENCODING' }));
    }
  });
});

describe('TrustBundleSet', () => {
  const other = makeAuthority('other').certificate;
  it('is a value: its id follows its content', () => {
    const set = TrustBundleSet.of({ 'a.test': [root.certificate, other] });
    expect(set.id).toBe(TrustBundleSet.of({ 'a.test': [other, root.certificate, other] }).id);
    expect(set.id).not.toBe(TrustBundleSet.of({ 'b.test': [root.certificate, other] }).id);
    expect(set.with('a.test', [other]).id).not.toBe(set.id);
    expect(set.roots('a.test')).toHaveLength(2);
    expect(set.with('b.test', [other]).without('a.test').trustDomains).toEqual(['b.test']);
  });
  it('refuses a malformed trust domain', () => {
    expect(() => TrustBundleSet.of({ 'A.test': [] })).toThrow(expect.objectContaining({ code: 'ERR_IDENTITY_SYNTAX' }));
  });
  it('reads and writes PEM', () => {
    const bundle = TrustBundle.of('a.test', [root.certificate, other]);
    expect(TrustBundle.fromPem('a.test', bundle.toPem()).roots.map((one) => one.fingerprint)).toEqual(
      bundle.roots.map((one) => one.fingerprint),
    );
  });
});
