/**
 * Where to look when no ALLOW policy matched: nothing decided, yet something is meant to.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';
import { isDryRun } from '../policy/dry-run.ts';
import { refOf } from '../policy/resource-order.ts';
import { UNMATCHED } from './access-program.ts';
import type { MeshSide, SideDecision } from './mesh-side.ts';

/** What a decision adds to its reason; `other` is the decision of the other side about the same request. */
export function withNearest(
  own: SideDecision,
  other: SideDecision,
  side: MeshSide,
  policies: readonly AuthorizationPolicy[],
): SideDecision {
  if (own.decision !== 'deny' || own.by !== undefined || own.reason !== UNMATCHED) return own;
  const allow = policies.filter((policy) => (policy.spec.action ?? 'ALLOW') === 'ALLOW' && !isDryRun(policy));
  const same = namesake(allow, other.by);
  const elsewhere = same === undefined ? namesake(side.config.authorizationPolicies, other.by) : undefined;
  const found = same ?? elsewhere ?? allow.find(({ spec }) => (spec.rules ?? []).length > 0) ?? allow[0];
  if (found === undefined) return own;
  const nearest = ruleOf(found, same === undefined ? undefined : other.by?.rule);
  const at = side.positionOf(nearest);
  const unmatched = { selecting: allow.length, nearest, selects: elsewhere === undefined };
  return { ...own, unmatched: at === undefined ? unmatched : { ...unmatched, at } };
}

function namesake(
  policies: readonly AuthorizationPolicy[],
  ref: PolicyRef | undefined,
): AuthorizationPolicy | undefined {
  if (ref?.kind !== 'AuthorizationPolicy') return undefined;
  return policies.find(({ metadata }) => metadata.namespace === ref.namespace && metadata.name === ref.name);
}

/** The rule with that number, where there is one: an edited rule most often keeps its place. */
function ruleOf(policy: AuthorizationPolicy, rule: number | undefined): PolicyRef {
  const ref = refOf(policy);
  return rule === undefined || rule >= (policy.spec.rules ?? []).length ? ref : { ...ref, rule };
}
