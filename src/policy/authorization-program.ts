/**
 * Everything that decides about one workload port, ready to be asked.
 *
 * Order, as in Envoy: CUSTOM, AUDIT, DENY, ALLOW; the first that refuses ends it. Tokens are looked at between CUSTOM and
 * the rest: who looks at them asks `admit` first, with the request as it arrived. HTTP requests and raw connections have
 * a pipeline each, since rules with HTTP attributes mean something else on a raw connection.
 * @module
 */
import type { AuthorizationAction, AuthorizationPolicy } from '../istio/authorization-policy.ts';
import type { MeshSettings } from '../istio/mesh-settings.ts';
import { ruleName, type CompiledRule } from './authorization-rule.ts';
import type { Decision, DecisionTrace, DryRunResult } from './decision.ts';
import { isDryRun } from './dry-run.ts';
import { customRefusal, customStages, type CustomStage, type ExternalAuthorizer } from './external-authorizer.ts';
import { matchedClauses, nearMisses } from './near-miss.ts';
import { RequestView, type RequestAttributes } from './request-view.ts';
import { RuleSet } from './rule-set.ts';

const FORBIDDEN = 403;
const UNUSED = Object.freeze([]);
const NO_TRACE: DecisionTrace = Object.freeze({ matched: UNUSED, audited: UNUSED, nearMisses: UNUSED });

/** Decisions that are the same for every request are one frozen value: nothing is allocated for them. */
function sharedDecision(decision: Omit<Decision, 'dryRun' | 'trace'>, detail?: string): Decision {
  const trace = detail === undefined ? NO_TRACE : Object.freeze({ ...NO_TRACE, detail });
  return Object.freeze({ ...decision, determining: Object.freeze([...decision.determining]), dryRun: UNUSED, trace });
}

const NOT_RESTRICTED = sharedDecision({
  decision: 'allow',
  status: 200,
  determining: [],
  reason: 'no ALLOW policy applies',
});
const BAD_PATH = sharedDecision(
  { decision: 'deny', status: 400, determining: [], reason: 'path_normalization_failed' },
  'path_normalization_failed',
);

function deniedBy(name: string): string {
  return `rbac_access_denied_matched_policy[${name}]`;
}

/** A decision whose trace and dry-run results are worked out when first read. */
class TracedDecision implements Decision {
  readonly decision: 'allow' | 'deny';
  readonly status: number;
  readonly determining: Decision['determining'];
  readonly reason: string;
  readonly #observe: () => Pick<Decision, 'dryRun' | 'trace'>;
  #observed: Pick<Decision, 'dryRun' | 'trace'> | undefined;

  constructor(base: Omit<Decision, 'dryRun' | 'trace'>, observe: () => Pick<Decision, 'dryRun' | 'trace'>) {
    this.decision = base.decision;
    this.status = base.status;
    this.determining = base.determining;
    this.reason = base.reason;
    this.#observe = observe;
  }

