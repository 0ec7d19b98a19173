/**
 * How policies combine into a decision: scopes, actions, empty forms, order, CUSTOM, dry run.
 * Source: https://istio.io/latest/docs/concepts/security/#authorization and
 * https://istio.io/latest/docs/reference/config/security/authorization-policy/
 */
import { describe, expect, it } from 'vitest';
import { compileAuthorization, type ExternalVerdict } from '../../../src/policy/index.ts';
import type { AuthorizationPolicySpec, AuthorizationRule, ExtAuthzProvider } from '../../../src/istio/index.ts';
import {
  authorizationPolicy as policy,
  httpRequest as http,
  meshWith,
  tcpConnection,
  workload,
} from '../../kit/policies.ts';
import { decide } from '../../kit/verdicts.ts';

const paths = (...values: readonly string[]): readonly AuthorizationRule[] => [
  { to: [{ operation: { paths: values } }] },
];
const ROOT = { namespace: 'istio-system' };
const ALLOW_ALL = policy({ rules: [{}] }, { name: 'allow-all' });

describe('which policies select a workload', () => {
  it('istio-authz/scope-1: a policy of another namespace does not apply', () => {
    expect(decide([policy({}, { namespace: 'bar' })], http()).decision).toBe('allow');
  });

  it('istio-authz/scope-2: a policy of the root namespace without selector applies everywhere', () => {
    expect(decide([policy({}, ROOT)], http()).decision).toBe('deny');
    expect(decide([policy({}, ROOT)], http({ to: 'bar/curl' })).decision).toBe('deny');
  });

  it('istio-authz/gotcha-13: a root-namespace policy with a selector applies to matching Pods of every namespace', () => {
    const spec: AuthorizationPolicySpec = {
      action: 'DENY',
      selector: { matchLabels: { app: 'httpbin' } },
      rules: [{}],
    };
    expect(decide([policy(spec, ROOT)], http()).decision).toBe('deny');
    expect(decide([policy(spec, ROOT)], http({ to: 'foo/curl' })).decision).toBe('allow');
  });

  it('istio-authz/gotcha-71: only the labels of the Pod count, all of them that the selector names', () => {
    const spec: AuthorizationPolicySpec = { selector: { matchLabels: { app: 'httpbin', version: 'v1' } } };
    const request = http();
    expect(decide([policy(spec)], request).decision).toBe('allow');
    const labelled = [workload('httpbin', { labels: { app: 'httpbin', version: 'v1', other: 'x' } })];
    expect(decide([policy(spec)], request, { workloads: labelled }).decision).toBe('deny');
  });

  it('istio-authz/scope-3: an empty selector selects every workload of the namespace', () => {
    for (const selector of [{}, { matchLabels: {} }]) {
      expect(decide([policy({ selector })], http()).decision).toBe('deny');
    }
  });

  it('istio-authz/scope-4: another root namespace can be configured', () => {
    const settings = { rootNamespace: 'mesh' };
    expect(decide([policy({}, ROOT)], http(), { settings }).decision).toBe('allow');
    expect(decide([policy({}, { namespace: 'mesh' })], http(), { settings }).decision).toBe('deny');
  });

  const target = (name: string, more: object = {}) => ({
    group: 'gateway.networking.k8s.io',
    kind: 'Gateway',
    name,
    ...more,
  });

  it('istio-authz/gotcha-78: sidecars ignore policies with targetRefs', () => {
    expect(decide([policy({ targetRef: target('gw') })], http()).decision).toBe('allow');
    expect(decide([policy({ targetRefs: [target('gw')] })], http()).decision).toBe('allow');
    expect(decide([policy({ targetRefs: [] })], http()).decision).toBe('deny');
  });

  it('istio-authz/scope-6: targetRefs bind the Pods of the Gateway they name, in its own namespace', () => {
    const at = (spec: AuthorizationPolicySpec, meta = {}): string => {
      const labels = { 'gateway.networking.k8s.io/gateway-name': 'gw', app: 'x' };
      return decide([policy(spec, meta)], { ...http(), destination: { namespace: 'foo', labels, port: 80 } }).decision;
    };
    expect(at({ targetRef: target('gw') })).toBe('deny');
    expect(at({ targetRefs: [target('other'), target('gw')] })).toBe('deny');
    expect(at({ targetRef: target('gw'), targetRefs: [] })).toBe('deny');
    expect(at({ targetRefs: [target('other')] })).toBe('allow');
    expect(at({ targetRefs: [target('gw')] }, ROOT)).toBe('allow');
    expect(at({ targetRefs: [target('gw', { kind: 'Service', group: '' })] })).toBe('allow');
    expect(at({ selector: { matchLabels: { app: 'x' } } })).toBe('deny');
    expect(at({ selector: { matchLabels: { app: 'x' } } }, ROOT)).toBe('deny');
  });

  it('istio-authz/scope-5: labels stand in for a workload that no manifest declares', () => {
    const spec: AuthorizationPolicySpec = { selector: { matchLabels: { app: 'x' } } };
    const to = (labels: Readonly<Record<string, string>>): ReturnType<typeof http> => ({
      ...http(),
      destination: { namespace: 'foo', labels, port: 80 },
    });
    expect(decide([policy(spec)], to({ app: 'x', v: '1' })).decision).toBe('deny');
    expect(decide([policy(spec)], to({ app: 'y' })).decision).toBe('allow');
    expect(decide([policy(spec)], to({})).decision).toBe('allow');
  });

  it('refuses a workload that nobody declares, with a hint', () => {
    expect(() => decide([], http({ to: 'foo/httpbim' }))).toThrow(
      expect.objectContaining({
        code: 'ERR_REQUEST_INVALID',
        message: expect.stringContaining('did you mean `httpbin`?'),
      }),
    );
    expect(() => decide([], { destination: { namespace: 'foo', port: 80 } })).toThrow('neither a workload nor labels');
  });
});

