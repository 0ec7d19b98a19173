/**
 * One kept-alive HTTP/1.1 connection of a client sidecar: a socket that has passed its handshake, and undici's codec on
 * it. Carries one request at a time.
 *
 * While it is idle nothing may arrive on it; what does closes it. undici would open a new connection of its own when
 * the socket is gone: here that request fails as `stale`, because the pool chooses connections.
 * @module
 */
import type { Socket } from 'node:net';
import { Client, type Dispatcher, errors } from 'undici';
import { HEADER_BYTES_MAX } from './http-codec.ts';
import type { HttpAnswer, HttpCall, OutboundConnection, OutboundFailure } from './outbound.ts';
import { codeOf, detailOf, reasonOf } from './socket-error.ts';

/** Longest answer that is kept in memory. */
const RESPONSE_BYTES_MAX = 67_108_864;
/** The longest timer Node has, 24 days: idle connections stay open while virtual time stands still. */
const NEVER_MS = 2_147_483_647;

export type Exchange =
  | { readonly state: 'answered'; readonly answer: HttpAnswer & { readonly ok: true } }
  | {
      readonly state: 'failed';
      readonly failure: OutboundFailure;
      /** The request never left, or left on a connection that had answered before and answered nothing now. */
      readonly isStale: boolean;
      readonly isSent: boolean;
    };

/** What the pool asks of a connection, whichever version of HTTP it speaks. */
export interface PooledConnection {
  readonly facts: OutboundConnection;
  /** Takes requests while others are under way. */
  readonly isShared: boolean;
  readonly isOpen: boolean;
  readonly isBusy: boolean;
  /** It was put by at least once: its server may have closed it since. */
  readonly isKept: boolean;
  /** Takes no further request: the server said so, or the pool is draining it. */
  isRetiring: boolean;
  onceClosed(listener: () => void): void;
  keep(): void;
  destroy(): void;
  send(call: HttpCall): Promise<Exchange>;
}

export class HttpConnection implements PooledConnection {
  readonly isShared = false;
  readonly facts: OutboundConnection;
  readonly #socket: Socket;
  #client: Client | undefined;
  #hasAnswered = false;
  #isKept = false;
  /** Takes no further request: the server said so, or the pool is draining it. */
  isRetiring = false;
  isBusy = false;

  constructor(socket: Socket, facts: OutboundConnection) {
    this.#socket = socket;
    this.facts = facts;
    socket.on('error', ignore);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#client?.destroyed !== true;
  }

  get isKept(): boolean {
    return this.#isKept;
  }

