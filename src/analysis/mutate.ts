/**
 * Small wrong versions of a configuration, one change each: what a policy test is there to notice.
 *
 * Mutated are AuthorizationPolicies (action, selector, rules, clauses, values, negation), PeerAuthentications (mode,
 * port modes, selector), RequestAuthentications (selector) and the TLS mode of DestinationRules. Some mutants decide every request as the original does;
 * those are for the caller to discard.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { AuthorizationPolicy, AuthorizationRule } from '../istio/authorization-policy.ts';
import type { DestinationRule } from '../istio/destination-rule.ts';
import { policyResources, withPolicyResources } from '../istio/config-change.ts';
import type { MeshConfig, PolicyResource } from '../istio/mesh-config.ts';
import type { RequestAuthentication } from '../istio/request-authentication.ts';
import type { MutualTlsMode, PeerAuthentication } from '../istio/peer-authentication.ts';
import { ruleClauses, type RulePart, withClause } from './policy-parts.ts';

export interface Mutant {
  /** Stable: `AuthorizationPolicy/default/api rules[0].to[0].operation.methods: remove value GET` */
  readonly id: string;
  readonly operator: MutationOperator;
  readonly policy: PolicyRef;
  /** Below the policy's `spec`; empty for the policy itself. */
  readonly path: string;
  readonly change: string;
  readonly file?: string;
  readonly line?: number;
  readonly config: MeshConfig;
}

export type MutationOperator =
  | 'remove-policy'
  | 'flip-action'
  | 'drop-selector'
  | 'drop-label'
  | 'remove-rule'
  | 'remove-alternative'
  | 'remove-clause'
  | 'negate-clause'
  | 'remove-value'
  | 'widen-value'
  | 'narrow-value'
  | 'change-mode';

type Path = readonly (string | number)[];

interface Edit {
  readonly operator: MutationOperator;
  readonly path: Path;
  readonly change: string;
  /** Absent: the policy goes. */
  readonly result?: PolicyResource;
}

/** Every mutant of `config`, policy by policy; where two edits come to the same, the first. */
export function* mutate(config: MeshConfig): Iterable<Mutant> {
  const all = policyResources(config);
  for (const resource of all) {
    const known = new Set([JSON.stringify(resource.spec)]);
    for (const { operator, path, change, result } of editsOf(resource)) {
      const text = JSON.stringify(result?.spec ?? null);
      if (known.has(text)) continue;
      known.add(text);
      const rest = all.flatMap((each) => (each !== resource ? [each] : result === undefined ? [] : [result]));
      const { kind, metadata, origin } = resource;
      const where = pathText(path);
      const at = path.length === 0 ? origin : origin?.position(['spec', ...path]);
      yield {
        id: `${kind}/${metadata.namespace}/${metadata.name}${where === '' ? '' : ` ${where}`}: ${change}`,
        operator,
        policy: { kind, namespace: metadata.namespace, name: metadata.name },
        path: where,
        change,
        ...(at === undefined ? {} : { file: at.file, line: at.line }),
        config: withPolicyResources(config, rest),
      };
    }
  }
}

function* editsOf(resource: PolicyResource): Iterable<Edit> {
  switch (resource.kind) {
    case 'AuthorizationPolicy':
      yield { operator: 'remove-policy', path: [], change: 'remove the policy' };
      yield* authorizationEdits(resource);
      return;
    case 'PeerAuthentication':
      yield { operator: 'remove-policy', path: [], change: 'remove the policy' };
      yield* peerEdits(resource);
      return;
    case 'DestinationRule':
      yield { operator: 'remove-policy', path: [], change: 'remove the policy' };
      yield* destinationEdits(resource);
      return;
    case 'RequestAuthentication':
      yield { operator: 'remove-policy', path: [], change: 'remove the policy' };
      yield* selectorEdits(resource);
      return;
    default:
  }
}

/** Without the selector, and without each of its labels where there are several. */
function* selectorEdits(resource: AuthorizationPolicy | PeerAuthentication | RequestAuthentication): Iterable<Edit> {
  const { selector, ...spec } = resource.spec;
  const labels = Object.keys(selector?.matchLabels ?? {});
  if (selector === undefined || labels.length === 0) return;
  const withSpec = (changed: object): PolicyResource => ({ ...resource, spec: changed });
  yield { operator: 'drop-selector', path: ['selector'], change: 'select every workload', result: withSpec(spec) };
  if (labels.length < 2) return;
  for (const label of labels) {
    const matchLabels = Object.fromEntries(Object.entries(selector.matchLabels ?? {}).filter(([key]) => key !== label));
    yield {
      operator: 'drop-label',
      path: ['selector', 'matchLabels', label],
      change: `select whatever ${label} is`,
      result: withSpec({ ...spec, selector: { ...selector, matchLabels } }),
    };
  }
}

function* authorizationEdits(policy: AuthorizationPolicy): Iterable<Edit> {
  const { spec } = policy;
  const action = spec.action ?? 'ALLOW';
  if (action === 'ALLOW' || action === 'DENY') {
    const other = action === 'ALLOW' ? 'DENY' : 'ALLOW';
    const result = { ...policy, spec: { ...spec, action: other } } as const;
    yield { operator: 'flip-action', path: ['action'], change: `${action} becomes ${other}`, result };
  }
  yield* selectorEdits(policy);
  const rules = spec.rules ?? [];
  for (const [index, rule] of rules.entries()) {
    const withRules = (next: readonly AuthorizationRule[]): AuthorizationPolicy => ({
      ...policy,
      spec: { ...spec, rules: next },
    });
    yield {
      operator: 'remove-rule',
      path: ['rules', index],
      change: 'remove the rule',
      result: withRules(rules.filter((_, i) => i !== index)),
    };
    for (const { result, ...edit } of ruleEdits(rule, index))
      yield { ...edit, result: withRules(rules.map((each, i) => (i === index ? result : each))) };
  }
}