describe('empty forms', () => {
  it('istio-authz/gotcha-01: a policy with an empty spec denies everything', () => {
    const decision = decide([policy({})], http());
    expect(decision).toMatchObject({
      decision: 'deny',
      status: 403,
      determining: [],
      reason: 'no ALLOW policy matched',
    });
    expect(decision.trace.detail).toBe('rbac_access_denied_matched_policy[none]');
    expect(decide([policy({})], tcpConnection()).decision).toBe('deny');
  });

  it('istio-authz/empty-1: ALLOW with an empty list of rules denies everything', () => {
    expect(decide([policy({ action: 'ALLOW', rules: [] })], http()).decision).toBe('deny');
  });

  it('istio-authz/gotcha-02: one empty rule allows everything', () => {
    const decision = decide([ALLOW_ALL], http());
    expect(decision).toMatchObject({ decision: 'allow', status: 200, reason: 'matched ALLOW policy' });
    expect(decision.determining).toEqual([
      { kind: 'AuthorizationPolicy', namespace: 'foo', name: 'allow-all', rule: 0 },
    ]);
  });

  it('istio-authz/empty-2: DENY with one empty rule denies everything, plaintext and TCP included', () => {
    const deny = policy({ action: 'DENY', rules: [{}] });
    for (const request of [http(), http({ from: null }), tcpConnection()]) {
      expect(decide([deny, ALLOW_ALL], request).decision).toBe('deny');
    }
  });

  it('istio-authz/empty-3: DENY without rules has no effect', () => {
    expect(decide([policy({ action: 'DENY' })], http()).decision).toBe('allow');
  });

  it('istio-authz/empty-4: empty from and to restrict nothing', () => {
    expect(decide([policy({ rules: [{ from: [], to: [], when: [] }] })], http()).decision).toBe('allow');
  });

  it('istio-authz/empty-5: empty lists of values restrict nothing', () => {
    const rules = [{ from: [{ source: { principals: [] } }], to: [{ operation: { notPaths: [] } }] }];
    expect(decide([policy({ rules })], http()).decision).toBe('allow');
  });
});

