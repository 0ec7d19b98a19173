/** Hostile first flights against STRICT, PERMISSIVE and plain HTTP ports: the mesh keeps serving, and nothing gets in. */
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { assertNever, Rng } from '../../src/core/index.ts';
import { loadManifests, Mesh } from '../../src/mesh/index.ts';
import type { Address } from '../../src/wire/index.ts';
import { recordClientHello } from '../unit/wire/kit/raw-client.ts';
import { LONG, record, vitals } from './kit/vitals.ts';

const FLIGHTS = LONG ? 33_400 : 1_200;
const AT_ONCE = 200;
/** What the kernel and OpenSSL keep for a while; a connection kept for good would cost more. */
const HEAP_NOISE_MB = 16;
const KINDS = ['random', 'tls-like', 'mutated', 'truncated', 'oversized', 'slow', 'half-http', 'smuggled'] as const;
type Kind = (typeof KINDS)[number];

const config = await loadManifests('scenarios/01-shop/k8s');
const hello = await recordClientHello({
  servername: 'outbound_.8080_._.user-service.default.svc.cluster.local',
  ALPNProtocols: ['istio-http/1.1', 'istio', 'http/1.1'],
});

/** Chunks, with a pause before each but the first. */
function flightOf(kind: Kind, rng: Rng): readonly Uint8Array[] {
  switch (kind) {
    case 'random':
      return [rng.bytes(rng.integer(1, 600))];
    case 'tls-like':
      return [Buffer.concat([Buffer.from([0x16, 3, rng.integer(0, 4)]), rng.bytes(rng.integer(0, 400))])];
    case 'mutated': {
      const changed = Buffer.from(hello);
      for (let n = rng.integer(1, 8); n > 0; n--) changed[rng.integer(0, hello.length - 1)] = rng.integer(0, 255);
      return [changed];
    }
    case 'truncated':
      return [hello.subarray(0, rng.integer(1, hello.length - 1))];
    case 'oversized':
      return rng.chance(0.5)
        ? [Buffer.from(`GET /${'a'.repeat(rng.integer(9_000, 90_000))}`)]
        : [Buffer.from(`GET / HTTP/1.1\r\nx: ${'a'.repeat(rng.integer(62_000, 90_000))}\r\n\r\n`)];
    case 'slow':
      return [hello.subarray(0, 1), hello.subarray(1, 4), hello.subarray(4, rng.integer(5, 60))];
    case 'half-http':
      return [Buffer.from(`POST /pay HTTP/1.1\r\nhost: a\r\ncontent-le`)];
    case 'smuggled':
      return [
        Buffer.from(
          'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x',
        ),
      ];
    default:
      return assertNever(kind);
  }
}

/** Sends, and leaves: in order, or with a reset. Resolves when its socket is gone. */
async function attempt(address: Address, chunks: readonly Uint8Array[], rude: boolean): Promise<number> {
  let heard = 0;
  const socket = connect({ host: address.host, port: address.port, noDelay: true });
  const gone = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => (heard += chunk.length));
  for (const [i, chunk] of chunks.entries()) {
    if (i > 0) await wait(2);
    if (!socket.destroyed) socket.write(chunk);
  }
  if (rude) {
    await new Promise((resolve) => setImmediate(resolve));
    socket.resetAndDestroy();
  } else socket.end();
  await gone;
  return heard;
}

describe.each(['STRICT', 'PERMISSIVE', 'DISABLE'] as const)('%s', (mode) => {
  it(`withstands ${FLIGHTS} hostile first flights`, { timeout: 900_000 }, async () => {
    await using mesh = await Mesh.start({ config });
    await mesh.apply(
      `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: default, namespace: istio-system }\nspec: { mtls: { mode: ${mode} } }`,
    );
    const call = { from: 'default/api-gateway', to: 'default/user-service', path: '/users/1' };
    const way = await mesh.simulation.way(call.from, call.to);
    const address = way?.route.address ?? { host: '', port: 0 };
    let refused = 0;
    let honest = 0;
    const served: string[] = [];
    using _refused = mesh.simulation.onRefused(() => (refused += 1));
    using _served = mesh.simulation.onServed(({ request }) => {
      if (request.headers['x-honest'] === 'yes') honest += 1;
      else served.push(request.path);
    });
    const rng = new Rng(`hostile/${mode}`);
    const send = async (count: number): Promise<void> => {
      for (let sent = 0; sent < count; sent += AT_ONCE) {
        await Promise.all(
          Array.from({ length: AT_ONCE }, () => attempt(address, flightOf(rng.pick(KINDS), rng), rng.chance(0.3))),
        );
        // In between, the mesh goes on serving those it knows.
        const outcome = await mesh.simulation.request({ ...call, headers: { 'x-honest': 'yes' } }, { fresh: true });
        expect(outcome.status).toBe(200);
      }
    };
    await send(AT_ONCE * 3);
    const before = vitals();
    const started = performance.now();
    await send(FLIGHTS);
    for (let i = 0; i < 200 && (await mesh.simulation.listenAll()).some(({ sidecar }) => sidecar.sockets > 0); i++)
      await wait(10);
    const after = vitals();
    record(`hostile ${mode}`, {
      FLIGHTS,
      seconds: (performance.now() - started) / 1000,
      refused,
      honest,
      before,
      after,
    });
    expect(served).toEqual([]);
    expect(honest).toBeGreaterThan(FLIGHTS / AT_ONCE);
    expect(refused).toBeGreaterThan(FLIGHTS / 4);
    expect(after.heapMb - before.heapMb).toBeLessThan(HEAP_NOISE_MB);
    const sockets = (await mesh.simulation.listenAll()).reduce((sum, { sidecar }) => sum + sidecar.sockets, 0);
    expect(sockets).toBe(0);
  });
});
