/**
 * Where an application's calls meet its own sidecar: a loopback port that speaks HTTP/1.1 and HTTP/2, as a proxy
 * (absolute-form, CONNECT) or as if it were the server itself (origin-form, with the Host it means).
 *
 * A tunnel that CONNECT opens is the application's own connection: its bytes are looked at as those of a new connection
 * would be. Requests that come after one another over one connection are independent of each other.
 *
 * Not modelled: iptables capture, and with it the original destination of a call that names none.
 * @module
 */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Agent } from 'undici';
import type { Address } from './address-book.ts';
import { readFirstFlight } from './first-flight.ts';
import { createHttpCodec } from './http-codec.ts';
import { Http2Exchange, serveHttp2 } from './http2-exchange.ts';
import type { FirstFlight, InboundConnection, InboundExchange } from './inbound.ts';
import { HttpExchange, type Upgrading } from './inbound-exchange.ts';
import { listenOn } from './listen-on.ts';

/** One call of the application. */
export interface OutboundCall {
  readonly exchange: InboundExchange;
  /** Host and maybe port, from the request's target or its Host header. */
  readonly authority: string | undefined;
  /** Path with query. */
  readonly path: string;
  /** Where the tunnel it came through leads to. */
  readonly tunnelPort?: number;
}

export interface OutboundListenerOptions {
  onCall(call: OutboundCall): void | Promise<void>;
  /** CONNECT: what to do with the tunnel is asked before it is opened. */
  onTunnel(authority: string): TunnelFate | Promise<TunnelFate>;
  /** A handler threw; its connection is closed. */
  onError?(error: unknown): void;
  /** @defaultValue any free port */
  readonly listenPort?: number;
}

/**
 * A tunnel's bytes go to `http` (requests, whose target the tunnel does not decide), to a handler of raw bytes, or to
 * either, as their first bytes say; or there is no tunnel, and the answer is `status`.
 */
export type TunnelFate =
  | { readonly kind: 'http'; readonly port: number }
  | { readonly kind: 'tcp'; open(stream: Duplex): void }
  | { readonly kind: 'sniff'; readonly port: number; open(stream: Duplex): void }
  | { readonly kind: 'refused'; readonly status: number; readonly text: string };

export class OutboundListener implements AsyncDisposable {
  readonly address: Address;
  readonly #options: OutboundListenerOptions;
  readonly #server: Server;
  readonly #codec: HttpServer;
  readonly #applications = new Agent();
  readonly #sockets = new Set<Socket>();
  /** Ports of tunnels, by the stream that carries them. */
  readonly #tunnels = new WeakMap<Duplex, number>();
  #connections = 0;
  #closed: Promise<void> | undefined;

  private constructor(options: OutboundListenerOptions, server: Server, address: Address) {
    this.#options = options;
    this.#server = server;
    this.address = address;
    this.#codec = createHttpCodec({
      onRequest: (request, response) => this.#onRequest({ request, response }),
      onUpgrade: (request, response, upgrading) => this.#onRequest({ request, response, upgrading }),
      onConnect: (request, upgrading) => void this.#onConnect(request, upgrading),
      onCodecError: () => undefined,
    });
    server.on('connection', (socket) => this.#onConnection(socket));
  }

  /** @throws MeshError `ERR_WIRE_LISTEN` */
  static async listen(options: OutboundListenerOptions): Promise<OutboundListener> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const address = await listenOn(server, options.listenPort === undefined ? {} : { port: options.listenPort });
    return new OutboundListener(options, server, address);
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
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await this.#applications.destroy();
  }

  #onConnection(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', ignore);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#sniff(socket, (flight) => this.#speak(socket, flight));
  }

  #sniff(socket: Socket, then: (flight: FirstFlight) => void): void {
    const onEnd = (): void => void socket.destroy();
    socket.once('end', onEnd);
    readFirstFlight(socket, (reading) => {
      socket.off('end', onEnd);
      then(reading.state === 'flight' ? reading.flight : { kind: 'raw', looksLike: 'tcp' });
    });
  }

  #speak(socket: Socket, flight: FirstFlight): void {
    if (flight.kind === 'raw' && flight.isHttp2 === true) {
      const connection = this.#connectionOf(socket);
      serveHttp2(socket, {
        onExchange: (stream, head) => {
          const exchange = new Http2Exchange(connection, stream, head);
          const port = this.#tunnels.get(socket);
          void this.#call({
            exchange,
            authority: exchange.host,
            path: exchange.path,
            ...(port !== undefined && { tunnelPort: port }),
          });
        },
        onError: () => undefined,
      });
      return;
    }
    this.#codec.emit('connection', socket);
  }

  #onRequest(pair: {
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
    readonly upgrading?: Upgrading;
  }): void {
    const { request } = pair;
    const { socket } = request;
    const exchange = new HttpExchange(this.#connectionOf(socket), pair, this.#applications);
    const port = this.#tunnels.get(socket);
    void this.#call({
      exchange,
      authority: exchange.host,
      path: exchange.path,
      ...(port !== undefined && { tunnelPort: port }),
    });
  }

  async #call(call: OutboundCall): Promise<void> {
    try {
      await this.#options.onCall(call);
    } catch (error) {
      call.exchange.abort();
      if (this.#options.onError === undefined) throw error;
      this.#options.onError(error);
    }
  }

  async #onConnect(request: IncomingMessage, { head }: Upgrading): Promise<void> {
    const { socket } = request;
    const fate = await this.#options.onTunnel(request.url ?? '');
    if (socket.destroyed) return;
    if (fate.kind === 'refused') {
      const body = `${fate.text}\n`;
      socket.end(
        `HTTP/1.1 ${fate.status} Refused\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
      return;
    }
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    if (head.length > 0) socket.unshift(head);
    this.carry(socket, fate);
  }

  /** Takes over the application's end of a tunnel, wherever it came from. */
  carry(socket: Socket, fate: TunnelFate): void {
    if (fate.kind === 'refused') {
      socket.destroy();
      return;
    }
    if (fate.kind === 'tcp') {
      fate.open(socket);
      return;
    }
    this.#tunnels.set(socket, fate.port);
    this.#sniff(socket, (flight) => {
      const isHttp = flight.kind === 'raw' && flight.looksLike === 'http';
      if (fate.kind === 'sniff' && !isHttp) fate.open(socket);
      else this.#speak(socket, flight);
    });
  }

  #connectionOf(socket: Socket): InboundConnection {
    this.#connections += 1;
    return {
      id: this.#connections,
      remote: { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
      port: this.address.port,
      security: 'none',
      resumed: false,
    };
  }
}

function ignore(): void {}
