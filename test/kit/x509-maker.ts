/**
 * A maker of certificates and revocation lists for tests, right or wrong in any one respect. Independent of the
 * product's own writer, so that the two never share a mistake.
 */
import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { instantOf, type Instant } from '../../src/core/index.ts';
import { Certificate } from '../../src/pki/index.ts';

export type Bytes = Uint8Array;

export function tlv(tag: number, ...parts: readonly Bytes[]): Bytes {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const hex = length.toString(16);
  const size = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | size.length]), size, content]);
}

export const seq = (...parts: readonly Bytes[]): Bytes => tlv(0x30, ...parts);
export const text = (tag: number, value: string): Bytes => tlv(tag, Buffer.from(value, 'utf8'));
export const octets = (value: Bytes): Bytes => tlv(0x04, value);
export const bool = (value: boolean): Bytes => tlv(0x01, Buffer.from([value ? 0xff : 0]));
export const bits = (value: Bytes, unused = 0): Bytes => tlv(0x03, Buffer.from([unused]), value);
export const context = (number: number, ...parts: readonly Bytes[]): Bytes => tlv(0xa0 | number, ...parts);
export const contextPrimitive = (number: number, value: Bytes): Bytes => tlv(0x80 | number, value);

export function int(value: number | bigint): Bytes {
  const hex = BigInt(value).toString(16);
  const even = hex.length % 2 ? `0${hex}` : hex;
  return tlv(0x02, Buffer.from(Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even, 'hex'));
}

export function oid(dotted: string): Bytes {
  const [a = 0, b = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [a * 40 + b, ...rest]) {
    const group = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) group.unshift((left & 0x7f) | 0x80);
    bytes.push(...group);
  }
  return tlv(0x06, Buffer.from(bytes));
}

export function time(at: Instant): Bytes {
  const iso = new Date(at).toISOString();
  const [digits] = [iso.replaceAll(/[-:T]/g, '').slice(0, 14)];
  const year = Number(iso.slice(0, 4));
  return year >= 1950 && year < 2050 ? text(0x17, `${digits.slice(2)}Z`) : text(0x18, `${digits}Z`);
}

const ATTRIBUTES: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  O: '2.5.4.10',
  C: '2.5.4.6',
  email: '1.2.840.113549.1.9.1',
};

/** `name({ CN: 'a' })`; the empty name is `name({})`. */
export function name(attributes: Readonly<Record<string, string>>, tag = 0x0c): Bytes {
  const rdns = Object.entries(attributes).map(([key, value]) =>
    tlv(0x31, seq(oid(ATTRIBUTES[key] ?? key), text(tag, value))),
  );
  return seq(...rdns);
}

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly spki: Bytes;
}

export function ecKey(namedCurve = 'P-256'): TestKey {
  return withSpki(generateKeyPairSync('ec', { namedCurve }));
}

export function edKey(): TestKey {
  return withSpki(generateKeyPairSync('ed25519'));
}

export function ed448Key(): TestKey {
  return withSpki(generateKeyPairSync('ed448'));
}

export function rsaKey(modulusLength: number): TestKey {
  return withSpki(generateKeyPairSync('rsa', { modulusLength }));
}

function withSpki(pair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject }): TestKey {
  return { ...pair, spki: pair.publicKey.export({ format: 'der', type: 'spki' }) };
}

export interface TestExtension {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Bytes;
}

export type TestDigest = 'sha256' | 'sha384' | 'sha1' | 'pss';

export interface CertificateSpec {
  readonly subject: Bytes;
  readonly issuer: Bytes;
  readonly key: TestKey;
  readonly issuerKey: TestKey;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly serial?: Bytes;
  readonly version?: 1 | 3;
  readonly extensions: readonly TestExtension[];
  /** Digest of the signature; `sha1` for a weak one, `pss` for RSA-PSS with SHA-256. */
  readonly digest?: TestDigest;
  readonly spki?: Bytes;
  /** The last word on the signed part, before it is signed. */
  readonly mangle?: (tbs: Bytes) => Bytes;
  /** The last word on the signature. */
  readonly tamper?: (signature: Bytes) => Bytes;
}

// Of a fixed width, so that what came before does not shift a byte of what comes after.
let serials = 0x10_0000;

