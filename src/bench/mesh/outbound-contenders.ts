/**
 * Ways for a request to get to a server over mutual TLS with an HTTP hop in front: a proxy of its own making, and the
 * port through which a workload's programs call out.
 * @module
 */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { Pool } from 'undici';
import { DisposeStack } from '../../core/index.ts';
import { Mesh } from '../../mesh/index.ts';
import { fleetOf, nameOf } from '../fleet.ts';
import type { Identities } from '../handshake/endpoint.ts';
import { BODY, CONCURRENCY, listenOn, throughProxy, type Way } from './request-contenders.ts';

export const BARE_PROXY = 'bare proxy, mutual TLS behind';
export const OUTBOUND = 'outbound port of a workload';

/** A proxy on Node's http server, undici behind it: it forwards, and does nothing else. */
export async function bareProxyWay({ server, client }: Identities): Promise<Way> {
  const stack = new DisposeStack();
  const https = createServer({ ...server, requestCert: true, rejectUnauthorized: true }, (_request, response) => {
    response.end(BODY);
  });
  const port = await listenOn(https, stack);
  const trust = { ...client, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  const upstream = new Pool(`https://127.0.0.1:${port}`, { connections: CONCURRENCY, connect: trust });
  stack.defer(() => upstream.destroy());
  const forward = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const path = request.url ?? '/';
      const { statusCode, body } = await upstream.request({ method: 'GET', path, headers: { host: 'backend' } });
      response.statusCode = statusCode;
      response.end(Buffer.from(await body.arrayBuffer()));
    } catch {
      response.destroy();
    }
  };
  const proxy = createHttpServer((request, response) => void forward(request, response));
  return throughProxy(BARE_PROXY, await listenOn(proxy, stack), () => stack.close());
}

/** The same hop as a workload's sidecar takes it: policies, events and all. */
export async function outboundWay(): Promise<Way> {
  const application = (): { status: number; body: string } => ({ status: 200, body: BODY });
  const [caller, server] = [nameOf(0), nameOf(1)];
  const mesh = await Mesh.start({ config: fleetOf(2), applications: { [`default/${server}`]: application } });
  await mesh.simulation.openConnections(`default/${caller}`, `default/${server}`, CONCURRENCY);
  const { port } = await mesh.outbound(`default/${caller}`);
  return throughProxy(OUTBOUND, port, () => mesh.close(), server);
}
