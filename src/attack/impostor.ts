/**
 * A server of the attacker's: takes what connects, with TLS or without, reads the requests, and answers them itself.
 * @module
 */
import { createServer as createCodec, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Address, Credential } from '../wire/index.ts';
import { pemOf } from './credentials.ts';

/** First byte of a TLS record that carries a handshake. */
const TLS_HANDSHAKE = 0x16;
export const FORGED_ANSWER = '{"forged":true}';

export class Impostor implements AsyncDisposable {
  readonly address: Address;
  readonly #server: Server;
  readonly #context: SecureContext;
  readonly #codec = createCodec(
    (request, response) => void this.#answer(request, response).catch(() => request.destroy()),
  );
  readonly #sockets = new Set<Socket>();
  readonly #plaintext: Buffer[] = [];
  /** Connections taken, and TLS handshakes that were finished on this side. */
  readonly seen: { connections: number; handshakes: number; requests: number } = {
    connections: 0,
    handshakes: 0,
    requests: 0,
  };

  private constructor(server: Server, port: number, credential: Credential) {
    this.#server = server;
    this.address = { host: '127.0.0.1', port };
    this.#context = createSecureContext({ ...pemOf(credential) });
    server.on('connection', (socket) => this.#take(socket));
  }

  static async listen(credential: Credential): Promise<Impostor> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port: 0 }, resolve);
    });
    const bound = server.address();
    return new Impostor(server, bound !== null && typeof bound === 'object' ? bound.port : 0, credential);
  }

  /** Every request it read, head and body. */
  get plaintext(): Uint8Array {
    return Buffer.concat(this.#plaintext);
  }

  #take(socket: Socket): void {
    this.seen.connections += 1;
    this.#sockets.add(socket);
    socket.on('error', ignore);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.once('readable', () => {
      const first: Buffer | null = socket.read();
      if (first === null) return;
      socket.unshift(first);
      if (first[0] === TLS_HANDSHAKE) this.#terminate(socket);
      else this.#serve(socket);
    });
  }

  #terminate(socket: Socket): void {
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: this.#context,
      requestCert: true,
      // The attacker does not care who calls.
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    });
    secure.on('error', ignore);
    secure.on('_tlsError', () => secure.destroy());
    secure.once('secure', () => {
      this.seen.handshakes += 1;
      this.#serve(secure);
    });
  }

  #serve(socket: Socket): void {
    this.#codec.emit('connection', socket);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.seen.requests += 1;
    const { method = '', url = '', rawHeaders } = request;
    let head = `${method} ${url} HTTP/1.1\r\n`;
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
    this.#plaintext.push(Buffer.from(`${head}\r\n`));
    for await (const chunk of request as AsyncIterable<Buffer>) this.#plaintext.push(chunk);
    response.sendDate = false;
    response.writeHead(200, { 'content-type': 'application/json' }).end(FORGED_ANSWER);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function ignore(): void {}
