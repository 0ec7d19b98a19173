import { describe, expect, it } from 'vitest';
import { parseInstant } from '../../../src/core/index.ts';
import { MeshObservability } from '../../../src/telemetry/index.ts';
import { after, LogBuilder, peer, service, traffic } from './sample-events.ts';
import { shop } from './shop.ts';

describe('MeshObservability', () => {
  it('prints the dashboard of the shop', async () => {
    const text = shop({ at: parseInstant('2026-01-01T14:05:00Z') }).dashboard();
    await expect(`${text}\n`).toMatchFileSnapshot('golden/dashboard.txt');
  });

  it('prints the security audit of the shop', async () => {
    await expect(`${shop().securityAudit()}\n`).toMatchFileSnapshot('golden/security-audit.txt');
  });

  it('passes the audit of a mesh without plain text', () => {
    const mesh = new MeshObservability();
    mesh.addTraffic('a', 'b', 1, 0, true);
    expect(mesh.securityAudit()).toBe('\n Security Audit:\n All services using mTLS — PASS');
  });

  it('counts nothing as no coverage', () => {
    const lines = new MeshObservability().dashboard().split('\n');
    expect(lines).toContain(' Services: 0');
    expect(lines).toContain(' mTLS Coverage: 0/0 (0%)');
    expect(lines).toContain(' Total RPS: 0');
  });

  it('replaces a service of the same name in its place', () => {
    const mesh = shop();
    const [first] = mesh.services;
    if (first === undefined) throw new Error('the shop is empty');
    mesh.addService({ ...first, requestsTotal: 7 });
    expect(mesh.services.map((s) => s.requestsTotal)).toEqual([7, 2000, 3000, 1000, 500, 200]);
  });

  it.each([
    [0.99, '[  OK]'],
    [1, '[WARN]'],
    [4.99, '[WARN]'],
    [5, '[CRIT]'],
  ])('calls %d %% errors %s', (errorRate, mark) => {
    const mesh = new MeshObservability();
    mesh.addService({
      name: 'a',
      requestsTotal: 1,
      errorRate,
      p50LatencyMs: 1,
      p99LatencyMs: 1,
      mtlsEnabled: true,
      connections: 1,
    });
    expect(mesh.dashboard()).toContain(`\n ${mark} a `);
  });

  it('colours through the function it is handed and keeps the alignment', () => {
    const painted = shop({ paint: (role, text) => `<${role}>${text}</${role}>` });
    const strip = (text: string): string => text.replace(/<\/?[a-z]+>/g, '');
    expect(painted.dashboard()).toContain('[<ok>  OK</ok>]');
    expect(painted.dashboard()).toContain('[<plain>PLAIN</plain>]');
    expect(strip(painted.dashboard())).toBe(shop().dashboard());
    expect(strip(painted.securityAudit())).toBe(shop().securityAudit());
  });
});

describe('MeshObservability.fromEvents', () => {
  const log = new LogBuilder().at(60_000, traffic('api-gateway', 'order-service', 600, { errors: 600 })).at(
    120_000,
    traffic('api-gateway', 'order-service', 6_000, {
      errors: 30,
      latency: [{ ms: 15, count: 6_000 }],
      connections: 100,
    }),
    traffic('order-service', 'legacy-service', 1_200, { security: 'none', connections: 10 }),
  );

  it('takes rates and percentiles from the last window alone', () => {
    const mesh = MeshObservability.fromEvents(log.events);
    expect(mesh.services).toEqual([
      {
        name: 'order-service',
        requestsTotal: 100,
        errorRate: 0.5,
        p50LatencyMs: 15,
        p99LatencyMs: 15,
        mtlsEnabled: true,
        connections: 100,
      },
      expect.objectContaining({ name: 'legacy-service', requestsTotal: 20, mtlsEnabled: false, connections: 10 }),
    ]);
    expect(mesh.trafficFlows.map((flow) => `${flow.source} ${flow.dest} ${flow.rps} ${flow.mtls}`)).toEqual([
      'api-gateway order-service 100 true',
      'order-service legacy-service 20 false',
    ]);
    expect(mesh.dashboard()).toContain('Dashboard — 00:02');
  });

  it('counts the part of an interval that lies in the window', () => {
    const mesh = MeshObservability.fromEvents(log.events, { at: after(90_000), windowMs: 60_000 });
    // Half of 600 and half of 6,000 requests in one minute.
    expect(mesh.services.find((s) => s.name === 'order-service')?.requestsTotal).toBe(55);
  });

  it('sees nothing before the start', () => {
    expect(MeshObservability.fromEvents(log.events, { at: after(0) }).services).toEqual([]);
    expect(MeshObservability.fromEvents([]).dashboard()).toContain('0/0 (0%)');
  });

  it('names the namespace where two services share a name', () => {
    const two = new LogBuilder().at(
      60_000,
      traffic('a', 'b', 60),
      traffic('a', 'b', 60, { flow: 'other', service: service('b', 'prod'), destination: peer('b', 'prod') }),
    );
    expect(MeshObservability.fromEvents(two.events).services.map((s) => s.name)).toEqual(['b.default', 'b.prod']);
  });
});
