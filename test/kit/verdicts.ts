/**
 * Tables of cases: one rule or policy, requests, and what is decided. Each row becomes a test of its own.
 * @module
 */
import { expect, it } from 'vitest';
import type { AuthorizationPolicy, AuthorizationRule } from '../../src/istio/index.ts';
import {
  compileAuthorization,
  type AuthorizationOptions,
  type AuthorizationRequest,
  type Decision,
} from '../../src/policy/index.ts';
import { authorizationPolicy, meshWith, type WorldOptions } from './policies.ts';

export function decide(
  policies: readonly AuthorizationPolicy[],
  request: AuthorizationRequest,
  options: WorldOptions & AuthorizationOptions = {},
): Decision {
  return compileAuthorization(meshWith(policies, options), options).authorize(request);
}

/** Whether one ALLOW policy of one rule lets the request through: whether the rule matches. */
export function matches(rule: AuthorizationRule, request: AuthorizationRequest, options: WorldOptions = {}): boolean {
  return decide([authorizationPolicy({ rules: [rule] })], request, options).decision === 'allow';
}

export interface MatchCase {
  /** Starts with an id: `istio-authz/gotcha-41: …`. */
  readonly name: string;
  readonly rule: AuthorizationRule;
  readonly yes?: readonly AuthorizationRequest[];
  readonly no?: readonly AuthorizationRequest[];
  readonly world?: WorldOptions;
}

/** A test for each case: the rule matches every request of `yes` and none of `no`. */
export function itMatches(cases: readonly MatchCase[]): void {
  it.each(cases.map((each) => [each.name, each] as const))('%s', (_, { rule, yes = [], no = [], world }) => {
    expect(yes.length + no.length).toBeGreaterThan(0);
    expect(yes.filter((request) => !matches(rule, request, world))).toEqual([]);
    expect(no.filter((request) => matches(rule, request, world))).toEqual([]);
  });
}
