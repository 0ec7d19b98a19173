/**
 * Values of AuthorizationPolicies that no connection and no request ever has.
 * Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/
 * @module
 */
import { isPathTemplate, type AuthorizationPolicy, type JwtRule, type Workload } from '../istio/index.ts';
import { valuesOf, type LintContext, type PolicyValue } from './lint-context.ts';

const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
]);

type Check = (context: LintContext, policy: AuthorizationPolicy, value: PolicyValue) => void;

const CHECKS: readonly Check[] = [
  lintScheme,
  lintMethod,
  lintSni,
  lintInnerWildcard,
  lintPointer,
  lintPath,
  lintRequestPrincipal,
  lintSpacedClaim,
];

export function lintAuthorizationValues(context: LintContext): void {
  for (const policy of context.config.authorizationPolicies) {
    const values = valuesOf(policy);
    for (const value of values) for (const check of CHECKS) check(context, policy, value);
    lintHostPorts(context, policy, values);
    const workloads = context.selected(policy);
    for (const value of values) lintPort(context, policy, value, workloads);
    lintTokens(context, policy, values, workloads);
    lintTokenHeader(context, policy, values, workloads);
  }
}

function lintScheme(context: LintContext, policy: AuthorizationPolicy, { field, value, path }: PolicyValue): void {
  if (field !== 'principals' || !value.startsWith('spiffe://')) return;
  const message = `a principal is written without its scheme: \`${value.slice('spiffe://'.length)}\`; with it, it never matches`;
  context.report('MSH030', policy, path, message);
}

function lintMethod(context: LintContext, policy: AuthorizationPolicy, { field, value, path }: PolicyValue): void {
  if (field !== 'methods' || value.includes('*') || METHODS.has(value)) return;
  const meant = METHODS.has(value.toUpperCase()) ? `; methods are compared as written: \`${value.toUpperCase()}\`` : '';
  context.report('MSH031', policy, path, `no request has the method \`${value}\`${meant}`);
}

function lintSni(context: LintContext, policy: AuthorizationPolicy, { field, value, path }: PolicyValue): void {
  if (field !== 'connection.sni' || value === value.toLowerCase()) return;
  context.report('MSH032', policy, path, `server names are compared in lower case: \`${value.toLowerCase()}\``);
}

/** Fields that know `*` only as a whole, a prefix or a suffix. */
const EDGE_ONLY = /^(?:principals|requestPrincipals|hosts|methods|paths|connection\.sni|request\.(?:auth|headers).*)$/;

function lintInnerWildcard(
  context: LintContext,
  policy: AuthorizationPolicy,
  { field, value, path }: PolicyValue,
): void {
  if (!EDGE_ONLY.test(field) || (field === 'paths' && isPathTemplate(value))) return;
  // The part behind `iss/` of a request principal has an edge of its own.
  const parts = field === 'requestPrincipals' ? value.split(/\/(?=[^/]*$)/) : [value];
  const literal = parts.some((part) => (part.startsWith('*') ? part.slice(1) : part.replace(/\*$/, '')).includes('*'));
  if (!literal) return;
  const hint = field === 'paths' ? '; for one segment write `{*}`' : '';
  context.report(
    'MSH035',
    policy,
    path,
    `in \`${value}\` only a \`*\` at the start or else at the end is a wildcard${hint}`,
  );
}

/** `cluster.local` stands for the mesh's trust domain in a full principal, and nowhere else. */
function lintPointer(context: LintContext, policy: AuthorizationPolicy, { field, value, path }: PolicyValue): void {
  const { trustDomain, trustDomainAliases, caTrustDomains } = context.config.settings;
  if ([trustDomain, ...trustDomainAliases, ...caTrustDomains].includes('cluster.local')) return;
  const shortened = field === 'principals' && value.startsWith('cluster.local/') && value.split('/').length !== 5;
  if (!shortened && !(field === 'trustDomains' && value === 'cluster.local')) return;
  const message = `\`cluster.local\` is translated to \`${trustDomain}\` only in a principal of the full form td/ns/N/sa/S`;
  context.report('MSH037', policy, path, `${message}; this never matches`);
}

