/** Connections and meshes that come and go leave nothing behind: no socket, no timer, no heap. */
import { describe, expect, it } from 'vitest';
import { parseManifests } from '../../src/istio/index.ts';
import { loadManifests, Mesh } from '../../src/mesh/index.ts';
import { LONG, record, settledVitals, vitals, type Vitals } from './kit/vitals.ts';

const CONNECTIONS = LONG ? 10_000 : 600;
const CONNECTIONS_AT_ONCE = 20;
const WORKLOADS = LONG ? 300 : 30;
const STARTS = LONG ? 10 : 4;
/** Noise of the heap after a collection; a leaked connection costs tens of kB, so thousands of them show. */
const HEAP_NOISE_MB = LONG ? 12 : 10;

const shop = await loadManifests('scenarios/01-shop/k8s');
const CALLS = [
  { from: 'default/order-service', to: 'default/payment-service', method: 'POST', path: '/payments' },
  { from: 'default/api-gateway', to: 'default/user-service', path: '/users/1' },
  { from: 'outside', to: 'default/user-service' },
  { from: { certificate: 'none' }, to: 'default/user-service' },
  { from: { workload: 'default/frontend', certificate: 'rogue' }, to: 'default/api-gateway' },
  { from: 'default/order-service', to: 'default/api-gateway', path: '/api/orders' },
] as const;

/** A day of connections: certificates renew, modes change, links are cut, some callers are refused. */
async function churn(
  count: number,
): Promise<{ readonly statuses: ReadonlyMap<number, number>; readonly open: Vitals }> {
  await using mesh = await Mesh.start({ config: shop });
  const statuses = new Map<number, number>();
  for (let done = 0, round = 0; done < count; done += CONNECTIONS_AT_ONCE, round++) {
    using _fault =
      round % 10 === 3 ? mesh.fault({ name: 'flaky', matches: () => true, onBytes: () => 'reset' }) : undefined;
    using _capture = round % 10 === 5 ? mesh.capture() : undefined;
    const outcomes = await Promise.all(
      Array.from({ length: CONNECTIONS_AT_ONCE }, (_, i) =>
        mesh.simulation.request(CALLS[i % CALLS.length] ?? CALLS[0], { fresh: true }),
      ),
    );
    for (const { status } of outcomes) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    await mesh.clock.advance('10m');
    if (round % 25 === 24) {
      const mode = round % 50 === 24 ? 'PERMISSIVE' : 'STRICT';
      await mesh.apply(
        `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: default, namespace: istio-system }\nspec: { mtls: { mode: ${mode} } }`,
      );
    }
  }
  return { statuses, open: vitals() };
}

describe('churn', () => {
  it(`leaves nothing of ${CONNECTIONS} connections`, { timeout: 600_000 }, async () => {
    // What is loaded and compiled once is no leak.
    await churn(200);
    const before = vitals();
    const started = performance.now();
    const { statuses, open } = await churn(CONNECTIONS);
    const after = await settledVitals(before);
    record('churn', {
      CONNECTIONS,
      seconds: (performance.now() - started) / 1000,
      statuses: [...statuses],
      before,
      open,
      after,
    });
    expect(after.sockets).toBeLessThanOrEqual(before.sockets);
    expect(after.timers).toBeLessThanOrEqual(before.timers);
    expect(after.heapMb - before.heapMb).toBeLessThan(HEAP_NOISE_MB);
    // It really was a mixture: answers, denials, refusals with and without a sidecar.
    for (const status of [200, 403, 503, 0]) expect(statuses.get(status)).toBeGreaterThan(0);
  });

  it(`leaves nothing of a mesh of ${WORKLOADS} workloads, ${STARTS} times`, { timeout: 600_000 }, async () => {
    const config = parseManifests(manifestsOf(WORKLOADS), { origin: 'generated' });
    const seen: Vitals[] = [];
    const started = performance.now();
    for (let i = 0; i < STARTS; i++) {
      await using mesh = await Mesh.start({ config, seed: i });
      const outcomes = await Promise.all(
        Array.from({ length: WORKLOADS }, (_, w) =>
          mesh.request({ from: `load/w${w}`, to: `load/w${(w + 1) % WORKLOADS}`, path: '/' }),
        ),
      );
      expect(outcomes.every(({ status, connection }) => status === 200 && connection.security === 'mutual_tls')).toBe(
        true,
      );
      await mesh.clock.advance('13h');
      // A mesh closes whatever is open.
      void mesh.simulation.openConnections('load/w0', 'load/w1', 10);
      await mesh.close();
      seen.push(vitals());
    }
    const [first, last] = [seen[1], seen.at(-1)];
    const settled = await settledVitals(first ?? vitals());
    record('starts', { WORKLOADS, STARTS, seconds: (performance.now() - started) / 1000, seen });
    expect(settled.sockets).toBeLessThanOrEqual(first?.sockets ?? 0);
    expect(settled.timers).toBeLessThanOrEqual(first?.timers ?? 0);
    expect((last?.heapMb ?? 0) - (first?.heapMb ?? 0)).toBeLessThan(HEAP_NOISE_MB);
  });
});

function manifestsOf(count: number): string {
  const documents = [
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: load, labels: { istio-injection: enabled } }',
    'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: default, namespace: istio-system }\nspec: { mtls: { mode: STRICT } }',
  ];
  for (let w = 0; w < count; w++) {
    documents.push(
      `apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: w${w}, namespace: load }`,
      `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: w${w}, namespace: load }\nspec: { selector: { matchLabels: { app: w${w} } }, template: { metadata: { labels: { app: w${w} } }, spec: { serviceAccountName: w${w}, containers: [{ name: c, image: c, ports: [{ containerPort: 8080 }] }] } } }`,
      `apiVersion: v1\nkind: Service\nmetadata: { name: w${w}, namespace: load }\nspec: { selector: { app: w${w} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }`,
    );
  }
  return documents.join('\n---\n');
}
