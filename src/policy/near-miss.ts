/**
 * Which lists of a rule a request passes and which not: the ALLOW rules that nearly matched, for each the alternative
 * with the fewest failing lists, and the lists by which the rule that decided did match.
 * @module
 */
import type { CompiledRule, RuleDraft } from './authorization-rule.ts';
import type { Clause, ClauseContext, ClauseFault } from './clause.ts';
import { editOf, valuesThatMatch } from './clause-edit.ts';
import type { ComparedClause, FailedClause, MatchedClause, NearMiss } from './decision.ts';
import type { RequestView } from './request-view.ts';
import type { RuleSet } from './rule-set.ts';

/** More than this nobody reads. */
const NEAR_MISSES_MAX = 5;

type Clauses = Pick<RuleDraft, 'ref' | 'conditions' | 'sources' | 'operations'>;

interface Attempt {
  readonly rule: Clauses;
  readonly faults: readonly ClauseFault[];
  readonly failing: readonly Clause[];
}

/** Edits are worked out only for those that are told. */
export function nearMisses(rules: RuleSet, view: RequestView): readonly NearMiss[] {
  const tried = rules.rules.map((rule) => ({ rule, faults: [], failing: failingClauses(rule, view) }));
  const dropped = rules.dropped.map((rule) => ({ rule, faults: rule.faults, failing: failingClauses(rule, view) }));
  const size = ({ faults, failing }: Attempt): number => faults.length + failing.length;
  // Sorting is stable: of equals the first in Istio's order comes first, and rules that take part before others.
  return [...tried, ...dropped]
    .sort((a, b) => size(a) - size(b))
    .slice(0, NEAR_MISSES_MAX)
    .map(({ rule, faults, failing }) => {
      const context = contextOf(rule, view, rules);
      const failed = failing.map((clause) => ({ ...compared(clause, view), edit: editOf(clause, view, context) }));
      return { policy: rule.ref, failed: [...faults.map(unusable), ...failed] };
    });
}

/** The lists by which a rule that matches the request does so: the first alternative that holds, and the conditions. */
export function matchedClauses(rule: CompiledRule, view: RequestView, rules: RuleSet): readonly MatchedClause[] {
  const context = contextOf(rule, view, rules);
  const holding = (any: readonly (readonly Clause[])[]): readonly Clause[] =>
    any.find((all) => all.every((clause) => clause.holds(view))) ?? [];
  return [...holding(rule.sources), ...holding(rule.operations), ...rule.conditions].map((clause) => ({
    ...compared(clause, view),
    matched: clause.negated ? [] : valuesThatMatch(clause, view, context),
  }));
}

/** Of the alternatives those that fail in the fewest lists. */
function failingClauses({ sources, operations, conditions }: Clauses, view: RequestView): readonly Clause[] {
  const failing = (clauses: readonly Clause[]): readonly Clause[] => clauses.filter((clause) => !clause.holds(view));
  return [...fewest(sources.map(failing)), ...fewest(operations.map(failing)), ...failing(conditions)];
}

/** Programs know a port only where some rule names it: the request knows its own. */
function contextOf({ ref }: Clauses, view: RequestView, { context }: RuleSet): ClauseContext {
  return { ...context, namespace: ref.namespace, port: view.attributes.destination?.port ?? context.port };
}

function compared({ key, path, values: expected, negated, matcher }: Clause, view: RequestView): ComparedClause {
  const seen = matcher.seen(view);
  return { path, key, expected, negated, ...(seen === undefined ? {} : { seen }) };
}

function unusable({ path, key, message, value }: ClauseFault): FailedClause {
  const edit = value === undefined ? ({ kind: 'drop' } as const) : ({ kind: 'remove', values: [value] } as const);
  return { path, key, expected: [], negated: false, message, edit };
}

function fewest(alternatives: readonly (readonly Clause[])[]): readonly Clause[] {
  let best: readonly Clause[] = alternatives[0] ?? [];
  for (const failing of alternatives) if (failing.length < best.length) best = failing;
  return best;
}
