/**
 * AuthorizationPolicies as a whole: whom they concern, what their empty forms mean, and rules that fell apart.
 * @module
 */
import { parseWorkloadIdentity } from '../identity/index.ts';
import { isSelective, type AuthorizationPolicy, type ConfigPath } from '../istio/index.ts';
import { rulesOf, valuesOf, workloadSubject, type LintContext, type PolicyValue } from './lint-context.ts';

export function lintAuthorization(context: LintContext): void {
  for (const policy of context.config.authorizationPolicies) {
    lintEmptyForms(context, policy);
    lintSplitRules(context, policy);
    lintProvider(context, policy);
    for (const value of valuesOf(policy)) {
      lintNamespace(context, policy, value);
      lintPrincipal(context, policy, value);
      lintServiceAccount(context, policy, value);
      lintHost(context, policy, value);
    }
    if (policy.spec.targetRef !== undefined || (policy.spec.targetRefs?.length ?? 0) > 0) {
      context.report(
        'MSH029',
        policy,
        ['spec'],
        'a policy bound by targetRefs is for gateways and waypoints: sidecars ignore it',
      );
    }
  }
  lintCoverage(context);
}

function lintEmptyForms(context: LintContext, policy: AuthorizationPolicy): void {
  const { action = 'ALLOW', rules = [], selector } = policy.spec;
  if (action !== 'ALLOW') return;
  if (rules.length === 0) {
    const whom = isSelective(selector?.matchLabels) ? 'the selected workloads' : 'every workload in its scope';
    context.report(
      'MSH026',
      policy,
      ['spec'],
      `ALLOW without rules: every request to ${whom} is denied unless another policy allows it`,
    );
  }
  for (const { item, path } of rulesOf(policy)) {
    if (Object.values({ ...item }).some((part) => part.length > 0)) continue;
    context.report(
      'MSH027',
      policy,
      path,
      'a rule without conditions allows every request; only DENY policies still refuse any',
    );
  }
}

/** `- from` and `- to` as two items are two rules, either of which suffices. */
function lintSplitRules(context: LintContext, policy: AuthorizationPolicy): void {
  const rules = rulesOf(policy);
  const has = (list: readonly unknown[] | undefined): boolean => (list?.length ?? 0) > 0;
  const onlyFrom = rules.filter(({ item }) => has(item.from) && !has(item.to) && !has(item.when));
  const rest = rules.filter(({ item }) => !has(item.from) && (has(item.to) || has(item.when)));
  if (onlyFrom.length === 0 || rest.length === 0) return;
  for (const { item, path } of rest) {
    const part = has(item.to) ? 'to' : 'when';
    const message = `this rule has only \`${part}\` and another only \`from\`: either of them suffices; if both must hold, write them as one rule`;
    context.report('MSH060', policy, path, message);
  }
}

function lintProvider(context: LintContext, policy: AuthorizationPolicy): void {
  if (policy.spec.action !== 'CUSTOM') return;
  const name = policy.spec.provider?.name ?? '';
  const { extensionProviders, unusableProviders } = context.config.settings;
  if (extensionProviders.some((provider) => provider.name === name)) return;
  const why = unusableProviders.includes(name)
    ? 'is not an external authorizer'
    : 'is not in meshConfig.extensionProviders';
  context.report(
    'MSH028',
    policy,
    ['spec', 'provider', 'name'],
    `\`${name}\` ${why}: whatever these rules match is denied`,
  );
}

function lintNamespace(context: LintContext, policy: AuthorizationPolicy, { field, value, path }: PolicyValue): void {
  const { namespaces } = context.config;
  if (field !== 'namespaces' || namespaces.length === 0) return;
  if (namespaces.some(({ name }) => hasName(name, value))) return;
  const what = value.includes('*') ? `no namespace of the manifests is like \`${value}\`` : '';
  context.report('MSH020', policy, path, what || `namespace \`${value}\` is not among the manifests`);
}