function lintPath(context: LintContext, policy: AuthorizationPolicy, { field, value, path }: PolicyValue): void {
  if (field !== 'paths') return;
  if (/[?#]/.test(value)) {
    context.report('MSH038', policy, path, `paths are compared without query and fragment: \`${value}\` never matches`);
  } else if (!value.startsWith('/') && !value.startsWith('*')) {
    context.report('MSH038', policy, path, `every path starts with a slash: \`${value}\` never matches`);
  }
}

function lintRequestPrincipal(context: LintContext, policy: AuthorizationPolicy, value: PolicyValue): void {
  const text = value.value;
  if (value.field !== 'requestPrincipals' || text.includes('/') || text.includes('*')) return;
  const message = `a request principal is \`issuer/subject\`; \`${text}\` only matches a token with an empty subject`;
  context.report('MSH039', policy, value.path, message);
}

/** Claims that hold words separated by spaces are split before they are compared. */
const SPACED_CLAIM = /^request\.auth\.claims\[(?:scope|permission)\]$/;

function lintSpacedClaim(context: LintContext, policy: AuthorizationPolicy, { field, value, path }: PolicyValue): void {
  if (!SPACED_CLAIM.test(field) || !value.includes(' ')) return;
  context.report(
    'MSH041',
    policy,
    path,
    `this claim is split into words: \`${value}\` never matches, each word of it may`,
  );
}

/** A token in the Authorization header is taken away once it is validated. */
function lintTokenHeader(
  context: LintContext,
  policy: AuthorizationPolicy,
  values: readonly PolicyValue[],
  workloads: readonly Workload[],
): void {
  const value = values.find(({ field }) => field.toLowerCase() === 'request.headers[authorization]');
  if (value === undefined) return;
  const taker = context.config.requestAuthentications.find(
    (request) =>
      request.spec.jwtRules?.some(readsAuthorizationHeader) === true &&
      context.selected(request).some((workload) => workloads.includes(workload)),
  );
  if (taker === undefined) return;
  const message = `RequestAuthentication ${taker.metadata.name} takes the header away before policies look at it, unless forwardOriginalToken is true`;
  context.report('MSH042', policy, value.path, message);
}

function readsAuthorizationHeader(rule: JwtRule): boolean {
  if (rule.forwardOriginalToken === true) return false;
  if (rule.fromHeaders !== undefined)
    return rule.fromHeaders.some(({ name }) => name.toLowerCase() === 'authorization');
  return rule.fromParams === undefined && rule.fromCookies === undefined;
}

/** Sidecars compare the Host header with its port. */
function lintHostPorts(context: LintContext, policy: AuthorizationPolicy, values: readonly PolicyValue[]): void {
  const hosts = values.filter(({ field }) => field === 'hosts');
  for (const { value, negated, path } of hosts) {
    if (value.includes(':') || value.endsWith('*')) continue;
    const bare = value.toLowerCase();
    const withPort = hosts.some(
      (other) => other.negated === negated && other.value.toLowerCase().startsWith(`${bare}:`),
    );
    if (withPort) continue;
    const message = `a Host header with a port does not match \`${value}\``;
    context.report('MSH036', policy, path, value.startsWith('*') ? message : `${message}; add \`${value}:*\``);
  }
}

function lintPort(
  context: LintContext,
  policy: AuthorizationPolicy,
  { field, value, path }: PolicyValue,
  workloads: readonly Workload[],
): void {
  const port = Number(value);
  if (field !== 'ports' || workloads.length === 0) return;
  if (workloads.some((workload) => context.hasPort(workload, port))) return;
  const target = context.behindServicePort(workloads, port);
  if (target !== undefined) {
    const message = `${port} is a port of the Service; policies see the workload port, which is ${target}`;
    context.report('MSH033', policy, path, message);
  } else if (workloads.some((workload) => workload.ports.length > 0)) {
    context.report('MSH034', policy, path, `no workload the policy selects has the port ${port}`);
  }
}

function lintTokens(
  context: LintContext,
  policy: AuthorizationPolicy,
  values: readonly PolicyValue[],
  workloads: readonly Workload[],
): void {
  const first = values.find(({ field }) => field === 'requestPrincipals' || field.startsWith('request.auth.'));
  if (first === undefined || workloads.length === 0) return;
  const validated = new Set(context.config.requestAuthentications.flatMap((request) => context.selected(request)));
  const without = workloads.find((workload) => !validated.has(workload));
  if (without === undefined) return;
  const message = `no RequestAuthentication validates tokens for ${without.namespace}/${without.name}: this attribute is never there`;
  context.report('MSH040', policy, first.path, message);
}
