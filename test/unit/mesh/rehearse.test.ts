import { beforeAll, describe, expect, it } from 'vitest';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../src/core/index.ts';
import {
  caOutagePlan,
  clockSkewPlan,
  expiryCalendar,
  firstRotationMs,
  fullRotationMs,
  type IdentityAction,
  largestSkew,
  leafRotationPlan,
  longestCaOutage,
  Mesh,
  rehearse,
  type Rehearsal,
  type RehearsalPlan,
  type RehearsalWorld,
  renewalHerd,
  rootRotationPlan,
  stepOrder,
  trustDomainPlan,
} from '../../../src/mesh/index.ts';
import { Rng } from '../../../src/core/index.ts';
import { ROOT_STEPS } from '../../../src/sim/index.ts';
import { fleetYaml, ringTraffic } from '../../kit/fleet.ts';

const times = { ttlMs: HOUR_MS, graceRatio: 0.5, jitterRatio: 0.01 };
const world: RehearsalWorld = {
  mesh: { yaml: fleetYaml(3), ca: { leafTtl: '1h', key: 'ed25519' } },
  traffic: ringTraffic(3),
  services: {},
  times,
};
const play = (plan: RehearsalPlan, options: { readonly seed?: string } = {}): Promise<Rehearsal> =>
  rehearse(plan, { ...world, seed: 'rehearse', probeIntervalMs: 5 * MINUTE_MS, ...options });
const plan = (forMs: number, ...steps: readonly (readonly [number, IdentityAction])[]): RehearsalPlan => ({
  name: 'test',
  steps: steps.map(([afterMs, action]) => ({ afterMs, action })),
  forMs,
});

describe('playbooks', () => {
  it.each([
    ['leaf rotation', leafRotationPlan(times)],
    ['root rotation', rootRotationPlan(times)],
    ['root rotation by push', rootRotationPlan(times, { everyMs: 5 * MINUTE_MS, news: 'push-and-renew' })],
    ['trust-domain migration', trustDomainPlan(times, { from: 'cluster.local', to: 'new.example' })],
    ['an outage of 28 minutes', caOutagePlan(times, { outageMs: 28 * MINUTE_MS })],
    ['a clock two minutes behind', clockSkewPlan(times, { workloads: ['shop/w1'], skewMs: -2 * MINUTE_MS })],
    ['a clock 28 minutes ahead', clockSkewPlan(times, { workloads: ['shop/w1'], skewMs: 28 * MINUTE_MS })],
  ])('%s loses nothing', async (_, chosen) => {
    const result = await play(chosen);
    expect(result).toMatchObject({ ok: true, probesLost: 0, requestsLost: 0, outages: [] });
    expect(result.firstLoss).toBeUndefined();
    expect(result.handshakes).toBeGreaterThan(10);
    expect(result.probesSent).toBeGreaterThan((3 * chosen.forMs) / (5 * MINUTE_MS) - 3);
  });
});

describe('a refuted order', () => {
  let result: Rehearsal;
  beforeAll(async () => {
    result = await play(rootRotationPlan(times, { order: ['switch', 'distribute', 'drop'] }));
  });

  it('names the first request lost, both certificates and the missing root', () => {
    const { firstLoss } = result;
    expect(result.ok).toBe(false);
    expect(firstLoss?.refusal).toMatchObject({ reason: 'untrusted_root' });
    expect(firstLoss?.missingRoot?.name).toBe('root 2');
    const ends = [firstLoss?.client, firstLoss?.server];
    const roots = ends.map((end) => end?.certificate?.root?.name).sort();
    expect(roots).toEqual(['root 1', 'root 2']);
    for (const end of ends) {
      expect(end?.certificate?.serial).toMatch(/^[0-9a-f]{16,32}$/);
      expect(end?.certificate?.issuerSerial).toMatch(/^[0-9a-f]{16,32}$/);
      expect(end?.trusts.map(({ name }) => name)).toEqual(['root 1']);
    }
  });

  it('says when: not before the first renewal after the wrong step', () => {
    const [wrong] = result.steps;
    expect(Date.parse(result.firstLoss?.at ?? '')).toBeGreaterThanOrEqual(Date.parse(wrong?.at ?? ''));
    expect(result.firstLoss?.afterMs).toBe(Date.parse(result.firstLoss?.at ?? '') - Date.parse(result.start));
    expect(result.outages[0]?.from).toBe(result.firstLoss?.at);
  });

  it('repeats byte for byte with its seed', async () => {
    const again = await play(rootRotationPlan(times, { order: ['switch', 'distribute', 'drop'] }));
    expect(again).toEqual(result);
  });
});

