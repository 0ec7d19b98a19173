/**
 * CUSTOM: rules that hand a request to an external authorizer.
 *
 * The authorizer itself is a function the caller hands in. A provider that mesh configuration does not define, or that
 * is no authorizer, refuses every request its rules match, and so do all providers where a workload has more than one.
 * Source: https://istio.io/latest/docs/tasks/security/authorization/authz-custom/
 * @module
 */
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';
import type { ExtAuthzProvider, MeshSettings } from '../istio/mesh-settings.ts';
import { ruleName, type CompiledRule } from './authorization-rule.ts';
import type { ClauseContext } from './clause.ts';
import type { Decision } from './decision.ts';
import { groupPolicies } from './policy-groups.ts';
import type { RequestAttributes, RequestView } from './request-view.ts';
import { RuleSet } from './rule-set.ts';

/** `error` stands for an authorizer that cannot be reached: `failOpen` decides then. */
export type ExternalVerdict = 'allow' | 'deny' | 'error' | { readonly decision: 'deny'; readonly status: number };
export type ExternalAuthorizer = (provider: ExtAuthzProvider, request: RequestAttributes) => ExternalVerdict;

type Refusal = Pick<Decision, 'status' | 'reason'> & { readonly detail: string; readonly rule: CompiledRule };

const FORBIDDEN = 403;

/** The rules of one provider on one workload. */
export interface CustomStage {
  readonly name: string;
  /** Absent where the provider cannot be used. */
  readonly provider?: ExtAuthzProvider;
  readonly rules: RuleSet;
}

export function customStages(
  policies: readonly AuthorizationPolicy[],
  settings: MeshSettings,
  context: Omit<ClauseContext, 'namespace' | 'action'>,
): readonly CustomStage[] {
  const byProvider = groupPolicies(policies, (policy) => policy.spec.provider?.name ?? '');
  const names = [...byProvider.keys()].sort();
  return names.flatMap((name) => {
    const provider = names.length > 1 ? undefined : usableProvider(name, settings);
    // An HTTP authorizer cannot judge a raw connection: istiod leaves its policies out there.
    if (context.tcp && provider?.protocol === 'http') return [];
    const rules = new RuleSet(byProvider.get(name) ?? [], { ...context, action: 'CUSTOM' });
    return [{ name, rules, ...(provider === undefined ? {} : { provider }) }];
  });
}

function usableProvider(name: string, settings: MeshSettings): ExtAuthzProvider | undefined {
  return settings.unusableProviders.includes(name)
    ? undefined
    : settings.extensionProviders.find((provider) => provider.name === name);
}

/** What a stage has against a request, or nothing. */
export function customRefusal(
  stage: CustomStage,
  view: RequestView,
  ask: ExternalAuthorizer | undefined,
): Refusal | undefined {
  const rule = stage.rules.first(view);
  if (rule === undefined) return undefined;
  const { name, provider } = stage;
  if (provider === undefined) {
    const policy = `istio-ext-authz-${name === '' ? '' : `${name}-`}${ruleName(rule.ref)}-deny-due-to-bad-CUSTOM-action`;
    const detail = `rbac_access_denied_matched_policy[${policy}]`;
    return { status: FORBIDDEN, rule, reason: `CUSTOM provider \`${name}\` is not usable`, detail };
  }
  const verdict = ask === undefined ? 'error' : ask(provider, view.attributes);
  if (verdict === 'allow') return undefined;
  if (verdict !== 'error') {
    const status = verdict === 'deny' ? FORBIDDEN : verdict.status;
    return { status, rule, reason: `denied by CUSTOM provider \`${name}\``, detail: 'ext_authz_denied' };
  }
  if (provider.failOpen) return undefined;
  const reason = ask === undefined ? 'has nobody to answer for it' : 'failed';
  return {
    status: provider.statusOnError,
    rule,
    reason: `CUSTOM provider \`${name}\` ${reason}`,
    detail: 'ext_authz_error',
  };
}
