/**
 * Requests by which a client tries to be seen by the application as something else than by the policies, and requests
 * that cost more than they should. Real sockets, raw bytes, a PERMISSIVE port.
 * Source: RFC 9112 3.2, 5.2, 6.1, 6.3; RFC 9113 8.2, 8.3; RFC 9110 10.1.1; Envoy's codecs and HTTP connection manager.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, type OutgoingHttpHeaders } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh } from '../../../src/mesh/index.ts';
import type { ApplicationRequest } from '../../../src/sim/index.ts';
import type { Address } from '../../../src/wire/index.ts';
import { manifests, peerAuthenticationYaml, workloadYaml } from '../../kit/small-world.ts';
import { say } from '../../unit/wire/kit/raw-client.ts';

const DENY = JSON.stringify({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'deny', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'api' } },
    action: 'DENY',
    rules: [
      { to: [{ operation: { paths: ['/admin'] } }, { operation: { hosts: ['evil*'] } }] },
      { when: [{ key: 'request.headers[x]', values: ['bad'] }] },
    ],
  },
});
const YAML = manifests(workloadYaml('web'), workloadYaml('api'), peerAuthenticationYaml('PERMISSIVE'), DENY);

let mesh: Mesh;
let at: Address;
const asked: ApplicationRequest[] = [];
beforeAll(async () => {
  mesh = await Mesh.start({
    yaml: YAML,
    applications: {
      'default/api': (request) => {
        asked.push(request);
        return { status: 200, body: 'ok' };
      },
    },
  });
  at = await addressOf(mesh);
});
afterAll(() => mesh.close());

async function addressOf(of: Mesh): Promise<Address> {
  const way = await of.simulation.way('outside', 'default/api');
  if (way === undefined) throw new Error('no way to the server');
  return way.route.address;
}

/** Status lines of all answers, and what the application was asked for. */
async function ask(request: string): Promise<{ readonly statuses: readonly number[]; readonly paths: string[] }> {
  asked.length = 0;
  const { bytes } = await say(at, [request]);
  const statuses = [...bytes.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code));
  return { statuses, paths: asked.map(({ path }) => path) };
}

const END = 'Connection: close\r\n\r\n';
const headers = (count: number): string => Array.from({ length: count }, (_, i) => `h${i}: 1\r\n`).join('');

describe('RFC9112/target and host', () => {
  it.each([
    ['origin form', `GET /admin HTTP/1.1\r\nHost: a\r\n${END}`, 403],
    ['absolute form: its path is matched', `GET http://a/admin HTTP/1.1\r\nHost: a\r\n${END}`, 403],
    ['absolute form: its host replaces Host', `GET http://evil/x HTTP/1.1\r\nHost: a\r\n${END}`, 403],
    ['absolute form without a path', `GET http://a HTTP/1.1\r\nHost: a\r\n${END}`, 200],
    ['absolute form with a user', `GET http://evil@a/x HTTP/1.1\r\nHost: a\r\n${END}`, 400],
    ['absolute form without a host', `GET http:///admin HTTP/1.1\r\nHost: a\r\n${END}`, 400],
    ['two hosts', `GET /x HTTP/1.1\r\nHost: a\r\nHost: evil\r\n${END}`, 400],
    ['the same host twice', `GET /x HTTP/1.1\r\nHost: a\r\nhost: a\r\n${END}`, 400],
    ['no host', `GET /x HTTP/1.1\r\n${END}`, 400],
    ['asterisk form', `OPTIONS * HTTP/1.1\r\nHost: a\r\n${END}`, 404],
    ['a path without a slash', `GET admin HTTP/1.1\r\nHost: a\r\n${END}`, 400],
    ['CONNECT', 'CONNECT evil:80 HTTP/1.1\r\nHost: evil:80\r\n\r\n', 403],
    ['an upgrade Istio does not offer', `GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n`, 403],
    ['h2c is not taken up', `GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`, 200],
    ['an h2c upgrade is judged', `GET /admin HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`, 403],
    [
      'an h2c upgrade with a body nobody reads',
      'POST /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc',
      400,
    ],
  ])('%s', async (_, request, status) => {
    const { statuses, paths } = await ask(request);
    expect(statuses).toEqual([status]);
    expect(paths).toHaveLength(status === 200 ? 1 : 0);
  });

  it('the application sees the host of an absolute target, not the one beside it', async () => {
    await ask(`GET http://b/y HTTP/1.1\r\nHost: a\r\n${END}`);
    expect(asked).toMatchObject([{ path: '/y', headers: { host: 'b' } }]);
  });
});

