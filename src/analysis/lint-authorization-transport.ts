/**
 * AuthorizationPolicies against the connections they will see: identities where plaintext is let in, and HTTP attributes
 * on ports that are not HTTP.
 * @module
 */
import { isSelective, type AuthorizationPolicy, type Workload } from '../istio/index.ts';
import { rulesOf, valuesOf, type LintContext, type PolicyValue } from './lint-context.ts';

const IDENTITY: ReadonlySet<string> = new Set(['principals', 'namespaces', 'serviceAccounts', 'trustDomains']);

function isIdentity({ field }: PolicyValue): boolean {
  return IDENTITY.has(field);
}

function isHttp({ field }: PolicyValue): boolean {
  return ['hosts', 'methods', 'paths', 'requestPrincipals'].includes(field) || field.startsWith('request.');
}

/** A port of a workload with a sidecar. */
interface Place {
  readonly workload: Workload;
  /** Absent where the manifests declare no port. */
  readonly port?: number;
  readonly protocol: 'http' | 'tcp' | 'auto' | 'unknown';
}

export function lintAuthorizationTransport(context: LintContext): void {
  for (const policy of context.config.authorizationPolicies) {
    if (policy.spec.targetRef !== undefined || policy.spec.targetRefs !== undefined) continue;
    const workloads = context.selected(policy);
    if (isSelective(policy.spec.selector?.matchLabels) && workloads.length > 0 && workloads.every((w) => !w.injected)) {
      const message = `${workloads.map((workload) => workload.name).join(', ')}: without a sidecar nothing enforces the policy`;
      context.report('MSH018', policy, ['spec', 'selector'], message);
    }
    rulesOf(policy).forEach((_, index) =>
      lintRule(context, policy, index, placesOf(context, policy, index, workloads)),
    );
  }
}

/** Where a rule takes effect: the ports it names, or all. */
function placesOf(
  context: LintContext,
  policy: AuthorizationPolicy,
  rule: number,
  workloads: readonly Workload[],
): readonly Place[] {
  const named = valuesOf(policy, rule).filter(({ field, negated }) => field === 'ports' && !negated);
  return workloads
    .filter((workload) => workload.injected)
    .flatMap((workload): Place[] => {
      const ports = context
        .ports(workload)
        .filter(({ port }) => named.length === 0 || named.some(({ value }) => Number(value) === port));
      if (ports.length === 0) return named.length === 0 ? [{ workload, protocol: 'unknown' }] : [];
      return ports.map(({ port, protocolClass }) => ({ workload, port, protocol: protocolClass }));
    });
}

function where({ workload, port }: Place): string {
  return `${workload.namespace}/${workload.name}${port === undefined ? '' : `:${port}`}`;
}

function lintRule(context: LintContext, policy: AuthorizationPolicy, rule: number, places: readonly Place[]): void {
  const values = valuesOf(policy, rule);
  const { action = 'ALLOW' } = policy.spec;
  const modeOf = ({ workload, port }: Place): string => context.peerAuthentication.of(workload, port).mode;
  const positive = values.filter((value) => isIdentity(value) && !value.negated);
  const negative = values.filter((value) => isIdentity(value) && value.negated);
  const off = places.find((place) => modeOf(place) === 'DISABLE');
  const open = places.find((place) => modeOf(place) !== 'STRICT');
  const first = positive[0] ?? negative[0];
  if (first !== undefined && off !== undefined) {
    const message = `mutual TLS is DISABLE at ${where(off)}: callers have no identity there, so this ${first.negated ? 'always' : 'never'} matches`;
    context.report('MSH050', policy, first.path, message);
  }
  if (action === 'DENY' && positive[0] !== undefined && open !== undefined && off === undefined) {
    const message = `${where(open)} accepts plaintext, which has no identity: the same caller gets around this DENY without TLS`;
    context.report('MSH051', policy, positive[0].path, message);
  }
  if (action === 'ALLOW' && positive.length === 0 && negative[0] !== undefined && open !== undefined) {
    const message = `${where(open)} accepts plaintext, which has no identity and so is none of these: it is let in`;
    context.report('MSH052', policy, negative[0].path, message);
  }
  lintEvasion(context, policy, values, places);
  lintHttpOnTcp(context, policy, { action, http: values.find(isHttp), places });
}

/** What a caller can choose or vary to get past the rule. */
function lintEvasion(
  context: LintContext,
  policy: AuthorizationPolicy,
  values: readonly PolicyValue[],
  places: readonly Place[],
): void {
  const http = places.find(({ protocol }) => protocol !== 'tcp');
  if (http === undefined) return;
  const address = values.find(({ field }) => field === 'remoteIpBlocks');
  if (address !== undefined) {
    const message = `at a sidecar this is the last entry of X-Forwarded-For, which any caller of ${where(http)} can send; ipBlocks is the address of the peer`;
    context.report('MSH055', policy, address.path, message);
  }
  if (policy.spec.action !== 'DENY') return;
  for (const { field, value, negated, path } of values) {
    if (field !== 'paths' || negated || value === '/' || /[*{]/.test(value)) continue;
    const also = values.some(
      (other) => other.field === 'paths' && other.value !== value && other.value.startsWith(value),
    );
    if (also) continue;
    const message = `\`${value}/\` and other spellings are not denied; allowing what is wanted is safer than denying what is not`;
    context.report('MSH056', policy, path, message);
  }
}

interface HttpRule {
  readonly action: string;
  readonly http: PolicyValue | undefined;
  readonly places: readonly Place[];
}

function lintHttpOnTcp(context: LintContext, policy: AuthorizationPolicy, { action, http, places }: HttpRule): void {
  const tcp = places.find(({ protocol }) => protocol === 'tcp');
  if (http === undefined || tcp === undefined) return;
  if (action === 'ALLOW') {
    const message = `${where(tcp)} is a TCP port, where a rule with HTTP attributes is left out: it allows nothing there`;
    context.report('MSH053', policy, http.path, message);
  } else {
    const message = `${where(tcp)} is a TCP port, where this attribute is left out: the rule matches more connections there; name the ports it is for`;
    context.report('MSH054', policy, http.path, message);
  }
}
