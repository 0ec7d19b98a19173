import { describe, expect, it } from 'vitest';
import type { NewMeshEvent } from '../../../src/core/index.ts';
import {
  bestPractices,
  renderAudit,
  type AuditCode,
  type AuditedWorkload,
  type AuditFinding,
  type AuditInput,
} from '../../../src/telemetry/index.ts';
import { after, issued, LogBuilder, principalOf, request, traffic } from './sample-events.ts';

const HOUR = 3_600_000;
const GATEWAY = { namespace: 'default', name: 'api-gateway' };
const DENIED = { status: 403, details: 'rbac_access_denied_matched_policy[none]' };

function workload(name: string, fields: Partial<AuditedWorkload> = {}): AuditedWorkload {
  return {
    namespace: 'default',
    name,
    injected: true,
    modes: [{ port: 8080, mode: 'STRICT' }],
    policies: [{ kind: 'AuthorizationPolicy', namespace: 'default', name: `${name}-policy` }],
    ...fields,
  };
}

const SHOP = [workload('api-gateway'), workload('order-service'), workload('retool', { lowcode: true })];
const GOOD: readonly (readonly [number, NewMeshEvent])[] = [
  [0, issued('order-service', 0, '01', 'initial')],
  [HOUR, traffic('api-gateway', 'order-service', 1_000)],
  [HOUR, traffic('retool', 'api-gateway', 100)],
  [12 * HOUR, issued('order-service', 12 * HOUR, '02', 'rotation')],
  [30 * HOUR, { kind: 'note', text: 'the end' }],
];

function input(more: readonly (readonly [number, NewMeshEvent])[] = [], fields: Partial<AuditInput> = {}): AuditInput {
  const log = new LogBuilder();
  for (const [at, event] of [...GOOD, ...more].sort(([a], [b]) => a - b)) log.at(at, event);
  return { workloads: SHOP, gateways: [GATEWAY], events: log.events, ...fields };
}

/** The mesh with some workloads replaced or added. */
function withWorkloads(...replaced: readonly AuditedWorkload[]): Partial<AuditInput> {
  const kept = SHOP.filter((each) => !replaced.some((other) => other.name === each.name));
  return { workloads: [...kept, ...replaced] };
}

function find(code: AuditCode, from: AuditInput): AuditFinding {
  const found = bestPractices(from).find((each) => each.code === code);
  if (found === undefined) throw new Error(`${code} is missing`);
  return found;
}

function texts(found: AuditFinding): string[] {
  return found.evidence.map((evidence) => evidence.text);
}

describe('bestPractices', () => {
  it('passes a mesh that keeps them all, one finding a check', () => {
    const findings = bestPractices(input());
    expect(findings.map((each) => `${each.code} ${each.result}`)).toEqual(
      ['MSH101', 'MSH102', 'MSH103', 'MSH104', 'MSH105', 'MSH106', 'MSH107'].map((code) => `${code} pass`),
    );
  });

  it('never passes on nothing but the lack of low-code callers', () => {
    const findings = bestPractices({ workloads: [], gateways: [], events: [] });
    expect(findings.filter((each) => each.result === 'pass').map((each) => each.code)).toEqual(['MSH106']);
  });
});

describe('MSH101 STRICT', () => {
  it('fails on a port that is not', () => {
    const modes = [
      { port: 8080, mode: 'STRICT' },
      { port: 9090, mode: 'DISABLE' },
    ] as const;
    const found = find('MSH101', input([], withWorkloads(workload('order-service', { modes }))));
    expect(found).toMatchObject({ result: 'fail', severity: 'high', message: '1 of 4 ports not STRICT' });
    expect(found.evidence).toEqual([
      {
        text: 'default/order-service:9090 is DISABLE',
        workload: { namespace: 'default', name: 'order-service' },
        port: 9090,
      },
    ]);
  });

  it('warns of a workload without a sidecar and of plaintext that arrived', () => {
    const legacy = workload('legacy', { injected: false, modes: [], policies: [] });
    const plain = [[2 * HOUR, traffic('order-service', 'legacy', 5, { security: 'none' })]] as const;
    const found = find('MSH101', input(plain, withWorkloads(legacy)));
    expect(found.result).toBe('warn');
    expect(texts(found)).toEqual([
      'default/legacy has no sidecar',
      'default/order-service -> default/legacy arrived without mutual TLS',
    ]);
    expect(found.evidence[1]?.seq).toBe(3);
  });
});

