/**
 * Decisions are values: what was decided, by which policies, and why. Explain, access log, audit and matchers are
 * views of this value; none of them evaluates again.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';

/** One rule that was looked at and did not match, and how close it came. */
export interface NearMiss {
  readonly policy: PolicyRef;
  /** How many clauses failed. */
  readonly failed: readonly FailedClause[];
}

export interface FailedClause {
  /** Path below the policy, e.g. `rules[0].from[0].source.principals`. */
  readonly path: string;
  readonly expected: readonly string[];
  /** What the request showed; absent where the attribute was absent. */
  readonly seen?: string;
  /** True for a `not…` list or `notValues`. */
  readonly negated: boolean;
  /** Where the list cannot be used at all, why: it needs HTTP on a raw connection, or a value is malformed. */
  readonly message?: string;
}

export interface DecisionTrace {
  /** Access-log detail in Istio's words: `rbac_access_denied_matched_policy[ns[foo]-policy[x]-rule[0]]`. */
  readonly detail?: string;
  /** The path that was matched, after normalisation. */
  readonly normalizedPath?: string;
  /** AUDIT policies that matched. */
  readonly audited: readonly PolicyRef[];
  /** Where no ALLOW policy matched: the ALLOW rules that came closest, nearest first. */
  readonly nearMisses: readonly NearMiss[];
}

/** What a dry-run policy would have done; enforced policies of the same action are not part of it. */
export interface DryRunResult {
  readonly action: 'ALLOW' | 'DENY';
  readonly result: 'allow' | 'deny';
  readonly determining: readonly PolicyRef[];
}

export interface Decision {
  readonly decision: 'allow' | 'deny';
  /**
   * HTTP status the caller sees for a refusal: 403 from RBAC, 400 for an unusable path; 200 stands for "to the
   * application". On a raw connection a refusal closes the connection, and the status is the one HTTP would have had.
   */
  readonly status: number;
  /** The rule that decided; empty where no policy applies or none matched. */
  readonly determining: readonly PolicyRef[];
  /** `no ALLOW policy matched`, `matched DENY policy`, … */
  readonly reason: string;
  /** What dry-run policies would have done, as far as the request got; worked out when first read. */
  readonly dryRun: readonly DryRunResult[];
  /** Worked out when first read: the request must not have been changed since. */
  readonly trace: DecisionTrace;
}
