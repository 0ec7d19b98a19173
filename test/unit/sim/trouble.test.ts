/** Faults on links, in windows of virtual time, on real sockets. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/core/index.ts';
import { loadManifests, Mesh } from '../../../src/mesh/index.ts';
import { faults, matchesLink, type WireRule } from '../../../src/wire/index.ts';

const config = await loadManifests('scenarios/01-shop/k8s');
const PAY = { from: 'default/order-service', to: 'default/payment-service', method: 'POST', path: '/payments' };
const USERS = { from: 'default/api-gateway', to: 'default/user-service', path: '/users/1' };

function start(): Promise<Mesh> {
  return Mesh.start({ config });
}

describe('links', () => {
  it.each([
    [{}, true],
    [{ from: 'a/x' }, true],
    [{ from: 'a/*', to: 'b/y', port: 80 }, true],
    [{ from: 'a/*', to: '*' }, true],
    [{ from: 'a' }, false],
    [{ to: 'b/y', port: 81 }, false],
    [{ from: 'aa/*' }, false],
  ])('match %j: %s', (on, expected) => {
    expect(matchesLink({ source: 'a/x', destination: 'b/y', port: 80 }, on)).toBe(expected);
  });
});

describe('a fault', () => {
  it('lasts as long as its window, on its links alone, connections already open included', async () => {
    await using mesh = await start();
    expect(await mesh.request(PAY)).toMatchObject({ status: 200 });
    const fault = mesh.fault(faults.partition({ to: PAY.to }), { from: '10m', until: '20m' });
    const seen: (readonly [number, number])[] = [];
    for (let minute = 0; minute <= 20; minute += 5) {
      seen.push([minute, (await mesh.request(PAY)).status]);
      expect(await mesh.request(USERS)).toMatchObject({ status: 200 });
      await mesh.clock.advance('5m');
    }
    expect(seen).toEqual([
      [0, 200],
      [5, 200],
      [10, 503],
      [15, 503],
      [20, 200],
    ]);
    fault[Symbol.dispose]();
    const told = mesh.events.all().flatMap((event) => (event.kind === 'fault.injected' ? [event.detail] : []));
    expect(told).toEqual(['begins', 'over']);
  });

  it('ends with its handle', async () => {
    await using mesh = await start();
    {
      using _fault = mesh.fault(faults.refuse({ to: PAY.to }));
      expect(await mesh.request(PAY)).toMatchObject({
        status: 503,
        flags: 'UF,URX',
        refusal: { reason: 'connection_refused' },
      });
    }
    expect(await mesh.request(PAY)).toMatchObject({ status: 200 });
  });

  it('that was planned and disposed of never happens', async () => {
    await using mesh = await start();
    mesh.fault(faults.partition({}), { from: '1m' })[Symbol.dispose]();
    await mesh.clock.advance('2m');
    expect(await mesh.request(PAY)).toMatchObject({ status: 200 });
    expect(mesh.events.all().some(({ kind }) => kind === 'fault.injected')).toBe(false);
  });

  it('cannot end before it begins', async () => {
    await using mesh = await start();
    expect(() => mesh.fault(faults.partition({}), { from: '2m', until: '1m' })).toThrow(/ends before it begins/);
    expect(mesh.simulation.seam.rules).toEqual([]);
  });

  it('decides when it is the first to say something', async () => {
    await using mesh = await start();
    const asked: string[] = [];
    const say = (name: string, fate: 'pass' | 'refuse' | 'blackhole'): WireRule => ({
      name,
      matches: () => true,
      onConnect: () => {
        asked.push(name);
        return fate;
      },
    });
    mesh.fault(say('first', 'pass'));
    mesh.fault(say('second', 'blackhole'));
    mesh.fault(say('third', 'refuse'));
    expect(await mesh.request(PAY)).toMatchObject({ details: expect.stringContaining('connection_timeout') });
    expect(asked).toEqual(['first', 'second']);
  });
});

describe('faults', () => {
  it('latency: costs virtual time, adds up, and moves the samples of traffic', async () => {
    await using mesh = await start();
    using _a = mesh.fault(faults.latency({ to: PAY.to }, { ms: 300 }));
    using _b = mesh.fault(faults.latency({}, { ms: 5, jitterMs: 10, rng: new Rng('jitter') }));
    const { durationMs = 0 } = await mesh.request(PAY);
    expect(durationMs).toBeGreaterThanOrEqual(305);
    expect(durationMs).toBeLessThan(315);
    expect((await mesh.request(USERS)).durationMs).toBeLessThan(15);
    expect(mesh.events.all().findLast(({ kind }) => kind === 'request.completed')).toMatchObject({
      durationMs: expect.any(Number),
    });
    expect(mesh.simulation.seam.relays).toBe(0);
  });

  it('loss: no bytes are lost, exchanges come late, and connections fail when every SYN is lost', async () => {
    await using mesh = await start();
    using _loss = mesh.fault(faults.loss({ to: PAY.to }, { probability: 0.5, rng: new Rng('loss') }));
    const outcomes = [];
    for (let i = 0; i < 60; i++) outcomes.push(await mesh.simulation.request(PAY, { fresh: true }));
    const failed = outcomes.filter(({ status }) => status === 503);
    // 1/16 of 60, by a fixed seed.
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.length).toBeLessThan(12);
    const late = outcomes.filter(({ durationMs = 0 }) => durationMs >= 200);
    expect(late.length).toBeGreaterThan(30);
  });

  it('loss of everything is a partition', async () => {
    await using mesh = await start();
    using _loss = mesh.fault(faults.loss({ to: PAY.to }, { probability: 1, rng: new Rng('loss') }));
    expect(await mesh.request(PAY)).toMatchObject({ status: 503, refusal: { reason: 'connect_timeout' } });
  });

  it('reset: at the first byte, or in the middle of the answer', async () => {
    await using mesh = await start();
    {
      using _reset = mesh.fault(faults.reset({ to: PAY.to }));
      expect(await mesh.request(PAY)).toMatchObject({
        status: 503,
        flags: 'UF,URX',
        refusal: { reason: 'connection_reset' },
      });
    }
    // More than the handshake, less than handshake and request.
    using _late = mesh.fault(faults.reset({ to: PAY.to }, { afterBytes: 4_000 }));
    expect(await mesh.request({ ...PAY, body: 'x'.repeat(10_000) })).toMatchObject({ status: 503, flags: 'UC' });
  });

  it('half-close: the server hears no more, or the client', async () => {
    for (const direction of ['up', 'down'] as const) {
      await using mesh = await start();
      using _half = mesh.fault(faults.halfClose({ to: PAY.to }, { direction, afterBytes: 1_000 }));
      expect(await mesh.request(PAY)).toMatchObject({ status: 503 });
    }
  });

  it('tamper: TLS notices, plaintext does not', async () => {
    await using mesh = await start();
    using _tamper = mesh.fault(faults.tamper({ to: PAY.to }, { direction: 'down' }));
    expect(await mesh.request(PAY)).toMatchObject({ status: 503, flags: 'UF,URX' });
  });

  it('hijack: the client sees who answers', async () => {
    await using mesh = await start();
    const other = await mesh.simulation.way(USERS.from, USERS.to);
    using _hijack = mesh.fault(faults.hijack({ to: PAY.to }, other?.route.address ?? { host: '127.0.0.1', port: 9 }));
    expect(await mesh.request(PAY)).toMatchObject({
      status: 503,
      refusal: { stage: 'verify-server', reason: 'san_mismatch', side: 'client' },
    });
  });

  it('are refused when they make no sense', () => {
    expect(() => faults.latency({}, { ms: -1 })).toThrow(/not negative/);
    expect(() => faults.latency({}, { ms: 1, jitterMs: 1 })).toThrow(/rng/);
    expect(() => faults.loss({}, { probability: 2, rng: new Rng() })).toThrow(/not in 0..1/);
  });
});

it('a refusal behind a rule keeps its reason', async () => {
  await using mesh = await start();
  using _capture = mesh.capture();
  const { from, ...rest } = PAY;
  expect(await mesh.request({ ...rest, from: 'outside' })).toMatchObject({
    refusal: { stage: 'filter-chain', reason: 'filter_chain_not_found', side: 'server' },
  });
  expect(await mesh.request({ ...rest, from: { workload: from, certificate: 'rogue' } })).toMatchObject({
    refusal: { stage: 'verify-client', reason: 'untrusted_root', side: 'server' },
  });
});
