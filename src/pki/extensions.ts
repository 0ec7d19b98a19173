/**
 * Certificate extensions as data. Every extension this room knows is parsed in full, strictly, when the certificate is
 * read; the others keep their identifier and criticality, which is all that path validation asks of them.
 *
 * Not modelled: certificate policies (they are read as present, never evaluated), so a certificate that makes policy
 * processing mandatory is refused by `verify-chain.ts` as carrying a critical extension nobody handles.
 *
 * Source: RFC 5280 §4.2.
 * @module
 */
import { EXTENSION } from './der/oids.ts';
import { contextTag, DerReader, derWhole, encodingError, hexOf, TAG, type BitString } from './der/reader.ts';
import { readGeneralName, readGeneralNames, type GeneralName } from './general-name.ts';
import type { Name } from './name.ts';

/** Key usages by their names in RFC 5280 §4.2.1.3, in bit order. */
const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];

export interface BasicConstraints {
  readonly ca: boolean;
  /** How many intermediates that are not self-issued may follow; absent for any number. */
  readonly pathLength?: number;
}

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

export interface AuthorityKeyIdentifier {
  readonly keyId?: string;
  readonly issuer?: readonly GeneralName[];
  /** Lower-case hex, as `Certificate.serial`. */
  readonly serial?: string;
}

