/**
 * What a tap between two sidecars sees: the flow to a service without a sidecar in the clear, the others not.
 */
import { describe, expect, it } from 'vitest';
import { Mesh } from '../../src/mesh/index.ts';

const SHOP = new URL('../../scenarios/01-shop/k8s', import.meta.url).pathname;
const MARK = 'x-mark';

async function tapped(to: string): Promise<{ readonly up: string; readonly down: string; readonly first: number }> {
  await using mesh = await Mesh.start({ manifests: SHOP });
  const chunks: Record<'up' | 'down', Buffer[]> = { up: [], down: [] };
  using _tap = mesh.simulation.seam.install({
    name: 'tap',
    matches: ({ source, destination }) => source === 'default/order-service' && destination === to,
    onBytes: (_connection, direction, chunk) => {
      chunks[direction].push(Buffer.from(chunk));
      return chunk;
    },
  });
  const outcome = await mesh.request({
    from: 'default/order-service',
    to,
    path: '/stock/4711',
    headers: { [MARK]: 'seen-in-transit' },
  });
  expect(outcome.result).toBe('allow');
  const [up, down] = [Buffer.concat(chunks.up), Buffer.concat(chunks.down)];
  return { up: up.toString('latin1'), down: down.toString('latin1'), first: up[0] ?? -1 };
}

describe('bytes on the wire', () => {
  it('to legacy-service: the request line, the headers and the answer, readable by anybody', async () => {
    const { up, down } = await tapped('default/legacy-service');
    expect(up.split('\r\n')[0]).toBe('GET /stock/4711 HTTP/1.1');
    expect(up).toContain(`${MARK}: seen-in-transit`);
    expect(down.split('\r\n')[0]).toBe('HTTP/1.1 200 OK');
    expect(down).toContain('default/legacy-service');
  });

  it('to payment-service: a TLS handshake and ciphertext', async () => {
    const { up, down, first } = await tapped('default/payment-service');
    // A record of type 22, handshake.
    expect(first).toBe(0x16);
    for (const secret of ['/stock', 'HTTP/1.1', MARK, 'seen-in-transit', 'default/payment-service'])
      expect(`${up}${down}`).not.toContain(secret);
    // TLS 1.3 encrypts certificates too: nobody in between learns who talks.
    for (const name of ['spiffe://', 'sa/order-service', 'sa/payment-service'])
      expect(`${up}${down}`).not.toContain(name);
  });
});
