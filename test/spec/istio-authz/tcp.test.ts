/**
 * HTTP attributes on raw connections, and ports: ALLOW errs on the narrow side, every other action on the wide side.
 * Source: https://istio.io/latest/docs/tasks/security/authorization/authz-tcp/
 */
import { describe, expect, it } from 'vitest';
import type { AuthorizationRule } from '../../../src/istio/index.ts';
import { authorizationPolicy as policy, httpRequest as http, tcpConnection as tcp } from '../../kit/policies.ts';
import { decide, itMatches } from '../../kit/verdicts.ts';

const GET = { to: [{ operation: { methods: ['GET'] } }] };
const denies = (rules: readonly AuthorizationRule[], port: number, ip = '10.0.0.5'): boolean =>
  decide([policy({ action: 'DENY', rules })], tcp({ port, ip })).decision === 'deny';

describe('HTTP attributes on a raw connection', () => {
  it('istio-authz/gotcha-07: ALLOW with methods refuses raw connections on every port', () => {
    for (const port of [8080, 9000]) expect(decide([policy({ rules: [GET] })], tcp({ port })).decision).toBe('deny');
    expect(decide([policy({ rules: [GET] })], http()).decision).toBe('allow');
  });

  it('istio-authz/gotcha-08: DENY with methods alone refuses every raw connection', () => {
    for (const port of [9000, 9001]) expect(denies([GET], port)).toBe(true);
    expect(decide([policy({ action: 'DENY', rules: [GET] })], http({ method: 'POST' })).decision).toBe('allow');
  });

  it('istio-authz/gotcha-09: DENY with methods and ports refuses raw connections to those ports', () => {
    const rules = [{ to: [{ operation: { methods: ['GET'], ports: ['9000'] } }] }];
    expect(denies(rules, 9000)).toBe(true);
    expect(denies(rules, 9001)).toBe(false);
  });

  it('istio-authz/gotcha-79: of two sources of a DENY rule, the one with HTTP attributes alone matches everything', () => {
    const rules = [{ from: [{ source: { requestPrincipals: ['x'] } }, { source: { ipBlocks: ['10.0.0.1'] } }] }];
    expect(denies(rules, 9000, '10.9.9.9')).toBe(true);
  });

  it('istio-authz/gotcha-80: an ALLOW rule of that shape is dropped as a whole', () => {
    const rules = [{ from: [{ source: { requestPrincipals: ['x'] } }, { source: { ipBlocks: ['10.0.0.1'] } }] }];
    expect(decide([policy({ rules })], tcp({ ip: '10.0.0.1' })).decision).toBe('deny');
    expect(
      decide(
        [policy({ rules: [...rules, { from: [{ source: { ipBlocks: ['10.0.0.1'] } }] }] })],
        tcp({ ip: '10.0.0.1' }),
      ).decision,
    ).toBe('allow');
  });

  it.each(['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'])(
    'istio-authz/tcp-1: %s needs HTTP',
    (field) => {
      const rules = [{ to: [{ operation: { [field]: ['x'] } }] }];
      expect(decide([policy({ rules })], tcp()).decision).toBe('deny');
      expect(denies(rules, 8080)).toBe(true);
    },
  );

  it.each([
    'request.headers[x]',
    'request.auth.principal',
    'request.auth.audiences',
    'request.auth.presenter',
    'request.auth.claims[a]',
  ])('istio-authz/tcp-2: the condition %s needs HTTP, negated or not', (key) => {
    for (const lists of [{ values: ['x'] }, { notValues: ['x'] }]) {
      const rules = [{ when: [{ key, ...lists }] }];
      expect(decide([policy({ rules })], tcp()).decision).toBe('deny');
      expect(denies(rules, 8080)).toBe(true);
    }
  });

  it('istio-authz/gotcha-86: the rules of a port are those of the protocol the connection turned out to speak', () => {
    const policies = [policy({ rules: [{ to: [{ operation: { paths: ['/ip'] } }] }] })];
    expect(decide(policies, http()).decision).toBe('allow');
    expect(decide(policies, tcp()).decision).toBe('deny');
  });

  it('istio-authz/tcp-3: AUDIT widens like DENY', () => {
    expect(decide([policy({ action: 'AUDIT', rules: [GET] })], tcp()).trace.audited).toHaveLength(1);
  });
});

describe('ports and values that cannot be used', () => {
  itMatches([
    {
      name: 'istio-authz/gotcha-10: ports are those of the workload, not of the Service',
      rule: { to: [{ operation: { ports: ['8000'] } }] },
      yes: [http({ port: 8000 })],
      no: [http({ port: 8080 })],
    },
    {
      name: 'istio-authz/ports-1: notPorts and destination.port',
      rule: { to: [{ operation: { notPorts: ['80'] } }], when: [{ key: 'destination.port', values: ['8080', '80'] }] },
      yes: [http({ port: 8080 }), tcp({ port: 8080 })],
      no: [http({ port: 80 }), http({ port: 9000 })],
    },
  ]);

  it('istio-authz/unusable-1: a malformed value drops an ALLOW rule, and is left out of a DENY rule', () => {
    for (const values of [['x'], ['99999'], ['10.0.0.1/33'], ['10.0.0']]) {
      const key = values[0]?.includes('.') === true ? 'source.ip' : 'destination.port';
      const rules = [{ when: [{ key, values }] }];
      expect(decide([policy({ rules })], tcp()).decision).toBe('deny');
      expect(denies(rules, 8080)).toBe(true);
      expect(denies([{ when: [{ key, values: [...values, key === 'source.ip' ? '10.9.9.9' : '1'] }] }], 8080)).toBe(
        false,
      );
    }
  });

  it('istio-authz/unusable-2: a rule with an unknown key is skipped for every action', () => {
    for (const key of [
      'destination.labels[a]',
      'destination.namespace',
      'destination.user',
      'source.ips',
      'request.auth.x',
    ]) {
      const rules = [{ when: [{ key, notValues: ['x'] }] }];
      expect(decide([policy({ rules })], http()).decision).toBe('deny');
      expect(decide([policy({ action: 'DENY', rules })], http()).decision).toBe('allow');
    }
  });

  it('istio-authz/unusable-3: dynamic metadata of other filters is never there', () => {
    const key = 'experimental.envoy.filters.a.b[c]';
    expect(decide([policy({ rules: [{ when: [{ key, values: ['[x]'] }] }] })], http()).decision).toBe('deny');
    expect(decide([policy({ rules: [{ when: [{ key, notValues: ['x'] }] }] })], http()).decision).toBe('allow');
  });
});