describe('what loses requests', () => {
  it('dropping the alias before anybody has the new name', async () => {
    const result = await play(trustDomainPlan(times, { from: 'cluster.local', to: 'new.example', order: ['drop'] }));
    expect(result.firstLoss?.refusal?.reason).toMatch(/^(san_mismatch|svid_unknown_trust_domain)$/);
  });

  it('an outage longer than half a life', async () => {
    const result = await play(caOutagePlan(times, { outageMs: 32 * MINUTE_MS }));
    expect(result.firstLoss?.refusal?.reason).toBe('expired');
    expect(result.renewalFailures).toBeGreaterThan(10);
    // It heals: agents ask at least every minute and a half.
    expect(result.outages.every(({ until, ms }) => until !== undefined && ms <= 5 * MINUTE_MS)).toBe(true);
  });

  it('a clock further behind than certificates are backdated', async () => {
    const skewMs = -(2 * MINUTE_MS + SECOND_MS);
    const result = await play(clockSkewPlan(times, { workloads: ['shop/w1'], skewMs }));
    expect(result.firstLoss?.refusal?.reason).toBe('not_yet_valid');
    const { client, server, refusal } = result.firstLoss ?? {};
    const judge = refusal?.side === 'client' ? client : server;
    expect(judge?.workload).toBe('shop/w1');
    expect(Date.parse(judge?.clock ?? '')).toBe(Date.parse(result.firstLoss?.at ?? '') + skewMs);
  });

  it('a suspended workload that missed the news of the new root', async () => {
    const result = await play(
      plan(
        40 * MINUTE_MS,
        [MINUTE_MS, { kind: 'rotation', workloads: ['shop/w2'], on: false }],
        [2 * MINUTE_MS, { kind: 'root', step: 'distribute', news: 'push' }],
        [3 * MINUTE_MS, { kind: 'root', step: 'switch' }],
      ),
    );
    expect(result.firstLoss?.missingRoot?.name).toBe('root 2');
    const { client, server, refusal } = result.firstLoss ?? {};
    expect((refusal?.side === 'client' ? client : server)?.workload).toBe('shop/w2');
  });

  it('a revoked certificate, until its workload renews', async () => {
    const result = await play(
      plan(
        10 * MINUTE_MS,
        [MINUTE_MS, { kind: 'revoke', workloads: ['shop/w0'] }],
        [90 * SECOND_MS, { kind: 'clock', workloads: ['shop/w1'], skewMs: 1 }],
        [5 * MINUTE_MS, { kind: 'renew', workloads: ['shop/w0'] }],
      ),
    );
    expect(result.firstLoss?.refusal?.reason).toBe('revoked');
    expect(result.outages.map(({ until }) => until)).not.toContain(undefined);
  });

  it('a slow CSR is no loss, a refused one is at the end of the certificate', async () => {
    const csr = (latencyMs: number, refusal?: string): IdentityAction => ({
      kind: 'csr',
      workloads: ['shop/w1'],
      latencyMs,
      ...(refusal === undefined ? {} : { refusal }),
    });
    expect((await play(plan(2 * HOUR_MS, [0, csr(9 * SECOND_MS)]))).ok).toBe(true);
    const refused = await play(plan(2 * HOUR_MS, [0, csr(0, 'not authenticated')]));
    expect(refused.firstLoss?.refusal?.reason).toBe('expired');
    expect(refused.firstLoss?.afterMs).toBe(HOUR_MS + SECOND_MS);
  });
});

