/**
 * A strict DER reader over one byte array: definite minimal lengths, low tag numbers, canonical primitives, nothing left
 * over. It never recurses by itself, so hostile nesting costs nothing, and every read is a view, so it copies nothing.
 *
 * Not modelled: BER, indefinite lengths, multi-byte tags and REAL; X.509 has none of them. One tolerance, shared with
 * OpenSSL and Go: a caller may accept an encoded DEFAULT FALSE.
 *
 * Source: ITU-T X.690 §8, §10, §11; RFC 5280 §4.1.
 * @module
 */
import { instantOf, MeshError, type Instant } from '../../core/index.ts';

/** Identifier octets of the types X.509 uses. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
} as const;

/** The identifier octet of `[number]`. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | number;
}

/** One element: its identifier octet, its content, and the whole encoding. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly encoded: Uint8Array;
}

/** A BIT STRING: `bits` counts from the most significant bit of the first byte. */
export interface BitString {
  readonly bytes: Uint8Array;
  readonly unusedBits: number;
}

/** An `ERR_PKI_ENCODING` about malformed bytes. */
export function encodingError(message: string): MeshError {
  return new MeshError('ERR_PKI_ENCODING', message);
}

export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** @param what names the structure in error messages */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The next identifier octet; nothing at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at];
  }

  fail(message: string): MeshError {
    return encodingError(`${this.#what}: ${message}`);
  }

  /** @throws MeshError `ERR_PKI_ENCODING` unless everything has been read */
  end(): void {
    if (!this.done) throw this.fail('unexpected bytes at the end');
  }

  element(): DerElement {
    const bytes = this.#bytes;
    const start = this.#at;
    const tag = bytes[start];
    let length = bytes[start + 1];
    if (tag === undefined || length === undefined) throw this.fail('ends too early');
    if ((tag & 0x1f) === 0x1f) throw this.fail('multi-byte tag');
    let content = start + 2;
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size === 0) throw this.fail('indefinite length');
      if (size > 4) throw this.fail('length of more than four bytes');
      length = 0;
      for (let i = 0; i < size; i++) length = length * 256 + (bytes[content + i] ?? 0);
      content += size;
      if (length < 0x80 || length < 256 ** (size - 1)) throw this.fail('length is not minimal');
    }
    const end = content + length;
    if (end > bytes.length) throw this.fail('ends too early');
    this.#at = end;
    return { tag, content: bytes.subarray(content, end), encoded: bytes.subarray(start, end) };
  }

  /** The content of the next element, which must have this tag. */
  content(tag: number): Uint8Array {
    return this.expect(tag).content;
  }

  expect(tag: number): DerElement {
    const found = this.peek();
    if (found !== tag) {
      throw this.fail(found === undefined ? 'ends too early' : `tag ${hexOctet(found)} instead of ${hexOctet(tag)}`);
    }
    return this.element();
  }

  /** A reader over the content of the next element. */
  into(tag: number, what: string = this.#what): DerReader {
    return new DerReader(this.content(tag), what);
  }

  /** Like `into`, or nothing when the next element has another tag. */
  intoOptional(tag: number, what: string = this.#what): DerReader | undefined {
    return this.peek() === tag ? this.into(tag, what) : undefined;
  }

  sequence(what: string = this.#what): DerReader {
    return this.into(TAG.sequence, what);
  }

  boolean(): boolean {
    return booleanOf(this.content(TAG.boolean), this);
  }

  /** BOOLEAN DEFAULT FALSE; an encoded FALSE is tolerated. */
  booleanDefaultFalse(): boolean {
    return this.peek() === TAG.boolean ? this.boolean() : false;
  }

  /** The two's complement content of an INTEGER, minimal. */
  integer(tag: number = TAG.integer): Uint8Array {
    const content = this.content(tag);
    const [first, second] = content;
    if (first === undefined) throw this.fail('empty integer');
    if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
      throw this.fail('integer is not minimal');
    }
    return content;
  }

  /** A non-negative INTEGER; whatever exceeds 31 bits is read as 2^31 - 1, which every limit here treats alike. */
  smallInteger(tag: number = TAG.integer): number {
    const content = this.integer(tag);
    if ((content[0] ?? 0) >= 0x80) throw this.fail('negative integer');
    let value = 0;
    for (const byte of content) value = Math.min(value * 256 + byte, 0x7fff_ffff);
    return value;
  }

  oid(): string {
    return oidOf(this.content(TAG.oid), this);
  }

  octetString(): Uint8Array {
    return this.content(TAG.octetString);
  }

  bitString(): BitString {
    return bitStringOf(this.content(TAG.bitString), this);
  }

  /** UTCTime or GeneralizedTime in the one form RFC 5280 §4.1.2.5 allows: seconds, `Z`, no fraction. */
  time(): Instant {
    const { tag, content } = this.element();
    if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) throw this.fail(`tag ${hexOctet(tag)} is not a time`);
    return timeOf(tag, content, this);
  }

  null(): void {
    if (this.content(TAG.null).length > 0) throw this.fail('NULL with content');
  }
}

