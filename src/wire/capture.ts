/**
 * What somebody on a link sees: every byte of every connection, in order, on the virtual clock, as a pcapng file that
 * Wireshark opens; with the TLS secrets inside where the mesh's owner asks for them.
 *
 * It is one more rule on the seam. A rule installed before it has already acted on the bytes it sees, one installed
 * after it has not. Addresses are the workloads' virtual ones; TCP around the bytes is made up (`tcp-segments.ts`).
 * Not modelled: what happens on loopback itself, packet loss, connections that fail before they carry a byte.
 * @module
 */
import type { Instant } from '../core/index.ts';
import { encodePcapng, type Packet } from './pcapng.ts';
import { Conversation } from './tcp-segments.ts';
import { type LinkMatch, matchesLink } from './faults.ts';
import type { Direction, Link, RelayedConnection, WireRule } from './wire-rule.ts';

export interface CaptureOptions {
  /** Links to listen on. @defaultValue all */
  readonly links?: readonly LinkMatch[];
  /** Keep the TLS secrets of these links, so that the capture can be decrypted. @defaultValue false */
  readonly secrets?: boolean;
  /** Bytes to keep; what comes later is counted, not kept. @defaultValue 64 MiB */
  readonly limitBytes?: number;
}

/** What a capture asks of its mesh. */
export interface CaptureWorld {
  now(): Instant;
  /** IPv4 address of a workload, as the mesh numbers its pods. */
  ipOf(workload: string): string | undefined;
}

export interface CaptureCount {
  readonly connections: number;
  readonly bytes: Readonly<Record<Direction, number>>;
}

type CapturedKind = 'open' | 'data' | 'end';

interface Captured {
  readonly kind: CapturedKind;
  readonly at: bigint;
  readonly connection: RelayedConnection;
  readonly direction: Direction;
  readonly bytes: Uint8Array;
}

const LIMIT_BYTES = 67_108_864;
const MS_NS = 1_000_000n;
const EMPTY: Uint8Array = new Uint8Array();
/** TEST-NET-3 (RFC 5737): callers and servers that are no pod. */
const ELSEWHERE_IP = '203.0.113.1';
/** First port of the usual ephemeral range, and how many there are. */
const EPHEMERAL_PORT = 32_768;
const EPHEMERAL_PORTS = 28_232;

export class Capture {
  /** To be installed on a seam. */
  readonly rule: WireRule;
  readonly #world: CaptureWorld;
  readonly #limitBytes: number;
  readonly #captured: Captured[] = [];
  readonly #keyLog: Uint8Array[] = [];
  readonly #bytes: Record<Direction, number> = { up: 0, down: 0 };
  #connections = 0;
  #kept = 0;
  #last = 0n;