  get dryRun(): readonly DryRunResult[] {
    return (this.#observed ??= this.#observe()).dryRun;
  }

  get trace(): DecisionTrace {
    return (this.#observed ??= this.#observe()).trace;
  }

  toJSON(): Decision {
    const { decision, status, determining, reason, dryRun, trace } = this;
    return { decision, status, determining, reason, dryRun, trace };
  }
}

interface Verdict {
  readonly base: Omit<Decision, 'dryRun' | 'trace'>;
  readonly detail?: string;
  /** How far the request got: a filter that is not reached has no dry-run result. */
  readonly reached: 'CUSTOM' | 'DENY' | 'ALLOW';
  /** The rule that decided, among those of its action. */
  readonly by?: { readonly rule: CompiledRule; readonly rules: RuleSet };
}

export interface ProgramOptions {
  readonly settings: MeshSettings;
  readonly port: number;
  readonly externalAuthorizer?: ExternalAuthorizer;
}

/** The policies that select one workload, compiled for one of its ports. */
export class AuthorizationProgram {
  readonly #policies: readonly AuthorizationPolicy[];
  readonly #options: ProgramOptions;
  #http: Pipeline | undefined;
  #tcp: Pipeline | undefined;

  constructor(policies: readonly AuthorizationPolicy[], options: ProgramOptions) {
    this.#policies = policies;
    this.#options = options;
  }

  /**
   * Decides about an HTTP request, or about a raw connection where `request` is absent.
   * @param admitted `admit` was asked already, with the request as it arrived, and had nothing against it
   * @throws MeshError `ERR_REQUEST_INVALID` for an IP address that is none, if a rule asks for it
   */
  decide(attributes: RequestAttributes, admitted: boolean = false): Decision {
    return this.#pipeline(attributes).decide(attributes, admitted);
  }

  /**
   * What refuses a request before its tokens are looked at: a path that cannot be normalised, a CUSTOM policy. Nothing
   * where neither does.
   */
  admit(attributes: RequestAttributes): Decision | undefined {
    return this.#pipeline(attributes).admit(attributes);
  }

  /** Everything that can be told about a decision, worked out at once; `decide` leaves out what costs time. */
  trace(attributes: RequestAttributes, admitted: boolean = false): DecisionTrace {
    return this.#pipeline(attributes).observed(attributes, admitted).trace;
  }

  #pipeline(attributes: RequestAttributes): Pipeline {
    return attributes.request === undefined
      ? (this.#tcp ??= new Pipeline(this.#policies, this.#options, true))
      : (this.#http ??= new Pipeline(this.#policies, this.#options, false));
  }
}

class Pipeline {
  readonly #settings: MeshSettings;
  readonly #ask: ExternalAuthorizer | undefined;
  readonly #custom: readonly CustomStage[];
  readonly #audit: RuleSet;
  readonly #deny: RuleSet;
  readonly #allow: RuleSet;
  readonly #shadowDeny: RuleSet | undefined;
  readonly #shadowAllow: RuleSet | undefined;
  /** Some enforced ALLOW policy selects the workload: what none of them matches is denied. */
  readonly #restricted: boolean;
  /** There is something to report beside the decision. */
  readonly #observing: boolean;
  readonly #view = new RequestView();
  readonly #allowed: (Decision | undefined)[] = [];
  readonly #denied: (Decision | undefined)[] = [];

  constructor(policies: readonly AuthorizationPolicy[], options: ProgramOptions, tcp: boolean) {
    const { settings, port } = options;
    const trustDomains = [settings.trustDomain, ...settings.trustDomainAliases];
    const pick = (action: AuthorizationAction, dryRun: boolean): readonly AuthorizationPolicy[] =>
      policies.filter((policy) => (policy.spec.action ?? 'ALLOW') === action && isDryRun(policy) === dryRun);
    const compile = (action: AuthorizationAction, dryRun: boolean): RuleSet =>
      new RuleSet(pick(action, dryRun), { action, port, tcp, trustDomains });
    this.#settings = settings;
    this.#ask = options.externalAuthorizer;
    this.#custom = customStages(pick('CUSTOM', false), settings, { port, tcp, trustDomains });
    this.#audit = compile('AUDIT', false);
    this.#deny = compile('DENY', false);
    this.#allow = compile('ALLOW', false);
    this.#restricted = pick('ALLOW', false).length > 0;
    this.#shadowDeny = pick('DENY', true).length > 0 ? compile('DENY', true) : undefined;
    this.#shadowAllow = pick('ALLOW', true).length > 0 ? compile('ALLOW', true) : undefined;
    this.#observing = this.#audit.rules.length > 0 || this.#shadowDeny !== undefined || this.#shadowAllow !== undefined;
  }

  decide(attributes: RequestAttributes, admitted: boolean): Decision {
    // An external authorizer may ask this very program something: then the view cannot be shared.
    const view = this.#custom.length === 0 ? this.#view : new RequestView();
    if (!view.load(attributes, this.#settings.pathNormalization)) return BAD_PATH;
    if (this.#observing || this.#custom.length > 0 || view.pathChanged)
      return this.#traced(this.#verdict(view, admitted), attributes);
    const denied = this.#deny.first(view);
    if (denied !== undefined) return (this.#denied[denied.ordinal] ??= sharedDenial(denied));
    if (!this.#restricted) return NOT_RESTRICTED;
    const allowed = this.#allow.first(view);
    if (allowed !== undefined) return (this.#allowed[allowed.ordinal] ??= sharedDecision(allowedBy(allowed)));
    return this.#traced(UNMATCHED, attributes);
  }

  admit(attributes: RequestAttributes): Decision | undefined {
    const view = new RequestView();
    if (!view.load(attributes, this.#settings.pathNormalization)) return BAD_PATH;
    const refusal = this.#customVerdict(view);
    return refusal === undefined ? undefined : this.#traced(refusal, attributes);
  }

  /** All there is to tell, from a fresh look at the request. */
  observed(attributes: RequestAttributes, admitted: boolean): Pick<Decision, 'dryRun' | 'trace'> {
    const view = new RequestView();
    if (!view.load(attributes, this.#settings.pathNormalization)) return { dryRun: [], trace: BAD_PATH.trace };
    return this.#observe(this.#verdict(view, admitted), attributes);
  }

  #traced(verdict: Verdict, attributes: RequestAttributes): Decision {
    return new TracedDecision(verdict.base, () => this.#observe(verdict, attributes));
  }

  #customVerdict(view: RequestView): Verdict | undefined {
    for (const stage of this.#custom) {
      const refusal = customRefusal(stage, view, this.#ask);
      if (refusal === undefined) continue;
      const { status, rule, reason, detail } = refusal;
      const base = { decision: 'deny', status, determining: [rule.ref], reason } as const;
      return { base, detail, reached: 'CUSTOM', by: { rule, rules: stage.rules } };
    }
    return undefined;
  }

  #verdict(view: RequestView, admitted: boolean): Verdict {
    const refusal = admitted ? undefined : this.#customVerdict(view);
    if (refusal !== undefined) return refusal;
    const denied = this.#deny.first(view);
    if (denied !== undefined) return { ...denial(denied), reached: 'DENY', by: { rule: denied, rules: this.#deny } };
    if (!this.#restricted) return { base: NOT_RESTRICTED, reached: 'ALLOW' };
    const allowed = this.#allow.first(view);
    if (allowed === undefined) return UNMATCHED;
    return { base: allowedBy(allowed), reached: 'ALLOW', by: { rule: allowed, rules: this.#allow } };
  }

  #observe(verdict: Verdict, attributes: RequestAttributes): Pick<Decision, 'dryRun' | 'trace'> {
    const view = new RequestView();
    view.load(attributes, this.#settings.pathNormalization);
    const { detail, reached, by } = verdict;
    const trace = {
      ...(detail === undefined ? {} : { detail }),
      ...(view.pathChanged ? { normalizedPath: view.path } : {}),
      matched: by === undefined ? [] : matchedClauses(by.rule, view, by.rules),
      audited: reached === 'CUSTOM' ? [] : this.#audit.all(view).map((rule) => rule.ref),
      nearMisses: verdict === UNMATCHED ? nearMisses(this.#allow, view) : [],
    };
    return { dryRun: this.#dryRun(view, reached), trace };
  }

  #dryRun(view: RequestView, reached: Verdict['reached']): readonly DryRunResult[] {
    const results: DryRunResult[] = [];
    if (this.#shadowDeny !== undefined && reached !== 'CUSTOM') {
      const rule = this.#shadowDeny.first(view);
      results.push({ action: 'DENY', result: rule === undefined ? 'allow' : 'deny', determining: refs(rule) });
    }
    if (this.#shadowAllow !== undefined && reached === 'ALLOW') {
      const rule = this.#shadowAllow.first(view);
      results.push({ action: 'ALLOW', result: rule === undefined ? 'deny' : 'allow', determining: refs(rule) });
    }
    return results;
  }
}

function refs(rule: CompiledRule | undefined): Decision['determining'] {
  return rule === undefined ? [] : [rule.ref];
}

const UNMATCHED: Verdict = {
  base: { decision: 'deny', status: FORBIDDEN, determining: [], reason: 'no ALLOW policy matched' },
  detail: deniedBy('none'),
  reached: 'ALLOW',
};

function allowedBy(rule: CompiledRule): Verdict['base'] {
  return { decision: 'allow', status: 200, determining: [rule.ref], reason: 'matched ALLOW policy' };
}

function denial(rule: CompiledRule): { readonly base: Verdict['base']; readonly detail: string } {
  return {
    base: { decision: 'deny', status: FORBIDDEN, determining: [rule.ref], reason: 'matched DENY policy' },
    detail: deniedBy(ruleName(rule.ref)),
  };
}

function sharedDenial(rule: CompiledRule): Decision {
  const { base, detail } = denial(rule);
  return sharedDecision(base, detail);
}