describe('how actions combine', () => {
  it('istio-authz/gotcha-03: ALLOW policies are united: one of the namespace opens what a mesh-wide one closes', () => {
    const policies = [policy({ rules: [] }, ROOT), policy({ rules: paths('/ip') })];
    expect(decide(policies, http()).decision).toBe('allow');
    expect(decide(policies, http({ path: '/other' })).decision).toBe('deny');
    expect(decide(policies, http({ to: 'bar/curl' })).decision).toBe('deny');
  });

  it('istio-authz/gotcha-04: DENY comes first, whatever the scope', () => {
    const policies = [policy({ action: 'DENY', rules: paths('/admin*') }, ROOT), ALLOW_ALL];
    const decision = decide(policies, http({ path: '/admin' }));
    expect(decision).toMatchObject({ decision: 'deny', status: 403, reason: 'matched DENY policy' });
    expect(decision.trace.detail).toBe('rbac_access_denied_matched_policy[ns[istio-system]-policy[policy]-rule[0]]');
    expect(decide(policies, http()).decision).toBe('allow');
  });

  it('istio-authz/gotcha-05: with DENY policies alone, what they do not match is allowed', () => {
    const decision = decide([policy({ action: 'DENY', rules: paths('/admin') })], http());
    expect(decision).toMatchObject({ decision: 'allow', determining: [], reason: 'no ALLOW policy applies' });
  });

  it('istio-authz/gotcha-06: two list items are alternatives, two keys of one item a conjunction', () => {
    const from = [{ source: { principals: ['cluster.local/ns/foo/sa/curl'] } }];
    const to = [{ operation: { paths: ['/x'] } }];
    expect(decide([policy({ rules: [{ from }, { to }] })], http()).decision).toBe('allow');
    expect(decide([policy({ rules: [{ from, to }] })], http()).decision).toBe('deny');
  });

  it('istio-authz/order-1: the reported rule is the first by name as text: rule[10] before rule[2]', () => {
    const rules = Array.from({ length: 12 }, (_, i) =>
      i === 2 || i === 10 ? {} : { to: [{ operation: { paths: ['/no'] } }] },
    );
    expect(decide([policy({ rules })], http()).determining[0]?.rule).toBe(10);
  });

  it('istio-authz/order-2: the namespace orders before the name of the policy', () => {
    const policies = [policy({ rules: [{}] }, { name: 'a', ...ROOT }), policy({ rules: [{}] }, { name: 'z' })];
    expect(decide(policies, http()).determining[0]).toMatchObject({ namespace: 'foo', name: 'z' });
  });

  it('istio-authz/audit-1: AUDIT marks a request and decides nothing', () => {
    const decision = decide([policy({ action: 'AUDIT', rules: paths('/ip') }, { name: 'audit' })], http());
    expect(decision.decision).toBe('allow');
    expect(decision.trace.audited).toEqual([{ kind: 'AuthorizationPolicy', namespace: 'foo', name: 'audit', rule: 0 }]);
    const denied = decide([policy({ action: 'AUDIT', rules: [{}] }, { name: 'audit' }), policy({})], http());
    expect(denied.decision).toBe('deny');
    expect(denied.trace.audited).toHaveLength(1);
  });
});

