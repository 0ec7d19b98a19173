/**
 * A client sidecar's way out: kept-alive connections, pooled by route key.
 *
 * A request takes the idle connection used last, opens one while there are fewer than `connectionsMax`, and waits its
 * turn otherwise.
 *
 * Stale connections: a request whose connection turns out to be closed before anything was sent goes to another one.
 * One that was sent on a connection which had answered before, and is closed without an answer, is sent once more if
 * its method is idempotent. Envoy does neither by itself: it drops a pooled connection when it reads its FIN, and
 * leaves the race (FIN under way while the request is written) to the retry policy, 503 `UC` where that does not cover
 * it. The race is an accident of wall time, so here it is kept out of results; a connection that never answered is
 * not retried, so a server that refuses its client is a `reset-before-response`, once.
 * @module
 */
import type { Socket } from 'node:net';
import type { AddressBook } from './address-book.ts';
import { dial, type Dialled, type Dialler } from './dial.ts';
import { HttpConnection, type PooledConnection } from './http-connection.ts';
import { Http2Connection } from './http2-connection.ts';
import type { HttpAnswer, HttpCall, OpenAnswer, OutboundFailure, OutboundRoute, TcpAnswer } from './outbound.ts';
import type { Seam } from './seam.ts';

/** Connections for each route key unless the route says otherwise. */
export const CONNECTIONS_MAX = 100;

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
const CLOSED: OutboundFailure = { stage: 'closed', reason: 'closed', detail: 'the pool is closed' };

/** An answer to CONNECT would turn the connection into a tunnel; `connectTcp` is for those. */
const NO_TUNNEL: OutboundFailure = {
  stage: 'invalid-request',
  reason: 'connect_not_supported',
  detail: 'CONNECT is not sent through the pool',
};

type Acquired =
  | { readonly ok: true; readonly connection: PooledConnection }
  | { readonly ok: false; readonly failure: OutboundFailure };

/** Connections of one route key. */
interface Lane {
  readonly idle: PooledConnection[];
  readonly open: Set<PooledConnection>;
  readonly waiting: ((retry: 'retry' | 'closed') => void)[];
  dialling: number;
}

export interface OutboundPoolOptions {
  readonly seam: Seam;
  readonly addresses: AddressBook;
}

export class OutboundPool implements AsyncDisposable {
  readonly #dialler: Dialler;
  readonly #lanes = new Map<string, Lane>();
  readonly #sockets = new Set<Socket>();
  #closed: Promise<void> | undefined;

  constructor(options: OutboundPoolOptions) {
    this.#dialler = { ...options, adopt: (socket) => this.#adopt(socket) };
  }

