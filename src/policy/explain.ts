/**
 * A decision in words: what Envoy's log would say, and for a refusal the rule that came closest and the smallest edit
 * that would let the request through.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import { ruleName } from './authorization-rule.ts';
import type { Decision, FailedClause } from './decision.ts';

const FORBIDDEN = 403;

/** Several lines, without a final line break. */
export function explain(decision: Decision): string {
  const { trace, dryRun } = decision;
  return [
    headline(decision),
    ...(trace.normalizedPath === undefined ? [] : [`path after normalization: ${trace.normalizedPath}`]),
    ...(trace.detail === undefined ? [] : [`access log: ${trace.detail}`]),
    ...trace.audited.map((ref) => `audited by ${ruleName(ref)}`),
    ...dryRun.map(
      ({ action, result, determining }) =>
        `dry run ${action}: shadow ${result === 'allow' ? 'allowed' : 'denied'}, matched policy ${namesOf(determining)}`,
    ),
    ...nearest(decision),
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

function nearest({ decision, determining, status, trace }: Decision): readonly string[] {
  const [miss] = trace.nearMisses;
  if (miss === undefined) {
    const unmatched = decision === 'deny' && determining.length === 0 && status === FORBIDDEN;
    return unmatched ? ['no ALLOW policy has a rule: nothing can match'] : [];
  }
  const count = miss.failed.length === 1 ? 'one clause fails' : `${miss.failed.length} clauses fail`;
  return [
    `nearest ALLOW rule: ${policyName(miss.policy)} rules[${miss.policy.rule ?? 0}], ${count}`,
    ...miss.failed.flatMap((clause) => [`  ${clause.path}: ${found(clause)}`, `    to allow it: ${edit(clause)}`]),
  ];
}

function list(values: readonly string[]): string {
  return values.map((value) => `\`${value}\``).join(', ');
}

function found({ expected, seen, negated, message }: FailedClause): string {
  if (message !== undefined) return message;
  const shown = seen === undefined ? 'nothing' : `\`${seen}\``;
  return negated ? `saw ${shown}, which ${list(expected)} excludes` : `saw ${shown}, expected ${list(expected)}`;
}

const IDENTITY_FIELDS: ReadonlySet<string> = new Set(['principals', 'namespaces', 'serviceAccounts', 'trustDomains']);

/** The smallest change of this clause. */
function edit({ path, seen, negated, message, expected }: FailedClause): string {
  const field = path.slice(path.lastIndexOf('.') + 1);
  if (message !== undefined) return `take \`${field}\` out of the rule`;
  if (negated) return `take the value that matches out of \`${field}\``;
  if (seen !== undefined) return `add \`${seen}\` to \`${field}\``;
  if (IDENTITY_FIELDS.has(field)) return 'the caller proves no identity: call over mutual TLS';
  if (field === 'requestPrincipals') return 'the request has no token: send one that a RequestAuthentication accepts';
  return `send a request that has ${list(expected.slice(0, 1))} there, or take \`${field}\` out of the rule`;
}