export function makeDer(spec: CertificateSpec): Bytes {
  const algorithm = algorithmOf(spec.issuerKey, spec.digest ?? 'sha256');
  const version = spec.version ?? 3;
  const extensions = spec.extensions.map((e) => seq(oid(e.oid), ...(e.critical ? [bool(true)] : []), octets(e.value)));
  const plain = seq(
    ...(version === 3 ? [context(0, int(2))] : []),
    spec.serial ?? int(serials++),
    algorithm.identifier,
    spec.issuer,
    seq(time(spec.notBefore), time(spec.notAfter)),
    spec.subject,
    spec.spki ?? spec.key.spki,
    ...(extensions.length > 0 ? [context(3, seq(...extensions))] : []),
  );
  const tbs = spec.mangle ? spec.mangle(plain) : plain;
  const signature = sign(algorithm.digest, tbs, { key: spec.issuerKey.privateKey, ...algorithm.padding });
  return seq(tbs, algorithm.identifier, bits(spec.tamper ? spec.tamper(signature) : signature));
}

export function make(spec: CertificateSpec): Certificate {
  return Certificate.fromDer(makeDer(spec));
}

interface TestAlgorithm {
  readonly identifier: Bytes;
  readonly digest: string | null;
  readonly padding?: { readonly padding: number; readonly saltLength: number };
}

/** RSASSA-PSS-params of SHA-256, its mask function and a salt of 32 octets. */
function pssParameters(): Bytes {
  const sha256 = seq(oid('2.16.840.1.101.3.4.2.1'), tlv(0x05));
  return seq(context(0, sha256), context(1, seq(oid('1.2.840.113549.1.1.8'), sha256)), context(2, int(32)));
}

function algorithmOf(key: TestKey, digest: TestDigest): TestAlgorithm {
  const type = key.privateKey.asymmetricKeyType;
  if (type === 'ed25519') return { identifier: seq(oid('1.3.101.112')), digest: null };
  if (type === 'ed448') return { identifier: seq(oid('1.3.101.113')), digest: null };
  if (type === 'rsa' && digest === 'pss') {
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    return { identifier: seq(oid('1.2.840.113549.1.1.10'), pssParameters()), digest: 'sha256', padding };
  }
  const hash = digest === 'pss' ? 'sha256' : digest;
  if (type === 'rsa') {
    const rsa = { sha256: '1.2.840.113549.1.1.11', sha384: '1.2.840.113549.1.1.12', sha1: '1.2.840.113549.1.1.5' };
    return { identifier: seq(oid(rsa[hash]), tlv(0x05)), digest: hash };
  }
  const ec = { sha256: '1.2.840.10045.4.3.2', sha384: '1.2.840.10045.4.3.3', sha1: '1.2.840.10045.4.1' };
  return { identifier: seq(oid(ec[hash])), digest: hash };
}

const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
];

/** Extensions by their short names. */
export const ext = {
  basicConstraints: (ca: boolean, pathLength?: number): TestExtension => ({
    oid: '2.5.29.19',
    critical: true,
    value: seq(...(ca ? [bool(true)] : []), ...(pathLength === undefined ? [] : [int(pathLength)])),
  }),
  keyUsage: (...usages: readonly string[]): TestExtension => {
    const byte = usages.reduce((sum, usage) => sum | (0x80 >> KEY_USAGES.indexOf(usage)), 0);
    const unused = byte === 0 ? 0 : 31 - Math.clz32(byte & -byte);
    return {
      oid: '2.5.29.15',
      critical: true,
      value: byte === 0 ? bits(Buffer.alloc(0)) : bits(Buffer.from([byte]), unused),
    };
  },
  purposes: (...oids: readonly string[]): TestExtension => ({ oid: '2.5.29.37', value: seq(...oids.map(oid)) }),
  names: (...names: readonly Bytes[]): TestExtension => ({ oid: '2.5.29.17', value: seq(...names) }),
  subjectKeyId: (id: Bytes): TestExtension => ({ oid: '2.5.29.14', value: octets(id) }),
  authorityKeyId: (id: Bytes): TestExtension => ({ oid: '2.5.29.35', value: seq(contextPrimitive(0, id)) }),
  nameConstraints: (permitted: readonly Bytes[], excluded: readonly Bytes[] = []): TestExtension => ({
    oid: '2.5.29.30',
    critical: true,
    value: seq(
      ...(permitted.length > 0 ? [context(0, ...permitted.map((base) => seq(base)))] : []),
      ...(excluded.length > 0 ? [context(1, ...excluded.map((base) => seq(base)))] : []),
    ),
  }),
} as const;

