/**
 * One compiled rule of one policy: a condition list, alternatives of sources, alternatives of operations.
 *
 * On a TCP chain, and for values that cannot be used, istiod errs on the safe side, and so does this: an ALLOW rule
 * with such a part is dropped as a whole, of a DENY, AUDIT or CUSTOM rule only the part is, which widens the rule.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { AuthorizationPolicy, AuthorizationRule } from '../istio/authorization-policy.ts';
import {
  conditionClauses,
  operationClauses,
  sourceClauses,
  type Clause,
  type ClauseContext,
  type ClauseFault,
  type CompiledClauses,
} from './clause.ts';
import type { RequestView } from './request-view.ts';
import type { IndexedRule, IndexKey } from './rule-index.ts';

export class CompiledRule implements IndexedRule {
  readonly ordinal: number;
  readonly ref: PolicyRef;
  readonly conditions: readonly Clause[];
  /** Alternatives, each a conjunction; none given is one empty alternative. */
  readonly sources: readonly (readonly Clause[])[];
  readonly operations: readonly (readonly Clause[])[];
  readonly keySets: readonly (readonly IndexKey[])[];

  constructor(ordinal: number, draft: RuleDraft) {
    this.ordinal = ordinal;
    this.ref = draft.ref;
    this.conditions = draft.conditions;
    this.sources = draft.sources;
    this.operations = draft.operations;
    this.keySets = [
      ...keysOfAll(this.conditions),
      ...keysOfAlternatives(this.sources),
      ...keysOfAlternatives(this.operations),
    ];
  }

  matches(view: RequestView): boolean {
    return someHold(this.sources, view) && someHold(this.operations, view) && allHold(this.conditions, view);
  }
}

function someHold(alternatives: readonly (readonly Clause[])[], view: RequestView): boolean {
  for (const clauses of alternatives) if (allHold(clauses, view)) return true;
  return false;
}

function allHold(clauses: readonly Clause[], view: RequestView): boolean {
  for (const clause of clauses) if (!clause.holds(view)) return false;
  return true;
}

/** A rule before it has its place in the order. */
export interface RuleDraft {
  readonly ref: PolicyRef;
  /** `ns[foo]-policy[x]-rule[0]`: what logs call the rule, and what orders rules. */
  readonly name: string;
  readonly conditions: readonly Clause[];
  readonly sources: readonly (readonly Clause[])[];
  readonly operations: readonly (readonly Clause[])[];
  readonly faults: readonly ClauseFault[];
  /** The rule never takes part in a decision; the faults say why. */
  readonly dropped: boolean;
  /** No request of this program can match. */
  readonly impossible: boolean;
}

/** Istio's name of a rule. */
export function ruleName(ref: PolicyRef): string {
  return `ns[${ref.namespace}]-policy[${ref.name}]-rule[${ref.rule ?? 0}]`;
}

export function draftRule(policy: AuthorizationPolicy, index: number, context: ClauseContext): RuleDraft {
  const rule: AuthorizationRule = policy.spec.rules?.[index] ?? {};
  const at = `rules[${index}]`;
  const conditions = (rule.when ?? []).map((when, i) => conditionClauses(when, `${at}.when[${i}]`, context));
  const sources = (rule.from ?? []).map((from, i) => sourceClauses(from.source, `${at}.from[${i}].source`, context));
  const operations = (rule.to ?? []).map((to, i) =>
    operationClauses(to.operation, `${at}.to[${i}].operation`, context),
  );
  const faults = [...conditions, ...sources, ...operations].flatMap((part) => part.faults);
  const ref: PolicyRef = {
    kind: 'AuthorizationPolicy',
    namespace: policy.metadata.namespace,
    name: policy.metadata.name,
    rule: index,
  };
  const draft = {
    conditions: conditions.flatMap((part) => part.clauses),
    sources: alternatives(sources),
    operations: alternatives(operations),
  };
  return {
    ref,
    name: ruleName(ref),
    ...draft,
    faults,
    dropped: faults.some((fault) => fault.unknownKey === true || context.action === 'ALLOW'),
    impossible:
      draft.conditions.some((clause) => clause.impossible) ||
      [draft.sources, draft.operations].some((any) => any.every((all) => all.some((clause) => clause.impossible))),
  };
}

function alternatives(parts: readonly CompiledClauses[]): readonly (readonly Clause[])[] {
  return parts.length === 0 ? [[]] : parts.map((part) => part.clauses);
}

function keysOf(clause: Clause): readonly IndexKey[] | undefined {
  return clause.negated ? undefined : clause.matcher.keys;
}

function keysOfAll(clauses: readonly Clause[]): readonly (readonly IndexKey[])[] {
  return clauses.map(keysOf).filter((keys) => keys !== undefined);
}

/** One alternative: each of its lists is a key set. Several: one key set that holds a list of each. */
function keysOfAlternatives(any: readonly (readonly Clause[])[]): readonly (readonly IndexKey[])[] {
  const [first] = any;
  if (first !== undefined && any.length === 1) return keysOfAll(first);
  const chosen = any.map((all) => {
    const candidates = keysOfAll(all);
    return candidates.find((keys) => keys.every((key) => key.form === 'exact')) ?? candidates[0];
  });
  return chosen.includes(undefined) ? [] : [chosen.flatMap((keys) => keys ?? [])];
}