describe('dry run', () => {
  const dryRun = (value: string) => ({ name: 'dry', annotations: { 'istio.io/dry-run': value } });

  it('istio-authz/gotcha-67: an ALLOW policy in dry run alone denies nothing by default', () => {
    const decision = decide([policy({ rules: paths('/no') }, dryRun('true'))], http());
    expect(decision.decision).toBe('allow');
    expect(decision.dryRun).toEqual([{ action: 'ALLOW', result: 'deny', determining: [] }]);
  });

  it('istio-authz/gotcha-68: an annotation that is no boolean leaves the policy enforced', () => {
    for (const value of ['yes', '', 'tRUE', 'on', 'false', '0']) {
      expect(decide([policy({}, dryRun(value))], http()).decision).toBe('deny');
    }
    for (const value of ['1', 't', 'T', 'TRUE', 'true', 'True']) {
      expect(decide([policy({}, dryRun(value))], http()).decision).toBe('allow');
    }
  });

  it('istio-authz/dry-run-1: a DENY policy in dry run is reported and not enforced', () => {
    const decision = decide([policy({ action: 'DENY', rules: [{}] }, dryRun('true'))], http());
    expect(decision.decision).toBe('allow');
    const determining = [{ kind: 'AuthorizationPolicy', namespace: 'foo', name: 'dry', rule: 0 }];
    expect(decision.dryRun).toEqual([{ action: 'DENY', result: 'deny', determining }]);
  });

  it('istio-authz/dry-run-2: an enforced DENY ends the request before shadow ALLOW rules are reached', () => {
    const policies = [policy({ action: 'DENY', rules: [{}] }), policy({ rules: [{}] }, dryRun('true'))];
    expect(decide(policies, http())).toMatchObject({ decision: 'deny', dryRun: [] });
  });

  it('istio-authz/dry-run-3: an AUDIT policy in dry run marks nothing', () => {
    expect(decide([policy({ action: 'AUDIT', rules: [{}] }, dryRun('true'))], http()).trace.audited).toEqual([]);
  });

  it('istio-authz/dry-run-4: CUSTOM in dry run is refused: no two releases agree on it', () => {
    const custom = policy({ action: 'CUSTOM', provider: { name: 'x' }, rules: [{}] }, dryRun('true'));
    expect(() => compileAuthorization(meshWith([custom]))).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', message: expect.stringContaining('foo/dry') }),
    );
  });
});

