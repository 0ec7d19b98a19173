import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { InboundExchange, OutboundRoute } from '../../../src/wire/index.ts';
import { startWorld, until } from './kit/world.ts';

const GET = { method: 'GET', path: '/x', host: 'backend' };
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** A server that is told what to do with each request it reads. */
async function scripted(
  script: (socket: Socket, request: { connection: number; request: number; text: string }) => void,
): Promise<AsyncDisposable & { route(base: OutboundRoute): OutboundRoute; connections(): number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server: Server = createServer({ noDelay: true }, (socket) => {
    const connection = sockets.push(socket);
    let request = 0;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) =>
      script(socket, { connection, request: (request += 1), text: chunk.toString() }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    sockets,
    connections: () => sockets.length,
    route: ({ tls: _tls, ...base }) => ({ ...base, key: 'scripted', address: { host: '127.0.0.1', port } }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('keeping connections', () => {
  it('uses one connection for requests that follow each other', async () => {
    await using world = await startWorld();
    for (let i = 0; i < 5; i++) expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: true });
    expect(world.seen.opened).toHaveLength(1);
    expect(world.pool.connections()).toBe(1);
  });

  it('opens as many as are asked for beforehand, and uses them', async () => {
    await using world = await startWorld();
    expect(await world.pool.open(world.route(), 5)).toEqual({ ok: true, open: 5 });
    expect(await world.pool.open(world.route(), 3)).toEqual({ ok: true, open: 5 });
    await until(() => world.listener.connections === 5);
    await Promise.all(Array.from({ length: 5 }, () => world.pool.request(world.route(), GET)));
    expect(world.seen.opened).toHaveLength(5);
    expect(world.pool.connections('backend')).toBe(5);
    expect(world.pool.connections('other')).toBe(0);
  });

  it('says why opening failed', async () => {
    await using world = await startWorld();
    const { address } = world.listener;
    await world.listener.close();
    expect(await world.pool.open(world.route({ address }), 2)).toMatchObject({
      ok: false,
      open: 0,
      failure: { stage: 'connect', reason: 'connection_refused' },
    });
  });

  it('never opens more than the most, and lets requests wait', async () => {
    let inFlight = 0;
    let most = 0;
    await using world = await startWorld({
      onHttp: async (exchange: InboundExchange) => {
        most = Math.max(most, (inFlight += 1));
        await new Promise((resolve) => setTimeout(resolve, 2));
        inFlight -= 1;
        exchange.reply({ status: 200 });
      },
    });
    const route = world.route({ connectionsMax: 3 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => world.pool.request(route, GET)));
    expect(answers.every(({ ok }) => ok)).toBe(true);
    expect(most).toBe(3);
    expect(world.seen.opened).toHaveLength(3);
  });

  it('wakes every waiting request when connections cannot be opened', async () => {
    await using world = await startWorld();
    const { address } = world.listener;
    await world.listener.close();
    const route = world.route({ address, connectionsMax: 2 });
    const answers = await Promise.all(Array.from({ length: 9 }, () => world.pool.request(route, GET)));
    expect(answers.every((answer) => !answer.ok && answer.failure.stage === 'connect')).toBe(true);
  });

  it('keeps routes of different keys apart', async () => {
    await using world = await startWorld();
    await world.pool.request(world.route({ key: 'a' }), GET);
    await world.pool.request(world.route({ key: 'b' }), GET);
    expect(world.seen.opened).toHaveLength(2);
  });

  it('drains: idle connections at once, busy ones after their request, and new requests are served', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await using world = await startWorld({
      onHttp: async (exchange) => {
        if (exchange.path === '/held') await held;
        exchange.reply({ status: 200 });
      },
    });
    await world.pool.open(world.route(), 2);
    const slow = world.pool.request(world.route(), { ...GET, path: '/held' });
    await until(() => world.seen.requests === 1);
    const drained = world.pool.drain('backend');
    await until(() => world.listener.connections === 1);
    expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: true });
    release();
    expect(await slow).toMatchObject({ ok: true });
    await drained;
    expect(world.pool.connections()).toBe(1);
    expect(world.seen.opened).toHaveLength(3);
  });
});