/** The whole of `bytes` as one element of this tag. */
export function derWhole(bytes: Uint8Array, tag: number, what: string): DerReader {
  const outer = new DerReader(bytes, what);
  const inner = outer.into(tag);
  outer.end();
  return inner;
}

function booleanOf(content: Uint8Array, reader: DerReader): boolean {
  const [value] = content;
  if (content.length !== 1 || (value !== 0 && value !== 0xff)) throw reader.fail('boolean is not canonical');
  return value === 0xff;
}

/** Dotted decimal. Arcs above 2^53 are refused: nothing registered comes near. */
export function oidOf(content: Uint8Array, reader: DerReader): string {
  if (content.length === 0 || content.length > 64) throw reader.fail('object identifier of a wrong length');
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) throw reader.fail('object identifier is not minimal');
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) throw reader.fail('object identifier arc is too large');
    fresh = byte < 0x80;
    if (fresh) {
      arcs.push(arc);
      arc = 0;
    }
  }
  if (!fresh) throw reader.fail('object identifier ends too early');
  const [head = 0, ...rest] = arcs;
  const root = Math.min(2, Math.floor(head / 40));
  return [root, head - root * 40, ...rest].join('.');
}

function bitStringOf(content: Uint8Array, reader: DerReader): BitString {
  const [unusedBits] = content;
  if (unusedBits === undefined || unusedBits > 7) throw reader.fail('bit string without a valid count of unused bits');
  const bytes = content.subarray(1);
  const last = bytes.at(-1);
  if (last === undefined ? unusedBits > 0 : (last & ((1 << unusedBits) - 1)) !== 0) {
    throw reader.fail('bit string has unused bits that are not zero');
  }
  return { bytes, unusedBits };
}

function timeOf(tag: number, content: Uint8Array, reader: DerReader): Instant {
  const yearDigits = tag === TAG.utcTime ? 2 : 4;
  const text = latin1(content);
  if (text.length !== yearDigits + 11 || !/^\d+Z$/.test(text))
    throw reader.fail('time is not in the form RFC 5280 allows');
  const part = (at: number): number => Number(text.slice(yearDigits + at, yearDigits + at + 2));
  const digits = Number(text.slice(0, yearDigits));
  const year = tag === TAG.generalizedTime ? digits : digits < 50 ? 2000 + digits : 1900 + digits;
  const [month, day, hour, minute, second] = [part(0), part(2), part(4), part(6), part(8)];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const inCalendar = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!inCalendar || hour > 23 || minute > 59 || second > 59) throw reader.fail('no such time');
  return instantOf(date.setUTCHours(hour, minute, second));
}

/** Bytes as characters, one to one. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function hexOctet(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`;
}
