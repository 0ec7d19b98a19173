/**
 * A loopback port whose connections are handed on one by one: for programs that know no proxy.
 * @module
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from './address-book.ts';
import { listenOn } from './listen-on.ts';

export interface PortForwardOptions {
  onConnection(socket: Socket): void;
  /** @defaultValue any free port */
  readonly listenPort?: number;
}

export class PortForward implements AsyncDisposable {
  readonly address: Address;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #closed: Promise<void> | undefined;

  private constructor(server: Server, address: Address, options: PortForwardOptions) {
    this.#server = server;
    this.address = address;
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', ignore);
      socket.once('close', () => this.#sockets.delete(socket));
      options.onConnection(socket);
    });
  }

  /** @throws MeshError `ERR_WIRE_LISTEN` */
  static async listen(options: PortForwardOptions): Promise<PortForward> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const address = await listenOn(server, options.listenPort === undefined ? {} : { port: options.listenPort });
    return new PortForward(server, address, options);
  }

  /** Idempotent; resolves when every socket is gone. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function ignore(): void {}
