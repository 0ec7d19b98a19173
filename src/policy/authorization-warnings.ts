/**
 * What Istio would pass over in silence, or only log: parts of AuthorizationPolicies that do not do what they say.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { draftRule } from './authorization-rule.ts';
import { DRY_RUN, unreadableDryRun } from './dry-run.ts';

export interface AuthorizationWarning {
  readonly policy: PolicyRef;
  /** Below the policy, e.g. `rules[0].when[1].key`. */
  readonly path: string;
  readonly message: string;
}

export function authorizationWarnings(config: MeshConfig): readonly AuthorizationWarning[] {
  return config.authorizationPolicies.flatMap((policy) => warningsOf(policy, config));
}

function warningsOf(policy: AuthorizationPolicy, { settings }: MeshConfig): readonly AuthorizationWarning[] {
  const { namespace, name } = policy.metadata;
  const { action = 'ALLOW', provider, rules = [] } = policy.spec;
  const warnings: Omit<AuthorizationWarning, 'policy'>[] = [];
  const dryRun = unreadableDryRun(policy);
  if (dryRun !== undefined) {
    const path = `metadata.annotations[${DRY_RUN}]`;
    warnings.push({ path, message: `\`${dryRun}\` is no boolean: the policy is enforced` });
  }
  const known = settings.extensionProviders.some((each) => each.name === provider?.name);
  if (action === 'CUSTOM' && (!known || settings.unusableProviders.includes(provider?.name ?? ''))) {
    const message = `\`${provider?.name ?? ''}\` is no external authorizer: what the rules match is refused`;
    warnings.push({ path: 'provider.name', message });
  }
  const trustDomains = [settings.trustDomain, ...settings.trustDomainAliases];
  for (const index of rules.keys()) {
    const draft = draftRule(policy, index, { action, namespace, trustDomains, tcp: false, port: -1 });
    const effect = draft.dropped ? 'the rule is skipped' : 'it is left out';
    warnings.push(...draft.faults.map(({ path, message }) => ({ path, message: `${message}: ${effect}` })));
  }
  return warnings.map((warning) => ({ policy: { kind: 'AuthorizationPolicy', namespace, name }, ...warning }));
}
