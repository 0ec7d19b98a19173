/** Decisions in words, and what they carry lazily. */
import { describe, expect, it } from 'vitest';
import { compileAuthorization, explain } from '../../../src/policy/index.ts';
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
    expect(text).toContain('the caller proves no identity: call over mutual TLS');
  });

  it('tells how a negated list is in the way', () => {
    const rules = [{ to: [{ operation: { notPaths: ['/ip', '/x'] } }] }];
    const text = explain(decide([policy({ rules })], http()));
    expect(text).toContain('saw `/ip`, which `/ip`, `/x` excludes');
    expect(text).toContain('take the value that matches out of `notPaths`');
  });

  it('tells that an ALLOW rule was dropped on a raw connection', () => {
    const text = explain(decide([policy({ rules: [{ to: ADMIN.to }] })], tcp()));
    expect(text).toContain('rules[0].to[0].operation.methods: needs HTTP and is ignored on a TCP connection');
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
