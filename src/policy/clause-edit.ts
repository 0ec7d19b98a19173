/**
 * The smallest edit of one list of a rule after which a given request passes it.
 *
 * A value to add is one the request's own attribute proposes, narrowest first, kept only where a matcher made of it
 * matches the request: a trust domain may be renamed on the way, a subject may hold a slash.
 * @module
 */
import { matcherOf, type Clause, type ClauseContext } from './clause.ts';
import type { ClauseEdit } from './decision.ts';
import type { RequestView } from './request-view.ts';

export function editOf(clause: Clause, view: RequestView, context: ClauseContext): ClauseEdit {
  const { key, values, negated, matcher } = clause;
  if (negated) return { kind: 'remove', values: valuesThatMatch(clause, view, context) };
  const value = matcher
    .examples(view)
    .find((example) => example !== '' && !values.includes(example) && valueMatches(key, example, view, context));
  return value === undefined ? { kind: 'drop' } : { kind: 'add', value };
}

/** Those of a clause's values that match, each taken alone. */
export function valuesThatMatch(clause: Clause, view: RequestView, context: ClauseContext): readonly string[] {
  return clause.values.filter((value) => valueMatches(clause.key, value, view, context));
}

function valueMatches(key: string, value: string, view: RequestView, context: ClauseContext): boolean {
  return matcherOf(key, [value], context).matcher?.test(view) === true;
}
