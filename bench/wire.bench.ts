/**
 * What the sidecars cost: requests through both of them against bare undici and a bare `https` server with the same
 * keys, and full handshakes against bare `node:tls`.
 *
 * Goals: ratios that travel between machines. Non-goals: absolute speed. Peers take turns in short rounds, so that a
 * busy machine disturbs all alike; the median round counts. Chains are judged by the real verifier, which remembers them,
 * as in a mesh.
 *
 * Run: `npx tsx bench/wire.bench.ts [full]`.
 * @module
 */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { performance } from 'node:perf_hooks';
import { Pool } from 'undici';
import { parseSpiffeId } from '../src/identity/index.ts';
import { CertificateAuthority, issueSvid, type Svid, SvidVerifier, TrustBundleSet } from '../src/pki/index.ts';
import { addMs, HOUR_MS, instantOf } from '../src/core/index.ts';
import {
  AddressBook,
  type Credential,
  InboundListener,
  OutboundPool,
  type OutboundRoute,
  Seam,
  type VerifyPeer,
} from '../src/wire/index.ts';

export const name = 'wire';
export const parameters: {
  readonly rounds: readonly [number, number];
  readonly requests: readonly [number, number];
  readonly handshakes: readonly [number, number];
} = {
  rounds: [3, 15],
  requests: [400, 4_000],
  handshakes: [30, 200],
};

const CONCURRENCY = 16;

interface Contestant {
  request(): Promise<unknown>;
  handshake(): Promise<void>;
  close(): Promise<void>;
}

function pem(svid: Credential): { cert: string; key: string } {
  const cert = svid.chain
    .map(
      ({ der }) => `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`,
    )
    .join('');
  return { cert, key: svid.key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

async function bare(server: Svid, client: Svid, ca: string): Promise<Contestant> {
  const https = createServer(
    { ...pem(server), ca, requestCert: true, rejectUnauthorized: true },
    (_request, response) => {
      response.end('hello');
    },
  );
  const tls = createTlsServer({ ...pem(server), ca, requestCert: true, rejectUnauthorized: true }, (socket) =>
    socket.end('x'),
  );
  await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  const options = { ...pem(client), ca, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  const pool = new Pool(`https://127.0.0.1:${(https.address() as AddressInfo).port}`, {
    connections: CONCURRENCY,
    connect: options,
  });
  const { createSecureContext } = await import('node:tls');
  const secureContext = createSecureContext(options);
  const { port } = tls.address() as AddressInfo;
  return {
    request: async () => {
      const answer = await pool.request({ method: 'GET', path: '/api/users?x=1', headers: { host: 'backend' } });
      return answer.body.text();
    },
    handshake: () =>
      new Promise<void>((resolve, reject) => {
        const socket: TLSSocket = connect({
          host: '127.0.0.1',
          port,
          secureContext,
          rejectUnauthorized: true,
          checkServerIdentity: () => undefined,
        });
        socket.on('error', reject);
        socket.once('data', () => socket.destroy());
        socket.once('close', () => resolve());
      }),
    close: async () => {
      await pool.destroy();
      https.closeAllConnections();
      await new Promise((resolve) => https.close(resolve));
      await new Promise((resolve) => tls.close(resolve));
    },
  };
}

async function sidecars(
  server: Svid,
  client: Svid,
  verify: (purpose: 'client' | 'server') => VerifyPeer,
): Promise<Contestant> {
  const addresses = new AddressBook();
  const seam = new Seam(addresses);
  const pool = new OutboundPool({ seam, addresses });
  const listener = await InboundListener.listen({
    port: 8080,
    addresses,
    identity: () => server,
    verifyClient: verify('client'),
    chain: (flight) => (flight.kind === 'tls' ? (flight.sni === 'tcp' ? 'mtls-tcp' : 'mtls-http') : 'refuse'),
    onHttp: (exchange) => exchange.reply({ status: 200, body: 'hello' }),
    onTcp: (_connection, stream) => stream.end('x'),
  });
  const route: OutboundRoute = {
    key: 'backend',
    link: { source: 'default/frontend', destination: 'default/backend', port: 8080 },
    address: listener.address,
    connectionsMax: CONCURRENCY,
    tls: {
      sni: 'backend',
      alpn: ['istio-http/1.1', 'istio', 'http/1.1'],
      identity: () => client,
      verifyServer: verify('server'),
    },
  };
  const tcp: OutboundRoute = { ...route, tls: { sni: 'tcp', identity: () => client, verifyServer: verify('server') } };
  return {
    request: async () => {
      const answer = await pool.request(route, { method: 'GET', path: '/api/users?x=1', host: 'backend' });
      if (!answer.ok) throw new Error(answer.failure.detail);
      return Buffer.from(answer.body).toString();
    },
    handshake: async () => {
      const answer = await pool.connectTcp(tcp);
      if (!answer.ok) throw new Error(answer.failure.detail);
      const { stream } = answer;
      await new Promise<void>((resolve) => {
        stream.once('data', () => stream.destroy());
        stream.once('close', () => resolve());
      });
    },
    close: async () => {
      await pool.close();
      await seam.close();
      await listener.close();
    },
  };
}

async function timed(count: number, concurrency: number, once: () => Promise<unknown>): Promise<number> {
  let left = count;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) await once();
    }),
  );
  return count / (performance.now() - start);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

