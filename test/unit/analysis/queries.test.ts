import { describe, expect, it } from 'vitest';
import {
  allCaptured,
  blastRadius,
  connectivityMap,
  containment,
  diff,
  emptiness,
  equivalence,
  forbids,
  permissiveness,
  permits,
  redundancy,
  whoCan,
} from '../../../src/analysis/index.ts';
import type { AuthorizationPolicySpec, MeshConfig, WorkloadSelector } from '../../../src/istio/index.ts';
import { compileAuthorization } from '../../../src/policy/index.ts';
import { authorizationPolicy, meshWith, workload } from '../../kit/policies.ts';

const NAMES = ['a', 'b', 'c'];
const workloads = NAMES.map((name) => workload(name));
const onto = (app: string): WorkloadSelector => ({ matchLabels: { app } });
const from = (
  ...accounts: readonly string[]
): NonNullable<NonNullable<AuthorizationPolicySpec['rules']>[number]['from']> => [
  { source: { principals: accounts.map((account) => `cluster.local/ns/foo/sa/${account}`) } },
];

function mesh(...specs: readonly AuthorizationPolicySpec[]): MeshConfig {
  const policies = specs.map((spec, i) => authorizationPolicy(spec, { name: `p${i}` }));
  const strict = {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'default', namespace: 'istio-system', labels: {}, annotations: {} },
    spec: { mtls: { mode: 'STRICT' } },
  } as const;
  return { ...meshWith(policies, { workloads }), peerAuthentications: [strict] };
}

/** a reaches b, b reaches c, nobody reaches a. */
const chain = mesh(
  { selector: onto('a') },
  { selector: onto('b'), rules: [{ from: from('a'), to: [{ operation: { methods: ['GET'] } }] }] },
  { selector: onto('c'), rules: [{ from: from('b') }] },
);

describe('who can', () => {
  it('lists every class with a witness that the evaluator lets in', () => {
    const { allowed } = whoCan(chain, { to: 'foo/b', port: 8080 });
    expect(allowed.map(({ requests }) => requests)).toEqual([
      { caller: '`cluster.local/ns/foo/sa/a`', method: '`GET`' },
    ]);
    for (const { witness } of allowed) expect(compileAuthorization(chain).authorize(witness).decision).toBe('allow');
  });

  it('answers within a scope', () => {
    expect(whoCan(chain, { to: 'foo/b', port: 8080, method: 'POST' }).allowed).toEqual([]);
    expect(whoCan(chain, { to: 'foo/b', port: 8080, path: '/x/../y' }).allowed).toMatchObject([
      { witness: { request: { path: '/y' } } },
    ]);
  });
});

describe('assertions', () => {
  const principal = 'cluster.local/ns/foo/sa/a';

  it('hold, or come with a counterexample', () => {
    const to = { to: 'foo/b', port: 8080 } as const;
    expect(permits(chain, { ...to, principal, method: 'GET' })).toEqual({ holds: true, counterexamples: [] });
    expect(permits(chain, { ...to, principal })).toMatchObject({
      holds: false,
      counterexamples: [{ witness: { request: { method: 'POST' } } }],
    });
    expect(forbids(chain, { ...to, principal: null }).holds).toBe(true);
    expect(forbids(chain, { ...to, method: 'GET' })).toMatchObject({
      holds: false,
      counterexamples: [{ witness: { source: { principal } } }],
    });
  });
});

describe('redundancy', () => {
  it('asks about each policy, where others of the same rules select other workloads', () => {
    const rules = [{ to: [{ operation: { methods: ['GET'] } }] }];
    expect(redundancy(mesh({ selector: onto('a'), rules }, { selector: onto('b'), rules }))).toEqual([]);
    const both = mesh({ selector: onto('a'), rules }, { selector: onto('a'), rules }, { selector: onto('b'), rules });
    expect(redundancy(both)).toMatchObject([
      { rule: { name: 'p0' }, why: 'shadowed', by: { name: 'p1' } },
      { rule: { name: 'p1' }, why: 'shadowed', by: { name: 'p0' } },
    ]);
  });

  const rule = (methods: readonly string[]): NonNullable<AuthorizationPolicySpec['rules']>[number] => ({
    to: [{ operation: { methods } }],
  });

  it('names the rule that shadows a dead one', () => {
    const config = mesh({ selector: onto('a'), rules: [rule(['GET', 'POST']), rule(['GET'])] });
    expect(redundancy(config)).toMatchObject([{ rule: { rule: 1 }, why: 'shadowed', by: { rule: 0 } }]);
  });

  it('knows rules that cannot match, select nobody, or are covered by several', () => {
    const config = mesh(
      { selector: onto('a'), rules: [{ to: [{ operation: { paths: ['/a/../b'] } }] }, rule(['GET', 'POST'])] },
      { selector: onto('a'), rules: [rule(['POST', 'PUT'])] },
      { selector: onto('a'), rules: [rule(['GET', 'PUT'])] },
      { selector: onto('nobody'), rules: [rule(['GET'])] },
    );
    expect(redundancy(config).map(({ rule: { name, rule: at }, why }) => [name, at, why])).toEqual([
      ['p0', 0, 'vacuous'],
      ['p0', 1, 'redundant'],
      ['p1', 0, 'redundant'],
      ['p2', 0, 'redundant'],
      ['p3', 0, 'unselected'],
    ]);
  });

  it('sees an ALLOW behind a wider DENY, and leaves a rule alone that decides something', () => {
    const config = mesh(
      { selector: onto('a'), rules: [rule(['GET']), rule(['DELETE'])] },
      { selector: onto('a'), action: 'DENY', rules: [rule(['D*'])] },
    );
    const found = redundancy(config).filter(({ why }) => why === 'shadowed');
    expect(found).toMatchObject([{ rule: { name: 'p0', rule: 1 }, by: { name: 'p1', rule: 0 } }]);
  });
});

