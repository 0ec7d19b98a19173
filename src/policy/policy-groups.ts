/**
 * Policies grouped by a name, in the order given.
 * @module
 */
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';

export function groupPolicies(
  policies: readonly AuthorizationPolicy[],
  nameOf: (policy: AuthorizationPolicy) => string,
): ReadonlyMap<string, readonly AuthorizationPolicy[]> {
  const groups = new Map<string, AuthorizationPolicy[]>();
  for (const policy of policies) {
    const group = groups.get(nameOf(policy));
    if (group === undefined) groups.set(nameOf(policy), [policy]);
    else group.push(policy);
  }
  return groups;
}