export interface WireBench {
  readonly requestsPerSecond: { readonly bare: number; readonly sidecars: number };
  readonly handshakesPerSecond: { readonly bare: number; readonly sidecars: number };
  /** Sidecars over bare. */
  readonly requestRatio: number;
  /** Time of a handshake, sidecars over bare. */
  readonly handshakeRatio: number;
}

export async function run(size: 0 | 1): Promise<WireBench> {
  const at = instantOf(Date.now());
  const authority = CertificateAuthority.createRoot({ trustDomain: 'cluster.local', at: addMs(at, -HOUR_MS) });
  const issue = (account: string): Svid =>
    issueSvid(authority, { spiffeId: parseSpiffeId(`spiffe://cluster.local/ns/default/sa/${account}`), at });
  const [server, client] = [issue('backend'), issue('frontend')];
  const bundles = TrustBundleSet.of({ 'cluster.local': [authority.root] });
  const verifier = new SvidVerifier();
  const verify =
    (purpose: 'client' | 'server'): VerifyPeer =>
    (chain) => {
      const result = verifier.verifyDer(chain, { bundles, at, purpose });
      return result.ok ? { ok: true, principal: result.spiffeId, validUntil: result.validUntil } : result;
    };
  const peers = [await bare(server, client, authority.root.toPem()), await sidecars(server, client, verify)] as const;
  const requests: [number[], number[]] = [[], []];
  const handshakes: [number[], number[]] = [[], []];
  for (let round = 0; round <= parameters.rounds[size]; round++) {
    for (const i of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const rate = await timed(parameters.requests[size], CONCURRENCY, () => peers[i].request());
      const opened = await timed(parameters.handshakes[size], 1, () => peers[i].handshake());
      if (round === 0) continue;
      requests[i].push(rate * 1_000);
      handshakes[i].push(opened * 1_000);
    }
  }
  await Promise.all(peers.map((peer) => peer.close()));
  const [bareRequests, ours] = [median(requests[0]), median(requests[1])];
  const [bareHandshakes, ourHandshakes] = [median(handshakes[0]), median(handshakes[1])];
  return {
    requestsPerSecond: { bare: Math.round(bareRequests), sidecars: Math.round(ours) },
    handshakesPerSecond: { bare: Math.round(bareHandshakes), sidecars: Math.round(ourHandshakes) },
    requestRatio: Number((ours / bareRequests).toFixed(3)),
    handshakeRatio: Number((bareHandshakes / ourHandshakes).toFixed(3)),
  };
}

if (process.argv[1]?.endsWith('wire.bench.ts') === true) {
  console.log(JSON.stringify(await run(process.argv[2] === 'full' ? 1 : 0), undefined, 2));
}