describe('connectivity', () => {
  it('maps who reaches whom', () => {
    expect(connectivityMap(chain)).toEqual([
      { from: 'foo/a', to: 'foo/b', port: 8080, reach: 'some' },
      { from: 'foo/b', to: 'foo/c', port: 8080, reach: 'all' },
    ]);
  });

  it('follows a stolen identity over hops', () => {
    expect(blastRadius(chain, 'foo/a', 1).map(({ workload: name }) => name)).toEqual(['foo/b']);
    expect(blastRadius(chain, 'foo/a')).toEqual([
      { workload: 'foo/b', hops: 1, path: ['foo/a', 'foo/b'] },
      { workload: 'foo/c', hops: 2, path: ['foo/a', 'foo/b', 'foo/c'] },
    ]);
    expect(blastRadius(chain, 'outside')).toEqual([]);
  });

  it('measures how open a port is', () => {
    const share = (config: MeshConfig, name: string): number =>
      permissiveness(config).find(({ to }) => to === name)?.share ?? -1;
    expect(share(chain, 'foo/a')).toBe(0);
    expect(share(chain, 'foo/b')).toBeGreaterThan(0);
    expect(share(chain, 'foo/b')).toBeLessThan(share(chain, 'foo/c'));
  });
});

describe('two configurations', () => {
  const open = mesh({ selector: onto('a') }, { selector: onto('b'), rules: [{ from: from('a', 'c') }] });

  it('are compared by containment and equivalence', () => {
    const closed = mesh({ selector: onto('a') }, { selector: onto('b'), rules: [{ from: from('a') }] });
    expect(containment(closed, open).holds).toBe(true);
    expect(containment(open, closed)).toMatchObject({ holds: false, counterexamples: [{ kind: 'newly-allowed' }] });
    expect(equivalence(open, open)).toBe(true);
    expect(equivalence(open, closed)).toBe(false);
  });

  it('a workload that is new is newly reachable for those it lets in', () => {
    const after = { ...open, workloads: [...open.workloads, workload('d')] };
    const { findings } = diff(open, after);
    expect(findings).toMatchObject([{ kind: 'newly-allowed', before: { reason: 'the workload does not exist' } }]);
  });

  it('an external authorizer is a free boolean, and says so', () => {
    const provider = {
      name: 'authz',
      protocol: 'grpc',
      service: 'x',
      port: 1,
      failOpen: false,
      statusOnError: 403,
    } as const;
    const custom = mesh({ selector: onto('a'), action: 'CUSTOM', provider: { name: 'authz' }, rules: [{}] });
    const settings = { ...custom.settings, extensionProviders: [provider] };
    const { findings, notes } = diff({ ...mesh(), settings }, { ...custom, settings });
    expect(findings).toMatchObject([
      { kind: 'newly-denied', requests: { 'external authorizer': '`authz` refuses' }, verdicts: { authz: 'deny' } },
    ]);
    expect(notes).toContainEqual(expect.stringContaining('CUSTOM'));
  });
});

it('names what is captured by policies and what selects nothing', () => {
  expect(allCaptured(chain)).toEqual({ holds: true, uncaptured: [] });
  expect(allCaptured(mesh({ selector: onto('a') })).uncaptured).toEqual(['foo/b', 'foo/c']);
  expect(emptiness(mesh({ selector: onto('z') })).empty).toMatchObject([{ name: 'p0' }]);
});