  async request(route: OutboundRoute, call: HttpCall): Promise<HttpAnswer> {
    if (call.method === 'CONNECT') return { ok: false, failure: NO_TUNNEL };
    const lane = this.#lane(route.key);
    let isRetried = false;
    for (;;) {
      const idle = takeIdle(lane);
      const acquired = idle === undefined ? await this.#acquire(lane, route) : { ok: true as const, connection: idle };
      if (!acquired.ok) return acquired;
      const { connection } = acquired;
      const wasKept = connection.isKept;
      const exchange = await connection.send(call);
      this.#giveBack(lane, connection);
      if (exchange.state === 'answered') {
        return isRetried ? { ...exchange.answer, retriedStale: true } : exchange.answer;
      }
      if (this.#closed !== undefined) return { ok: false, failure: CLOSED };
      const mayRetry = !exchange.isSent || (IDEMPOTENT.has(call.method) && !isRetried);
      // Not of a new connection: a server that closes them all would be tried for ever.
      if (!exchange.isStale || !wasKept || !mayRetry) return { ok: false, failure: exchange.failure };
      // A kept connection that was closed before anything was sent costs no try: there are only so many of them.
      isRetried ||= exchange.isSent;
    }
  }

  /** Opens connections until `count` of the route are open, idle ones included. */
  async open(route: OutboundRoute, count: number): Promise<OpenAnswer> {
    const lane = this.#lane(route.key);
    const missing = count - lane.open.size - lane.dialling;
    const dialled = await Promise.all(Array.from({ length: Math.max(0, missing) }, () => this.#dial(lane, route)));
    for (const one of dialled) if (one.ok) this.#giveBack(lane, one.connection);
    const failed = dialled.find((one) => !one.ok);
    return failed?.ok === false
      ? { ok: false, open: lane.open.size, failure: failed.failure }
      : { ok: true, open: lane.open.size };
  }

  /** HTTP connections open at present, of one route key or of all. */
  connections(key?: string): number {
    if (key !== undefined) return this.#lanes.get(key)?.open.size ?? 0;
    let open = 0;
    for (const lane of this.#lanes.values()) open += lane.open.size;
    return open;
  }

  /** Closes the connections that are open now, each when its request is done; new requests open new ones. */
  async drain(key?: string): Promise<void> {
    const lanes = key === undefined ? [...this.#lanes.values()] : [this.#lanes.get(key)];
    const gone: Promise<void>[] = [];
    for (const lane of lanes) {
      for (const connection of lane?.open ?? []) {
        connection.isRetiring = true;
        gone.push(new Promise((resolve) => connection.onceClosed(resolve)));
        if (!connection.isBusy) connection.destroy();
      }
    }
    await Promise.all(gone);
  }

  /** Opens a connection of its own for a TCP stream. The caller closes it; so does `close`. */
  async connectTcp(route: OutboundRoute): Promise<TcpAnswer> {
    if (this.#closed !== undefined) return { ok: false, failure: CLOSED };
    const dialled = await dial({ ...route, halfOpen: true }, this.#dialler);
    if (!dialled.ok) return dialled;
    if (this.#closed !== undefined) {
      dialled.socket.destroy();
      return { ok: false, failure: CLOSED };
    }
    const { socket: stream, connection } = dialled;
    return { ok: true, stream, connection };
  }

  /** Destroys everything; requests under way fail as `closed`. Idempotent; resolves when every socket is gone. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shutDown(): Promise<void> {
    // Not before `#closed` is set.
    await Promise.resolve();
    const gone = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const lane of this.#lanes.values()) {
      for (const wake of lane.waiting.splice(0)) wake('closed');
      for (const connection of lane.open) connection.destroy();
    }
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(gone);
  }

  #lane(key: string): Lane {
    let lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, (lane = { idle: [], open: new Set(), waiting: [], dialling: 0 }));
    return lane;
  }

  async #acquire(lane: Lane, route: OutboundRoute): Promise<Acquired> {
    for (;;) {
      if (this.#closed !== undefined) return { ok: false, failure: CLOSED };
      const connection = takeIdle(lane);
      if (connection !== undefined) return { ok: true, connection };
      if (lane.open.size + lane.dialling < connectionsMax(route)) return this.#dial(lane, route);
      const woken = await new Promise<'retry' | 'closed'>((resolve) => lane.waiting.push(resolve));
      if (woken === 'closed') return { ok: false, failure: CLOSED };
    }
  }

  async #dial(lane: Lane, route: OutboundRoute): Promise<Acquired> {
    if (this.#closed !== undefined) return { ok: false, failure: CLOSED };
    lane.dialling += 1;
    const dialled = await dial(route, this.#dialler).finally(() => {
      lane.dialling -= 1;
    });
    if (!dialled.ok) {
      lane.waiting.shift()?.('retry');
      return this.#closed === undefined ? dialled : { ok: false, failure: CLOSED };
    }
    const connection = connectionOn(dialled, route);
    lane.open.add(connection);
    connection.onceClosed(() => {
      lane.open.delete(connection);
      const at = lane.idle.indexOf(connection);
      if (at >= 0) lane.idle.splice(at, 1);
      lane.waiting.shift()?.('retry');
    });
    if (connection.isShared) {
      lane.idle.push(connection);
      for (const wake of lane.waiting.splice(0)) wake('retry');
    }
    return { ok: true, connection };
  }

  #giveBack(lane: Lane, connection: PooledConnection): void {
    if (connection.isRetiring || !connection.isOpen) {
      if (connection.isOpen && connection.isBusy) return;
      lane.open.delete(connection);
      connection.destroy();
      return;
    }
    connection.keep();
    if (connection.isShared) return;
    lane.idle.push(connection);
    lane.waiting.shift()?.('retry');
  }

  #adopt(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

function connectionsMax({ connectionsMax: max, http }: OutboundRoute): number {
  return http === 'h2' ? 1 : (max ?? CONNECTIONS_MAX);
}

/** The protocol that ALPN settled on; without ALPN the one the route foresees. */
function connectionOn({ socket, connection }: Dialled & { readonly ok: true }, route: OutboundRoute): PooledConnection {
  const isH2 = connection.security === 'none' ? route.http === 'h2' : connection.alpn === 'h2';
  return isH2 ? new Http2Connection(socket, connection) : new HttpConnection(socket, connection);
}

function takeIdle(lane: Lane): PooledConnection | undefined {
  for (let connection = lane.idle.pop(); connection !== undefined; connection = lane.idle.pop()) {
    if (!connection.isOpen || connection.isRetiring) continue;
    if (connection.isShared) lane.idle.push(connection);
    return connection;
  }
  return undefined;
}
