/**
 * The ALLOW rules that nearly matched: for each rule the alternative with the fewest failing clauses.
 * @module
 */
import type { CompiledRule } from './authorization-rule.ts';
import type { Clause } from './clause.ts';
import type { FailedClause, NearMiss } from './decision.ts';
import type { RequestView } from './request-view.ts';
import type { RuleSet } from './rule-set.ts';

/** More than this nobody reads. */
const NEAR_MISSES_MAX = 5;

export function nearMisses(rules: RuleSet, view: RequestView): readonly NearMiss[] {
  const dropped: readonly NearMiss[] = rules.dropped.map(({ ref, faults }) => ({
    policy: ref,
    failed: faults.map(({ path, message }) => ({ path, expected: [], negated: false, message })),
  }));
  const tried = rules.rules.map((rule) => ({ policy: rule.ref, failed: failedClauses(rule, view) }));
  return [...tried, ...dropped]
    .map((miss, order) => ({ miss, order }))
    .sort((a, b) => a.miss.failed.length - b.miss.failed.length || a.order - b.order)
    .slice(0, NEAR_MISSES_MAX)
    .map(({ miss }) => miss);
}

function failedClauses(rule: CompiledRule, view: RequestView): readonly FailedClause[] {
  const failing = (clauses: readonly Clause[]): readonly Clause[] => clauses.filter((clause) => !clause.holds(view));
  return [
    ...fewest(rule.sources.map(failing)),
    ...fewest(rule.operations.map(failing)),
    ...failing(rule.conditions),
  ].map((clause) => {
    const seen = clause.matcher.seen(view);
    const { path, values: expected, negated } = clause;
    return { path, expected, negated, ...(seen === undefined ? {} : { seen }) };
  });
}

function fewest(alternatives: readonly (readonly Clause[])[]): readonly Clause[] {
  let best: readonly Clause[] = alternatives[0] ?? [];
  for (const failing of alternatives) if (failing.length < best.length) best = failing;
  return best;
}
