/** Decisions in words, and what they carry lazily. */
import { describe, expect, it } from 'vitest';
import type { AuthorizationRule, MeshSettings } from '../../../src/istio/index.ts';
import { compileAuthorization, explain, type AuthorizationRequest } from '../../../src/policy/index.ts';
import {
  authorizationPolicy as policy,
  httpRequest as http,
  meshWith,
  principalOf,
  tcpConnection as tcp,
} from '../../kit/policies.ts';
import { decide } from '../../kit/verdicts.ts';

const ADMIN = {
  from: [{ source: { principals: [principalOf('foo/admin')] } }],
  to: [{ operation: { methods: ['PUT'] } }],
};
const READ = {
  from: [{ source: { principals: [principalOf('foo/web')] } }, { source: { principals: [principalOf('foo/curl')] } }],
  to: [{ operation: { methods: ['GET'], paths: ['/api/*'] } }],
  when: [{ key: 'request.headers[x-tier]', notValues: ['free'] }],
};

describe('explain', () => {
  it('says which rule allowed', () => {
    const text = explain(decide([policy({ rules: [READ] })], http({ path: '/api/x' })));
    expect(text).toBe('enforced allowed, matched policy ns[foo]-policy[policy]-rule[0] (matched ALLOW policy)');
  });

  it('says by which lists the rule matched, given the trace of the request', () => {
    const compiled = compileAuthorization(meshWith([policy({ rules: [READ] })]));
    const request = http({ path: '/api/x', headers: { 'x-tier': 'gold' } });
    expect(explain(compiled.authorize(request), compiled.trace(request)).split('\n').slice(1)).toEqual([
      '  rules[0].from[1].source.principals: saw `cluster.local/ns/foo/sa/curl`, matched `cluster.local/ns/foo/sa/curl`',
      '  rules[0].to[0].operation.methods: saw `GET`, matched `GET`',
      '  rules[0].to[0].operation.paths: saw `/api/x`, matched `/api/*`',
      '  rules[0].when[0].notValues: saw `gold`, none of `free`',
    ]);
  });

  it('says that nothing restricts the workload', () => {
    expect(explain(decide([], http()))).toBe('allowed by default: no ALLOW policy applies');
  });

  it('names the nearest rule, the clause that failed, what was seen and the smallest edit', () => {
    const text = explain(decide([policy({ rules: [ADMIN, READ] }, { name: 'web' })], http({ path: '/x/../ip' })));
    expect(text.split('\n')).toEqual([
      'enforced denied with 403, matched policy none (no ALLOW policy matched)',
      'path after normalization: /ip',
      'access log: rbac_access_denied_matched_policy[none]',
      'nearest ALLOW rule: foo/web rules[1], one clause fails',
      '  rules[1].to[0].operation.paths: saw `/ip`, expected `/api/*`',
      '    to allow it: add `/ip` to `paths`',
    ]);
  });

  it('counts the clauses of the alternative that came closest', () => {
    const { nearMisses } = decide(
      [policy({ rules: [ADMIN, READ] })],
      http({ from: null, headers: { 'x-tier': 'free' } }),
    ).trace;
    expect(nearMisses.map((miss) => [miss.policy.rule, miss.failed.length])).toEqual([
      [0, 2],
      [1, 3],
    ]);
    expect(nearMisses[1]?.failed.map(({ path, negated, seen }) => ({ path, negated, seen }))).toEqual([
      { path: 'rules[1].from[0].source.principals', negated: false, seen: undefined },
      { path: 'rules[1].to[0].operation.paths', negated: false, seen: '/ip' },
      { path: 'rules[1].when[0].notValues', negated: true, seen: 'free' },
    ]);
  });

  it('tells a missing identity from a wrong one', () => {
    const text = explain(decide([policy({ rules: [{ from: ADMIN.from }] })], http({ from: null })));
    expect(text).toContain('saw nothing, expected `cluster.local/ns/foo/sa/admin`');
    expect(text).toContain(
      'call over mutual TLS, for the caller proves no identity; or take `principals` out of the rule',
    );
  });

  it('tells how a negated list is in the way', () => {
    const rules = [{ to: [{ operation: { notPaths: ['/ip', '/x'] } }] }];
    const text = explain(decide([policy({ rules })], http()));
    expect(text).toContain('saw `/ip`, which `/ip` excludes');
    expect(text).toContain('take `/ip` out of `notPaths`');
  });

  it('tells that an ALLOW rule was dropped on a raw connection', () => {
    const text = explain(decide([policy({ rules: [{ to: ADMIN.to }] })], tcp()));
    expect(text).toContain('rules[0].to[0].operation.methods: needs HTTP: on a TCP connection it cannot be used');
    expect(text).toContain('a list that cannot be used leaves an ALLOW rule out as a whole');
  });

  const advice = (rule: AuthorizationRule, request: AuthorizationRequest, settings: Partial<MeshSettings> = {}) =>
    explain(decide([policy({ rules: [rule] })], request, { settings }))
      .split('\n')
      .filter((line) => line.includes('to allow it'))
      .map((line) => line.replace('    to allow it: ', ''));
  const when = (key: string, ...values: readonly string[]): AuthorizationRule => ({ when: [{ key, values }] });

  it.each<[string, AuthorizationRule, AuthorizationRequest, string]>([
    ['namespaces', { from: [{ source: { namespaces: ['x'] } }] }, http(), 'add `foo` to `namespaces`'],
    [
      'serviceAccounts',
      { from: [{ source: { serviceAccounts: ['x'] } }] },
      http(),
      'add `foo/curl` to `serviceAccounts`',
    ],
    ['trustDomains', { from: [{ source: { trustDomains: ['x'] } }] }, http(), 'add `cluster.local` to `trustDomains`'],
    ['a condition', when('source.namespace', 'x'), http(), 'add `foo` to `values` of `source.namespace`'],
    [
      'one header line of several',
      when('request.headers[a]', 'x'),
      http({ headers: { a: ['b', 'c'] } }),
      'add `b` to `values` of `request.headers[a]`',
    ],
    [
      'an empty header',
      when('request.headers[a]', 'x'),
      http({ headers: { a: '' } }),
      'add `*` to `values` of `request.headers[a]`',
    ],
    [
      'a list as claim',
      when('request.auth.claims[g]', 'x'),
      http({ auth: { claims: { g: ['b', 'c'] } } }),
      'add `b` to `values` of `request.auth.claims[g]`',
    ],
    [
      'a number as claim',
      when('request.auth.claims[g]', '5'),
      http({ auth: { claims: { g: 5 } } }),
      'take `values` of `request.auth.claims[g]` out of the rule',
    ],
    [
      'a subject with a slash',
      { from: [{ source: { requestPrincipals: ['x'] } }] },
      http({ auth: { claims: { iss: 'i', sub: 'a/b' } } }),
      'add `i/*` to `requestPrincipals`',
    ],
    [
      'a port no rule names',
      { to: [{ operation: { ports: ['9000'] } }] },
      http({ port: 8080 }),
      'add `8080` to `ports`',
    ],
    [
      'a mapped address',
      { from: [{ source: { ipBlocks: ['10.0.0.0/8'] } }] },
      http({ ip: '::ffff:192.0.2.7' }),
      'add `192.0.2.7` to `ipBlocks`',
    ],
    [
      'a path with braces',
      { to: [{ operation: { paths: ['/x'] } }] },
      http({ path: '/{a}' }),
      'take `paths` out of the rule',
    ],
    [
      'a malformed value',
      { to: [{ operation: { ports: ['http', '8080'] } }] },
      http({ port: 8080 }),
      'take `http` out of `ports`',
    ],
    [
      'an unknown key',
      when('request.header[a]', 'x'),
      http(),
      'take the condition on `request.header[a]` out of the rule',
    ],
  ])('proposes an edit that works: %s', (_, rule, request, expected) => {
    expect(advice(rule, request, { pathNormalization: 'NONE' })).toEqual([expected]);
  });

  it('proposes no trust domain that the mesh rewrites', () => {
    const rule = { from: [{ source: { principals: ['x/ns/a/sa/b'] } }] };
    expect(advice(rule, http(), { trustDomain: 'corp' })).toEqual(['add `*/ns/foo/sa/curl` to `principals`']);
  });

  it('counts what fails beside what cannot be used', () => {
    const rule = { from: [{ source: { namespaces: ['bar'] } }], to: [{ operation: { methods: ['GET'] } }] };
    expect(advice(rule, tcp())).toEqual(['take `methods` out of the rule', 'add `foo` to `namespaces`']);
  });

  it('says that there is no rule at all', () => {
    expect(explain(decide([policy({}, { name: 'nothing' })], http()))).toContain('no ALLOW policy has a rule');
  });

  it('names the DENY rule, audit and dry run', () => {
    const dry = { name: 'dry', annotations: { 'istio.io/dry-run': 'true' } };
    const policies = [
      policy({ action: 'AUDIT', rules: [{}] }, { name: 'audit' }),
      policy({ action: 'DENY', rules: [{}] }, dry),
      policy({ action: 'DENY', rules: [{ to: ADMIN.to }] }, { name: 'no-put' }),
    ];
    expect(explain(decide(policies, http({ method: 'PUT' }))).split('\n')).toEqual([
      'enforced denied with 403, matched policy ns[foo]-policy[no-put]-rule[0] (matched DENY policy)',
      '  rules[0].to[0].operation.methods: saw `PUT`, matched `PUT`',
      'access log: rbac_access_denied_matched_policy[ns[foo]-policy[no-put]-rule[0]]',
      'audited by ns[foo]-policy[audit]-rule[0]',
      'dry run DENY: shadow denied, matched policy ns[foo]-policy[dry]-rule[0]',
    ]);
  });

  it('explains a path that cannot be normalised', () => {
    expect(explain(decide([], http({ path: '/%00' })))).toContain('refused with 400 before any policy');
  });
});

