/**
 * A server sidecar's port: accepts, looks at the first bytes, asks for a filter chain, terminates TLS, and hands over
 * HTTP exchanges or TCP streams.
 *
 * One connection goes through three states, each with its own handlers: *arriving* (bytes read and put back),
 * *handshaking* (TLS chains only) and *open*. A refusal is possible in the first two, and leaves no open socket.
 * INVARIANT: `onHttp` and `onTcp` see a connection only after `onOpened`, and `onOpened` only after its chain, if it
 * has one, was judged in the turn of its handshake.
 * Source: Istio's inbound filter chains; Envoy's TLS and HTTP inspectors.
 * @module
 */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import { createServer, type Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Agent } from 'undici';
import type { Address, VirtualPeer } from './address-book.ts';
import { readFirstFlight } from './first-flight.ts';
import { BAD_REQUEST, createHttpCodec, endWith } from './http-codec.ts';
import type {
  FilterChain,
  FirstFlight,
  InboundConnection,
  InboundExchange,
  InboundOptions,
  InboundRefusal,
} from './inbound.ts';
import { Http2Exchange, serveHttp2 } from './http2-exchange.ts';
import { HttpExchange, type Upgrading } from './inbound-exchange.ts';
import { listenOn } from './listen-on.ts';
import { acceptTls, type TlsFacts } from './mutual-tls.ts';
import { secureContextOf } from './secure-context.ts';

/** Long enough for thousands of honest handshakes at once: results must not depend on the machine's load. */
export const HANDSHAKE_TIMEOUT_MS = 30_000;

/** What Istio's terminating chains offer, in the server's order. */
const ALPN_HTTP: readonly string[] = ['h2', 'http/1.1'];
const ALPN_TCP: readonly string[] = ['istio-peer-exchange', 'h2', 'http/1.1'];

/** What reads an open connection; nothing where its bytes are handed on. */
type Codec = 'h1' | 'h2' | undefined;

/** A socket on its way to a chain. */
interface Arrival {
  readonly raw: Socket;
  readonly remote: Address;
  source?: VirtualPeer;
  sni?: string;
  /** Refused, and reported. */
  isRefused: boolean;
}

interface Opened {
  readonly connection: InboundConnection;
  /** Bytes of this connection may have reached the application. */
  handedOver: boolean;
}

export class InboundListener implements AsyncDisposable {
  readonly address: Address;
  readonly #options: InboundOptions;
  readonly #server: Server;
  readonly #codec: HttpServer;
  readonly #applications: Agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  readonly #sockets = new Set<Socket>();
  readonly #open = new WeakMap<Duplex, Opened>();
  #connections = 0;
  #closed: Promise<void> | undefined;

