/**
 * The annotation `istio.io/dry-run`: read as Go reads a boolean; anything else leaves the policy enforced.
 * Source: https://istio.io/latest/docs/tasks/security/authorization/authz-dry-run/
 * @module
 */
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';

const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);
export const DRY_RUN = 'istio.io/dry-run';

export function isDryRun(policy: AuthorizationPolicy): boolean {
  return TRUE.has(policy.metadata.annotations[DRY_RUN] ?? '');
}

/** The annotation's text where it is no boolean: the policy is enforced all the same. */
export function unreadableDryRun(policy: AuthorizationPolicy): string | undefined {
  const text = policy.metadata.annotations[DRY_RUN];
  return text === undefined || TRUE.has(text) || FALSE.has(text) ? undefined : text;
}
