/**
 * A DER writer: the few ASN.1 types certificates, requests and revocation lists are made of, in the one encoding X.690
 * allows each value. Every function returns the finished tag-length-value bytes; parts are joined once, at the level
 * that holds them.
 *
 * Not modelled: REAL, SET OF with more than one element, indefinite lengths (never DER), tags above 30.
 * Source: ITU-T X.690 §8 and §10; RFC 5280 §4.1.2.5 for times.
 * @module
 */
import { invariant, type Instant } from '../../core/index.ts';
import { contextTag, TAG } from './reader.ts';

/** Any tag around the concatenation of `parts`. */
export function derTagged(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const header = length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x1_0000 ? 4 : 5;
  invariant(length < 0x100_0000, 'a DER value above 16 MB');
  const out = new Uint8Array(header + length);
  out[0] = tag;
  if (header === 2) out[1] = length;
  else {
    out[1] = 0x80 | (header - 2);
    for (let i = header - 1, rest = length; i > 1; i--, rest >>>= 8) out[i] = rest & 0xff;
  }
  let offset = header;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return derTagged(TAG.sequence, ...parts);
}

/** A SET of one element: the only sets in a distinguished name here, so that no ordering is needed. */
export function derSetOfOne(part: Uint8Array): Uint8Array {
  return derTagged(TAG.set, part);
}

/** `[tag]`, explicit or implicit around constructed content. */
export function derContext(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return derTagged(contextTag(tag, 'constructed'), ...parts);
}

/** `[tag] IMPLICIT` of a primitive type. */
export function derContextPrimitive(tag: number, content: Uint8Array): Uint8Array {
  return derTagged(contextTag(tag, 'primitive'), content);
}

export function derBoolean(value: boolean): Uint8Array {
  return Uint8Array.of(TAG.boolean, 1, value ? 0xff : 0);
}

export function derNull(): Uint8Array {
  return Uint8Array.of(TAG.null, 0);
}

/** A non-negative INTEGER from its big-endian magnitude: leading zeros go, a sign octet comes where needed. */
export function derUnsigned(magnitude: Uint8Array): Uint8Array {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const body = magnitude.subarray(start);
  if (body.length === 0) return Uint8Array.of(TAG.integer, 1, 0);
  return (body[0] ?? 0) >= 0x80 ? derTagged(TAG.integer, Uint8Array.of(0), body) : derTagged(TAG.integer, body);
}

/** A non-negative INTEGER from a number. */
export function derInteger(value: number): Uint8Array {
  return derUnsigned(magnitudeOf(value));
}

export function derEnumerated(value: number): Uint8Array {
  invariant(value >= 0 && value < 0x80, 'an ENUMERATED outside 0..127');
  return Uint8Array.of(TAG.enumerated, 1, value);
}

function magnitudeOf(value: number): Uint8Array {
  invariant(Number.isSafeInteger(value) && value >= 0, `an INTEGER from ${value}`);
  const octets: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Uint8Array.from(octets.length === 0 ? [0] : octets);
}

export function derOctetString(...parts: readonly Uint8Array[]): Uint8Array {
  return derTagged(TAG.octetString, ...parts);
}

const NO_UNUSED_BITS = Uint8Array.of(0);

/** A BIT STRING of whole octets. */
export function derBitString(...octets: readonly Uint8Array[]): Uint8Array {
  return derTagged(TAG.bitString, NO_UNUSED_BITS, ...octets);
}

/** A BIT STRING of named bits (X.690 §11.2.2: trailing zero bits removed); bit 0 is the first. */
export function derNamedBits(bits: readonly number[]): Uint8Array {
  const last = Math.max(-1, ...bits);
  if (last < 0) return Uint8Array.of(TAG.bitString, 1, 0);
  const octets = new Uint8Array((last >> 3) + 1);
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return derTagged(TAG.bitString, Uint8Array.of(7 - (last & 7)), octets);
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function derOid(dotted: string): Uint8Array {
  const arcs = dotted.split('.').map(Number);
  const [first, second, ...rest] = arcs;
  invariant(first !== undefined && second !== undefined && arcs.every(Number.isSafeInteger), `object id ${dotted}`);
  return derTagged(TAG.oid, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(arc: number): number[] {
  const octets = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 | (rest % 128));
  return octets;
}

const ASCII = new TextEncoder();

export function derUtf8String(text: string): Uint8Array {
  return derTagged(TAG.utf8String, ASCII.encode(text));
}

/** `[tag] IMPLICIT IA5String`, e.g. a URI in a GeneralName. The caller vouches for the characters. */
export function derContextText(tag: number, text: string): Uint8Array {
  return derContextPrimitive(tag, ASCII.encode(text));
}

const UTC_TIME_FROM = Date.UTC(1950, 0, 1);
const UTC_TIME_UNTIL = Date.UTC(2050, 0, 1);
const YEAR_ZERO = Date.parse('0000-01-01T00:00:00Z');
const YEAR_TEN_THOUSAND = Date.parse('+010000-01-01T00:00:00Z');

/** A time as RFC 5280 §4.1.2.5 wants it: UTCTime for 1950–2049, GeneralizedTime otherwise; fractions are cut off. */
export function derTime(at: Instant): Uint8Array {
  invariant(at >= YEAR_ZERO && at < YEAR_TEN_THOUSAND, `a time from ${at}`);
  const date = new Date(at);
  const year = date.getUTCFullYear();
  const short = at >= UTC_TIME_FROM && at < UTC_TIME_UNTIL;
  const digits = [short ? year % 100 : Math.floor(year / 100)];
  if (!short) digits.push(year % 100);
  digits.push(
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  );
  return timeOfPairs(short ? TAG.utcTime : TAG.generalizedTime, digits);
}

const ZERO = 0x30;
const ZULU = 0x5a;

/** Two digits for each number, then `Z`. */
function timeOfPairs(tag: number, pairs: readonly number[]): Uint8Array {
  const out = new Uint8Array(2 + 2 * pairs.length + 1);
  out[0] = tag;
  out[1] = 2 * pairs.length + 1;
  let offset = 2;
  for (const pair of pairs) {
    out[offset] = ZERO + Math.floor(pair / 10);
    out[offset + 1] = ZERO + (pair % 10);
    offset += 2;
  }
  out[offset] = ZULU;
  return out;
}
