/**
 * One TCP conversation as IPv4 packets, made up around the bytes that were seen: three-way handshake, segments with
 * running numbers, an orderly end or a reset. Nothing is lost, reordered or retransmitted.
 *
 * Source: RFC 791, RFC 9293 (headers, checksum with pseudo header).
 * @module
 */
import { ipv4Bytes } from './pcapng.ts';
import type { Direction } from './wire-rule.ts';

export interface ConversationEnd {
  /** IPv4 */
  readonly ip: string;
  readonly port: number;
}

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const PSH = 0x08;
const ACK = 0x10;
const HEADERS_BYTES = 40;
const IPV4_TCP = 6;
const TTL = 64;
const WINDOW = 0xffff;
/** Payload of a segment on Ethernet. */
const SEGMENT_BYTES_MAX = 1_460;

export class Conversation {
  readonly #ends: Readonly<Record<Direction, { readonly ip: Buffer; readonly port: number }>>;
  readonly #next: Record<Direction, number>;

  /** @param ends `up` is the client, which sends up; `down` the server */
  constructor(ends: Readonly<Record<Direction, ConversationEnd>>, firstNumbers: Readonly<Record<Direction, number>>) {
    this.#ends = {
      up: { ip: ipv4Bytes(ends.up.ip), port: ends.up.port },
      down: { ip: ipv4Bytes(ends.down.ip), port: ends.down.port },
    };
    this.#next = { ...firstNumbers };
  }

  open(): Buffer[] {
    return [this.#packet('up', SYN), this.#packet('down', SYN | ACK), this.#packet('up', ACK)];
  }

  data(direction: Direction, bytes: Uint8Array): Buffer[] {
    const packets: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += SEGMENT_BYTES_MAX)
      packets.push(this.#packet(direction, PSH | ACK, bytes.subarray(at, at + SEGMENT_BYTES_MAX)));
    return packets;
  }

  close(how: 'closed' | 'reset'): Buffer[] {
    if (how === 'reset') return [this.#packet('down', RST | ACK)];
    return [this.#packet('up', FIN | ACK), this.#packet('down', FIN | ACK), this.#packet('up', ACK)];
  }

  #packet(direction: Direction, flags: number, payload: Uint8Array = EMPTY): Buffer {
    const other = direction === 'up' ? 'down' : 'up';
    const [from, to] = [this.#ends[direction], this.#ends[other]];
    const packet = Buffer.alloc(HEADERS_BYTES + payload.length);
    packet.writeUInt8(0x45, 0);
    packet.writeUInt16BE(packet.length, 2);
    // Don't fragment.
    packet.writeUInt16BE(0x4000, 6);
    packet.writeUInt8(TTL, 8);
    packet.writeUInt8(IPV4_TCP, 9);
    from.ip.copy(packet, 12);
    to.ip.copy(packet, 16);
    packet.writeUInt16BE(onesComplement(packet.subarray(0, 20)), 10);
    packet.writeUInt16BE(from.port, 20);
    packet.writeUInt16BE(to.port, 22);
    packet.writeUInt32BE(this.#next[direction], 24);
    packet.writeUInt32BE((flags & ACK) === 0 ? 0 : this.#next[other], 28);
    packet.writeUInt8(0x50, 32);
    packet.writeUInt8(flags, 33);
    packet.writeUInt16BE(WINDOW, 34);
    packet.set(payload, HEADERS_BYTES);
    const pseudo = Buffer.concat([packet.subarray(12, 20), Buffer.of(0, IPV4_TCP), lengthOf(packet.length - 20)]);
    packet.writeUInt16BE(onesComplement(Buffer.concat([pseudo, packet.subarray(20)])), 36);
    const consumed = payload.length + ((flags & (SYN | FIN)) === 0 ? 0 : 1);
    this.#next[direction] = (this.#next[direction] + consumed) >>> 0;
    return packet;
  }
}

const EMPTY: Uint8Array = new Uint8Array();

function lengthOf(bytes: number): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes);
  return length;
}

/** The checksum of IP and TCP. */
function onesComplement(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
