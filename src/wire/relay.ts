/**
 * One relayed connection: a listener on loopback that takes a single client, applies rules to its bytes, and passes
 * them on. The server behind it sees the client's own virtual address.
 *
 * Half-closes pass through in order; a reset resets both sides. Delays are wall time, and keep the order of bytes.
 * @module
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Address, SocketEnds } from './address-book.ts';
import type { ChunkFate, Direction, Link, RelayedConnection, WireRule } from './wire-rule.ts';

/** Bytes that may wait for a delay in each direction before reading stops. */
const DELAYED_BYTES_MAX = 4_194_304;

export interface RelayOptions {
  readonly id: number;
  readonly link: Link;
  readonly rules: readonly WireRule[];
  /** Asked for every chunk: rules come and go while a connection is open. */
  isInForce(rule: WireRule): boolean;
  /** `undefined`: the client is accepted, and reset when it says something. */
  readonly target: Address | undefined;
  /** Enters the socket towards the server in the address book. */
  enter(ends: SocketEnds): Disposable;
}

export class Relay {
  readonly address: Address;
  /** Resolves when no socket of the relay is left. */
  readonly closed: Promise<void>;
  readonly #options: RelayOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #bytes: Record<Direction, number> = { up: 0, down: 0 };
  readonly #connection: { -readonly [K in keyof RelayedConnection]: RelayedConnection[K] };
  readonly #receivers: Partial<Record<Direction, Socket>> = {};
  /** Directions in which a rule has told the receiver that nothing more comes. */
  readonly #halfClosed = new Set<Direction>();
  #resolve: () => void = ignore;
  #isSettled = false;
  #onward: Address | undefined;

  private constructor(options: RelayOptions, server: Server, port: number) {
    this.#options = options;
    this.#server = server;
    this.address = { host: '127.0.0.1', port };
    this.#connection = {
      link: options.link,
      id: options.id,
      bytes: this.#bytes,
      inject: (direction, bytes) => {
        const receiver = this.#receivers[direction];
        if (receiver?.writable === true) receiver.write(bytes);
      },
    };
    this.closed = new Promise((resolve) => (this.#resolve = resolve));
    server.once('close', () => this.#settle());
    server.once('connection', (client) => this.#carry(client));
  }

  static async open(options: RelayOptions): Promise<Relay> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port: 0 }, resolve);
    });
    const bound = server.address();
    return new Relay(options, server, bound !== null && typeof bound === 'object' ? bound.port : 0);
  }

  /** The end that the server sees; nothing before it does. */
  get onward(): Address | undefined {
    return this.#onward;
  }

  /** The client is gone, or never came: stop waiting for one. Bytes under way still arrive. */
  release(): void {
    this.#server.close();
  }

  close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    return this.closed;
  }

  #settle(): void {
    if (this.#isSettled || this.#server.listening || this.#sockets.size > 0) return;
    this.#isSettled = true;
    this.#connection.ended ??= 'closed';
    for (const rule of this.#inForce()) rule.onClose?.(this.#connection);
    this.#resolve();
  }

  #inForce(): readonly WireRule[] {
    return this.#options.rules.filter((rule) => this.#options.isInForce(rule));
  }

  #carry(client: Socket): void {
    this.#server.close();
    const { target } = this.#options;
    for (const rule of this.#inForce()) rule.onOpen?.(this.#connection);
    if (target === undefined) {
      // On the first byte: reset at once, a client would sometimes see its `connect` fail and sometimes not.
      this.#sockets.add(client);
      client.on('error', ignore);
      client.once('data', () => {
        this.#connection.ended = 'reset';
        client.resetAndDestroy();
      });
      client.once('end', () => client.destroy());
      client.once('close', () => {
        this.#sockets.delete(client);
        this.#settle();
      });
      client.resume();
      return;
    }
    const server = connect({ host: target.host, port: target.port, allowHalfOpen: true, noDelay: true });
    server.once('connect', () => {
      this.#onward = { host: server.localAddress ?? '', port: server.localPort ?? 0 };
      const entry = this.#options.enter({ local: this.#onward, remotePort: target.port });
      server.once('close', () => entry[Symbol.dispose]());
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {
        this.#connection.ended = 'reset';
        other.resetAndDestroy();
      });
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.#settle();
      });
    }
    this.#pump('up', client, server);
    this.#pump('down', server, client);
  }

  #pump(direction: Direction, from: Socket, to: Socket): void {
    this.#receivers[direction] = to;
    const delayMs = this.#options.rules.reduce((sum, rule) => sum + (rule.delayMs ?? 0), 0);
    let waiting = 0;
    const pass = (bytes: number, deliver: () => void): void => {
      if (delayMs === 0) {
        deliver();
        return;
      }
      waiting += bytes;
      if (waiting > DELAYED_BYTES_MAX) from.pause();
      // Timers of equal length fire in the order they were set.
      setTimeout(() => {
        waiting -= bytes;
        deliver();
        if (waiting <= DELAYED_BYTES_MAX && !to.writableNeedDrain) from.resume();
      }, delayMs).unref();
    };
    from.on('data', (chunk: Buffer) => {
      this.#bytes[direction] += chunk.length;
      const fate = this.#halfClosed.has(direction) ? 'drop' : this.#judge(direction, chunk);
      if (fate === 'reset') {
        this.#connection.ended = 'reset';
        from.resetAndDestroy();
        to.resetAndDestroy();
      } else if (fate === 'end') {
        this.#halfClosed.add(direction);
        pass(0, () => to.end());
      } else if (fate !== 'drop') {
        pass(chunk.length, () => {
          if (!to.destroyed && !to.write(fate)) from.pause();
        });
      }
    });
    to.on('drain', () => from.resume());
    from.once('end', () => pass(0, () => to.end()));
    from.resume();
  }

  #judge(direction: Direction, chunk: Buffer): ChunkFate {
    let bytes: Uint8Array = chunk;
    for (const rule of this.#options.rules) {
      if (rule.onBytes === undefined || !this.#options.isInForce(rule)) continue;
      const fate = rule.onBytes(this.#connection, direction, bytes);
      if (typeof fate === 'string') return fate;
      bytes = fate;
    }
    return bytes;
  }
}

function ignore(): void {}
