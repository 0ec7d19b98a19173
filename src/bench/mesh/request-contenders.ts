/**
 * Ways for a request to get from a caller to a server over mutual TLS.
 * @module
 */
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer, Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Pool } from 'undici';
import { DisposeStack } from '../../core/index.ts';
import { Mesh } from '../../mesh/index.ts';
import { fleetOf, nameOf } from '../fleet.ts';
import type { Identities } from '../handshake/endpoint.ts';

export interface Way extends AsyncDisposable {
  readonly name: string;
  request(): Promise<unknown>;
}

export const BARE = 'undici over mutual TLS';
export const OURS = 'mesh.request';
export const PATH = '/api/users?x=1';
export const BODY = 'hello';
/** Requests under way at any time, and connections to carry them. */
export const CONCURRENCY = 16;

export async function listenOn(server: Server, stack: DisposeStack): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/** Two clients of one https server: undici, and Node's own. */
export async function bareWays({ server, client }: Identities): Promise<readonly Way[]> {
  const stack = new DisposeStack();
  const https = createServer({ ...server, requestCert: true, rejectUnauthorized: true }, (_request, response) => {
    response.end(BODY);
  });
  const port = await listenOn(https, stack);
  // SPIFFE certificates name no host.
  const trust = { ...client, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  const pool = new Pool(`https://127.0.0.1:${port}`, { connections: CONCURRENCY, connect: trust });
  stack.defer(() => pool.destroy());
  const agent = new HttpsAgent({ ...trust, keepAlive: true, maxSockets: CONCURRENCY });
  stack.defer(() => agent.destroy());
  return [
    {
      name: BARE,
      request: () => answerOf(pool),
      [Symbol.asyncDispose]: () => stack.close(),
    },
    {
      name: 'node:https over mutual TLS',
      request: () =>
        new Promise<void>((resolve, reject) => {
          const call = httpsRequest({ host: '127.0.0.1', port, path: PATH, agent }, (response) => {
            response.resume().once('end', resolve).once('error', reject);
          });
          call.once('error', reject).end();
        }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
  ];
}

async function answerOf(pool: Pool, host = 'backend'): Promise<void> {
  const { statusCode, body } = await pool.request({ method: 'GET', path: PATH, headers: { host } });
  if (statusCode !== 200 || (await body.text()) !== BODY) throw new Error(`answered ${statusCode}`);
}

/** Through both sidecars, as a test does it: policies, events and all. */
export async function meshWay(): Promise<Way> {
  const application = (): { status: number; body: string } => ({ status: 200, body: BODY });
  const mesh = await Mesh.start({ config: fleetOf(2), applications: { [`default/${nameOf(1)}`]: application } });
  const ends = { from: `default/${nameOf(0)}`, to: `default/${nameOf(1)}` };
  await mesh.simulation.openConnections(ends.from, ends.to, CONCURRENCY);
  return {
    name: OURS,
    async request() {
      const { status } = await mesh.request({ ...ends, path: PATH });
      if (status !== 200) throw new Error(`answered ${status}`);
    },
    [Symbol.asyncDispose]: () => mesh.close(),
  };
}

/** A plaintext client of a proxy that listens on this port. */
export function throughProxy(name: string, port: number, close: () => Promise<void>, host?: string): Way {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONCURRENCY });
  return {
    name,
    request: () => answerOf(pool, host),
    async [Symbol.asyncDispose]() {
      await pool.destroy();
      await close();
    },
  };
}

/** A server for the end of a chain of proxies. */
export async function plainServer(stack: DisposeStack): Promise<number> {
  return listenOn(
    createHttpServer((_request, response) => response.end(BODY)),
    stack,
  );
}
