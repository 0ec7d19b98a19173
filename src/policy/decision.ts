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

/** One list of a rule beside what the request showed for it. */
export interface ComparedClause {
  /** Path below the policy, e.g. `rules[0].from[0].source.principals`. */
  readonly path: string;
  /** The attribute: a `when` key, or `:authority`, `:method`, `:path` for the fields of an operation. */
  readonly key: string;
  readonly expected: readonly string[];
  /** What the request showed; absent where the attribute was absent. */
  readonly seen?: string;
  /** True for a `not…` list or `notValues`. */
  readonly negated: boolean;
}

export interface FailedClause extends ComparedClause {
  /** Where the list cannot be used at all, why: it needs HTTP on a raw connection, or a value is malformed. */
  readonly message?: string;
  readonly edit: ClauseEdit;
}

/**
 * The smallest change of one list after which it lets the request pass: a value more; some values fewer, and no list
 * where none is left; or, where no value could match, no list.
 */
export type ClauseEdit =
  | { readonly kind: 'add'; readonly value: string }
  | { readonly kind: 'remove'; readonly values: readonly string[] }
  | { readonly kind: 'drop' };

/** A list that a rule which decided was matched by. */
export interface MatchedClause extends ComparedClause {
  /** The values that matched; none for a negated list. */
  readonly matched: readonly string[];
}

export interface DecisionTrace {
  /** Access-log detail in Istio's words: `rbac_access_denied_matched_policy[ns[foo]-policy[x]-rule[0]]`. */
  readonly detail?: string;
  /** The path that was matched, after normalisation. */
  readonly normalizedPath?: string;
  /** The lists by which the rule that decided matched; none for a rule without lists, or where no rule decided. */
  readonly matched: readonly MatchedClause[];
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
  /**
   * Worked out when first read: the request must not have been changed since. Decisions that many requests share tell
   * nothing of a single one here: `trace(request)` does.
   */
  readonly trace: DecisionTrace;
}
