/**
 * Distinguished names: parsed, comparable and printable.
 *
 * Comparison follows RFC 5280 §7.1 as OpenSSL does it: strings of any directory type compare by their text, letters of
 * ASCII without case, inner white space as one space, outer white space ignored; other types byte by byte. Not modelled:
 * Unicode case folding and normalisation of RFC 4518, which OpenSSL leaves out too.
 *
 * Printing follows RFC 4514 (`CN=a,O=b`, last part first).
 * @module
 */
import { bitStringOf, type DerReader, derWhole, encodingError, hexOf, latin1, TAG } from './der/reader.ts';
import { ATTRIBUTE } from './der/oids.ts';

export interface NameAttribute {
  readonly type: string;
  /** Text of a directory string; nothing for a value of another type. */
  readonly text: string | undefined;
  readonly tag: number;
  readonly content: Uint8Array;
}

const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  [ATTRIBUTE.commonName, 'CN'],
  [ATTRIBUTE.country, 'C'],
  [ATTRIBUTE.locality, 'L'],
  [ATTRIBUTE.state, 'ST'],
  [ATTRIBUTE.street, 'STREET'],
  [ATTRIBUTE.organization, 'O'],
  [ATTRIBUTE.organizationalUnit, 'OU'],
  [ATTRIBUTE.domainComponent, 'DC'],
  [ATTRIBUTE.userId, 'UID'],
]);

export class Name {
  readonly der: Uint8Array;
  readonly rdns: readonly (readonly NameAttribute[])[];
  #canonical: readonly string[] | undefined;
  #key: string | undefined;

  private constructor(der: Uint8Array, rdns: readonly (readonly NameAttribute[])[]) {
    this.der = der;
    this.rdns = rdns;
  }

  /** @throws MeshError `ERR_PKI_ENCODING` */
  static fromDer(der: Uint8Array): Name {
    const reader = derWhole(der, TAG.sequence, 'name');
    const rdns: NameAttribute[][] = [];
    while (!reader.done) {
      const set = reader.into(TAG.set);
      const attributes: NameAttribute[] = [];
      while (!set.done) attributes.push(readAttribute(set));
      if (attributes.length === 0) throw encodingError('name: empty relative name');
      rdns.push(attributes);
    }
    return new Name(der, rdns);
  }

  get isEmpty(): boolean {
    return this.rdns.length === 0;
  }

  /** One comparison key for each relative name, in order. */
  get canonical(): readonly string[] {
    this.#canonical ??= this.rdns.map((rdn) => rdn.map(canonicalAttribute).sort().join('\u0001'));
    return this.#canonical;
  }

  /** Equal for equal names, and only for them. */
  get key(): string {
    this.#key ??= this.canonical.join('\u0002');
    return this.#key;
  }

  equals(other: Name): boolean {
    return this === other || (this.rdns.length === other.rdns.length && this.key === other.key);
  }

  /** Whether this name lies in the subtree of `base` (RFC 5280 §4.2.1.10); the empty name contains every name. */
  isWithin(base: Name): boolean {
    return base.canonical.every((rdn, i) => this.canonical[i] === rdn);
  }

  /** Texts of all attributes of this type. */
  attribute(type: string): readonly string[] {
    return this.rdns.flatMap((rdn) => rdn.flatMap((a) => (a.type === type && a.text !== undefined ? [a.text] : [])));
  }

  toString(): string {
    return this.rdns
      .map((rdn) => rdn.map(printAttribute).join('+'))
      .reverse()
      .join(',');
  }
}

function readAttribute(set: DerReader): NameAttribute {
  const pair = set.sequence();
  const type = pair.oid();
  const { tag, content } = pair.element();
  pair.end();
  return { type, text: directoryText(tag, content, pair), tag, content };
}

/**
 * The text of a directory string; nothing for the two other types OpenSSL lets stand in a name. Whatever else, such as a
 * string in pieces, is refused.
 */
function directoryText(tag: number, content: Uint8Array, reader: DerReader): string | undefined {
  switch (tag) {
    case TAG.utf8String:
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
      } catch {
        throw encodingError('name: invalid UTF-8');
      }
    case TAG.printableString:
    case TAG.ia5String:
    case TAG.teletexString:
      return latin1(content);
    case TAG.bmpString:
      return wideText(content, 2);
    case TAG.universalString:
      return wideText(content, 4);
    case TAG.bitString:
      bitStringOf(content, reader);
      return undefined;
    case TAG.numericString:
      return undefined;
    default:
      throw encodingError('name: a value of a wrong type');
  }
}

function wideText(content: Uint8Array, width: 2 | 4): string {
  if (content.length % width !== 0) throw encodingError('name: string of a wrong length');
  let text = '';
  for (let i = 0; i < content.length; i += width) {
    let code = 0;
    for (let j = 0; j < width; j++) code = code * 256 + (content[i + j] ?? 0);
    if (code > 0x10_ffff || (code >= 0xd800 && code <= 0xdfff)) throw encodingError('name: invalid character');
    text += String.fromCodePoint(code);
  }
  return text;
}

function canonicalAttribute(attribute: NameAttribute): string {
  const { type, text, tag, content } = attribute;
  if (text === undefined) return `${type}#${tag}:${hexOf(content)}`;
  // Runs of spaces are folded before the ends are cut: a pattern that ends in `+$` is quadratic in a long run.
  const folded = text
    .replace(/[ \t\n\v\f\r]+/g, ' ')
    .replace(/^ | $/g, '')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  // JSON quoting keeps the separators of `key` out of hostile text.
  return `${type}=${JSON.stringify(folded)}`;
}

function printAttribute(attribute: NameAttribute): string {
  const type = SHORT_NAMES.get(attribute.type) ?? attribute.type;
  if (attribute.text === undefined) return `${type}=#${hexOf(attribute.content)}`;
  const escaped = attribute.text
    .replace(/[\\,+"<>;]/g, (c) => `\\${c}`)
    .replace(/^[ #]| $/g, (c) => `\\${c}`)
    // oxlint-disable-next-line no-control-regex -- control characters of a hostile name never reach a terminal
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => hexEscape(c));
  return `${type}=${escaped}`;
}

function hexEscape(character: string): string {
  return [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
}
