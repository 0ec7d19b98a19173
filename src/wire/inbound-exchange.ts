/**
 * One HTTP/1 request at a server sidecar: node's pair of request and response as an `InboundExchange`.
 *
 * No `Date` header is added: it would be the machine's clock in a world that has its own.
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Dispatcher } from 'undici';
import { invariant, MeshError } from '../core/index.ts';
import type { Address } from './address-book.ts';
import type { Forwarding, InboundConnection, InboundExchange, InboundHeaders, Reply } from './inbound.ts';
import { endToEnd, HOP_BY_HOP, linesByName } from './header-lines.ts';
import { type RequestTarget, targetOf } from './request-target.ts';
import { detailOf } from './socket-error.ts';
import { join, sendUpgrade, type UpgradeAnswer } from './upgrade.ts';

/** Bodies longer than this are refused unless the reader says otherwise. */
export const BODY_BYTES_MAX = 16_777_216;

/** What a request whose connection is about to change hands brings along. */
export interface Upgrading {
  readonly socket: Duplex;
  /** Bytes behind the request. */
  readonly head: Uint8Array;
}

/** What `upgrade` says of a request whose method is CONNECT. */
export const CONNECT = 'connect';

export class HttpExchange implements InboundExchange {
  readonly connection: InboundConnection;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  readonly #applications: Dispatcher;
  readonly #upgrading: Upgrading | undefined;
  readonly #target: RequestTarget;
  #headers: InboundHeaders | undefined;
  #status = 0;

  constructor(
    connection: InboundConnection,
    pair: { readonly request: IncomingMessage; readonly response: ServerResponse; readonly upgrading?: Upgrading },
    applications: Dispatcher,
  ) {
    this.#upgrading = pair.upgrading;
    this.connection = connection;
    this.#request = pair.request;
    this.#target = targetOf(pair.request);
    this.#response = pair.response;
    this.#socket = pair.request.socket;
    this.#applications = applications;
  }

  get protocol(): 'http/1.0' | 'http/1.1' {
    return this.#request.httpVersion === '1.0' ? 'http/1.0' : 'http/1.1';
  }

  get upgrade(): string | undefined {
    if (this.#upgrading === undefined) return undefined;
    return this.method === 'CONNECT' ? CONNECT : this.#request.headers.upgrade?.toLowerCase();
  }

  get hasBody(): boolean {
    return hasBody(this.#request);
  }

  get status(): number {
    return this.#status;
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get path(): string {
    return this.#target.path;
  }

  get host(): string | undefined {
    return this.#target.host;
  }

  get headers(): InboundHeaders {
    this.#headers ??= linesByName(this.rawHeaders);
    return this.#headers;
  }

  get rawHeaders(): readonly string[] {
    return this.#target.rawHeaders;
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
    if (response.headersSent) return;
    this.#status = answer.status;
    response.statusCode = answer.status;
    if (answer.headers !== undefined) {
      for (const [name, value] of Object.entries(answer.headers)) {
        response.setHeader(name, typeof value === 'string' ? value : [...value]);
      }
    }
    response.end(answer.body);
  }

  async forward(to: Address, { path = this.path, headers }: Forwarding = {}): Promise<number> {
    let answer: Dispatcher.ResponseData;
    try {
      answer = await this.#applications.request({
        origin: `http://${to.host}:${to.port}`,
        method: this.method,
        path,
        headers: endToEnd(headers ?? this.rawHeaders),
        body: hasBody(this.#request) ? this.#request : null,
        signal: this.#clientGone(),
      });
    } catch (error) {
      this.reply({ status: 503, body: `upstream connect error: ${detailOf(error)}` });
      return 503;
    }
    const response = this.#response;
    this.#status = answer.statusCode;
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

  /** Aborts once the client has left without its answer: the application need not go on. */
  #clientGone(): AbortSignal {
    const gone = new AbortController();
    this.#response.once('close', () => {
      if (!this.#response.writableFinished) gone.abort();
    });
    return gone.signal;
  }

  async tunnel(over: Duplex, { path = this.path, headers = this.rawHeaders }: Forwarding = {}): Promise<void> {
    const upgrading = this.#upgrading;
    invariant(upgrading !== undefined, 'only an upgrade can be tunnelled');
    let answer: UpgradeAnswer;
    try {
      answer = await sendUpgrade(over, { method: this.method, path, headers, head: upgrading.head });
    } catch (error) {
      this.reply({ status: 503, body: `upstream connect error: ${detailOf(error)}` });
      return;
    }
    const { response, stream } = answer;
    this.#status = answer.status;
    if (stream === undefined) {
      this.#response.statusCode = answer.status;
      for (const [name, value] of Object.entries(response.headers)) {
        if (value !== undefined && !HOP_BY_HOP.has(name)) this.#response.setHeader(name, value);
      }
      await pipeline(response, this.#response).catch(() => this.abort());
      over.destroy();
      return;
    }
    const { socket } = upgrading;
    const lines = [`HTTP/1.1 ${answer.status} ${response.statusMessage ?? ''}`];
    for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
      lines.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`);
    }
    this.#response.detachSocket(this.#socket);
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    join(socket, stream);
  }

  abort(): void {
    this.#socket.destroy();
  }
}

/** Whether the headers announce a body. */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}
