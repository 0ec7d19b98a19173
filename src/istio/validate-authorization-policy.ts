/**
 * What istiod's webhook refuses in an AuthorizationPolicy, and what it warns of.
 * Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/
 * @module
 */
import type {
  AuthorizationPolicy,
  AuthorizationPolicySpec,
  AuthorizationRule,
  Condition,
  Operation,
  Source,
} from './authorization-policy.ts';
import {
  checkIpBlock,
  checkNotEmpty,
  checkPort,
  checkServiceAccount,
  checkTrustDomain,
  validateConditionKey,
  validateConditionValues,
  type ValueCheck,
} from './condition.ts';
import { quote } from './config-error.ts';
import type { Decoding } from './decode.ts';
import { pathPatternFault } from './path-template.ts';
import { validateAnnotations, validateTarget } from './policy-target.ts';

const checkPath: ValueCheck = (value) => {
  const fault = pathPatternFault(value);
  return checkNotEmpty(value) ?? (fault === undefined ? undefined : `${quote(value)}: ${fault}`);
};

/** Fields that are not here need values that are not empty, and no more. */
const SOURCE_CHECKS: ReadonlyMap<string, ValueCheck> = new Map<keyof Source, ValueCheck>([
  ['serviceAccounts', checkServiceAccount],
  ['notServiceAccounts', checkServiceAccount],
  ['trustDomains', checkTrustDomain],
  ['notTrustDomains', checkTrustDomain],
  ['ipBlocks', checkIpBlock],
  ['notIpBlocks', checkIpBlock],
  ['remoteIpBlocks', checkIpBlock],
  ['notRemoteIpBlocks', checkIpBlock],
]);

const OPERATION_CHECKS: ReadonlyMap<string, ValueCheck> = new Map<keyof Operation, ValueCheck>([
  ['ports', checkPort],
  ['notPorts', checkPort],
  ['paths', checkPath],
  ['notPaths', checkPath],
]);

/** Source fields that exist on every connection, as the webhook counts them (it forgets the trust domains). */
const TCP_SOURCE_FIELDS: ReadonlySet<string> = new Set([
  'principals',
  'notPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'ipBlocks',
  'notIpBlocks',
  'remoteIpBlocks',
  'notRemoteIpBlocks',
]);

export function validateAuthorizationPolicy(policy: AuthorizationPolicy, at: Decoding): void {
  const { spec } = policy;
  const action = spec.action ?? 'ALLOW';
  validateAnnotations(policy.metadata.annotations, at, action);
  at.in('spec', () => {
    validateTarget(spec, at);
    validateAction(spec, action, at);
    spec.rules?.forEach((rule, index) => at.in('rules', () => at.in(index, () => validateRule(rule, action, at))));
  });
}

function validateAction(spec: AuthorizationPolicySpec, action: string, at: Decoding): void {
  const rules = spec.rules ?? [];
  if ((action === 'DENY' || action === 'CUSTOM') && rules.length === 0) {
    at.fault(`${action} without \`rules\` has no effect; for every request write \`rules: [{}]\``, 'action');
  } else if (action === 'CUSTOM' && (spec.provider?.name ?? '') === '') {
    at.fault('CUSTOM needs `provider.name`', 'provider', 'name');
  }
  if (spec.provider !== undefined && action !== 'CUSTOM') {
    at.fault(`\`provider\` belongs to the action CUSTOM, and not to ${action}`, 'provider');
  }
}

function validateRule(rule: AuthorizationRule, action: string, at: Decoding): void {
  // Istio reads an empty list as no list at all, which matches everything: hardly what anyone means who writes one.
  if (rule.from?.length === 0) at.fault('may not be empty; leave it out to match every source', 'from');
  if (rule.to?.length === 0) at.fault('may not be empty; leave it out to match every operation', 'to');
  rule.from?.forEach(({ source }, index) =>
    at.in('from', () => at.in(index, () => at.in('source', () => validateSource(source, action, at)))),
  );
  rule.to?.forEach(({ operation }, index) =>
    at.in('to', () => at.in(index, () => at.in('operation', () => validateLists(operation, OPERATION_CHECKS, at)))),
  );
  rule.when?.forEach((condition, index) =>
    at.in('when', () => at.in(index, () => validateCondition(condition, action, at))),
  );
  if (action === 'DENY' && widensOnTcp(rule)) {
    at.warn(
      'a DENY rule of nothing but HTTP attributes denies every connection to TCP ports; name the ports it is meant for',
    );
  }
}

function validateSource(source: Source, action: string, at: Decoding): void {
  validateLists(source, SOURCE_CHECKS, at);
  const has = (...names: readonly (keyof Source)[]): boolean => names.some((name) => (source[name]?.length ?? 0) > 0);
  if (
    has('serviceAccounts', 'notServiceAccounts') &&
    has('principals', 'notPrincipals', 'namespaces', 'notNamespaces')
  ) {
    at.fault('service accounts cannot be combined with principals or namespaces in one source');
  }
  if (action !== 'CUSTOM') return;
  for (const [name, values] of Object.entries(source)) {
    if (values.length > 0 && !/ipBlocks$/i.test(name)) at.fault(`\`${name}\` cannot be used with CUSTOM`, name);
  }
}

/** Checks every value of every list; an object of nothing but empty lists is a fault. */
function validateLists(lists: object, checks: ReadonlyMap<string, ValueCheck>, at: Decoding): void {
  let some = false;
  for (const [name, values] of Object.entries<readonly string[]>({ ...lists })) {
    if (values.length > 0) some = true;
    const check = checks.get(name) ?? checkNotEmpty;
    values.forEach((value, index) => {
      const fault = check(value);
      if (fault !== undefined) at.fault(fault, name, index);
    });
  }
  if (!some) at.fault('may not be empty');
}

/** Keys that need what CUSTOM does not have yet: it runs before tokens are validated. */
function refusedByCustom(key: string): boolean {
  return /^source\.(?:namespace|serviceAccount|trustDomain|principal)$/.test(key) || key.startsWith('request.auth.');
}

function validateCondition(condition: Condition, action: string, at: Decoding): void {
  const { key, values = [], notValues = [] } = condition;
  if (key === '') {
    at.fault('the key may not be empty', 'key');
    return;
  }
  if (action === 'CUSTOM' && refusedByCustom(key)) at.fault(`${quote(key)} cannot be used with CUSTOM`, 'key');
  if (values.length === 0 && notValues.length === 0) {
    at.fault(`\`values\` or \`notValues\` is needed for ${quote(key)}`);
    return;
  }
  const rule = validateConditionKey(key, at);
  if (rule === undefined) return;
  at.in('values', () => validateConditionValues(rule, values, at));
  at.in('notValues', () => validateConditionValues(rule, notValues, at));
}

/** The webhook's own condition for its warning, to the letter. */
function widensOnTcp(rule: AuthorizationRule): boolean {
  const sources = rule.from ?? [];
  const operations = rule.to ?? [];
  if (operations.length > 0) {
    return !operations.some(({ operation }) => (operation.ports?.length ?? 0) + (operation.notPorts?.length ?? 0) > 0);
  }
  const tcpFields = sources.flatMap(({ source }) => Object.entries(source)).filter(([, values]) => values.length > 0);
  return sources.length > 0 && !tcpFields.some(([name]) => TCP_SOURCE_FIELDS.has(name));
}
