/**
 * The keys an AuthorizationPolicy condition (`when`) may use, and the values each of them takes.
 * Source: https://istio.io/latest/docs/reference/config/security/conditions/
 * @module
 */
import { didYouMean } from '../core/suggest.ts';
import { quote } from './config-error.ts';
import type { Decoding } from './decode.ts';
import { isIpBlock } from './network-name.ts';

/** Checks one value; gives the fault. */
export type ValueCheck = (value: string) => string | undefined;

const PORT_MAX = 65_535;
const SERVICE_ACCOUNT_MAX = 320;

export const checkNotEmpty: ValueCheck = (value) => (value === '' ? 'an empty value is not allowed' : undefined);

export const checkIpBlock: ValueCheck = (value) =>
  isIpBlock(value) ? undefined : `${quote(value)} is neither an IP address nor a block such as 10.0.0.0/8`;

export const checkPort: ValueCheck = (value) =>
  /^\d{1,10}$/.test(value) && Number(value) <= PORT_MAX
    ? undefined
    : `${quote(value)} is not a port: one number from 0 to ${PORT_MAX}, no ranges`;

export const checkServiceAccount: ValueCheck = (value) => {
  if (value === '') return 'an empty value is not allowed';
  if (value.includes('*')) return `${quote(value)}: a service account takes no wildcard`;
  const parts = value.split('/');
  if (parts.length > 2 || parts.includes('')) {
    return `${quote(value)} is neither \`serviceAccount\` nor \`namespace/serviceAccount\``;
  }
  return value.length > SERVICE_ACCOUNT_MAX
    ? `a service account may have ${SERVICE_ACCOUNT_MAX} characters`
    : undefined;
};

export const checkEdgeWildcard: ValueCheck = (value) => {
  if (value === '') return 'an empty value is not allowed';
  const stars = value.split('*').length - 1;
  if (stars > 1) return `${quote(value)}: at most one \`*\` is allowed`;
  const atEdge = value.startsWith('*') || value.endsWith('*');
  return stars === 0 || atEdge ? undefined : `${quote(value)}: \`*\` is only allowed at the start or at the end`;
};

export const checkTrustDomain: ValueCheck = (value) =>
  checkEdgeWildcard(value) ?? (value.includes('/') ? `${quote(value)}: a trust domain has no slash` : undefined);

interface KeyRule {
  /** The key is `name[...]`. */
  readonly map?: boolean;
  readonly check?: ValueCheck;
  /** No more than this many values. */
  readonly max?: number;
}

const SERVICE_ACCOUNTS_MAX = 16;

const KEYS: ReadonlyMap<string, KeyRule> = new Map<string, KeyRule>([
  ['request.headers', { map: true }],
  ['source.ip', { check: checkIpBlock }],
  ['remote.ip', { check: checkIpBlock }],
  ['source.namespace', {}],
  ['source.serviceAccount', { check: checkServiceAccount, max: SERVICE_ACCOUNTS_MAX }],
  ['source.principal', {}],
  ['source.trustDomain', { check: checkEdgeWildcard }],
  ['request.auth.principal', {}],
  ['request.auth.audiences', {}],
  ['request.auth.presenter', {}],
  ['request.auth.claims', { map: true }],
  ['destination.ip', { check: checkIpBlock }],
  ['destination.port', { check: checkPort }],
  ['connection.sni', {}],
  ['experimental.envoy.filters.', { map: true }],
]);

/** Keys of the v1alpha1 API, and what took their place. */
const GONE: ReadonlyMap<string, string> = new Map([
  ['destination.namespace', 'the namespace of the policy takes its place'],
  ['destination.labels', 'the selector of the policy takes its place'],
  ['destination.name', 'only v1alpha1 had it'],
  ['destination.user', 'only v1alpha1 had it'],
]);

/** Reports what is wrong with the condition `key` at `at`. */
export function validateConditionKey(key: string, at: Decoding): KeyRule | undefined {
  const rule = ruleOf(key);
  if (rule === undefined) {
    const gone = [...GONE].find(([name]) => key === name || (name === 'destination.labels' && key.startsWith(name)));
    if (gone !== undefined) return at.fault(`the key ${quote(key)} is not supported: ${gone[1]}`, 'key');
    return at.fault(`unknown key ${quote(key)}${didYouMean(key, KEYS.keys())}`, 'key');
  }
  if (rule.map === true && !isMapKey(key)) return at.fault(`${quote(key)} must have the form \`a[b]\``, 'key');
  return rule;
}

/** Reports what is wrong with `values` of a condition whose key has `rule`. */
export function validateConditionValues(rule: KeyRule, values: readonly string[], at: Decoding): void {
  if (rule.max !== undefined && values.length > rule.max) at.fault(`at most ${rule.max} values are allowed`);
  values.forEach((value, index) => {
    const fault = checkNotEmpty(value) ?? rule.check?.(value);
    if (fault !== undefined) at.fault(fault, index);
  });
}

function ruleOf(key: string): KeyRule | undefined {
  const exact = KEYS.get(key);
  if (exact !== undefined) return exact;
  for (const [name, rule] of KEYS) if (rule.map === true && key.startsWith(name)) return rule;
  return undefined;
}

/** Something before the bracket, and something in it. */
function isMapKey(key: string): boolean {
  const open = key.indexOf('[');
  return key.endsWith(']') && open > 0 && open < key.length - 2;
}