describe('a decision', () => {
  it('is one shared frozen value where it is the same for every request', () => {
    const compiled = compileAuthorization(meshWith([policy({ rules: [READ] })]));
    const first = compiled.authorize(http({ path: '/api/x' }));
    expect(compiled.authorize(http({ path: '/api/y?z' }))).toBe(first);
    expect(Object.isFrozen(first)).toBe(true);
  });

  it('turns into JSON with its lazy parts', () => {
    const decision = decide([policy({ rules: [READ] })], http());
    const json: unknown = JSON.parse(JSON.stringify(decision));
    expect(json).toMatchObject({ decision: 'deny', dryRun: [], trace: { nearMisses: [{ policy: { rule: 0 } }] } });
  });

  it('tells the same in trace() as in itself', () => {
    const compiled = compileAuthorization(meshWith([policy({ rules: [READ] })]));
    expect(compiled.trace(http())).toEqual(compiled.authorize(http()).trace);
  });

  it('is made by a program that is resolved once', () => {
    const compiled = compileAuthorization(meshWith([policy({ rules: [READ] })]));
    const program = compiled.program({ namespace: 'foo', workload: 'httpbin', port: 8080 });
    expect(program).toBe(compiled.program({ namespace: 'foo', workload: 'httpbin', port: 9999 }));
    const { source, request } = http({ path: '/api/x' });
    expect(program.decide({ ...(source && { source }), ...(request && { request }) }).decision).toBe('allow');
  });
});
