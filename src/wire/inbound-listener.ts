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
import { messageOf, MeshError } from '../core/index.ts';
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
import { HttpExchange } from './inbound-exchange.ts';
import { acceptTls, type TlsFacts } from './mutual-tls.ts';
import { secureContextOf } from './secure-context.ts';

/** Long enough for thousands of honest handshakes at once: results must not depend on the machine's load. */
export const HANDSHAKE_TIMEOUT_MS = 30_000;

/** What Istio's terminating chains offer, in the server's order, less `h2`. */
const ALPN_HTTP: readonly string[] = ['http/1.1'];
const ALPN_TCP: readonly string[] = ['istio-peer-exchange', 'http/1.1'];

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
      onCodecError: (socket, detail) => this.#onCodecError(socket, detail),
    });
    server.on('connection', (socket) => this.#onConnection(socket));
  }

  /** @throws MeshError `ERR_WIRE_LISTEN` */
  static async listen(options: InboundOptions): Promise<InboundListener> {
    const server = createServer({ noDelay: true });
    const host = options.host ?? '127.0.0.1';
    await new Promise<void>((resolve, reject) => {
      const port = options.listenPort ?? 0;
      server.once('error', (error) => reject(cannotListen(error, host, port)));
      server.listen({ host, port }, resolve);
    });
    const bound = server.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    return new InboundListener(options, server, { host, port });
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
    const ready = (): void => clearTimeout(timer);
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
    const source = this.#options.addresses.lookup(arrival.remote.host, arrival.remote.port);
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
        this.#opened(arrival, raw, { isHttp: chain === 'plain-http', security: 'none' });
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
          this.#opened(arrival, socket, { isHttp, security: isMutual ? 'mutual_tls' : 'tls', facts: result.facts });
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
    as: { isHttp: boolean; security: InboundConnection['security']; facts?: TlsFacts },
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
    if (as.isHttp) {
      this.#codec.emit('connection', stream);
    } else if (options.onTcp === undefined) {
      stream.destroy();
    } else {
      opened.handedOver = true;
      options.onTcp(connection, stream);
    }
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const opened = this.#open.get(request.socket);
    if (opened === undefined) {
      request.socket.destroy();
      return;
    }
    opened.handedOver = true;
    const exchange = new HttpExchange(opened.connection, { request, response }, this.#applications);
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

const LISTEN_FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use: stop what listens there, or choose another one',
  EACCES: 'permission denied: choose a port from 1024 on',
};

function cannotListen(error: Error, host: string, port: number): MeshError {
  const code = 'code' in error ? String(error.code) : '';
  const why = LISTEN_FAULTS[code] ?? messageOf(error);
  return new MeshError('ERR_WIRE_LISTEN', `cannot listen on ${host}:${port}: ${why}`, {
    cause: error,
    details: { host, port },
  });
}

function ignore(): void {}