/** An extension as it stands in the certificate. */
export interface RawExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** The parsed extensions; what is absent is undefined. */
export interface Extensions {
  readonly all: readonly RawExtension[];
  readonly basicConstraints?: BasicConstraints;
  readonly keyUsage?: ReadonlySet<KeyUsage>;
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAltName?: readonly GeneralName[];
  readonly nameConstraints?: NameConstraints;
  /** Lower-case hex. */
  readonly subjectKeyId?: string;
  readonly authorityKeyId?: AuthorityKeyIdentifier;
  /** The first byte of Netscape's certificate type, which OpenSSL still obeys. */
  readonly netscapeCertType?: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Parse = (value: Uint8Array, into: Mutable<Extensions>) => void;

const PARSERS: ReadonlyMap<string, Parse> = new Map<string, Parse>([
  [EXTENSION.basicConstraints, (value, into) => void (into.basicConstraints = parseBasicConstraints(value))],
  [EXTENSION.keyUsage, (value, into) => void (into.keyUsage = parseKeyUsage(value))],
  [EXTENSION.extKeyUsage, (value, into) => void (into.extendedKeyUsage = parseExtendedKeyUsage(value))],
  [
    EXTENSION.subjectAltName,
    (value, into) => void (into.subjectAltName = parseAltName(value, 'subject alternative name')),
  ],
  [EXTENSION.issuerAltName, (value) => void parseAltName(value, 'issuer alternative name')],
  [EXTENSION.nameConstraints, (value, into) => void (into.nameConstraints = parseNameConstraints(value))],
  [EXTENSION.subjectKeyIdentifier, (value, into) => void (into.subjectKeyId = parseSubjectKeyId(value))],
  [EXTENSION.authorityKeyIdentifier, (value, into) => void (into.authorityKeyId = parseAuthorityKeyId(value))],
  [EXTENSION.authorityInfoAccess, parseAuthorityInfoAccess],
  [EXTENSION.crlDistributionPoints, parseDistributionPoints],
  [EXTENSION.netscapeCertType, (value, into) => void (into.netscapeCertType = parseNetscapeCertType(value))],
]);

/**
 * Reads `Extensions`, the content of `[3]`.
 * @throws MeshError `ERR_PKI_ENCODING` on malformed, empty or repeated extensions
 */
export function parseExtensions(reader: DerReader): Extensions {
  const all = readExtensionList(reader);
  const parsed: Mutable<Extensions> = { all };
  for (const { oid, value } of all) PARSERS.get(oid)?.(value, parsed);
  return parsed;
}

/** Extensions of a certificate, a CRL or a CRL entry: at least one, none twice. */
export function readExtensionList(reader: DerReader): readonly RawExtension[] {
  const all: RawExtension[] = [];
  const seen = new Set<string>();
  const list = reader.sequence('extensions');
  while (!list.done) {
    const extension = list.sequence('extension');
    const oid = extension.oid();
    const critical = extension.booleanDefaultFalse();
    const value = extension.octetString();
    extension.end();
    if (seen.has(oid)) throw encodingError(`extension ${oid} occurs twice`);
    seen.add(oid);
    all.push({ oid, critical, value });
  }
  if (all.length === 0) throw list.fail('none in the list');
  reader.end();
  return all;
}

function parseBasicConstraints(value: Uint8Array): BasicConstraints {
  const reader = derWhole(value, TAG.sequence, 'basic constraints');
  const ca = reader.booleanDefaultFalse();
  const pathLength = reader.peek() === TAG.integer ? reader.smallInteger() : undefined;
  reader.end();
  if (pathLength === undefined) return { ca };
  if (!ca) throw encodingError('basic constraints: a path length without cA');
  return { ca, pathLength };
}

function parseKeyUsage(value: Uint8Array): ReadonlySet<KeyUsage> {
  const reader = new DerReader(value, 'key usage');
  const bits = reader.bitString();
  reader.end();
  const usages = new Set(KEY_USAGES.filter((_, bit) => bitIsSet(bits, bit)));
  if (usages.size === 0) throw encodingError('key usage: no usage');
  return usages;
}

function bitIsSet({ bytes }: BitString, bit: number): boolean {
  return ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
}

function parseExtendedKeyUsage(value: Uint8Array): readonly string[] {
  const reader = derWhole(value, TAG.sequence, 'extended key usage');
  const purposes: string[] = [];
  while (!reader.done) purposes.push(reader.oid());
  if (purposes.length === 0) throw encodingError('extended key usage: no purpose');
  return purposes;
}

function parseAltName(value: Uint8Array, what: string): readonly GeneralName[] {
  const names = readGeneralNames(derWhole(value, TAG.sequence, what));
  for (const name of names) {
    if (name.kind === 'ip' && name.bytes.length !== 4 && name.bytes.length !== 16) {
      throw encodingError(`${what}: an IP address of ${name.bytes.length} bytes`);
    }
  }
  return names;
}

function parseNameConstraints(value: Uint8Array): NameConstraints {
  const reader = derWhole(value, TAG.sequence, 'name constraints');
  const permitted = readSubtrees(reader, 0);
  const excluded = readSubtrees(reader, 1);
  reader.end();
  if (permitted.length + excluded.length === 0) throw encodingError('name constraints: no subtree');
  return { permitted, excluded };
}

function readSubtrees(reader: DerReader, number: 0 | 1): readonly GeneralName[] {
  const list = reader.intoOptional(contextTag(number, 'constructed'));
  if (list === undefined) return [];
  const bases: GeneralName[] = [];
  while (!list.done) {
    const subtree = list.sequence();
    const base = readGeneralName(subtree);
    // minimum is 0 and must then be left out; maximum must be absent (RFC 5280 §4.2.1.10).
    subtree.end();
    if (base.kind === 'ip' && base.bytes.length !== 8 && base.bytes.length !== 32) {
      throw list.fail(`an address range of ${base.bytes.length} bytes`);
    }
    bases.push(base);
  }
  if (bases.length === 0) throw list.fail('an empty list of subtrees');
  return bases;
}

function parseSubjectKeyId(value: Uint8Array): string {
  const reader = new DerReader(value, 'subject key identifier');
  const id = reader.octetString();
  reader.end();
  return hexOf(id);
}

/** Reads the value of an authority key identifier; CRLs have the same. */
export function parseAuthorityKeyId(value: Uint8Array): AuthorityKeyIdentifier {
  const reader = derWhole(value, TAG.sequence, 'authority key identifier');
  const parsed: Mutable<AuthorityKeyIdentifier> = {};
  if (reader.peek() === contextTag(0, 'primitive')) parsed.keyId = hexOf(reader.element().content);
  const issuer = reader.intoOptional(contextTag(1, 'constructed'));
  if (issuer) parsed.issuer = readGeneralNames(issuer);
  if (reader.peek() === contextTag(2, 'primitive'))
    parsed.serial = serialHex(reader.integer(contextTag(2, 'primitive')));
  reader.end();
  if ((parsed.issuer === undefined) !== (parsed.serial === undefined)) {
    throw encodingError('authority key identifier: issuer and serial number only come together');
  }
  return parsed;
}

function parseAuthorityInfoAccess(value: Uint8Array): void {
  const reader = derWhole(value, TAG.sequence, 'authority information access');
  if (reader.done) throw reader.fail('no description');
  while (!reader.done) {
    const description = reader.sequence();
    description.oid();
    readGeneralName(description);
    description.end();
  }
}

function parseDistributionPoints(value: Uint8Array): void {
  const reader = derWhole(value, TAG.sequence, 'CRL distribution points');
  if (reader.done) throw reader.fail('no point');
  while (!reader.done) {
    const point = reader.sequence();
    const name = point.intoOptional(contextTag(0, 'constructed'));
    const fullName = name?.intoOptional(contextTag(0, 'constructed'));
    if (fullName) readGeneralNames(fullName);
    else name?.content(contextTag(1, 'constructed'));
    name?.end();
    if (point.peek() === contextTag(1, 'primitive')) point.element();
    const issuer = point.intoOptional(contextTag(2, 'constructed'));
    if (issuer) readGeneralNames(issuer);
    point.end();
  }
}

function parseNetscapeCertType(value: Uint8Array): number {
  const reader = new DerReader(value, 'netscape certificate type');
  const { bytes } = reader.bitString();
  reader.end();
  return bytes[0] ?? 0;
}

/** The directory name an authority key identifier points at, if it names one. */
export function directoryNameOf(names: readonly GeneralName[]): Name | undefined {
  for (const name of names) if (name.kind === 'directory') return name.name;
  return undefined;
}

/** A serial number as people write it: lower-case hex of the value, without a sign byte. */
export function serialHex(content: Uint8Array): string {
  const start = content.length > 1 && content[0] === 0 ? 1 : 0;
  return hexOf(content.subarray(start));
}