export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** General names. */
export const gn = {
  email: (value: string): Bytes => contextPrimitive(1, Buffer.from(value)),
  dns: (value: string): Bytes => contextPrimitive(2, Buffer.from(value)),
  uri: (value: string): Bytes => contextPrimitive(6, Buffer.from(value)),
  ip: (...bytes: readonly number[]): Bytes => contextPrimitive(7, Buffer.from(bytes)),
  directory: (value: Bytes): Bytes => context(4, value),
  other: (): Bytes => context(0, oid('1.2.3.4'), context(0, text(0x0c, 'x'))),
} as const;

export interface Authority {
  readonly key: TestKey;
  readonly subject: Bytes;
  readonly keyId: Bytes;
  readonly certificate: Certificate;
}

export type Change = Partial<CertificateSpec> & {
  /** Replaces the extension of the same identifier, or adds one. */
  readonly with?: readonly TestExtension[];
  /** Identifiers of extensions to leave out. */
  readonly without?: readonly string[];
};

export const NOT_BEFORE: Instant = instantOf(Date.UTC(2026, 0, 1));
export const NOT_AFTER: Instant = instantOf(Date.UTC(2026, 0, 2));
export const NOON: Instant = instantOf(Date.UTC(2026, 0, 1, 12));

function changed(base: CertificateSpec, change: Change): CertificateSpec {
  const { with: added = [], without = [], ...fields } = change;
  const gone = new Set([...without, ...added.map((e) => e.oid)]);
  return {
    ...base,
    ...fields,
    extensions: [...(fields.extensions ?? base.extensions).filter((e) => !gone.has(e.oid)), ...added],
  };
}

let keyIds = 0;

/** A certificate authority under `parent`, or a root. */
export function makeAuthority(commonName: string, parent?: Authority, change: Change = {}): Authority {
  const key = change.key ?? ecKey();
  const subject = change.subject ?? name({ CN: commonName });
  const keyId = Buffer.from(`key-${String(keyIds++).padStart(6, '0')}`);
  const spec = changed(
    {
      subject,
      issuer: parent?.subject ?? subject,
      key,
      issuerKey: parent?.key ?? key,
      notBefore: NOT_BEFORE,
      notAfter: NOT_AFTER,
      extensions: [
        ext.basicConstraints(true),
        ext.keyUsage('keyCertSign', 'cRLSign'),
        ext.subjectKeyId(keyId),
        ext.authorityKeyId(parent?.keyId ?? keyId),
      ],
    },
    change,
  );
  return { key, subject, keyId, certificate: make(spec) };
}

/** What a leaf is unless a test changes one thing. */
export function leafSpec(parent: Authority, change: Change = {}): CertificateSpec {
  const key = change.key ?? ecKey();
  return changed(
    {
      subject: name({ CN: 'leaf' }),
      issuer: parent.subject,
      key,
      issuerKey: parent.key,
      notBefore: NOT_BEFORE,
      notAfter: NOT_AFTER,
      extensions: [
        ext.basicConstraints(false),
        ext.keyUsage('digitalSignature'),
        ext.purposes(SERVER_AUTH, CLIENT_AUTH),
        ext.names(gn.uri('spiffe://mesh.test/ns/shop/sa/cart')),
        ext.subjectKeyId(Buffer.from('leaf')),
        ext.authorityKeyId(parent.keyId),
      ],
    },
    change,
  );
}

export function makeLeaf(parent: Authority, change: Change = {}): Certificate {
  return make(leafSpec(parent, change));
}

export interface ListSpec {
  readonly revoked?: readonly string[];
  readonly thisUpdate?: Instant;
  readonly nextUpdate?: Instant;
  readonly extensions?: readonly TestExtension[];
  readonly key?: TestKey;
}

/** A revocation list of `authority`, in DER. */
export function makeList(authority: Authority, spec: ListSpec = {}): Bytes {
  const { revoked = [], thisUpdate = NOT_BEFORE, nextUpdate = NOT_AFTER, key = authority.key } = spec;
  const algorithm = algorithmOf(key, 'sha256');
  const extensions = spec.extensions ?? [{ oid: '2.5.29.20', value: int(1) }];
  const entries = revoked.map((serial) => seq(int(BigInt(`0x${serial}`)), time(NOT_BEFORE)));
  const tbs = seq(
    int(1),
    algorithm.identifier,
    authority.subject,
    time(thisUpdate),
    time(nextUpdate),
    ...(entries.length > 0 ? [seq(...entries)] : []),
    ...(extensions.length > 0
      ? [
          context(
            0,
            seq(...extensions.map((e) => seq(oid(e.oid), ...(e.critical ? [bool(true)] : []), octets(e.value)))),
          ),
        ]
      : []),
  );
  return seq(tbs, algorithm.identifier, bits(sign(algorithm.digest, tbs, key.privateKey)));
}
