/**
 * IP addresses and blocks: blocks are read once, with ipaddr.js; addresses of requests are read by hand into reused
 * memory, so that a decision allocates nothing.
 *
 * An IPv4 address mapped into IPv6 (`::ffff:10.0.0.1`) is the IPv4 address, as Envoy hands it on.
 * @module
 */
import ipaddr from 'ipaddr.js';

/** A request's address: `family` 0 stands for none. */
export class IpAddress {
  family: 0 | 4 | 6 = 0;
  /** IPv4 as an unsigned integer. */
  v4 = 0;
  /** IPv6 as four 32-bit words. */
  readonly v6: Uint32Array = new Uint32Array(4);

  /** Reads `text`; false, and no address, where it is malformed. */
  read(text: string): boolean {
    this.family = 0;
    const v4 = parseV4(text, 0);
    if (v4 >= 0) {
      this.family = 4;
      this.v4 = v4;
      return true;
    }
    if (!text.includes(':') || !parseV6(text, this.v6)) return false;
    const [a = 0, b = 0, c = 0, d = 0] = this.v6;
    this.family = a === 0 && b === 0 && c === 0xffff ? 4 : 6;
    if (this.family === 4) this.v4 = d;
    return true;
  }

  /** As a policy would write it, mapped IPv4 addresses as IPv4; empty for none. */
  get text(): string {
    if (this.family === 0) return '';
    if (this.family === 4) return [24, 16, 8, 0].map((shift) => (this.v4 >>> shift) & 0xff).join('.');
    return [...this.v6].flatMap((word) => [word >>> 16, word & 0xffff].map((group) => group.toString(16))).join(':');
  }
}

export interface IpBlock {
  readonly family: 4 | 6;
  readonly bits: number;
  readonly v4: number;
  readonly v6: readonly number[];
}

/** Reads an address or a CIDR block; host bits are ignored. Nothing where the text is malformed. */
export function parseIpBlock(text: string): IpBlock | undefined {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const bitsText = slash < 0 ? undefined : text.slice(slash + 1);
  if (bitsText !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(bitsText)) return undefined;
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) {
    const bits = Number(bitsText ?? 32);
    if (bits > 32 || /(?:^|\.)0\d/.test(address)) return undefined;
    const v4 = wordOf(ipaddr.IPv4.parse(address).octets);
    return { family: 4, bits, v4: mask(v4, bits), v6: [] };
  }
  if (!ipaddr.IPv6.isValid(address) || address.includes('%')) return undefined;
  const bits = Number(bitsText ?? 128);
  if (bits > 128) return undefined;
  const { parts } = ipaddr.IPv6.parse(address);
  const words = [0, 2, 4, 6].map((i) => ((parts[i] ?? 0) * 0x10000 + (parts[i + 1] ?? 0)) >>> 0);
  return { family: 6, bits, v4: 0, v6: words.map((word, i) => mask(word, Math.min(32, Math.max(0, bits - 32 * i)))) };
}

export function blockContains(block: IpBlock, address: IpAddress): boolean {
  if (block.family !== address.family) return false;
  if (block.family === 4) return mask(address.v4, block.bits) === block.v4;
  for (let i = 0; i < 4; i++) {
    const bits = Math.min(32, block.bits - 32 * i);
    if (bits <= 0) return true;
    if (mask(address.v6[i] ?? 0, bits) !== block.v6[i]) return false;
  }
  return true;
}

/** The leading bits of an address, as something to look up: equal for two addresses of one block of that length. */
export function leadingBits({ family, v4, v6 }: IpAddress | IpBlock, bits: number): number | string {
  if (family === 4) return mask(v4, bits);
  let key = '';
  for (let i = 0; i < 4; i++) key += `${mask(v6[i] ?? 0, Math.min(32, Math.max(0, bits - 32 * i)))}.`;
  return key;
}

/** The leading `bits` of a 32-bit word. */
export function mask(word: number, bits: number): number {
  return bits === 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
}

function wordOf(octets: readonly number[]): number {
  return octets.reduce((word, octet) => word * 256 + octet, 0);
}

/** The address from `start` to the end of `text`; -1 where it is not dotted decimal without leading zeros. */
function parseV4(text: string, start: number): number {
  let word = 0;
  let octet = -1;
  let dots = 0;
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) {
      if (octet === 0) return -1;
      octet = (octet < 0 ? 0 : octet * 10) + code - 0x30;
      if (octet > 255) return -1;
    } else if (code === 0x2e && octet >= 0 && dots < 3) {
      word = word * 256 + octet;
      octet = -1;
      dots++;
    } else return -1;
  }
  return dots === 3 && octet >= 0 ? word * 256 + octet : -1;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

const groups = new Uint16Array(8);

/** RFC 4291 §2.2 text into four words; zone identifiers are refused. */
function parseV6(text: string, words: Uint32Array): boolean {
  let count = 0;
  let gap = -1;
  let i = 0;
  if (text.startsWith('::')) {
    gap = 0;
    i = 2;
  }
  while (i < text.length) {
    if (count === 8) return false;
    const end = groupEnd(text, i);
    if (end < text.length && text.charCodeAt(end) === 0x2e) {
      const v4 = count <= 6 ? parseV4(text, i) : -1;
      if (v4 < 0) return false;
      groups[count++] = v4 >>> 16;
      groups[count++] = v4 & 0xffff;
      i = text.length;
      break;
    }
    if (end === i || end - i > 4) return false;
    groups[count++] = hexOf(text, i, end);
    i = end;
    if (i === text.length) break;
    if (text.charCodeAt(i) !== 0x3a) return false;
    i++;
    if (text.charCodeAt(i) === 0x3a) {
      if (gap >= 0) return false;
      gap = count;
      i++;
    } else if (i === text.length) return false;
  }
  if (gap < 0 ? count !== 8 : count > 7) return false;
  fillWords(words, count, gap);
  return true;
}

function groupEnd(text: string, start: number): number {
  let end = start;
  while (end < text.length && hexDigit(text.charCodeAt(end)) >= 0) end++;
  return end;
}

function hexOf(text: string, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 16 + hexDigit(text.charCodeAt(i));
  return value;
}

/** Puts the groups that were read around the `::` at `gap`. */
function fillWords(words: Uint32Array, count: number, gap: number): void {
  const missing = 8 - count;
  const at = (index: number): number => {
    if (gap < 0 || index < gap) return groups[index] ?? 0;
    return index < gap + missing ? 0 : (groups[index - missing] ?? 0);
  };
  for (let w = 0; w < 4; w++) words[w] = at(2 * w) * 0x10000 + at(2 * w + 1);
}