describe('MSH102 policies', () => {
  it('fails on a called workload no AuthorizationPolicy selects, whatever else does', () => {
    const policies = [{ kind: 'PeerAuthentication', namespace: 'default', name: 'default' }];
    const found = find('MSH102', input([], withWorkloads(workload('order-service', { policies }))));
    expect(found.result).toBe('fail');
    expect(texts(found)).toEqual(['default/order-service is open to every caller']);
  });

  it('lets an idle workload be without one', () => {
    expect(find('MSH102', input([], withWorkloads(workload('idle', { policies: [] })))).result).toBe('pass');
  });

  it('warns of a called workload that cannot enforce any', () => {
    const legacy = workload('legacy', { injected: false, policies: [] });
    const found = find('MSH102', input([[HOUR, traffic('order-service', 'legacy', 5)]], withWorkloads(legacy)));
    expect(found.result).toBe('warn');
  });
});

describe('MSH103 lifetime', () => {
  it('counts from the issue, so that a dated-back notBefore is no offence', () => {
    const backdated: NewMeshEvent = {
      kind: 'certificate.issued',
      spiffeId: principalOf('b'),
      serial: '0b',
      notBefore: after(28 * HOUR - 120_000),
      notAfter: after(52 * HOUR),
      reason: 'initial',
    };
    expect(find('MSH103', input([[28 * HOUR, backdated]])).result).toBe('pass');
    expect(find('MSH103', input([[28 * HOUR - 1, backdated]]))).toMatchObject({
      result: 'fail',
      message: '1 of 3 certificates live longer than 24h',
      evidence: [{ serial: '0b', value: 24 * HOUR + 1 }],
    });
  });

  it('takes another limit', () => {
    expect(find('MSH103', input([], { lifetimeMaxMs: HOUR })).result).toBe('fail');
  });
});

describe('MSH104 rotation', () => {
  it('says how close the latest renewal was', () => {
    expect(find('MSH104', input())).toMatchObject({
      result: 'pass',
      message: '1 renewal, the latest 12h before expiry',
      evidence: [{ serial: '01', value: 12 * HOUR, seq: 3 }],
    });
  });

  it('passes over failed attempts that were made good', () => {
    const failed: NewMeshEvent = {
      kind: 'certificate.renewal-failed',
      spiffeId: principalOf('order-service'),
      reason: 'the CA is down',
      attempt: 1,
      retryAt: after(12 * HOUR),
    };
    expect(find('MSH104', input([[11 * HOUR, failed]])).message).toContain('1 failed attempt made good');
  });

  it('fails on a certificate that ran out, once for each', () => {
    const lost = [
      [1, issued('b', 1, '0b', 'initial')],
      [24 * HOUR + 1, { kind: 'certificate.expired', spiffeId: principalOf('b'), serial: '0b' }],
      [2, issued('c', 2, '0c', 'initial')],
    ] as const;
    const found = find('MSH104', input(lost));
    expect(found).toMatchObject({ result: 'fail', message: '2 certificates not renewed before expiry' });
    expect(found.evidence.map((evidence) => evidence.serial)).toEqual(['0b', '0c']);
  });

  it('fails on a renewal that came late', () => {
    const late = [
      [0, issued('b', 0, '0b', 'initial')],
      [25 * HOUR, issued('b', 25 * HOUR, '0c', 'rotation')],
    ] as const;
    const found = find('MSH104', input(late));
    expect(found.result).toBe('fail');
    expect(texts(found)).toEqual([`${principalOf('b')} renewed 1h after expiry`]);
  });

  it('asks for one renewal of each certificate two workloads of one identity hold', () => {
    const two = [
      [0, issued('b', 0, '0b', 'initial')],
      [0, issued('b', 0, '0c', 'initial')],
      [12 * HOUR, issued('b', 12 * HOUR, '0d', 'rotation')],
    ] as const;
    expect(find('MSH104', input(two)).evidence.map((evidence) => evidence.serial)).toEqual(['0c']);
    const both = [...two, [13 * HOUR, issued('b', 13 * HOUR, '0e', 'rotation')]] as const;
    expect(find('MSH104', input(both)).result).toBe('pass');
  });

  it('warns where the log is too short to show one', () => {
    const start = [...(input().events ?? [])].slice(0, 2);
    expect(find('MSH104', input([], { events: start })).result).toBe('warn');
  });
});