  constructor(world: CaptureWorld, options: CaptureOptions = {}) {
    const { links, secrets = false, limitBytes = LIMIT_BYTES } = options;
    this.#world = world;
    this.#limitBytes = limitBytes;
    this.rule = {
      name: 'capture',
      matches: (link) => links === undefined || links.some((on) => matchesLink(link, on)),
      onOpen: (connection) => {
        this.#connections += 1;
        this.#keep('open', connection);
      },
      onBytes: (connection, direction, chunk) => {
        this.#bytes[direction] += chunk.length;
        this.#keep('data', connection, direction, chunk);
        return chunk;
      },
      onClose: (connection) => this.#keep('end', connection),
      ...(secrets && { onSecret: (_link, line) => void this.#keyLog.push(Uint8Array.from(line)) }),
    };
  }

  /** Seen so far, kept or not. */
  get count(): CaptureCount {
    return { connections: this.#connections, bytes: { ...this.#bytes } };
  }

  /** True when the limit was reached: the files lack the end. */
  get truncated(): boolean {
    return this.#bytes.up + this.#bytes.down > this.#kept;
  }

  /** Lines of an SSLKEYLOGFILE; empty unless secrets were asked for. */
  get keyLog(): string {
    return Buffer.concat(this.#keyLog).toString('latin1');
  }

  /** All bytes kept of one direction, or of both, connection by connection. */
  payload(direction?: Direction): Uint8Array {
    const streams = new Map<string, Uint8Array[]>();
    for (const one of this.#captured) {
      if (one.kind !== 'data' || (direction !== undefined && one.direction !== direction)) continue;
      const key = `${one.connection.id}/${one.direction}`;
      const stream = streams.get(key);
      if (stream === undefined) streams.set(key, [one.bytes]);
      else stream.push(one.bytes);
    }
    return Buffer.concat([...streams.values()].flat());
  }

  /** Whether the bytes of one connection hold `text` somewhere. */
  contains(text: string): boolean {
    return Buffer.from(this.payload()).includes(text);
  }

  /**
   * @param options.secrets false leaves the secrets out of the file, if there are any: what the eavesdropper has
   */
  pcapng(options: { readonly secrets?: boolean } = {}): Uint8Array {
    const withSecrets = options.secrets ?? true;
    const names = new Map<string, string>();
    const packets = this.#packets(names);
    return encodePcapng({
      comment: 'a meshproof capture: virtual addresses and virtual time',
      interfaceName: 'mesh',
      names,
      ...(withSecrets && { keyLog: Buffer.concat(this.#keyLog) }),
      packets,
    });
  }

  #keep(
    kind: CapturedKind,
    connection: RelayedConnection,
    direction: Direction = 'up',
    bytes: Uint8Array = EMPTY,
  ): void {
    if (this.#kept + bytes.length > this.#limitBytes) return;
    this.#kept += bytes.length;
    this.#captured.push({ kind, at: this.#stamp(), connection, direction, bytes: Uint8Array.from(bytes) });
  }

  /** Virtual time stands still while bytes move; a nanosecond a packet keeps their order visible. */
  #stamp(): bigint {
    const now = BigInt(Math.round(this.#world.now())) * MS_NS;
    this.#last = now > this.#last ? now : this.#last + 1n;
    return this.#last;
  }

  #packets(names: Map<string, string>): Packet[] {
    const conversations = new Map<number, Conversation>();
    const packets: Packet[] = [];
    for (const { kind, at, connection, direction, bytes } of this.#captured) {
      let conversation = conversations.get(connection.id);
      if (conversation === undefined) {
        // Joined in the middle: Wireshark reads it better with a beginning.
        conversation = this.#begin(connection, names);
        conversations.set(connection.id, conversation);
        const comment = `${connection.link.source} -> ${connection.link.destination}:${connection.link.port}`;
        conversation.open().forEach((packet, i) => packets.push({ at, bytes: packet, ...(i === 0 && { comment }) }));
      }
      const segments =
        kind === 'data'
          ? conversation.data(direction, bytes)
          : kind === 'end'
            ? conversation.close(connection.ended ?? 'closed')
            : [];
      for (const segment of segments) packets.push({ at, bytes: segment });
    }
    return packets;
  }

  #begin({ id, link }: RelayedConnection, names: Map<string, string>): Conversation {
    const [client, server] = [this.#ip(link, 'source', names), this.#ip(link, 'destination', names)];
    return new Conversation(
      {
        up: { ip: client, port: EPHEMERAL_PORT + (id % EPHEMERAL_PORTS) },
        down: { ip: server, port: link.port },
      },
      { up: 1_000, down: 2_000 },
    );
  }

  #ip(link: Link, end: 'source' | 'destination', names: Map<string, string>): string {
    const ip = this.#world.ipOf(link[end]) ?? ELSEWHERE_IP;
    // Wireshark takes host names: no blanks, no slashes.
    names.set(
      ip,
      link[end]
        .split('/')
        .toReversed()
        .join('.')
        .replaceAll(/[^A-Za-z0-9.-]+/g, '-'),
    );
    return ip;
  }
}
