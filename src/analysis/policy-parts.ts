/**
 * The clauses of an authorization rule as values: every list it has, with its path, its alternative and its place.
 * @module
 */
import type { AuthorizationRule, Condition, Operation, Source } from '../istio/authorization-policy.ts';

export interface RulePart {
  readonly group: 'from' | 'to' | 'when';
  /** Which `from`, `to` or `when` of the rule; conditions are all one alternative. */
  readonly alternative: number;
  /** Index in `rule[group]`. */
  readonly item: number;
  /** `principals`, `notPaths`, `values`, … */
  readonly field: string;
  readonly values: readonly string[];
  /** `['rules', 0, 'to', 0, 'operation', 'paths']` */
  readonly path: readonly (string | number)[];
}

/** Every list of a rule that holds a value. */
export function ruleClauses(rule: AuthorizationRule, index: number): readonly RulePart[] {
  const at = ['rules', index] as const;
  return [
    ...(rule.from ?? []).flatMap(({ source }, item) =>
      listsOf(source).map(([field, values]) => ({
        group: 'from' as const,
        alternative: item,
        item,
        field,
        values,
        path: [...at, 'from', item, 'source', field],
      })),
    ),
    ...(rule.to ?? []).flatMap(({ operation }, item) =>
      listsOf(operation).map(([field, values]) => ({
        group: 'to' as const,
        alternative: item,
        item,
        field,
        values,
        path: [...at, 'to', item, 'operation', field],
      })),
    ),
    ...(rule.when ?? []).flatMap((condition, item) =>
      listsOf(condition).map(([field, values]) => ({
        group: 'when' as const,
        alternative: 0,
        item,
        field,
        values,
        path: [...at, 'when', item, field],
      })),
    ),
  ];
}

function listsOf(holder: Source | Operation | Condition): readonly (readonly [string, readonly string[]])[] {
  return Object.entries(holder).flatMap(([field, values]: [string, unknown]) =>
    isTextList(values) && values.length > 0 ? [[field, values] as const] : [],
  );
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((element) => typeof element === 'string');
}

/** The rule with nothing in it but one clause. */
export function withOnlyClause(rule: AuthorizationRule, { group, item, field, values }: RulePart): AuthorizationRule {
  if (group === 'from') return { from: [{ source: { [field]: values } }] };
  if (group === 'to') return { to: [{ operation: { [field]: values } }] };
  return { when: [{ key: rule.when?.[item]?.key ?? '', [field]: values }] };
}

/**
 * The rule with a clause's field replaced: other values, another field (its negation), or none at all. What becomes
 * empty is left out.
 */
export function withClause(
  rule: AuthorizationRule,
  { group, item, field }: RulePart,
  replacement: { readonly field: string; readonly values: readonly string[] } | undefined,
): AuthorizationRule {
  const change = <T extends object>(holder: T): T => {
    const entries = Object.entries(holder).filter(([key]) => key !== field && key !== replacement?.field);
    const added = replacement === undefined ? [] : [[replacement.field, replacement.values] as const];
    return Object.fromEntries([...entries, ...added]) as T;
  };
  const { from = [], to = [], when = [] } = rule;
  const next = {
    from: group !== 'from' ? from : from.map((each, i) => (i === item ? { source: change(each.source) } : each)),
    to: group !== 'to' ? to : to.map((each, i) => (i === item ? { operation: change(each.operation) } : each)),
    when:
      group !== 'when'
        ? when
        : when
            .map((each, i) => (i === item ? change(each) : each))
            .filter(({ values, notValues }) => values !== undefined || notValues !== undefined),
  };
  // An empty source or operation is refused by Istio; it stands for any.
  return {
    ...(next.from.length === 0 || next.from.some(({ source }) => Object.keys(source).length === 0)
      ? {}
      : { from: next.from }),
    ...(next.to.length === 0 || next.to.some(({ operation }) => Object.keys(operation).length === 0)
      ? {}
      : { to: next.to }),
    ...(next.when.length === 0 ? {} : { when: next.when }),
  };
}