  onceClosed(listener: () => void): void {
    if (this.#socket.closed) listener();
    else this.#socket.once('close', listener);
  }

  /** Puts the connection by. One that has not carried a request yet is read, or its end would not be noticed. */
  keep(): void {
    this.#isKept = true;
    if (this.#client !== undefined || this.#socket.listenerCount('data') > 0) return;
    this.#socket.on('data', this.#unexpected);
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
    void this.#client?.destroy().catch(ignore);
  }

  send(call: HttpCall): Promise<Exchange> {
    this.isBusy = true;
    return new Promise((resolve) => {
      this.#attach().dispatch(
        {
          method: call.method,
          path: call.path,
          headers: headersOf(call),
          body: call.body ?? null,
        },
        new Collector(this, call, (exchange) => {
          this.isBusy = false;
          if (exchange.state === 'answered') this.#hasAnswered = true;
          resolve(exchange);
        }),
      );
    });
  }

  /** This connection was accepted by its server: it has answered at least once. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  readonly #unexpected = (): void => {
    this.#socket.destroy();
  };

  #attach(): Client {
    if (this.#client !== undefined) return this.#client;
    const socket = this.#socket;
    socket.off('data', this.#unexpected);
    socket.pause();
    let isTaken = false;
    this.#client = new Client('http://connection.invalid', {
      // Not in the same turn: undici does not look at its queue while it connects.
      connect: (_options, callback) =>
        queueMicrotask(() => {
          if (isTaken || socket.destroyed) {
            callback(new StaleConnection(), null);
            return;
          }
          isTaken = true;
          callback(null, socket);
        }),
      pipelining: 1,
      keepAliveTimeout: NEVER_MS,
      keepAliveMaxTimeout: NEVER_MS,
      keepAliveTimeoutThreshold: 0,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: HEADER_BYTES_MAX,
      maxResponseSize: RESPONSE_BYTES_MAX,
    });
    return this.#client;
  }
}

class StaleConnection extends Error {
  override readonly message = 'the connection closed before the request was sent';
}

/** Gathers one answer. */
class Collector implements Dispatcher.DispatchHandler {
  readonly #connection: HttpConnection;
  readonly #done: (exchange: Exchange) => void;
  readonly #timer: NodeJS.Timeout | undefined;
  #abort: ((reason: Error) => void) | undefined;
  #isTimedOut = false;
  #status = 0;
  #headers: Readonly<Record<string, string | string[]>> = {};
  #chunks: Buffer[] | undefined;
  #only: Buffer | undefined;

  constructor(connection: HttpConnection, call: HttpCall, done: (exchange: Exchange) => void) {
    this.#connection = connection;
    this.#done = done;
    if (call.timeoutMs !== undefined) {
      this.#timer = setTimeout(() => this.#onTimeout(), call.timeoutMs);
      this.#timer.unref();
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#abort = (reason) => controller.abort(reason);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return;
    this.#status = status;
    // undici types absent headers as undefined; an own key always has a value.
    this.#headers = headers as Readonly<Record<string, string | string[]>>;
    const connection = headers['connection'];
    if (connection !== undefined && connection !== 'keep-alive') this.#connection.isRetiring = true;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#only === undefined) this.#only = chunk;
    else (this.#chunks ??= [this.#only]).push(chunk);
  }

  onResponseEnd(): void {
    clearTimeout(this.#timer);
    const body = this.#chunks === undefined ? (this.#only ?? EMPTY) : Buffer.concat(this.#chunks);
    const { facts: connection } = this.#connection;
    this.#done({
      state: 'answered',
      answer: { ok: true, status: this.#status, headers: this.#headers, body, connection, retriedStale: false },
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#timer);
    const connection = this.#connection;
    connection.isRetiring = true;
    const isSent = !(error instanceof StaleConnection);
    const failure = this.#isTimedOut
      ? ({ stage: 'timeout', reason: 'timeout', detail: 'no complete answer in time' } as const)
      : failureOf(error, this.#status > 0);
    const isStale =
      error instanceof StaleConnection || (failure.stage === 'reset-before-response' && connection.hasAnswered);
    this.#done({ state: 'failed', failure: { ...failure, connection: connection.facts }, isStale, isSent });
  }

  #onTimeout(): void {
    this.#isTimedOut = true;
    if (this.#abort === undefined) this.#connection.destroy();
    else this.#abort(new Error('timeout'));
  }
}

/** undici's codes for requests it does not write. */
const UNWRITABLE: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);
const EMPTY: Uint8Array = new Uint8Array();

function failureOf(error: Error, hasStarted: boolean): OutboundFailure {
  const detail = detailOf(error);
  if (UNWRITABLE.has(codeOf(error) ?? '')) return { stage: 'invalid-request', reason: 'invalid_request', detail };
  const isProtocol =
    error instanceof errors.HTTPParserError ||
    error instanceof errors.HeadersOverflowError ||
    error instanceof errors.ResponseContentLengthMismatchError ||
    error instanceof errors.ResponseExceededMaxSizeError;
  if (isProtocol) return { stage: 'protocol', reason: reasonOf(error, 'codec_error'), detail };
  const stage = hasStarted ? 'reset-during-response' : 'reset-before-response';
  return { stage, reason: reasonOf(error, 'connection_closed'), detail };
}

function headersOf(call: HttpCall): string[] {
  const headers: string[] = [];
  if (call.host !== undefined) headers.push('host', call.host);
  if (call.headers !== undefined) {
    for (const [name, value] of Object.entries(call.headers)) {
      if (typeof value === 'string') headers.push(name, value);
      else for (const line of value) headers.push(name, line);
    }
  }
  return headers;
}

function ignore(): void {}
