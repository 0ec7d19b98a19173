import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { FilterChain, FirstFlight, InboundExchange } from '../../../src/wire/index.ts';
import { listen, pemOf, recordClientHello, say, secure, splitBytes } from './kit/raw-client.ts';
import { BACKEND, FRONTEND, idOf, ISTIO_HTTP_ALPN, SNI, startWorld, strictHttp, until } from './kit/world.ts';

const GET = { method: 'GET', path: '/x', host: 'backend' };
const HTTP_TEXT = 'GET /x HTTP/1.1\r\nHost: backend\r\n\r\n';

/** Istio's choice on an HTTP port in PERMISSIVE mode. */
function permissiveHttp(flight: FirstFlight): FilterChain {
  if (flight.kind === 'raw') return 'plain-http';
  return flight.alpn.some((protocol) => protocol.startsWith('istio')) ? 'mtls-http' : 'refuse';
}

describe('filter chains', () => {
  it('STRICT closes plaintext at once, without a byte, and says why', async () => {
    await using world = await startWorld();
    const heard = await say(world.listener.address, [HTTP_TEXT]);
    expect(heard).toEqual({ bytes: Buffer.alloc(0), error: 'ECONNRESET' });
    expect(world.seen).toMatchObject({
      requests: 0,
      opened: [],
      refused: [{ stage: 'filter-chain', reason: 'filter_chain_not_found', applicationBytes: 0, port: 8080 }],
    });
    expect(world.seen.refused[0]?.source).toBeUndefined();
  });

  it('STRICT is a reset before the response to a sidecar that sends plaintext', async () => {
    await using world = await startWorld();
    const answer = await world.pool.request(world.route({ tls: null }), GET);
    expect(answer).toMatchObject({
      ok: false,
      failure: { stage: 'reset-before-response', connection: { security: 'none' } },
    });
    expect(world.seen.refused).toMatchObject([{ source: { workload: 'default/frontend', ip: '10.0.0.5' } }]);
  });

  it('PERMISSIVE takes plaintext and mutual TLS on one port', async () => {
    await using world = await startWorld({ chain: permissiveHttp });
    const plain = await world.pool.request(world.route({ key: 'plain', tls: null }), GET);
    const mutual = await world.pool.request(world.route(), GET);
    expect(plain).toMatchObject({ ok: true, status: 200, connection: { security: 'none' } });
    expect(mutual).toMatchObject({ ok: true, status: 200, connection: { security: 'mutual_tls' } });
    expect(world.seen.opened.map(({ security, principal }) => ({ security, principal }))).toEqual([
      { security: 'none', principal: undefined },
      { security: 'mutual_tls', principal: idOf('frontend') },
    ]);
  });

  it('PERMISSIVE closes TLS without an Istio ALPN: a handshake failure to its client', async () => {
    await using world = await startWorld({ chain: permissiveHttp });
    const answer = await world.pool.request(world.route({ tls: { alpn: [] } }), GET);
    expect(answer).toMatchObject({ ok: false, failure: { stage: 'handshake' } });
    expect(world.seen.refused).toMatchObject([{ stage: 'filter-chain', sni: SNI }]);
  });

  it('DISABLE answers TLS as an HTTP codec does: the client reads a wrong version number', async () => {
    await using world = await startWorld({ chain: () => 'plain-http' });
    const answer = await world.pool.request(world.route(), GET);
    expect(answer).toMatchObject({ ok: false, failure: { stage: 'handshake', reason: 'wrong_version_number' } });
    await until(() => world.seen.refused.length > 0);
    expect(world.seen).toMatchObject({
      requests: 0,
      refused: [{ stage: 'codec', reason: 'codec_error', applicationBytes: 0 }],
    });
  });

  it('a codec error is one whatever the bytes are', async () => {
    await using world = await startWorld({ chain: () => 'codec-error' });
    const heard = await say(world.listener.address, [HTTP_TEXT]);
    expect(heard.bytes.toString()).toMatch(/^HTTP\/1\.1 400/);
    expect(world.seen).toMatchObject({ requests: 0, opened: [], refused: [{ stage: 'codec', reason: 'codec_error' }] });
  });

  it('hands TLS on unterminated where the chain says passthrough', async () => {
    const received: Buffer[] = [];
    await using world = await startWorld({
      chain: () => 'passthrough',
      onTcp: (_connection, stream) => {
        stream.on('data', (chunk: Buffer) => received.push(chunk));
        stream.on('error', () => undefined);
      },
    });
    const hello = await recordClientHello({ servername: 'x.example' });
    void say(world.listener.address, [hello]);
    await until(() => received.length > 0);
    expect(Buffer.concat(received)).toEqual(hello);
    expect(world.seen.opened).toMatchObject([{ security: 'none', sni: 'x.example' }]);
  });

  it('terminates TCP in both directions, sniffed bytes included', async () => {
    await using world = await startWorld({
      chain: (flight) => (flight.kind === 'tls' ? 'mtls-tcp' : 'plain-tcp'),
      onTcp: (_connection, stream) => void stream.on('data', (chunk: Buffer) => stream.end(`echo ${chunk.toString()}`)),
    });
    expect((await say(world.listener.address, ['ping'])).bytes.toString()).toBe('echo ping');
    const answer = await world.pool.connectTcp(world.route({ tls: { alpn: ['istio-peer-exchange', 'istio'] } }));
    if (!answer.ok) throw new Error(answer.failure.detail);
    expect(answer.connection.alpn).toBe('istio-peer-exchange');
    answer.stream.write('pong');
    const chunks: Buffer[] = [];
    for await (const chunk of answer.stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('echo pong');
    expect(world.seen.opened.map(({ security }) => security)).toEqual(['none', 'mutual_tls']);
  });

  it('loses nothing to a handler that listens later', async () => {
    await using world = await startWorld({
      chain: (flight) => (flight.kind === 'tls' ? 'mtls-tcp' : 'plain-tcp'),
      onTcp: (_connection, stream) =>
        void setTimeout(() => stream.on('data', (chunk: Buffer) => stream.end(`echo ${chunk.toString()}`)), 20),
    });
    expect((await say(world.listener.address, ['ping'])).bytes.toString()).toBe('echo ping');
    const answer = await world.pool.connectTcp(world.route());
    if (!answer.ok) throw new Error(answer.failure.detail);
    answer.stream.write('pong');
    await new Promise((resolve) => setTimeout(resolve, 30));
    const chunks: Buffer[] = [];
    for await (const chunk of answer.stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('echo pong');
  });

  it('asks at once, where it is told not to inspect, so that a server may speak first', async () => {
    await using world = await startWorld({
      inspect: false,
      chain: () => 'plain-tcp',
      onTcp: (_connection, stream) => void stream.end('220 ready'),
    });
    const answer = await world.pool.connectTcp(world.route({ tls: null }));
    if (!answer.ok) throw new Error(answer.failure.detail);
    const chunks: Buffer[] = [];
    for await (const chunk of answer.stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('220 ready');
    expect(world.seen.opened).toMatchObject([{ source: { workload: 'default/frontend' } }]);
  });

  it('negotiates nothing, rather than failing, where no ALPN is common', async () => {
    await using world = await startWorld();
    const answer = await world.pool.request(world.route({ tls: { alpn: ['spdy/3'] } }), GET);
    expect(answer).toMatchObject({ ok: true, status: 200 });
    if (answer.ok) expect(answer.connection.alpn).toBeUndefined();
  });

  it('refuses handshakes while the workload has no identity', async () => {
    await using world = await startWorld({ identity: () => undefined });
    const answer = await world.pool.request(world.route(), GET);
    expect(answer).toMatchObject({ ok: false, failure: { stage: 'handshake' } });
    expect(world.seen.refused).toMatchObject([{ stage: 'handshake', reason: 'no_server_certificate' }]);
  });

  it('refuses with a credential whose key does not fit, on either side', async () => {
    const misfit = { chain: BACKEND.chain, key: FRONTEND.key };
    await using world = await startWorld({ identity: () => misfit });
    expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: false, failure: { stage: 'handshake' } });
    expect(world.seen.refused).toMatchObject([{ stage: 'handshake', reason: 'unusable_credential' }]);
    expect(await world.pool.request(world.route({ tls: { identity: () => misfit } }), GET)).toMatchObject({
      ok: false,
      failure: { stage: 'handshake', reason: 'unusable_credential' },
    });
  });

  it('gives up the port', async () => {
    await using world = await startWorld();
    await expect(startWorld({ listenPort: world.listener.address.port })).rejects.toMatchObject({
      code: 'ERR_WIRE_LISTEN',
    });
  });
});

describe('one byte at a time', () => {
  it('recognises HTTP', async () => {
    await using world = await startWorld({ chain: permissiveHttp });
    const heard = await say(world.listener.address, HTTP_TEXT.split(''), 'hello');
    expect(heard.bytes.toString()).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it('recognises TLS and completes the handshake', async () => {
    await using world = await startWorld();
    const splitter = await splitBytes(world.listener.address);
    const answer = await world.pool.request(world.route({ address: splitter.address }), GET);
    expect(answer).toMatchObject({ ok: true, status: 200, connection: { security: 'mutual_tls' } });
    await world.pool.close();
    await splitter.close();
  });
});

describe('slow and silent clients', () => {
  it.each([
    { name: 'half a ClientHello', sent: [Uint8Array.of(0x16, 3, 1, 2, 0, 1)] },
    { name: 'half a method', sent: ['GE'] },
  ])('closes a client that sends $name', async ({ sent }) => {
    await using world = await startWorld({ handshakeTimeoutMs: 30 });
    const heard = await say(world.listener.address, sent);
    expect(heard.bytes).toHaveLength(0);
    expect(world.seen.refused).toMatchObject([{ stage: 'handshake', reason: 'timeout', applicationBytes: 0 }]);
    expect(world.seen.refused).toHaveLength(1);
  });

  it('waits for a client that has said nothing yet, and serves it in the end', async () => {
    await using world = await startWorld({ handshakeTimeoutMs: 20, chain: () => 'plain-http' });
    const socket = connect(world.listener.address);
    await once(socket, 'connect');
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(world.listener).toMatchObject({ sockets: 1, connections: 0 });
    socket.write('GET / HTTP/1.1\r\nhost: backend\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toContain('HTTP/1.1 200');
    expect(world.seen.refused).toEqual([]);
    socket.destroy();
  });

  it('closes a client that stops in the middle of a handshake', async () => {
    await using world = await startWorld({ handshakeTimeoutMs: 50 });
    await say(world.listener.address, [await recordClientHello({ servername: 'x' })]);
    expect(world.seen.refused).toMatchObject([{ stage: 'handshake', reason: 'timeout', sni: 'x' }]);
    expect(world.seen.refused).toHaveLength(1);
  });

  it('does not close an idle connection that is open', async () => {
    await using world = await startWorld({ handshakeTimeoutMs: 400 });
    await world.pool.request(world.route(), GET);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(world.listener.connections).toBe(1);
    expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: true, retriedStale: false });
    expect(world.seen.opened).toHaveLength(1);
  });
});

describe('exchanges', () => {
  const echo = async (exchange: InboundExchange): Promise<void> => {
    const body = Buffer.from(await exchange.body()).toString();
    const { method, path, host, headers } = exchange;
    exchange.reply({
      status: 201,
      headers: { 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'] },
      body: JSON.stringify({ method, path, host, tier: headers['x-tier'], raw: exchange.rawHeaders.length, body }),
    });
  };

  it('sees the request as it was sent and is answered as it says', async () => {
    await using world = await startWorld({ onHttp: echo });
    const answer = await world.pool.request(world.route(), {
      method: 'POST',
      path: '/a/../b//c%2e?x=1&y',
      host: 'backend:8080',
      headers: { 'X-Tier': 'gold', 'x-twice': ['1', '2'] },
      body: 'päylöad',
    });
    if (!answer.ok) throw new Error(answer.failure.detail);
    expect(answer.status).toBe(201);
    expect(answer.headers).toMatchObject({ 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'] });
    expect(JSON.parse(Buffer.from(answer.body).toString())).toMatchObject({
      method: 'POST',
      path: '/a/../b//c%2e?x=1&y',
      host: 'backend:8080',
      tier: 'gold',
      body: 'päylöad',
    });
  });

  it('refuses a body above the limit of its reader', async () => {
    const codes: unknown[] = [];
    await using world = await startWorld({
      onHttp: async (exchange) => {
        await exchange.body(10).catch((error: unknown) => codes.push(error));
        exchange.reply({ status: 413 });
      },
    });
    const answer = await world.pool.request(world.route(), {
      method: 'POST',
      path: '/',
      host: 'b',
      body: 'x'.repeat(11),
    });
    expect(answer).toMatchObject({ ok: true, status: 413 });
    expect(codes).toMatchObject([{ code: 'ERR_WIRE_BODY' }]);
  });

  it('is a reset to the caller when it is aborted, or its handler fails', async () => {
    const errors: unknown[] = [];
    await using world = await startWorld({
      onHttp: (exchange) => {
        if (exchange.path === '/abort') exchange.abort();
        else if (exchange.path === '/throws') throw new Error('throws');
        else return Promise.reject(new Error('rejects'));
        return undefined;
      },
      onError: (error) => errors.push(error),
    });
    for (const path of ['/abort', '/throws', '/rejects']) {
      const answer = await world.pool.request(world.route(), { ...GET, path });
      expect(answer).toMatchObject({ ok: false, failure: { stage: 'reset-before-response' } });
    }
    expect(world.seen.requests).toBe(3);
    expect(errors).toEqual([new Error('throws'), new Error('rejects')]);
  });

  it('streams to a real server behind, and says 503 when there is none', async () => {
    const application = createHttpServer((request, response) => {
      response.writeHead(207, { 'x-saw': String(request.headers['x-forwarded-client-cert']) });
      request.pipe(response);
    });
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
    const { port } = application.address() as AddressInfo;
    let target = { host: '127.0.0.1', port };
    await using world = await startWorld({
      onHttp: async (exchange) =>
        void (await exchange.forward(target, {
          headers: [...exchange.rawHeaders, 'x-forwarded-client-cert', 'URI=x'],
        })),
    });
    const call = { method: 'PUT', path: '/p', host: 'b', body: 'x'.repeat(100_000) };
    const answer = await world.pool.request(world.route(), call);
    expect(answer).toMatchObject({ ok: true, status: 207, headers: { 'x-saw': 'URI=x' } });
    if (answer.ok) expect(answer.body).toHaveLength(100_000);
    application.closeAllConnections();
    await new Promise((resolve) => application.close(resolve));
    target = { host: '127.0.0.1', port };
    expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: true, status: 503 });
  });

  it('answers a malformed request 400 and one with too long headers 431', async () => {
    await using world = await startWorld({ chain: () => 'plain-http' });
    const bad = await say(world.listener.address, ['GET /x HTTP/1.1\r\nbad header\r\n\r\n']);
    expect(bad.bytes.toString()).toMatch(/^HTTP\/1\.1 400/);
    const long = await say(world.listener.address, [`GET / HTTP/1.1\r\nHost: b\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`]);
    expect(long.bytes.toString()).toMatch(/^HTTP\/1\.1 431/);
    expect(world.seen.requests).toBe(0);
  });

  it('serves clients of other make', async () => {
    await using world = await startWorld({ chain: permissiveHttp });
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const { host, port } = world.listener.address;
      httpRequest({ host, port, path: '/' }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
    const socket = await secure(world.listener.address, { ...pemOf(FRONTEND), ALPNProtocols: [...ISTIO_HTTP_ALPN] });
    const heard = listen(socket, 'hello');
    socket.write(HTTP_TEXT);
    expect((await heard).bytes.toString()).toContain('200 OK');
  });
});

describe('resumption', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'is not offered, and not taken: %s clients prove themselves each time',
    async (version) => {
      let judged = 0;
      await using world = await startWorld({
        verifyClient: (chain) => {
          judged += 1;
          return { ok: true, principal: `${chain.length} certificates`, validUntil: 0 as never };
        },
      });
      const options = {
        ...pemOf(FRONTEND),
        minVersion: version,
        maxVersion: version,
        ALPNProtocols: [...ISTIO_HTTP_ALPN],
      };
      let session: Buffer | undefined;
      for (let i = 0; i < 3; i++) {
        const socket = await secure(world.listener.address, session === undefined ? options : { ...options, session });
        socket.on('session', (ticket: Buffer) => (session = ticket));
        expect(socket.isSessionReused()).toBe(false);
        const heard = listen(socket, 'hello');
        session ??= socket.getSession();
        socket.write(HTTP_TEXT);
        expect((await heard).bytes.toString()).toContain('200 OK');
      }
      expect(judged).toBe(3);
      expect(world.seen.opened.map(({ resumed, principal }) => ({ resumed, principal }))).toEqual(
        Array.from({ length: 3 }, () => ({ resumed: false, principal: '2 certificates' })),
      );
    },
  );

  it('of a session without its certificate gains nothing', async () => {
    await using world = await startWorld();
    const first = await secure(world.listener.address, pemOf(FRONTEND));
    const heard = listen(first, 'hello');
    let session: Buffer | undefined = first.getSession();
    first.on('session', (ticket: Buffer) => (session = ticket));
    first.write(HTTP_TEXT);
    await heard;
    const second = await secure(world.listener.address, session === undefined ? {} : { session });
    second.write(HTTP_TEXT);
    expect((await listen(second)).bytes).toHaveLength(0);
    expect(world.seen).toMatchObject({
      requests: 1,
      refused: [{ stage: 'verify-client', reason: 'no_client_certificate' }],
    });
  });
});

describe('renegotiation', () => {
  it('is not possible: nobody changes certificates after the judgement', async () => {
    await using world = await startWorld();
    const socket = await secure(world.listener.address, { ...pemOf(FRONTEND), maxVersion: 'TLSv1.2' });
    const outcome = await new Promise<string>((resolve) => {
      socket.once('close', () => resolve('closed'));
      socket.renegotiate({}, (error) => resolve(error === null ? 'renegotiated' : 'refused'));
    });
    expect(['closed', 'refused']).toContain(outcome);
    expect(world.seen.opened).toHaveLength(1);
    socket.destroy();
  });
});

describe('closing', () => {
  it('is idempotent and leaves nothing open', async () => {
    const world = await startWorld();
    await world.pool.open(world.route(), 3);
    await until(() => world.listener.connections === 3);
    await Promise.all([world.listener.close(), world.listener.close()]);
    expect(world.listener.connections).toBe(0);
    expect(world.seen.refused).toEqual([]);
    await world.pool.close();
    await world.pool.close();
    expect(world.addresses.size).toBe(0);
    expect(BACKEND.chain).toHaveLength(2);
    expect(strictHttp({ kind: 'raw', looksLike: 'tcp' })).toBe('refuse');
  });

  it('is not a refusal to those who are in the middle of a handshake', async () => {
    await using world = await startWorld();
    const said = [say(world.listener.address, [await recordClientHello({})]), say(world.listener.address, ['GET'])];
    await new Promise((resolve) => setTimeout(resolve, 50));
    await world.listener.close();
    await Promise.all(said);
    expect(world.seen.refused).toEqual([]);
  });

  it('returns to where it was after hundreds of connections that came and went', async () => {
    const count = (): number => process.getActiveResourcesInfo().filter((kind) => /TCP|TLS/.test(kind)).length;
    const before = count();
    {
      await using world = await startWorld();
      for (let i = 0; i < 25; i++) {
        await world.pool.open(world.route(), 8);
        await Promise.all(Array.from({ length: 8 }, () => world.pool.request(world.route(), GET)));
        await say(world.listener.address, ['plain\n']);
        await world.pool.drain();
      }
      await until(() => world.listener.connections === 0);
      expect(world.addresses.size).toBe(0);
      expect(world.seen.opened).toHaveLength(200);
      expect(world.seen.closed).toHaveLength(200);
    }
    await until(() => count() <= before, `${count()} sockets, ${before} before`);
  });
});