  private constructor(options: InboundOptions, server: Server, address: Address) {
    this.#options = options;
    this.#server = server;
    this.address = address;
    this.#codec = createHttpCodec({
      onRequest: (request, response) => this.#onRequest(request, response),
      onUpgrade: (request, response, upgrading) => this.#onRequest(request, response, upgrading),
      onCodecError: (socket, detail) => this.#onCodecError(socket, detail),
    });
    server.on('connection', (socket) => this.#onConnection(socket));
  }

  /** @throws MeshError `ERR_WIRE_LISTEN` */
  static async listen(options: InboundOptions): Promise<InboundListener> {
    // Half-open: a client that has said all it has to say still waits for its answer.
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const { host, listenPort } = options;
    const address = await listenOn(server, {
      ...(host !== undefined && { host }),
      ...(listenPort !== undefined && { port: listenPort }),
    });
    return new InboundListener(options, server, address);
  }

  /** Connections a chain has accepted and nobody has closed. */
  get connections(): number {
    return this.#connections;
  }

  /** Sockets that are open, in whatever state: those that have said nothing yet are counted too. */
  get sockets(): number {
    return this.#sockets.size;
  }

  /** Destroys every connection, whatever it is doing; the listener goes on. */
  closeConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Idempotent; resolves when every socket is gone. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shutDown(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // The server counts a socket out before its `close` event, on which `onClosed` depends.
    const gone = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    this.closeConnections();
    await Promise.all([closed, ...gone]);
    await this.#applications.destroy();
  }

  #onConnection(raw: Socket): void {
    const { remoteAddress, remotePort } = raw;
    if (remoteAddress === undefined || remotePort === undefined) {
      raw.destroy();
      return;
    }
    this.#sockets.add(raw);
    const arrival: Arrival = { raw, remote: { host: remoteAddress, port: remotePort }, isRefused: false };
    let timer: NodeJS.Timeout | undefined;
    const start = (): void => {
      timer = setTimeout(() => this.#refuse(arrival, 'handshake', 'timeout'), this.#handshakeTimeoutMs).unref();
    };
    const onEnd = (): void => void raw.destroy();
    const ready = (): void => {
      clearTimeout(timer);
      raw.off('end', onEnd);
    };
    // One that leaves before a chain has taken it.
    raw.once('end', onEnd);
    raw.on('error', ignore);
    raw.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(raw);
    });
    if (this.#options.inspect === false) {
      start();
      // A turn later the client has entered its port in the address book.
      setImmediate(() => this.#choose(arrival, { kind: 'raw', looksLike: 'tcp' }, ready));
      return;
    }
    // A client that has said nothing yet is waited for, as in Istio: an idle connection must not depend on wall time.
    raw.once('data', start);
    readFirstFlight(raw, (reading) => {
      if (reading.state === 'flight') this.#choose(arrival, reading.flight, ready);
      else this.#refuse(arrival, 'handshake', reading.reason, reading.detail);
    });
  }

  get #handshakeTimeoutMs(): number {
    return this.#options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  }

  #choose(arrival: Arrival, flight: FirstFlight, ready: () => void): void {
    const { raw } = arrival;
    if (raw.destroyed) return;
    const source = this.#options.addresses.lookup({ local: arrival.remote, remotePort: this.address.port });
    if (source !== undefined) arrival.source = source;
    if (flight.kind === 'tls' && flight.sni !== undefined) arrival.sni = flight.sni;
    const chain = this.#options.chain(flight);
    switch (chain) {
      case 'refuse':
        this.#refuse(arrival, 'filter-chain', 'filter_chain_not_found');
        return;
      case 'codec-error':
        this.#refuse(arrival, 'codec', 'codec_error');
        return;
      case 'plain-http':
      case 'plain-tcp':
      case 'passthrough':
        ready();
        this.#opened(arrival, raw, {
          codec: codecOf(chain === 'plain-http', flight.kind === 'raw' && flight.isHttp2 === true),
          security: 'none',
        });
        return;
      case 'mtls-http':
      case 'mtls-tcp':
      case 'tls-http':
      case 'tls-tcp':
        this.#terminate(arrival, { chain, offered: flight.kind === 'tls' ? flight.alpn : [], ready });
    }
  }

  #terminate(arrival: Arrival, choice: { chain: FilterChain; offered: readonly string[]; ready: () => void }): void {
    const { verifyClient, minVersion } = this.#options;
    const credential = this.#options.identity();
    if (credential === undefined) {
      this.#refuse(arrival, 'handshake', 'no_server_certificate', 'the workload has no identity yet');
      return;
    }
    const context = secureContextOf(credential, minVersion === undefined ? {} : { minVersion });
    if (!context.ok) {
      this.#refuse(arrival, 'handshake', 'unusable_credential', context.detail);
      return;
    }
    const isHttp = choice.chain.endsWith('http');
    const alpn = (isHttp ? ALPN_HTTP : ALPN_TCP).find((protocol) => choice.offered.includes(protocol));
    const isMutual = choice.chain.startsWith('mtls');
    acceptTls(
      arrival.raw,
      {
        context: context.context,
        ...(alpn !== undefined && { alpn }),
        ...(isMutual && { verifyClient }),
        onForgedRecord: (reason, detail) => this.#refuse(arrival, 'record', reason, detail),
      },
      (result, socket) => {
        if (result.ok) {
          choice.ready();
          this.#opened(arrival, socket, {
            codec: codecOf(isHttp, result.facts.alpn === 'h2'),
            security: isMutual ? 'mutual_tls' : 'tls',
            facts: result.facts,
          });
        } else {
          const stage = result.stage === 'verify' ? 'verify-client' : 'handshake';
          this.#refuse(arrival, stage, result.reason, result.detail);
        }
      },
    );
  }

  #opened(
    arrival: Arrival,
    stream: Socket,
    as: { codec: Codec; security: InboundConnection['security']; facts?: TlsFacts },
  ): void {
    const options = this.#options;
    const connection: InboundConnection = {
      id: options.addresses.nextConnectionId(),
      remote: arrival.remote,
      port: options.port,
      security: as.security,
      resumed: false,
      ...(arrival.source !== undefined && { source: arrival.source }),
      ...(arrival.sni !== undefined && { sni: arrival.sni }),
      ...as.facts,
    };
    const opened: Opened = { connection, handedOver: false };
    this.#open.set(stream, opened);
    this.#connections += 1;
    stream.on('error', ignore);
    arrival.raw.once('close', () => {
      this.#connections -= 1;
      options.onClosed?.(connection);
    });
    options.onOpened?.(connection);
    if (stream.destroyed) return;
    if (as.codec === 'h1') {
      this.#codec.emit('connection', stream);
    } else if (as.codec === 'h2') {
      this.#serveHttp2(opened, stream);
    } else if (options.onTcp === undefined) {
      stream.destroy();
    } else {
      opened.handedOver = true;
      options.onTcp(connection, stream);
    }
  }

  #serveHttp2(opened: Opened, socket: Socket): void {
    serveHttp2(socket, {
      onExchange: (stream, head) => {
        opened.handedOver = true;
        void this.#handle(new Http2Exchange(opened.connection, stream, head));
      },
      onError: (detail) => this.#onCodecError(socket, detail),
    });
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, upgrading?: Upgrading): void {
    const opened = this.#open.get(request.socket);
    if (opened === undefined) {
      request.socket.destroy();
      return;
    }
    opened.handedOver = true;
    const exchange = new HttpExchange(
      opened.connection,
      { request, response, ...(upgrading !== undefined && { upgrading }) },
      this.#applications,
    );
    void this.#handle(exchange);
  }

  /** A handler that fails has no answer: its caller sees the connection close, not a hang. */
  async #handle(exchange: InboundExchange): Promise<void> {
    try {
      await this.#options.onHttp(exchange);
    } catch (error) {
      exchange.abort();
      if (this.#options.onError === undefined) throw error;
      this.#options.onError(error);
    }
  }

  #onCodecError(socket: Duplex, detail: string): void {
    const opened = this.#open.get(socket);
    if (opened === undefined) return;
    const bytesRead = socket instanceof Socket ? socket.bytesRead : 0;
    const { remote, port, source, sni } = opened.connection;
    this.#options.onRefused?.({
      stage: 'codec',
      reason: 'codec_error',
      detail,
      remote,
      port,
      applicationBytes: opened.handedOver ? bytesRead : 0,
      ...(source !== undefined && { source }),
      ...(sni !== undefined && { sni }),
    });
  }

  #refuse(arrival: Arrival, stage: InboundRefusal['stage'], reason: string, detail?: string): void {
    const { raw, remote, source, sni } = arrival;
    // Envoy closes with the inspected bytes unread, which resets; after a handshake it closes in order.
    if (stage === 'filter-chain') raw.resetAndDestroy();
    else if (stage === 'codec') endWith(raw, BAD_REQUEST);
    else raw.destroy();
    if (arrival.isRefused || this.#closed !== undefined) return;
    arrival.isRefused = true;
    this.#options.onRefused?.({
      stage,
      reason,
      remote,
      port: this.#options.port,
      applicationBytes: 0,
      ...(detail !== undefined && { detail }),
      ...(source !== undefined && { source }),
      ...(sni !== undefined && { sni }),
    });
  }
}

function codecOf(isHttp: boolean, isHttp2: boolean): Codec {
  if (!isHttp) return undefined;
  return isHttp2 ? 'h2' : 'h1';
}

function ignore(): void {}