describe('CUSTOM', () => {
  const provider = (name: string, more: Partial<ExtAuthzProvider> = {}): ExtAuthzProvider => ({
    name,
    protocol: 'grpc',
    service: 'authz.foo.svc.cluster.local',
    port: 9000,
    failOpen: false,
    statusOnError: 403,
    ...more,
  });
  const custom = (name: string, rules = paths('/x')) =>
    policy({ action: 'CUSTOM', provider: { name }, rules }, { name: `custom-${name}` });
  const world = (verdict: ExternalVerdict, more: Partial<ExtAuthzProvider> = {}) => ({
    settings: { extensionProviders: [provider('authz', more), provider('other')] },
    externalAuthorizer: () => verdict,
  });

  it('istio-authz/gotcha-65: a provider that is not configured refuses what its rules match, and nothing else', () => {
    const decision = decide([custom('missing')], http({ path: '/x' }));
    expect(decision).toMatchObject({ decision: 'deny', status: 403 });
    expect(decision.trace.detail).toBe(
      'rbac_access_denied_matched_policy[istio-ext-authz-missing-ns[foo]-policy[custom-missing]-rule[0]-deny-due-to-bad-CUSTOM-action]',
    );
    expect(decide([custom('missing')], http({ path: '/y' })).decision).toBe('allow');
  });

  it('istio-authz/custom-1: a provider that is configured but is no authorizer refuses too', () => {
    const settings = { extensionProviders: [provider('authz')], unusableProviders: ['authz'] };
    expect(
      decide([custom('authz')], http({ path: '/x' }), { settings, externalAuthorizer: () => 'allow' }).decision,
    ).toBe('deny');
  });

  it('istio-authz/custom-2: two providers on one workload refuse what any of their rules match', () => {
    const policies = [custom('authz'), custom('other', paths('/y'))];
    for (const path of ['/x', '/y']) expect(decide(policies, http({ path }), world('allow')).decision).toBe('deny');
    expect(decide(policies, http({ path: '/z' }), world('allow')).decision).toBe('allow');
  });

  it('istio-authz/gotcha-66: what the provider allows still has to pass DENY and ALLOW', () => {
    const ask = world('allow');
    expect(decide([custom('authz'), policy({ rules: paths('/y') })], http({ path: '/x' }), ask).decision).toBe('deny');
    const deny = policy({ action: 'DENY', rules: paths('/x') });
    expect(decide([custom('authz'), deny], http({ path: '/x' }), ask)).toMatchObject({ reason: 'matched DENY policy' });
    expect(decide([custom('authz')], http({ path: '/x' }), ask).decision).toBe('allow');
  });

  it('istio-authz/custom-3: the provider is asked only about requests that a rule matches', () => {
    const asked: string[] = [];
    const options = {
      settings: { extensionProviders: [provider('authz')] },
      externalAuthorizer: ({ name }: ExtAuthzProvider) => {
        asked.push(name);
        return 'deny' as const;
      },
    };
    expect(decide([custom('authz')], http({ path: '/y' }), options).decision).toBe('allow');
    expect(asked).toEqual([]);
    expect(decide([custom('authz')], http({ path: '/x' }), options)).toMatchObject({ decision: 'deny', status: 403 });
    expect(asked).toEqual(['authz']);
  });

  it('istio-authz/custom-4: the status of a refusal is the provider’s own', () => {
    const decision = decide([custom('authz')], http({ path: '/x' }), world({ decision: 'deny', status: 401 }));
    expect(decision.status).toBe(401);
    expect(decision.trace.detail).toBe('ext_authz_denied');
  });

  it('istio-authz/custom-5: a failing provider refuses with statusOnError, or lets pass with failOpen', () => {
    const request = http({ path: '/x' });
    const failed = decide([custom('authz')], request, world('error', { statusOnError: 503 }));
    expect(failed).toMatchObject({ decision: 'deny', status: 503 });
    expect(failed.trace.detail).toBe('ext_authz_error');
    expect(decide([custom('authz')], request, world('error', { failOpen: true })).decision).toBe('allow');
  });

  it('istio-authz/custom-6: nobody to ask counts as a provider that fails', () => {
    const settings = { extensionProviders: [provider('authz')] };
    expect(decide([custom('authz')], http({ path: '/x' }), { settings }).decision).toBe('deny');
  });

  it('istio-authz/custom-7: on a raw connection an HTTP provider is left out, a gRPC one is asked', () => {
    expect(decide([custom('authz', [{}])], tcpConnection(), world('deny', { protocol: 'http' })).decision).toBe(
      'allow',
    );
    expect(decide([custom('authz', [{}])], tcpConnection(), world('deny')).decision).toBe('deny');
  });

  it('istio-authz/custom-8: CUSTOM runs before the token is read: claims count as absent', () => {
    const rules = [{ when: [{ key: 'request.auth.claims[a]', values: ['b'] }] }];
    const request = http({ auth: { claims: { a: 'b' } } });
    expect(decide([custom('authz', rules)], request, world('deny')).decision).toBe('allow');
  });

  it('istio-authz/custom-10: what comes before tokens can be asked alone, and then is not asked again', () => {
    const asked: string[] = [];
    const externalAuthorizer = ({ name }: ExtAuthzProvider) => {
      asked.push(name);
      return 'allow' as const;
    };
    const config = meshWith([custom('authz', [{}]), policy({ rules: paths('/x') })], world('allow'));
    const program = compileAuthorization(config, { externalAuthorizer }).program(http().destination);
    expect(program.admit(http({ path: '/x' }))).toBeUndefined();
    expect(program.decide(http({ path: '/x' }), true).decision).toBe('allow');
    expect(program.decide(http({ path: '/y' }), true)).toMatchObject({ reason: 'no ALLOW policy matched' });
    expect(asked).toEqual(['authz']);
    expect(program.admit(http({ path: '/%00' }))).toMatchObject({ status: 400 });
    const denying = compileAuthorization(config, { externalAuthorizer: () => 'deny' }).program(http().destination);
    expect(denying.admit(http())).toMatchObject({ status: 403, trace: { detail: 'ext_authz_denied' } });
  });

  it('istio-authz/custom-9: an authorizer may itself ask for decisions', () => {
    const config = meshWith([custom('authz', [{}]), policy({ rules: paths('/x') })], world('allow'));
    const inner = compileAuthorization(config, { externalAuthorizer: () => 'allow' });
    const outer = compileAuthorization(config, {
      externalAuthorizer: () => (inner.authorize(http({ path: '/other' })).decision === 'deny' ? 'allow' : 'deny'),
    });
    expect(outer.authorize(http({ path: '/x' })).decision).toBe('allow');
  });
});
