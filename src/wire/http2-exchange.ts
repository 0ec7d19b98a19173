/**
 * HTTP/2 at a server sidecar: node's session on an accepted connection, and each of its streams as an exchange.
 *
 * Not modelled: server push, extended CONNECT (WebSocket over HTTP/2).
 * @module
 */
import {
  connect,
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type Duplex, duplexPair } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { MeshError } from '../core/index.ts';
import type { Address } from './address-book.ts';
import { HEADER_BYTES_MAX, HEADERS_MAX } from './http-codec.ts';
import { linesByName } from './header-lines.ts';
import { CONNECTION_HEADERS, plainHeaders } from './http2-connection.ts';
import type { Forwarding, InboundConnection, InboundExchange, InboundHeaders, Reply } from './inbound.ts';
import { BODY_BYTES_MAX, CONNECT } from './inbound-exchange.ts';
import { detailOf } from './socket-error.ts';
import { join } from './upgrade.ts';

/** Streams of one connection at a time; Envoy's default is 2^31-1, a bound against memory is kinder. */
const STREAMS_MAX = 1_000;

/** A date would be the machine's clock in a world that has its own. Node's types do not know the option. */
const UNDATED: { readonly sendDate: boolean } = { sendDate: false };

/** The headers of a request: node's view for the pseudo-headers, and every line for the others. */
export interface Http2Head {
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value, … */
  readonly raw: readonly string[];
}

export interface Http2Handlers {
  onExchange(stream: ServerHttp2Stream, head: Http2Head): void;
  onError(detail: string): void;
}

/** Takes an accepted connection over; the session ends with its socket. */
export function serveHttp2(socket: Duplex, handlers: Http2Handlers): ServerHttp2Session {
  const session = performServerHandshake(nativeOrPiped(socket), {
    // Pseudo-headers count too.
    maxHeaderListPairs: HEADERS_MAX + 4,
    settings: { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: HEADER_BYTES_MAX },
  });
  session.on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
      stream.on('error', ignore);
      handlers.onExchange(stream, { headers, raw });
    },
  );
  session.on('error', (error) => {
    handlers.onError(detailOf(error));
    socket.destroy();
  });
  // A TLSSocket outside a tls.Server never says so by itself, and node's session waits for it.
  if (socket instanceof TLSSocket) socket.emit('secureConnect');
  socket.once('close', () => session.destroy());
  return session;
}

/**
 * node's session reads below JavaScript, and would miss the bytes of a plain socket that were looked at and put back.
 * A TLSSocket has none of them.
 */
function nativeOrPiped(socket: Duplex): Duplex {
  if (socket instanceof TLSSocket) return socket;
  const [inner, outer] = duplexPair();
  join(socket, outer);
  return inner;
}

export class Http2Exchange implements InboundExchange {
  readonly connection: InboundConnection;
  readonly protocol = 'h2';
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  #plain: InboundHeaders | undefined;
  #status = 0;

  constructor(connection: InboundConnection, stream: ServerHttp2Stream, { headers, raw }: Http2Head) {
    this.connection = connection;
    this.#stream = stream;
    this.#headers = headers;
    this.rawHeaders = regularLines(raw, headers[':authority'] !== undefined);
  }

  /** CONNECT has neither scheme nor path (RFC 9113 8.5), and is an upgrade by another name. */
  get upgrade(): string | undefined {
    return this.method === 'CONNECT' ? CONNECT : undefined;
  }

  get status(): number {
    return this.#status;
  }

  get method(): string {
    return this.#headers[':method'] ?? '';
  }

  get path(): string {
    return this.#headers[':path'] ?? '';
  }

  get host(): string | undefined {
    return this.#headers[':authority'] ?? this.#headers.host;
  }

  get headers(): InboundHeaders {
    this.#plain ??= linesByName(this.rawHeaders);
    return this.#plain;
  }

  get hasBody(): boolean {
    return !this.#stream.readableEnded && !this.#stream.endAfterHeaders;
  }