describe('failures', () => {
  it('nobody listens', async () => {
    await using world = await startWorld();
    const { address } = world.listener;
    await world.listener.close();
    for (const route of [world.route({ address }), world.route({ address, key: 'plain', tls: null })]) {
      expect(await world.pool.request(route, GET)).toMatchObject({
        ok: false,
        failure: { stage: 'connect', reason: 'connection_refused' },
      });
    }
  });

  it('a server that never finishes its handshake', async () => {
    await using world = await startWorld();
    await using server = await scripted(() => undefined);
    const route = { ...world.route({ connectTimeoutMs: 50 }), address: server.route(world.route()).address };
    expect(await world.pool.request(route, GET)).toMatchObject({
      ok: false,
      failure: { stage: 'handshake', reason: 'handshake_timeout' },
    });
  });

  it('no answer in time', async () => {
    await using world = await startWorld({ onHttp: () => undefined });
    expect(await world.pool.request(world.route(), { ...GET, timeoutMs: 30 })).toMatchObject({
      ok: false,
      failure: { stage: 'timeout', connection: { security: 'mutual_tls' } },
    });
    expect(world.pool.connections()).toBe(0);
  });

  it.each([
    { name: 'closes', act: (socket: Socket) => void socket.end(), stage: 'reset-before-response' },
    { name: 'resets', act: (socket: Socket) => void socket.resetAndDestroy(), stage: 'reset-before-response' },
    {
      name: 'stops in the middle of its answer',
      act: (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'),
      stage: 'reset-during-response',
    },
    { name: 'does not speak HTTP', act: (socket: Socket) => void socket.end('SSH-2.0-x\r\n'), stage: 'protocol' },
  ])('a server that $name', async ({ act, stage }) => {
    await using world = await startWorld();
    await using server = await scripted(act);
    expect(await world.pool.request(server.route(world.route()), GET)).toMatchObject({ ok: false, failure: { stage } });
    expect(server.connections()).toBe(1);
  });

  it.each([
    { path: 'no-slash' },
    { path: '/a b' },
    { headers: { 'x\n': 'y' } },
    { headers: { x: 'a\r\nb: c' } },
    { method: 'G T' },
    { method: 'CONNECT' },
    { headers: { expect: '100-continue' } },
    { headers: { 'content-length': '7' }, method: 'POST', body: 'x' },
  ])('a request that cannot be written: %o', async (wrong) => {
    await using world = await startWorld();
    expect(await world.pool.request(world.route(), { ...GET, ...wrong })).toMatchObject({
      ok: false,
      failure: { stage: 'invalid-request' },
    });
    expect(world.seen.requests).toBe(0);
    expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: true });
  });

  it('a pool that is closed, before and during a request', async () => {
    await using world = await startWorld({ onHttp: () => undefined });
    const route = world.route({ connectionsMax: 1 });
    const [sent, waiting] = [world.pool.request(route, GET), world.pool.request(route, GET)];
    await until(() => world.seen.requests === 1);
    await world.pool.close();
    for (const answer of [
      await sent,
      await waiting,
      await world.pool.request(route, GET),
      await world.pool.connectTcp(route),
    ]) {
      expect(answer).toMatchObject({ ok: false, failure: { stage: 'closed' } });
    }
    expect(world.addresses.size).toBe(0);
  });
});

describe('stale connections', () => {
  it('one that its server closed while idle is not used again', async () => {
    await using world = await startWorld();
    await using server = await scripted((socket) => socket.write(OK));
    const route = server.route(world.route());
    expect(await world.pool.request(route, GET)).toMatchObject({ ok: true });
    server.sockets[0]?.end();
    await until(() => world.pool.connections() === 0);
    expect(await world.pool.request(route, GET)).toMatchObject({ ok: true, retriedStale: false });
    expect(server.connections()).toBe(2);
  });

  it('one that was opened beforehand and closed by its server is not used either', async () => {
    await using world = await startWorld();
    await world.pool.open(world.route(), 2);
    await until(() => world.listener.connections === 2);
    world.listener.closeConnections();
    await until(() => world.pool.connections() === 0);
    expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: true, retriedStale: false });
  });

  it('an idempotent request is sent once more when a connection that had answered closes under it', async () => {
    await using world = await startWorld();
    await using server = await scripted((socket, { connection, request }) =>
      connection === 1 && request === 2 ? socket.destroy() : socket.write(OK),
    );
    const route = server.route(world.route());
    await world.pool.request(route, GET);
    expect(await world.pool.request(route, GET)).toMatchObject({ ok: true, retriedStale: true });
    expect(server.connections()).toBe(2);
  });

  it('a POST is not', async () => {
    await using world = await startWorld();
    await using server = await scripted((socket, { request }) => (request === 2 ? socket.destroy() : socket.write(OK)));
    const route = server.route(world.route());
    await world.pool.request(route, GET);
    expect(await world.pool.request(route, { ...GET, method: 'POST', body: 'x' })).toMatchObject({
      ok: false,
      failure: { stage: 'reset-before-response' },
    });
    expect(server.connections()).toBe(1);
  });

  it('a second failure is the answer', async () => {
    await using world = await startWorld();
    await using server = await scripted((socket, { connection, request }) =>
      connection === 1 && request === 1 ? socket.write(OK) : socket.destroy(),
    );
    const route = server.route(world.route());
    await world.pool.request(route, GET);
    expect(await world.pool.request(route, GET)).toMatchObject({
      ok: false,
      failure: { stage: 'reset-before-response' },
    });
    expect(server.connections()).toBe(2);
  });

  it('an answer that says close is the last on its connection', async () => {
    await using world = await startWorld();
    await using server = await scripted((socket) =>
      socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'),
    );
    const route = server.route(world.route());
    const answers = await Promise.all(Array.from({ length: 4 }, () => world.pool.request(route, GET)));
    expect(answers.every((answer) => answer.ok && !answer.retriedStale)).toBe(true);
    expect(server.connections()).toBe(4);
  });

  it('bytes nobody asked for close an idle connection', async () => {
    await using world = await startWorld();
    await using server = await scripted((socket) => socket.write(OK));
    await world.pool.open(server.route(world.route()), 1);
    await until(() => server.connections() === 1);
    server.sockets[0]?.write(OK);
    await until(() => world.pool.connections() === 0);
    expect(world.pool.connections()).toBe(0);
  });
});