describe('MSH105 observability', () => {
  it('warns where neither end reports, and where nothing was timed', () => {
    const legacy = [workload('legacy', { injected: false }), workload('old', { injected: false })];
    const more = [
      [HOUR, traffic('legacy', 'old', 5)],
      [HOUR, traffic('api-gateway', 'order-service', 5)],
      [HOUR, traffic('order-service', 'legacy', 5, { latency: [] })],
    ] as const;
    const found = find('MSH105', input(more, withWorkloads(...legacy)));
    expect(found.result).toBe('warn');
    expect(texts(found)).toEqual([
      'default/legacy -> default/old: neither end has a sidecar that reports',
      'default/order-service -> default/legacy: no latency was recorded',
    ]);
  });
});

describe('MSH106 low-code', () => {
  it('fails on a call around the gateway that was served', () => {
    const found = find('MSH106', input([[2 * HOUR, traffic('retool', 'order-service', 7)]]));
    expect(found.result).toBe('fail');
    expect(found.evidence).toEqual([
      { text: 'default/retool -> default/order-service goes around the gateway', seq: 3 },
    ]);
  });

  it('passes where every call around it was refused, and says so', () => {
    const refusals = [
      [2 * HOUR, traffic('retool', 'order-service', 7, { lost: 7, status: 403 })],
      [2 * HOUR, request('retool', 'order-service', DENIED)],
    ] as const;
    const found = find('MSH106', input(refusals));
    expect(found).toMatchObject({
      result: 'pass',
      message: '100 requests through the gateway, 8 around it, all refused',
    });
  });

  it('fails on a gateway without a policy', () => {
    const found = find('MSH106', input([], withWorkloads(workload('api-gateway', { policies: [] }))));
    expect(texts(found)).toEqual(['gateway default/api-gateway has no AuthorizationPolicy']);
    expect(found.result).toBe('fail');
  });

  it('warns of a caller without identity, and of one never seen', () => {
    const bare = workload('retool', { lowcode: true, injected: false });
    expect(find('MSH106', input([], withWorkloads(bare))).result).toBe('warn');
    const idle = withWorkloads(workload('retool'), workload('appsmith', { lowcode: true }));
    expect(find('MSH106', input([], idle)).result).toBe('warn');
  });
});

describe('MSH107 migration', () => {
  it('tells ports that are ready from ports in use', () => {
    const modes = [{ port: 8080, mode: 'PERMISSIVE' }] as const;
    const lax = withWorkloads(workload('order-service', { modes }), workload('api-gateway', { modes }));
    const plain = [
      [2 * HOUR, traffic('legacy', 'order-service', 5, { security: 'none' })],
      [3 * HOUR, traffic('x', 'order-service', 5, { security: 'none', source: {} })],
    ] as const;
    const found = find('MSH107', input(plain, lax));
    expect(found).toMatchObject({ result: 'warn', message: '2 of 3 ports still to migrate' });
    expect(texts(found)).toEqual([
      'default/order-service:8080 is PERMISSIVE, still used in plaintext from default/legacy, outside the mesh',
      'default/api-gateway:8080 is PERMISSIVE, no plaintext seen: ready for STRICT',
    ]);
  });
});

describe('renderAudit', () => {
  it('prints findings, and evidence where a check did not pass', async () => {
    const modes = [1, 2, 3, 4, 5, 6, 7].map((port) => ({ port, mode: 'PERMISSIVE' as const }));
    const legacy = workload('legacy', { injected: false, modes: [], policies: [] });
    const from = input(
      [[2 * HOUR, traffic('retool', 'legacy', 5, { security: 'none' })]],
      withWorkloads(workload('order-service', { modes }), legacy),
    );
    await expect(`${renderAudit(bestPractices(from))}\n`).toMatchFileSnapshot('golden/best-practices.txt');
  });

  it('paints results', () => {
    expect(renderAudit(bestPractices(input()), { paint: (role, text) => `<${role}>${text}` })).toContain(
      '[<ok>PASS] MSH101',
    );
  });
});
