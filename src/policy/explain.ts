/**
 * A decision in words: what Envoy's log would say, by which lists the rule that decided matched, and for a refusal the
 * rule that came closest and the smallest edit that would let the request through.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import { ruleName } from './authorization-rule.ts';
import type { ComparedClause, Decision, DecisionTrace, FailedClause, MatchedClause } from './decision.ts';

const FORBIDDEN = 403;

/**
 * Several lines, without a final line break.
 * @param trace of the request; a decision that many requests share tells nothing of a single one
 */
export function explain(decision: Decision, trace: DecisionTrace = decision.trace): string {
  return [
    headline(decision),
    ...trace.matched.map((clause) => `  ${clause.path}: ${matchedBy(clause)}`),
    ...(trace.normalizedPath === undefined ? [] : [`path after normalization: ${trace.normalizedPath}`]),
    ...(trace.detail === undefined ? [] : [`access log: ${trace.detail}`]),
    ...trace.audited.map((ref) => `audited by ${ruleName(ref)}`),
    ...decision.dryRun.map(
      ({ action, result, determining }) =>
        `dry run ${action}: shadow ${result === 'allow' ? 'allowed' : 'denied'}, matched policy ${namesOf(determining)}`,
    ),
    ...nearest(decision, trace),
  ].join('\n');
}

function headline({ decision, reason, determining, status }: Decision): string {
  if (reason === 'path_normalization_failed') return 'refused with 400 before any policy: path_normalization_failed';
  if (decision === 'allow' && determining.length === 0) return `allowed by default: ${reason}`;
  const enforced = decision === 'allow' ? 'enforced allowed' : 'enforced denied';
  const answer = decision === 'allow' ? '' : ` with ${status}`;
  return `${enforced}${answer}, matched policy ${namesOf(determining)} (${reason})`;
}

function namesOf(refs: readonly PolicyRef[]): string {
  return refs.length === 0 ? 'none' : refs.map(ruleName).join(', ');
}

function policyName({ namespace, name }: PolicyRef): string {
  return `${namespace}/${name}`;
}

function nearest({ decision, determining, status }: Decision, trace: DecisionTrace): readonly string[] {
  const [miss] = trace.nearMisses;
  if (miss === undefined) {
    const unmatched = decision === 'deny' && determining.length === 0 && status === FORBIDDEN;
    return unmatched ? ['no ALLOW policy has a rule: nothing can match'] : [];
  }
  const count = miss.failed.length === 1 ? 'one clause fails' : `${miss.failed.length} clauses fail`;
  const dropped = miss.failed.some(({ message }) => message !== undefined);
  return [
    `nearest ALLOW rule: ${policyName(miss.policy)} rules[${miss.policy.rule ?? 0}], ${count}`,
    ...(dropped ? ['  a list that cannot be used leaves an ALLOW rule out as a whole'] : []),
    ...miss.failed.flatMap((clause) => [`  ${clause.path}: ${found(clause)}`, `    to allow it: ${advice(clause)}`]),
  ];
}

function list(values: readonly string[]): string {
  return values.map((value) => `\`${value}\``).join(', ');
}

function shown({ seen }: ComparedClause): string {
  return seen === undefined ? 'nothing' : `\`${seen}\``;
}

function matchedBy(clause: MatchedClause): string {
  const { negated, matched, expected } = clause;
  return negated ? `saw ${shown(clause)}, none of ${list(expected)}` : `saw ${shown(clause)}, matched ${list(matched)}`;
}

function found(clause: FailedClause): string {
  const { expected, negated, message, edit } = clause;
  if (message !== undefined) return message;
  if (!negated) return `saw ${shown(clause)}, expected ${list(expected)}`;
  return `saw ${shown(clause)}, which ${list(edit.kind === 'remove' ? edit.values : expected)} excludes`;
}

/** `paths`, or `values` of a condition with its key. */
function fieldOf({ path, key }: ComparedClause): string {
  const field = path.slice(path.lastIndexOf('.') + 1);
  if (field === 'key') return `the condition on \`${key}\``;
  return field === 'values' || field === 'notValues' ? `\`${field}\` of \`${key}\`` : `\`${field}\``;
}

/** The smallest change of this clause, or of the request where it shows nothing that could match. */
function advice(clause: FailedClause): string {
  const { edit, message, key, seen, expected } = clause;
  const field = fieldOf(clause);
  if (edit.kind === 'add') return `add \`${edit.value}\` to ${field}`;
  if (edit.kind === 'remove') return `take ${list(edit.values)} out of ${field}`;
  const drop = `take ${field} out of the rule`;
  if (message !== undefined || seen !== undefined) return drop;
  if (/^source\.(?:principal|namespace|serviceAccount|trustDomain)$/.test(key)) {
    return `call over mutual TLS, for the caller proves no identity; or ${drop}`;
  }
  if (key.startsWith('request.auth.')) {
    return `send a token that a RequestAuthentication accepts and that has ${list(expected.slice(0, 1))} there; or ${drop}`;
  }
  return `send a request that has ${list(expected.slice(0, 1))} there; or ${drop}`;
}
