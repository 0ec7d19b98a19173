/**
 * All rules of one action that select one workload port: in Istio's order, indexed when first asked.
 * @module
 */
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';
import { CompiledRule, draftRule, type RuleDraft } from './authorization-rule.ts';
import type { ClauseContext } from './clause.ts';
import type { RequestView } from './request-view.ts';
import { NONE, RuleIndex } from './rule-index.ts';

export type RuleSetContext = Omit<ClauseContext, 'namespace'>;

export class RuleSet {
  /** In the order in which Envoy tries them: by name, as text, so that `rule[10]` comes before `rule[2]`. */
  readonly rules: readonly CompiledRule[];
  /** Rules that are left out here: unknown key, or an ALLOW rule with a part that cannot be used. */
  readonly dropped: readonly RuleDraft[];
  readonly context: RuleSetContext;
  readonly #index: RuleIndex;

  constructor(policies: readonly AuthorizationPolicy[], context: RuleSetContext) {
    this.context = context;
    const drafts = policies.flatMap((policy) => {
      const own = { ...context, namespace: policy.metadata.namespace };
      return (policy.spec.rules ?? []).map((_, index) => draftRule(policy, index, own));
    });
    drafts.sort((a, b) => (a.name < b.name ? -1 : 1));
    const kept = drafts.filter((draft) => !draft.dropped);
    this.dropped = drafts.filter((draft) => draft.dropped);
    this.rules = kept.map((draft, ordinal) => new CompiledRule(ordinal, draft));
    this.#index = new RuleIndex(this.rules.filter((_, i) => kept[i]?.impossible !== true));
  }

  first(view: RequestView): CompiledRule | undefined {
    const ordinal = this.#index.first(view);
    return ordinal === NONE ? undefined : this.rules[ordinal];
  }

  all(view: RequestView): readonly CompiledRule[] {
    return this.rules.filter((rule) => rule.matches(view));
  }
}