interface RuleEdit extends Omit<Edit, 'result'> {
  readonly result: AuthorizationRule;
}

function* ruleEdits(rule: AuthorizationRule, index: number): Iterable<RuleEdit> {
  for (const group of ['from', 'to'] as const) {
    const items = rule[group] ?? [];
    if (items.length < 2) continue;
    for (const item of items.keys()) {
      const result = { ...rule, [group]: items.filter((_, i) => i !== item) };
      yield { operator: 'remove-alternative', path: ['rules', index, group, item], change: 'remove it', result };
    }
  }
  for (const part of ruleClauses(rule, index)) {
    const { field, values, path } = part;
    yield { operator: 'remove-clause', path, change: 'remove the list', result: withClause(rule, part, undefined) };
    const negated = negationOf(field);
    yield {
      operator: 'negate-clause',
      path,
      change: `${field} becomes ${negated}`,
      result: withClause(rule, part, { field: negated, values }),
    };
    for (const edit of valueEdits(part)) {
      const { operator, change, result } = edit;
      yield { operator, path, change, result: withClause(rule, part, { field, values: result }) };
    }
  }
}

function negationOf(field: string): string {
  const positive = /^not([A-Z])(.*)$/.exec(field);
  if (positive !== null) return `${positive[1]?.toLowerCase() ?? ''}${positive[2] ?? ''}`;
  return `not${field.charAt(0).toUpperCase()}${field.slice(1)}`;
}

interface ValueEdit {
  readonly operator: 'remove-value' | 'widen-value' | 'narrow-value';
  readonly change: string;
  readonly result: readonly string[];
}

function* valueEdits({ field, values, group }: RulePart): Iterable<ValueEdit> {
  const patterned = group === 'when' || !/^(not)?(ports|ipBlocks|remoteIpBlocks|serviceAccounts)$/i.test(field);
  for (const [index, value] of values.entries()) {
    if (values.length > 1) {
      const result = values.filter((_, i) => i !== index);
      yield { operator: 'remove-value', change: `remove value ${value}`, result };
    }
    if (!patterned) continue;
    for (const [operator, next] of patternEdits(value, /methods$/i.test(field))) {
      const result = values.map((each, i) => (i === index ? next : each));
      yield { operator, change: `value ${value} becomes ${next}`, result };
    }
  }
}

/** One pattern that takes more, and one that takes less. */
function patternEdits(value: string, word: boolean): readonly (readonly ['widen-value' | 'narrow-value', string])[] {
  if (value === '*') return [];
  if (value.includes('{**}')) return [['narrow-value', value.replace('{**}', '{*}')]];
  if (value.includes('{*}')) return [['widen-value', value.replace(/\{\*\}(?!.*\{\*\})/, '{**}')]];
  if (value.endsWith('*')) {
    const start = value.slice(0, -1);
    const shorter = start.replace(/[^/]*\/?$/, '');
    const wider = shorter === '' || shorter === start ? '*' : `${shorter}*`;
    return [
      ['widen-value', wider],
      ['narrow-value', start === '' ? value : start],
    ];
  }
  if (value.startsWith('*'))
    return [
      ['widen-value', '*'],
      ['narrow-value', value.slice(1)],
    ];
  return word ? [] : [['widen-value', `${value}*`]];
}

const MODES: readonly MutualTlsMode[] = ['STRICT', 'PERMISSIVE', 'DISABLE'];

function* peerEdits(policy: PeerAuthentication): Iterable<Edit> {
  const { spec } = policy;
  const { portLevelMtls = {}, mtls } = spec;
  for (const mode of MODES) {
    if (mtls?.mode === mode) continue;
    const change = `mode ${mtls?.mode ?? 'UNSET'} becomes ${mode}`;
    yield {
      operator: 'change-mode',
      path: ['mtls', 'mode'],
      change,
      result: { ...policy, spec: { ...spec, mtls: { mode } } },
    };
  }
  for (const [port, { mode: before }] of Object.entries(portLevelMtls)) {
    for (const mode of MODES) {
      if (before === mode) continue;
      const result = { ...policy, spec: { ...spec, portLevelMtls: { ...portLevelMtls, [port]: { mode } } } };
      const change = `mode ${before ?? 'UNSET'} becomes ${mode}`;
      yield { operator: 'change-mode', path: ['portLevelMtls', port], change, result };
    }
  }
  // Istio reads port modes only where a selector names the workload.
  if (Object.keys(portLevelMtls).length === 0) yield* selectorEdits(policy);
}

function* destinationEdits(rule: DestinationRule): Iterable<Edit> {
  const { spec } = rule;
  const { trafficPolicy } = spec;
  if (trafficPolicy?.tls === undefined) return;
  const before = trafficPolicy.tls.mode ?? 'DISABLE';
  for (const mode of ['DISABLE', 'SIMPLE', 'ISTIO_MUTUAL'] as const) {
    if (mode === before) continue;
    const result = { ...rule, spec: { ...spec, trafficPolicy: { ...trafficPolicy, tls: { mode } } } };
    const change = `mode ${before} becomes ${mode}`;
    yield { operator: 'change-mode', path: ['trafficPolicy', 'tls', 'mode'], change, result };
  }
}

function pathText(path: Path): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  );
}