describe('RFC9112/framing', () => {
  it.each([
    [
      'length and chunked',
      'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n',
    ],
    ['two lengths', 'Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde'],
    ['an unknown coding', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
    ['chunked is not the last coding', 'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
    ['a folded line', 'X: ok\r\n bad\r\n\r\n'],
    ['a blank before the colon', 'X : bad\r\n\r\n'],
    ['a NUL', 'X: a\0b\r\n\r\n'],
    ['lines that end in a bare LF', 'X: ok\n\n'],
  ])('%s: 400, and the connection is closed', async (_, rest) => {
    expect(await ask(`POST /x HTTP/1.1\r\nHost: a\r\n${rest}`)).toEqual({ statuses: [400], paths: [] });
  });

  it('a request behind another one is judged by itself', async () => {
    const first = 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc';
    expect(await ask(`${first}GET /admin HTTP/1.1\r\nHost: a\r\n${END}`)).toEqual({
      statuses: [200, 403],
      paths: ['/x'],
    });
  });

  it('RFC9110/10.1.1: 100-continue is answered, another expectation passed on', async () => {
    const post = (expectation: string): string =>
      `POST /x HTTP/1.1\r\nHost: a\r\nExpect: ${expectation}\r\nContent-Length: 3\r\n${END}abc`;
    expect((await ask(post('100-continue'))).statuses).toEqual([100, 200]);
    expect((await ask(post('other'))).statuses).toEqual([200]);
  });
});

describe('envoy/limits', () => {
  it.each([
    ['100 headers', `GET /x HTTP/1.1\r\n${headers(97)}Host: a\r\nx: ok\r\n${END}`, 200],
    ['101 headers', `GET /x HTTP/1.1\r\n${headers(98)}Host: a\r\nx: ok\r\n${END}`, 431],
    [
      'a header behind three thousand is not overlooked',
      `GET /x HTTP/1.1\r\nHost: a\r\n${headers(3_000)}x: bad\r\n\r\n`,
      431,
    ],
    ['more than 60 KiB of headers', `GET /x HTTP/1.1\r\nHost: a\r\ny: ${'a'.repeat(62_000)}\r\n\r\n`, 431],
  ])('%s', async (_, request, status) => {
    expect((await ask(request)).statuses).toEqual([status]);
  });

  it('names of the language are header names like any other', async () => {
    await ask(`GET /x HTTP/1.1\r\nHost: a\r\n__proto__: p\r\nconstructor: c\r\n${END}`);
    expect(Object.entries(asked[0]?.headers ?? {})).toEqual(
      expect.arrayContaining([
        ['__proto__', 'p'],
        ['constructor', 'c'],
      ]),
    );
  });
});

/** Status, or the reset of the stream. */
async function ask2(request: OutgoingHttpHeaders): Promise<number | string> {
  asked.length = 0;
  const session = connectHttp2(`http://${at.host}:${at.port}`);
  session.on('error', () => undefined);
  try {
    return await new Promise((resolve) => {
      const stream = session.request(request);
      stream.once('response', (answer) => resolve(answer[':status'] ?? 0));
      stream.once('error', () => resolve('reset'));
      stream.resume().end();
    });
  } finally {
    session.destroy();
  }
}

describe('RFC9113/requests', () => {
  it.each<[string, OutgoingHttpHeaders, number | string]>([
    ['every line of a header is looked at', { ':path': '/x', x: ['ok', 'bad'] }, 403],
    ['a list in one line is one value', { ':path': '/x', x: 'ok, bad' }, 200],
    [':authority counts, not the Host beside it', { ':path': '/x', ':authority': 'evil', host: 'a' }, 403],
    ['an absolute path', { ':path': 'http://a/admin' }, 'reset'],
    ['a path without a slash', { ':path': 'admin' }, 'reset'],
    ['asterisk form', { ':path': '*', ':method': 'OPTIONS' }, 404],
    ['CONNECT', { ':method': 'CONNECT', ':authority': 'a:80' }, 403],
    [
      'more headers than Envoy takes',
      { ':path': '/x', ...Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`h${i}`, '1'])) },
      'reset',
    ],
  ])('%s', async (_, request, answer) => {
    expect(await ask2(request)).toBe(answer);
    expect(asked).toHaveLength(answer === 200 ? 1 : 0);
  });

  it('the application gets one cookie line and no Host that the client made up', async () => {
    await ask2({ ':path': '/x', ':authority': 'a', host: 'evil', cookie: ['a=1', 'b=2'] });
    expect(asked[0]?.headers).toMatchObject({ cookie: 'a=1; b=2' });
    expect(asked[0]?.headers['host']).toBeUndefined();
  });
});

describe('wire/real application', () => {
  const wait = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

  it(
    'a client that leaves takes its request with it; a slow reader holds its sender back',
    { timeout: 30_000 },
    async () => {
      const left: (string | undefined)[] = [];
      let slow: IncomingMessage | undefined;
      const server = createServer((request, response) => {
        response.once('close', () => left.push(request.url));
        request.on('error', () => undefined);
        if (request.url === '/slow') slow = request.pause();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      {
        await using own = await Mesh.start({
          yaml: YAML,
          applications: { 'default/api': { address: `127.0.0.1:${port}` } },
        });
        const { host, port: listening } = await addressOf(own);
        const client = connect(listening, host);
        client.write('GET /hang HTTP/1.1\r\nHost: a\r\n\r\n');
        await wait(100);
        client.destroy();
        for (let i = 0; i < 200 && left.length === 0; i++) await wait(10);
        expect(left).toEqual(['/hang']);

        const total = 64 * 1024 * 1024;
        const sender = connect(listening, host);
        sender.on('error', () => undefined);
        sender.write(`POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`);
        const chunk = Buffer.alloc(65_536);
        let sent = 0;
        while (sent < total && sender.write(chunk)) sent += chunk.length;
        for (let quiet = 0; quiet < 10 && sent < total; quiet++) {
          await wait(20);
          while (sent < total && sender.writableLength === 0) {
            sender.write(chunk);
            sent += chunk.length;
            quiet = 0;
          }
        }
        expect(slow).toBeDefined();
        // What kernels and streams hold; the rest stays with the client.
        expect(sent).toBeLessThan(total / 2);
        sender.destroy();
      }
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  );
});
