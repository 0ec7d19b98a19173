/**
 * One HTTP/2 connection of a client sidecar: a socket that has passed its handshake, and node's session on it. Carries
 * any number of requests at once, as Envoy's connection pool does.
 *
 * Not modelled: flow of a body while it is sent or received (bodies are held whole), server push.
 * @module
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { Exchange, PooledConnection } from './http-connection.ts';
import type { HttpCall, OutboundConnection, OutboundFailure } from './outbound.ts';
import { detailOf, reasonOf } from './socket-error.ts';

/** Longest answer that is kept in memory. */
const RESPONSE_BYTES_MAX = 67_108_864;

export class Http2Connection implements PooledConnection {
  readonly facts: OutboundConnection;
  readonly isShared = true;
  readonly #socket: Socket;
  readonly #http2: ClientHttp2Session;
  #streams = 0;
  hasAnswered = false;
  isKept = false;
  isRetiring = false;

  constructor(socket: Socket, facts: OutboundConnection) {
    this.#socket = socket;
    this.facts = facts;
    socket.on('error', ignore);
    this.#http2 = connect('http://connection.invalid', { createConnection: () => socket });
    this.#http2.on('error', ignore);
    this.#http2.on('goaway', () => (this.isRetiring = true));
    // An idle session is no reason for the process to live on; a mesh closes its own.
    socket.once('close', () => this.#http2.destroy());
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && !this.#http2.destroyed && !this.#http2.closed;
  }

  get isBusy(): boolean {
    return this.#streams > 0;
  }

  onceClosed(listener: () => void): void {
    if (this.#socket.closed) listener();
    else this.#socket.once('close', listener);
  }

  keep(): void {
    this.isKept = true;
  }

  destroy(): void {
    this.#http2.destroy();
    this.#socket.destroy();
  }

  send(call: HttpCall): Promise<Exchange> {
    this.#streams += 1;
    return new Promise<Exchange>((resolve) => {
      if (!this.isOpen) {
        resolve(this.#failed({ stage: 'reset-before-response', reason: 'connection_closed', detail: 'closed' }, false));
        return;
      }
      try {
        this.#exchange(call, resolve);
      } catch (error) {
        resolve(
          this.#failed({ stage: 'invalid-request', reason: 'invalid_request', detail: detailOf(error) }, false, false),
        );
      }
    }).finally(() => (this.#streams -= 1));
  }

  #exchange(call: HttpCall, settle: (exchange: Exchange) => void): void {
    const hasBody = call.body !== undefined && call.body.length > 0;
    const stream = this.#http2.request(headersOf(call), { endStream: !hasBody });
    const answer = collect(stream);
    const timer =
      call.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            answer.isTimedOut = true;
            stream.destroy();
          }, call.timeoutMs).unref();
    let failure: unknown;
    stream.on('error', (error) => (failure ??= error));
    stream.once('close', () => {
      clearTimeout(timer);
      if (answer.isComplete && failure === undefined) {
        this.hasAnswered = true;
        settle({
          state: 'answered',
          answer: {
            ok: true,
            status: answer.status,
            headers: answer.headers,
            body: Buffer.concat(answer.chunks),
            connection: this.facts,
            retriedStale: false,
            ...(Object.keys(answer.trailers).length > 0 && { trailers: answer.trailers }),
          },
        });
        return;
      }
      settle(this.#failed(failureOf(answer, failure), true));
    });
    if (hasBody) stream.end(call.body);
  }

  #failed(failure: OutboundFailure, isSent: boolean, mayBeStale = true): Exchange & { state: 'failed' } {
    const isStale =
      mayBeStale && (!isSent || (failure.stage === 'reset-before-response' && this.hasAnswered && !this.isOpen));
    return { state: 'failed', failure: { ...failure, connection: this.facts }, isStale, isSent };
  }
}

interface Collected {
  status: number;
  headers: Readonly<Record<string, string | readonly string[]>>;
  trailers: Readonly<Record<string, string | readonly string[]>>;
  readonly chunks: Buffer[];
  isComplete: boolean;
  isTimedOut: boolean;
  isTooLong: boolean;
}

function collect(stream: ClientHttp2Stream): Collected {
  const answer: Collected = {
    status: 0,
    headers: {},
    trailers: {},
    chunks: [],
    isComplete: false,
    isTimedOut: false,
    isTooLong: false,
  };
  let bytes = 0;
  stream.on('response', (headers) => {
    answer.status = headers[':status'] ?? 0;
    answer.headers = plainHeaders(headers);
  });
  stream.on('trailers', (headers) => (answer.trailers = plainHeaders(headers)));
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    answer.chunks.push(chunk);
    if (bytes <= RESPONSE_BYTES_MAX) return;
    answer.isTooLong = true;
    stream.destroy();
  });
  stream.once('end', () => (answer.isComplete = answer.status > 0 && !stream.aborted && stream.rstCode === 0));
  return answer;
}

function failureOf(answer: Collected, failure: unknown): OutboundFailure {
  if (answer.isTimedOut) return { stage: 'timeout', reason: 'timeout', detail: 'no complete answer in time' };
  if (answer.isTooLong) return { stage: 'protocol', reason: 'response_too_long', detail: 'the answer is too long' };
  const stage = answer.status > 0 ? 'reset-during-response' : 'reset-before-response';
  const detail = failure === undefined ? 'the stream was reset' : detailOf(failure);
  return { stage, reason: reasonOf(failure, 'connection_closed'), detail };
}

/** Headers of one connection alone have no place in HTTP/2 (RFC 9113 8.2.2). */
export const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'host',
]);

function headersOf(call: HttpCall): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {
    ':method': call.method,
    ':path': call.path,
    ':scheme': 'http',
    ...(call.host !== undefined && { ':authority': call.host }),
  };
  for (const [name, value] of Object.entries(call.headers ?? {})) {
    const lower = name.toLowerCase();
    if (CONNECTION_HEADERS.has(lower) || (lower === 'te' && value !== 'trailers')) continue;
    headers[lower] = typeof value === 'string' ? value : [...value];
  }
  return headers;
}

/** Without pseudo-headers. */
export function plainHeaders(headers: IncomingHttpHeaders): Record<string, string | readonly string[]> {
  const plain: Record<string, string | readonly string[]> = Object.create(null);
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(':') && value !== undefined) plain[name] = value;
  }
  return plain;
}

function ignore(): void {}