describe('a rehearsal', () => {
  it('needs traffic, and traffic that works', async () => {
    await expect(rehearse(plan(1), { mesh: world.mesh, traffic: [] })).rejects.toThrow('without traffic');
    const denied = `${fleetYaml(3)}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: shop }
spec: {}`;
    await expect(rehearse(plan(1), { mesh: { yaml: denied }, traffic: world.traffic })).rejects.toThrow(
      'does not work before the first step: 403',
    );
  });

  it('reads orders, and refuses wrong ones', () => {
    expect(stepOrder('switch, drop', ROOT_STEPS)).toEqual(['switch', 'drop']);
    expect(() => stepOrder('swap', ROOT_STEPS)).toThrow('unknown step `swap`');
    expect(() => stepOrder('drop,drop', ROOT_STEPS)).toThrow('twice');
  });
});

describe('forecasts', () => {
  it('the longest outage is the shortest remaining life at renewal, less the back-off', async () => {
    const { survivesMs, failsMs, firstLoss } = await longestCaOutage(world, 'rehearse');
    const remaining = HOUR_MS - firstRotationMs(times);
    expect(survivesMs).toBeLessThanOrEqual(remaining);
    expect(survivesMs).toBeGreaterThan(remaining - 2 * MINUTE_MS);
    expect(failsMs).toBeGreaterThan(survivesMs);
    expect(firstLoss?.refusal?.reason).toBe('expired');
  });

  it('a clock may be behind by the backdating, and ahead by what a certificate has left when it is renewed', async () => {
    const wrong = { seed: 'rehearse', workload: 'shop/w1' };
    const behind = await largestSkew(world, { ...wrong, sign: -1 });
    expect(behind.survivesMs).toBe(2 * MINUTE_MS);
    const ahead = await largestSkew(world, { ...wrong, sign: 1 });
    expect(ahead.survivesMs).toBeGreaterThan(HOUR_MS * (0.5 - 0.011));
    expect(ahead.survivesMs).toBeLessThan(HOUR_MS * (0.5 + 0.011));
    expect(ahead.firstLoss?.refusal?.reason).toBe('expired');
  });

  it('the calendar has every certificate, the soonest first', async () => {
    await using mesh = await Mesh.start(world.mesh);
    const calendar = expiryCalendar(mesh);
    expect(calendar.map(({ subject }) => subject)).toEqual(['shop/w0', 'shop/w1', 'shop/w2', 'intermediate', 'root 1']);
    expect(calendar[0]?.serial).toBe(mesh.svid('shop/w0')?.serial);
    expect(calendar.map(({ notAfter }) => notAfter)).toEqual(calendar.map(({ notAfter }) => notAfter).sort());
  });

  it('jitter breaks the herd up', () => {
    const herd = renewalHerd(500, { ttlMs: 24 * HOUR_MS, graceRatio: 0.5, jitterRatio: 0.01 }, new Rng('herd'));
    expect(herd.withoutJitter).toEqual({
      peak: 500,
      buckets: [12, 24, 36].map((hours) => ({ afterMs: hours * HOUR_MS, renewals: 500 })),
    });
    const total = herd.withJitter.buckets.reduce((sum, { renewals }) => sum + renewals, 0);
    expect(total).toBe(1_500);
    expect(herd.withJitter.peak).toBeLessThan(150);
    const times24 = { ttlMs: 24 * HOUR_MS, graceRatio: 0.5, jitterRatio: 0.01 };
    const latest = Math.max(...herd.withJitter.buckets.map(({ afterMs }) => afterMs));
    expect(latest).toBeLessThan(3 * fullRotationMs(times24));
  });
});
