/**
 * One HTTP/1 request at a server sidecar: node's pair of request and response as an `InboundExchange`.
 *
 * No `Date` header is added: it would be the machine's clock in a world that has its own.
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Dispatcher } from 'undici';
import { MeshError } from '../core/index.ts';
import type { Address } from './address-book.ts';
import type { InboundConnection, InboundExchange, InboundHeaders, Reply } from './inbound.ts';
import { detailOf } from './socket-error.ts';

/** Bodies longer than this are refused unless the reader says otherwise. */
export const BODY_BYTES_MAX = 16_777_216;

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

export class HttpExchange implements InboundExchange {
  readonly connection: InboundConnection;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  readonly #applications: Dispatcher;

  constructor(
    connection: InboundConnection,
    pair: { readonly request: IncomingMessage; readonly response: ServerResponse },
    applications: Dispatcher,
  ) {
    this.connection = connection;
    this.#request = pair.request;
    this.#response = pair.response;
    this.#socket = pair.request.socket;
    this.#applications = applications;
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get path(): string {
    return this.#request.url ?? '';
  }

  get host(): string | undefined {
    return this.#request.headers.host;
  }

  get headers(): InboundHeaders {
    // Node types absent headers as undefined; an own key always has a value.
    return this.#request.headers as InboundHeaders;
  }

  get rawHeaders(): readonly string[] {
    return this.#request.rawHeaders;
  }

  async body(limitBytes: number = BODY_BYTES_MAX): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    // Not destroyed when we stop early: its reader may still want to answer.
    const incoming: AsyncIterable<Uint8Array> = this.#request.iterator({ destroyOnReturn: false });
    try {
      for await (const chunk of incoming) {
        bytes += chunk.length;
        if (bytes > limitBytes) break;
        chunks.push(chunk);
      }
    } catch (error) {
      throw new MeshError('ERR_WIRE_BODY', `the request body was cut off: ${detailOf(error)}`, { cause: error });
    }
    if (bytes > limitBytes) {
      throw new MeshError('ERR_WIRE_BODY', `the request body is longer than ${limitBytes} bytes`);
    }
    return Buffer.concat(chunks);
  }

  reply(answer: Reply): void {
    const response = this.#response;
    response.statusCode = answer.status;
    if (answer.headers !== undefined) {
      for (const [name, value] of Object.entries(answer.headers)) {
        response.setHeader(name, typeof value === 'string' ? value : [...value]);
      }
    }
    response.end(answer.body);
  }

  async forward(to: Address, extraHeaders: Readonly<Record<string, string>> = {}): Promise<number> {
    let answer: Dispatcher.ResponseData;
    try {
      answer = await this.#applications.request({
        origin: `http://${to.host}:${to.port}`,
        method: this.method,
        path: this.path,
        headers: forwardedHeaders(this.#request.rawHeaders, extraHeaders),
        body: hasBody(this.#request) ? this.#request : null,
      });
    } catch (error) {
      this.reply({ status: 503, body: `upstream connect error: ${detailOf(error)}` });
      return 503;
    }
    const response = this.#response;
    response.statusCode = answer.statusCode;
    for (const [name, value] of Object.entries(answer.headers)) {
      if (value !== undefined && !HOP_BY_HOP.has(name)) response.setHeader(name, value);
    }
    try {
      await pipeline(answer.body, response);
    } catch {
      this.abort();
    }
    return answer.statusCode;
  }

  abort(): void {
    this.#socket.destroy();
  }
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}

/** End-to-end headers as they arrived, less what the connection owns; `extra` replaces headers of the same name. */
function forwardedHeaders(raw: readonly string[], extra: Readonly<Record<string, string>>): string[] {
  const replaced = new Set(Object.keys(extra).map((name) => name.toLowerCase()));
  const headers: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const [name = '', value = ''] = [raw[i], raw[i + 1]];
    const lower = name.toLowerCase();
    if (!HOP_BY_HOP.has(lower) && !replaced.has(lower)) headers.push(name, value);
  }
  for (const [name, value] of Object.entries(extra)) headers.push(name, value);
  return headers;
}
