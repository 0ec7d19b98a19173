import { describe, expect, it } from 'vitest';
import type { ChunkFate, ConnectFate, Direction, RelayedConnection } from '../../../src/wire/index.ts';
import { startWorld, until } from './kit/world.ts';

const GET = { method: 'GET', path: '/secret-path', host: 'backend' };
const EVERYWHERE = (): boolean => true;

describe('the seam', () => {
  it('interposes nothing where no rule matches', async () => {
    await using world = await startWorld();
    world.seam.install({ name: 'elsewhere', matches: ({ destination }) => destination === 'default/other' });
    const answer = await world.pool.request(world.route(), GET);
    expect(answer.ok && answer.connection.local).toEqual(world.seen.opened[0]?.remote);
    expect(world.seam.relays).toBe(0);
  });

  it('shows a tap ciphertext, all of it, and who is talking', async () => {
    const chunks: Record<Direction, Buffer[]> = { up: [], down: [] };
    const seen: RelayedConnection[] = [];
    let closed = 0;
    await using world = await startWorld();
    using _tap = world.seam.install({
      name: 'tap',
      matches: EVERYWHERE,
      onBytes: (connection, direction, chunk) => {
        chunks[direction].push(Buffer.from(chunk));
        seen.push(connection);
        return chunk;
      },
      onClose: () => (closed += 1),
    });
    const answer = await world.pool.request(world.route(), GET);
    expect(answer).toMatchObject({ ok: true, status: 200 });
    expect(seen[0]).toMatchObject({
      id: 1,
      link: { source: 'default/frontend', destination: 'default/backend', port: 8080 },
    });
    const [up, down] = [Buffer.concat(chunks.up), Buffer.concat(chunks.down)];
    expect(seen[0]?.bytes).toEqual({ up: up.length, down: down.length });
    expect(up.includes('secret-path') || down.includes('hello')).toBe(false);
    expect(up[0]).toBe(0x16);
    expect(world.seen.opened).toMatchObject([{ source: { workload: 'default/frontend', ip: '10.0.0.5' } }]);
    expect(world.seam.relays).toBe(1);
    await world.pool.drain();
    await until(() => world.seam.relays === 0);
    expect(closed).toBe(1);
    await until(() => world.addresses.size === 0);
  });

  it('shows a tap everything where there is no TLS', async () => {
    let text = '';
    await using world = await startWorld({ chain: () => 'plain-http' });
    world.seam.install({
      name: 'tap',
      matches: EVERYWHERE,
      onBytes: (_connection, _direction, chunk) => {
        text += Buffer.from(chunk).toString();
        return chunk;
      },
    });
    await world.pool.request(world.route({ tls: null }), GET);
    expect(text).toContain('/secret-path');
    expect(text).toContain('hello');
  });

  it.each(['up', 'down'] as const)(
    'tampering with application data %s is caught by the record layer',
    async (direction) => {
      let isTampering = false;
      await using world = await startWorld();
      world.seam.install({
        name: 'flip one bit',
        matches: EVERYWHERE,
        onBytes: (_connection, of, chunk) => {
          if (!isTampering || of !== direction) return chunk;
          const changed = Uint8Array.from(chunk);
          changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
          return changed;
        },
      });
      expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: true });
      isTampering = true;
      const answer = await world.pool.request(world.route(), { ...GET, method: 'POST', body: 'x' });
      expect(answer).toMatchObject({ ok: false, failure: { stage: 'reset-before-response' } });
      expect(world.seen.requests).toBe(direction === 'up' ? 1 : 2);
      await until(() => world.listener.connections === 0);
    },
  );

  it.each<{ fate: ConnectFate; stage: string; reason?: string }>([
    { fate: 'refuse', stage: 'connect', reason: 'connection_refused' },
    { fate: 'blackhole', stage: 'connect', reason: 'connect_timeout' },
    { fate: 'reset', stage: 'handshake' },
  ])('$fate: a connection fails, until the rule is gone', async ({ fate, stage, reason }) => {
    await using world = await startWorld();
    {
      using _rule = world.seam.install({ name: 'fault', matches: EVERYWHERE, onConnect: () => fate });
      expect(world.seam.rules).toEqual(['fault']);
      const answer = await world.pool.request(world.route(), GET);
      expect(answer).toMatchObject({ ok: false, failure: { stage, ...(reason !== undefined && { reason }) } });
    }
    expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: true });
    await until(() => world.seam.relays === 0);
  });

  it.each<{ fate: ChunkFate; stage: string }>([
    { fate: 'reset', stage: 'reset-before-response' },
    { fate: 'drop', stage: 'timeout' },
  ])('$fate of bytes under way', async ({ fate, stage }) => {
    let isOn = false;
    await using world = await startWorld();
    world.seam.install({
      name: 'fault',
      matches: EVERYWHERE,
      onBytes: (_connection, _direction, chunk) => (isOn ? fate : chunk),
    });
    await world.pool.open(world.route(), 1);
    await until(() => world.listener.connections === 1);
    isOn = true;
    expect(await world.pool.request(world.route(), { ...GET, timeoutMs: 60 })).toMatchObject({
      ok: false,
      failure: { stage },
    });
    expect(world.seen.requests).toBe(0);
  });

  it('adds latency and keeps order, both ways, half-closes included', async () => {
    await using world = await startWorld({
      chain: () => 'plain-tcp',
      onTcp: (_connection, stream) => void stream.pipe(stream),
    });
    world.seam.install({ name: 'slow', matches: EVERYWHERE, delayMs: 15 });
    const answer = await world.pool.connectTcp(world.route({ tls: null }));
    if (!answer.ok) throw new Error(answer.failure.detail);
    const sent = Buffer.alloc(300_000, 'meshproof ');
    const started = performance.now();
    answer.stream.end(sent);
    const chunks: Buffer[] = [];
    for await (const chunk of answer.stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
    expect(performance.now() - started).toBeGreaterThan(28);
    await until(() => world.seam.relays === 0);
  });

  it('redirects to an on-path proxy, whose certificate gives it away', async () => {
    const { ROGUE, svidFor } = await import('./kit/world.ts');
    const fake = svidFor('backend', { from: ROGUE });
    await using world = await startWorld();
    await using attacker = await startWorld({
      identity: () => fake,
      verifyClient: () => ({ ok: true, validUntil: 0 as never }),
    });
    world.seam.install({
      name: 'mitm',
      matches: EVERYWHERE,
      onConnect: () => ({ redirect: attacker.listener.address }),
    });
    const answer = await world.pool.request(world.route(), GET);
    expect(answer).toMatchObject({ ok: false, failure: { stage: 'verify-server', reason: 'untrusted_root' } });
    await until(() => attacker.listener.connections === 0);
    expect(attacker.seen.requests).toBe(0);
    expect(world.seen.opened).toEqual([]);
  });

  it('cuts relayed connections when it closes', async () => {
    await using world = await startWorld();
    world.seam.install({ name: 'tap', matches: EVERYWHERE });
    await world.pool.open(world.route(), 3);
    expect(world.seam.relays).toBe(3);
    await world.seam.close();
    expect(world.seam.relays).toBe(0);
    await until(() => world.pool.connections() === 0 && world.listener.connections === 0);
    expect(await world.pool.request(world.route(), GET)).toMatchObject({ ok: true });
  });
});
