/**
 * What the whole mesh costs: `mesh.request` through both sidecars, policies and ledger included, against a bare undici
 * client and a bare `https` server with keys of the same kind; and the outbound port against a bare proxy in front of the
 * same server.
 *
 * Goals: ratios that travel between machines. Non-goals: absolute speed. Contestants take turns in short rounds, so that
 * a busy machine disturbs all alike; the median round counts.
 *
 * Run: `npx tsx bench/mesh.bench.ts [full]`.
 * @module
 */
import { createServer as createProxy, type Server as HttpServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { Pool } from 'undici';
import { Mesh } from '../src/mesh/index.ts';
import { certificatesToPem } from '../src/pki/index.ts';

export const name = 'mesh';
export const parameters: { readonly rounds: readonly [number, number]; readonly requests: readonly [number, number] } =
  {
    rounds: [3, 21],
    requests: [300, 3_000],
  };

const CONCURRENCY = 16;
const PATH = '/api/users?x=1';

const workload = (app: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${app}, namespace: default }
spec:
  selector: { matchLabels: { app: ${app} } }
  template:
    metadata: { labels: { app: ${app}, sidecar.istio.io/inject: "true" } }
    spec: { serviceAccountName: ${app}, containers: [{ name: ${app}, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${app}, namespace: default }
spec: { selector: { app: ${app} }, ports: [{ name: http, port: 8080 }] }
---
`;

const POLICIES = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: backend, namespace: default }
spec:
  selector: { matchLabels: { app: backend } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/default/sa/frontend] } }]
      to: [{ operation: { methods: [GET], paths: ["/api/*"] } }]
`;

interface Bare {
  readonly pool: Pool;
  /** A proxy in front of the server, over plain HTTP. */
  readonly proxied: Pool;
  close(): Promise<void>;
}

async function bare(mesh: Mesh): Promise<Bare> {
  const credentials = (app: string): { cert: string; key: string } => {
    const svid = mesh.svid(`default/${app}`);
    if (svid === undefined) throw new Error(`no certificate for ${app}`);
    return { cert: certificatesToPem(svid.chain), key: svid.key.privateKeyPem() };
  };
  // Not judged: certificates carry virtual dates. The handshakes are outside the measured part.
  const https: Server = createServer(
    { ...credentials('backend'), requestCert: true, rejectUnauthorized: false },
    (_request, response) => response.end('hello'),
  );
  await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve));
  const connect = { ...credentials('frontend'), rejectUnauthorized: false };
  const open = (): Pool =>
    new Pool(`https://127.0.0.1:${(https.address() as AddressInfo).port}`, { connections: CONCURRENCY, connect });
  const [pool, upstream] = [open(), open()];
  const proxy: HttpServer = createProxy((request, response) => {
    void upstream
      .request({ method: 'GET', path: request.url ?? '/', headers: { host: 'backend' } })
      .then(async ({ statusCode, body }) => {
        response.statusCode = statusCode;
        response.end(Buffer.from(await body.arrayBuffer()));
      });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const proxied = new Pool(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, { connections: CONCURRENCY });
  return {
    pool,
    proxied,
    async close() {
      await Promise.all([pool.destroy(), upstream.destroy(), proxied.destroy()]);
      https.closeAllConnections();
      proxy.closeAllConnections();
      await Promise.all([https, proxy].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

async function perSecond(count: number, once: () => Promise<unknown>): Promise<number> {
  let left = count;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (left-- > 0) await once();
    }),
  );
  return (count * 1_000) / (performance.now() - start);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

export interface MeshBench {
  readonly requestsPerSecond: {
    readonly bare: number;
    readonly mesh: number;
    readonly bareProxy: number;
    readonly outboundPort: number;
  };
  /** `mesh.request` over bare undici. */
  readonly requestRatio: number;
  /** The outbound port over a bare two-hop proxy. */
  readonly outboundRatio: number;
}

export async function run(size: 0 | 1): Promise<MeshBench> {
  await using mesh = await Mesh.start({
    yaml: workload('frontend') + workload('backend') + POLICIES,
    applications: { 'default/backend': () => ({ status: 200, body: 'hello' }) },
  });
  const peer = await bare(mesh);
  const at = await mesh.outbound('default/frontend');
  const outbound = new Pool(`http://${at.host}:${at.port}`, { connections: CONCURRENCY });
  const get = async (pool: Pool, host: string): Promise<void> => {
    const { statusCode, body } = await pool.request({ method: 'GET', path: PATH, headers: { host } });
    if (statusCode !== 200 || (await body.text()) !== 'hello') throw new Error(`status ${statusCode}`);
  };
  const contestants = {
    bare: () => get(peer.pool, 'backend'),
    mesh: async () => {
      const { status } = await mesh.request({ from: 'default/frontend', to: 'default/backend', path: PATH });
      if (status !== 200) throw new Error(`status ${status}`);
    },
    bareProxy: () => get(peer.proxied, 'backend'),
    outboundPort: () => get(outbound, 'backend:8080'),
  };
  const rates: Record<keyof typeof contestants, number[]> = { bare: [], mesh: [], bareProxy: [], outboundPort: [] };
  const order = Object.keys(rates) as (keyof typeof contestants)[];
  for (let round = 0; round <= parameters.rounds[size]; round++) {
    for (const each of round % 2 === 0 ? order : order.toReversed()) {
      const rate = await perSecond(parameters.requests[size], contestants[each]);
      // The first round warms up.
      if (round > 0) rates[each].push(rate);
    }
  }
  await outbound.destroy();
  await peer.close();
  const [bareRate, meshRate, proxyRate, outboundRate] = order.map((each) => median(rates[each]));
  return {
    requestsPerSecond: {
      bare: Math.round(bareRate ?? 0),
      mesh: Math.round(meshRate ?? 0),
      bareProxy: Math.round(proxyRate ?? 0),
      outboundPort: Math.round(outboundRate ?? 0),
    },
    requestRatio: Number(((meshRate ?? 0) / (bareRate ?? 1)).toFixed(3)),
    outboundRatio: Number(((outboundRate ?? 0) / (proxyRate ?? 1)).toFixed(3)),
  };
}

if (process.argv[1]?.endsWith('mesh.bench.ts') === true) {
  console.log(JSON.stringify(await run(process.argv[2] === 'full' ? 1 : 0), undefined, 2));
}
