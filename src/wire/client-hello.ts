/**
 * Reads server name and ALPN list from a ClientHello, without taking part in the handshake.
 *
 * Bounded as Envoy's TLS inspector is (16 KiB). What is not a well-formed ClientHello is `malformed`; Envoy treats such
 * bytes as not being TLS. Not modelled: Encrypted Client Hello (the outer hello is what is read).
 * Source: RFC 8446 4.1.2 and 5.1, RFC 6066 3, RFC 7301 3.1.
 * @module
 */

/** Envoy's limit for the handshake message. */
export const CLIENT_HELLO_BYTES_MAX = 16_384;

const HANDSHAKE_RECORD = 0x16;
const CLIENT_HELLO = 0x01;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;

export type ClientHello =
  | { readonly state: 'hello'; readonly sni?: string; readonly alpn: readonly string[] }
  | { readonly state: 'incomplete' | 'malformed' | 'too-large' };

/** Whether a connection that begins like this can still be TLS. Decides on one byte; two, if there are two. */
export function looksLikeTls(bytes: Uint8Array): boolean {
  return bytes[0] === HANDSHAKE_RECORD && (bytes.length < 2 || bytes[1] === 3);
}

/** Reads the first bytes of a connection, which may be too few. */
export function readClientHello(bytes: Uint8Array): ClientHello {
  const message = joinRecords(bytes);
  if (typeof message === 'string') return { state: message };
  try {
    return readMessage(new Cursor(message));
  } catch (error) {
    if (error instanceof OutOfBytes) return { state: 'malformed' };
    throw error;
  }
}

/** The handshake message that the records carry, its four-byte header included. Linear in the number of records. */
function joinRecords(bytes: Uint8Array): Uint8Array | 'incomplete' | 'malformed' | 'too-large' {
  const parts: Uint8Array[] = [];
  let have = 0;
  let need = 0;
  for (let at = 0; need === 0 || have < need;) {
    const rest = bytes.subarray(at);
    if (rest.length > 0 && !looksLikeTls(rest)) return 'malformed';
    if (rest.length < 5) return 'incomplete';
    const length = uint16(rest, 3);
    if (length === 0 || length > CLIENT_HELLO_BYTES_MAX) return 'malformed';
    const part = rest.subarray(5, 5 + length);
    parts.push(part);
    have += part.length;
    if (need === 0 && have >= 4) {
      const head = Buffer.concat(parts);
      if (head[0] !== CLIENT_HELLO) return 'malformed';
      need = 4 + (head[1] ?? 0) * 65_536 + uint16(head, 2);
      if (need > CLIENT_HELLO_BYTES_MAX) return 'too-large';
    }
    if ((need === 0 || have < need) && part.length < length) return 'incomplete';
    at += 5 + length;
  }
  return Buffer.concat(parts).subarray(0, need);
}

function readMessage(message: Cursor): ClientHello {
  message.skip(4 + 2 + 32);
  message.vector(1);
  message.vector(2);
  message.vector(1);
  let sni: string | undefined;
  let alpn: readonly string[] = [];
  if (message.left > 0) {
    const extensions = message.vector(2);
    while (extensions.left > 0) {
      const type = extensions.uint(2);
      const body = extensions.vector(2);
      if (type === EXTENSION_SERVER_NAME) sni = readServerName(body);
      else if (type === EXTENSION_ALPN) alpn = readProtocols(body);
    }
  }
  return { state: 'hello', alpn, ...(sni !== undefined && { sni }) };
}

function readServerName(body: Cursor): string | undefined {
  const names = body.vector(2);
  while (names.left > 0) {
    const type = names.uint(1);
    const name = names.vector(2).text();
    if (type === 0) return name;
  }
  return undefined;
}

function readProtocols(body: Cursor): readonly string[] {
  const list = body.vector(2);
  const protocols: string[] = [];
  while (list.left > 0) protocols.push(list.vector(1).text());
  return protocols;
}

class OutOfBytes extends Error {}

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  skip(count: number): void {
    this.#take(count);
  }

  uint(width: 1 | 2): number {
    const bytes = this.#take(width);
    return width === 1 ? (bytes[0] ?? 0) : uint16(bytes, 0);
  }

  /** A vector behind its length. */
  vector(width: 1 | 2): Cursor {
    return new Cursor(this.#take(this.uint(width)));
  }

  text(): string {
    return Buffer.from(this.#bytes).toString('latin1');
  }

  #take(count: number): Uint8Array {
    if (count > this.left) throw new OutOfBytes();
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
}
