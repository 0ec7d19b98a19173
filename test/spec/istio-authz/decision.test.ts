/**
 * How policies combine into a decision: actions, empty forms, scopes, order.
 * Source: https://istio.io/latest/docs/concepts/security/#implicit-enablement and
 * https://istio.io/latest/docs/reference/config/security/authorization-policy/
 */
import { describe, expect, it } from 'vitest';
import { compileAuthorization, type AuthorizationRequest, type Decision } from '../../../src/policy/index.ts';
import type { AuthorizationPolicy } from '../../../src/istio/index.ts';
import {
  authorizationPolicy as policy,
  httpRequest as http,
  meshWith,
  tcpConnection as tcp,
} from '../../kit/policies.ts';

function decide(policies: readonly AuthorizationPolicy[], request: AuthorizationRequest): Decision {
  return compileAuthorization(meshWith(policies)).authorize(request);
}

describe('istio-authz/gotcha-01..08', () => {
  it('istio-authz/gotcha-01: a policy with an empty spec denies everything', () => {
    const decision = decide([policy({})], http());
    expect(decision).toMatchObject({
      decision: 'deny',
      status: 403,
      determining: [],
      reason: 'no ALLOW policy matched',
    });
    expect(decision.trace.detail).toBe('rbac_access_denied_matched_policy[none]');
  });

  it('istio-authz/gotcha-02: one empty rule allows everything', () => {
    const decision = decide([policy({ rules: [{}] })], http());
    expect(decision).toMatchObject({ decision: 'allow', status: 200, reason: 'matched ALLOW policy' });
    expect(decision.determining).toEqual([{ kind: 'AuthorizationPolicy', namespace: 'foo', name: 'policy', rule: 0 }]);
  });

  it('istio-authz/gotcha-07: ALLOW with methods on a raw connection refuses it on every port', () => {
    const rules = [{ to: [{ operation: { methods: ['GET'] } }] }];
    for (const port of [8080, 9000]) expect(decide([policy({ rules })], tcp({ port })).decision).toBe('deny');
  });
});