/** Whether `name` is `pattern`, or what its asterisk at one end stands for. */
function hasName(name: string, pattern: string): boolean {
  if (pattern.startsWith('*')) return name.endsWith(pattern.slice(1));
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Principals that name nobody. A pattern is taken as it is. */
function lintPrincipal(context: LintContext, policy: AuthorizationPolicy, { field, value, path }: PolicyValue): void {
  if (field === 'trustDomains' && !value.includes('*') && !isOwnTrustDomain(context, value)) {
    context.report('MSH022', policy, path, `\`${value}\` is neither the mesh's trust domain nor an alias of it`);
    return;
  }
  const identity =
    field === 'principals' && !value.includes('*') ? parseWorkloadIdentity(`spiffe://${value}`) : undefined;
  if (identity === undefined) return;
  const { trustDomain, namespace, serviceAccount } = identity;
  // `cluster.local` in a full principal stands for the mesh's own trust domain, whatever that is.
  if (trustDomain !== 'cluster.local' && !isOwnTrustDomain(context, trustDomain)) {
    context.report('MSH022', policy, path, `\`${trustDomain}\` is neither the mesh's trust domain nor an alias of it`);
    return;
  }
  lintAccount(context, policy, path, { namespace, serviceAccount });
}

/** `serviceAccounts` without a namespace mean the policy's own. */
function lintServiceAccount(context: LintContext, policy: AuthorizationPolicy, value: PolicyValue): void {
  if (value.field !== 'serviceAccounts') return;
  const [first = '', second] = value.value.split('/');
  const account =
    second === undefined
      ? { namespace: policy.metadata.namespace, serviceAccount: first }
      : { namespace: first, serviceAccount: second };
  lintAccount(context, policy, value.path, account);
}

interface Account {
  readonly namespace: string;
  readonly serviceAccount: string;
}

function lintAccount(context: LintContext, policy: AuthorizationPolicy, path: ConfigPath, account: Account): void {
  const { serviceAccounts, workloads, workloadEntries } = context.config;
  const known = new Set([
    ...serviceAccounts.map(({ namespace, name }) => `${namespace}/${name}`),
    ...workloads.map(({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}`),
    ...workloadEntries.map(({ metadata, spec }) => `${metadata.namespace}/${spec.serviceAccount ?? ''}`),
  ]);
  const { namespace, serviceAccount } = account;
  if (serviceAccounts.length + workloads.length === 0 || known.has(`${namespace}/${serviceAccount}`)) return;
  const elsewhere = [...known].find((name) => name.endsWith(`/${serviceAccount}`));
  const hint = elsewhere === undefined ? '' : `; there is \`${elsewhere}\``;
  const message = `no service account \`${serviceAccount}\` exists in namespace \`${namespace}\`${hint}`;
  context.report('MSH021', policy, path, message);
}

function isOwnTrustDomain(context: LintContext, trustDomain: string): boolean {
  const { settings } = context.config;
  return [settings.trustDomain, ...settings.trustDomainAliases, ...settings.caTrustDomains].includes(trustDomain);
}

function lintHost(context: LintContext, policy: AuthorizationPolicy, { field, value, path }: PolicyValue): void {
  if (field !== 'hosts' || value.includes('*') || context.registry.services.length === 0) return;
  const host = value.replace(/:\d+$/, '').toLowerCase();
  // A Host of a name outside the cluster reaches a workload through a gateway: only names of the cluster are judged.
  if (!host.endsWith(`.svc.${context.config.settings.clusterDomain}`)) return;
  if (context.registry.resolve(host, policy.metadata.namespace) !== undefined) return;
  context.report('MSH025', policy, path, `no Service and no ServiceEntry has the host \`${host}\``);
}

function lintCoverage(context: LintContext): void {
  const covered = new Set(
    context.config.authorizationPolicies
      .filter(
        ({ spec }) =>
          (spec.action ?? 'ALLOW') === 'ALLOW' && spec.targetRef === undefined && spec.targetRefs === undefined,
      )
      .flatMap((policy) => context.selected(policy)),
  );
  for (const workload of context.config.workloads) {
    if (!workload.injected || covered.has(workload)) continue;
    context.report(
      'MSH024',
      workloadSubject(workload),
      [],
      'no ALLOW policy covers it: whatever no DENY policy matches is let in',
    );
  }
}
