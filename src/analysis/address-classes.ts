/**
 * The classes of an IP address under a set of blocks: the elementary intervals between the blocks' borders, grouped by
 * the blocks that hold them. The witness is the lowest address of a class, in IPv4 where there is one.
 * @module
 */
import ipaddr from 'ipaddr.js';
import { parseIpBlock, type IpBlock } from '../policy/ip-address.ts';
import type { ClassTable, ValueClass } from './class-table.ts';

interface Range {
  readonly value: number;
  readonly first: bigint;
  readonly last: bigint;
}

const V4_BITS = 32;
const V6_BITS = 128;
/** Documentation and private addresses read better than `0.0.0.0`. */
const PLAIN: Readonly<Record<4 | 6, readonly string[]>> = { 4: ['10.0.0.1', '192.0.2.1'], 6: ['2001:db8::1'] };

export function addressClasses(blocks: readonly string[]): ClassTable<string> {
  const parsed = blocks.map(parseIpBlock);
  const classes = new Map<string, ValueClass<string>>();
  for (const family of [4, 6] as const) {
    const ranges = parsed.flatMap((block, value) => (block?.family === family ? [rangeOf(block, value)] : []));
    for (const at of candidates(family, ranges)) {
      const hits = new Uint8Array(blocks.length);
      for (const range of ranges) if (range.first <= at && at <= range.last) hits[range.value] = 1;
      const key = hits.join('');
      if (!classes.has(key)) classes.set(key, { witness: textOf(family, at), hits, unusual: false });
    }
  }
  return { values: blocks, classes: [...classes.values()] };
}

/** An address of every elementary interval: the start of each block and the address behind it. */
function candidates(family: 4 | 6, ranges: readonly Range[]): readonly bigint[] {
  const top = (1n << BigInt(family === 4 ? V4_BITS : V6_BITS)) - 1n;
  const plain = PLAIN[family].map((text) => {
    const block = parseIpBlock(text);
    return block === undefined ? 0n : numberOf(block);
  });
  // Where no block borders on them, `0.0.0.0` and `::` stand for what the plain addresses stand for.
  const borders = ranges.flatMap(({ first, last }) => [first + (first < last ? 1n : 0n), first, last, last + 1n]);
  const mapped = (at: bigint): boolean => family === 6 && at >> 32n === 0xffffn;
  return [...plain, ...borders, 1n].filter((at) => at <= top && !mapped(at));
}

function rangeOf(block: IpBlock, value: number): Range {
  const first = numberOf(block);
  const bits = (block.family === 4 ? V4_BITS : V6_BITS) - block.bits;
  return { value, first, last: first + (1n << BigInt(bits)) - 1n };
}

function numberOf(block: IpBlock): bigint {
  if (block.family === 4) return BigInt(block.v4);
  return block.v6.reduce((number, word) => (number << 32n) + BigInt(word), 0n);
}

function textOf(family: 4 | 6, at: bigint): string {
  const bytes: number[] = [];
  for (let rest = at, i = 0; i < (family === 4 ? 4 : 16); i++, rest >>= 8n) bytes.unshift(Number(rest & 0xffn));
  return ipaddr.fromByteArray(bytes).toString();
}