  async body(limitBytes: number = BODY_BYTES_MAX): Promise<Uint8Array> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const incoming: AsyncIterable<Buffer> = this.#stream.iterator({ destroyOnReturn: false });
    try {
      for await (const chunk of incoming) {
        bytes += chunk.length;
        if (bytes > limitBytes) break;
        chunks.push(chunk);
      }
    } catch (error) {
      throw new MeshError('ERR_WIRE_BODY', `the request body was cut off: ${detailOf(error)}`, { cause: error });
    }
    if (bytes > limitBytes) throw new MeshError('ERR_WIRE_BODY', `the request body is longer than ${limitBytes} bytes`);
    return Buffer.concat(chunks);
  }

  reply({ status, headers = {}, body, trailers }: Reply): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.headersSent) return;
    this.#status = status;
    const lines = { ':status': status, ...withoutConnectionHeaders(headers) };
    const isEmpty = body === undefined || body.length === 0;
    if (trailers === undefined) {
      stream.respond(lines, { ...UNDATED, endStream: isEmpty });
      if (!isEmpty) stream.end(body);
      return;
    }
    stream.respond(lines, { ...UNDATED, waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers(withoutConnectionHeaders(trailers)));
    stream.end(body);
  }

  /** Over HTTP/2 with prior knowledge: what arrives as HTTP/2 leaves as HTTP/2, trailers included. */
  forward(to: Address, changes: Forwarding = {}): Promise<number> {
    const session = connect(`http://${to.host}:${to.port}`);
    return new Promise<number>((resolve) => {
      const fail = (error: unknown): void => {
        if (!this.#stream.headersSent) this.reply({ status: 503, body: `upstream connect error: ${detailOf(error)}` });
        resolve(503);
      };
      session.on('error', fail);
      const stream = session.request(this.#forwarded(changes), { endStream: !this.hasBody });
      stream.on('error', fail);
      stream.once('response', (headers) => {
        const status = headers[':status'] ?? 503;
        this.#status = status;
        if (this.#stream.destroyed) return;
        this.#stream.respond(
          { ':status': status, ...withoutConnectionHeaders(plainHeaders(headers)) },
          { ...UNDATED, waitForTrailers: true },
        );
        let trailers: IncomingHttpHeaders = {};
        stream.once('trailers', (lines) => (trailers = lines));
        this.#stream.once('wantTrailers', () => this.#stream.sendTrailers(plainOutgoing(trailers)));
        stream.pipe(this.#stream);
        resolve(status);
      });
      stream.once('close', () => {
        if (stream.rstCode !== 0) this.#stream.close(stream.rstCode);
        session.close();
      });
      this.#stream.once('close', () => {
        if (this.#stream.rstCode !== 0) stream.close(this.#stream.rstCode);
      });
      if (this.hasBody) this.#stream.pipe(stream);
    });
  }

  tunnel(): void {
    this.reply({ status: 501 });
  }

  abort(): void {
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  #forwarded({ path = this.path, headers }: Forwarding): Record<string, string | string[]> {
    const lines: Record<string, string | string[]> = {
      ':method': this.method,
      ':path': path,
      ':scheme': 'http',
      ...(this.host !== undefined && { ':authority': this.host }),
    };
    const raw = headers ?? this.rawHeaders;
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const [name = '', value = ''] = [raw[i]?.toLowerCase(), raw[i + 1]];
      if (CONNECTION_HEADERS.has(name)) continue;
      const before = lines[name];
      if (before === undefined) lines[name] = value;
      else lines[name] = Array.isArray(before) ? [...before, value] : [before, value];
    }
    return lines;
  }
}

/**
 * Lines without pseudo-headers. `:authority` takes the place of a Host beside it, as in Envoy; crumbs of a cookie make one
 * line again (RFC 9113 8.2.3).
 */
function regularLines(raw: readonly string[], hasAuthority: boolean): readonly string[] {
  const lines: string[] = [];
  let cookieAt = -1;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name = '', value = ''] = [raw[i], raw[i + 1]];
    if (name.startsWith(':') || (hasAuthority && name === 'host')) continue;
    if (name === 'cookie' && cookieAt >= 0) {
      lines[cookieAt] += `; ${value}`;
      continue;
    }
    if (name === 'cookie') cookieAt = lines.length + 1;
    lines.push(name, value);
  }
  return lines;
}

function withoutConnectionHeaders(
  headers: Readonly<Record<string, string | readonly string[]>>,
): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (!CONNECTION_HEADERS.has(lower)) kept[lower] = typeof value === 'string' ? value : [...value];
  }
  return kept;
}

function plainOutgoing(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  return withoutConnectionHeaders(plainHeaders(headers));
}

function ignore(): void {}
