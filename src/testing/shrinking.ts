/**
 * Smaller worlds: whatever can be left out of a world is tried without it, until nothing more can be.
 *
 * fast-check shrinks what values were drawn from, and does not go back to a list it has tried. A world is smallest when no
 * request, policy, rule, alternative, clause, value or workload can be missed; so these are tried on the world itself.
 * @module
 */
import * as fc from 'fast-check';
import { ruleClauses, type RulePart, withClause } from '../analysis/policy-parts.ts';
import {
  type AuthorizationPolicy,
  type AuthorizationRule,
  type MeshConfig,
  policyResources,
  type PolicyResource,
  refOf,
  removeResource,
  type Workload,
  withPolicyResources,
} from '../istio/index.ts';
import type { World } from './world.ts';

/** Marks values that did not come from the arbitrary underneath. */
const MADE_SMALLER = Symbol('made smaller');

class Shrinking<T> extends fc.Arbitrary<T> {
  readonly #inner: fc.Arbitrary<T>;
  readonly #smaller: (value: T) => Iterable<T>;

  constructor(inner: fc.Arbitrary<T>, smaller: (value: T) => Iterable<T>) {
    super();
    this.#inner = inner;
    this.#smaller = smaller;
  }

  generate(random: fc.Random, biasFactor: number | undefined): fc.Value<T> {
    return this.#inner.generate(random, biasFactor);
  }

  canShrinkWithoutContext(value: unknown): value is T {
    return this.#inner.canShrinkWithoutContext(value);
  }

  shrink(value: T, context: unknown): fc.Stream<fc.Value<T>> {
    const smaller = fc.stream(marked(this.#smaller(value)));
    return context === MADE_SMALLER ? smaller : this.#inner.shrink(value, context).join(smaller);
  }
}

function* marked<T>(values: Iterable<T>): IterableIterator<fc.Value<T>> {
  for (const value of values) yield new fc.Value(value, MADE_SMALLER);
}

/** `inner`, whose values also shrink to those that `smaller` makes of them: each must be smaller than what it is made of. */
export function shrinkingTo<T>(inner: fc.Arbitrary<T>, smaller: (value: T) => Iterable<T>): fc.Arbitrary<T> {
  return new Shrinking(inner, smaller);
}

/** One thing fewer. Leaves a configuration that does not have it as it is: the same value. */
export type Omission = (config: MeshConfig) => MeshConfig;

/** Every world with one thing fewer. */
export function* smallerWorlds(world: World): Iterable<World> {
  yield* withFewerRequests(world);
  for (const omit of omissions(world.config)) {
    const config = omit(world.config);
    if (config !== world.config) yield { ...world, config };
  }
  for (const omit of workloadOmissions(world, [world.config])) yield { ...world, config: omit(world.config) };
}

/** At least one request stays. */
export function* withFewerRequests(world: World): Iterable<World> {
  if (world.requests.length < 2) return;
  for (const index of world.requests.keys())
    yield { ...world, requests: world.requests.filter((_, each) => each !== index) };
}

/** What the policies of `config` can do without: policies first, then rules, and so on down to values. */
export function* omissions(config: MeshConfig): Iterable<Omission> {
  const resources = policyResources(config);
  for (const resource of resources) yield (from) => removeResource(from, refOf(resource));
  for (const resource of resources) {
    if (resource.kind === 'AuthorizationPolicy') yield* ruleOmissions(resource);
    if (resource.kind === 'PeerAuthentication' && resource.spec.portLevelMtls !== undefined)
      yield replacing(resource, (each) => {
        if (each.kind !== 'PeerAuthentication') return undefined;
        const { portLevelMtls: _, ...spec } = each.spec;
        return { ...each, spec };
      });
  }
}

/** The same edit of the resource of this name, whichever version of it a configuration has. */
function replacing(resource: PolicyResource, edit: (resource: PolicyResource) => PolicyResource | undefined): Omission {
  const { kind, namespace, name } = refOf(resource);
  return (config) => {
    const all = policyResources(config);
    const found = all.find(
      (each) => each.kind === kind && each.metadata.namespace === namespace && each.metadata.name === name,
    );
    const next = found && edit(found);
    return next === undefined
      ? config
      : withPolicyResources(
          config,
          all.map((each) => (each === found ? next : each)),
        );
  };
}

function* ruleOmissions(policy: AuthorizationPolicy): Iterable<Omission> {
  const rules = policy.spec.rules ?? [];
  const inRules = (edit: (rules: readonly AuthorizationRule[]) => readonly AuthorizationRule[] | undefined): Omission =>
    replacing(policy, (each) => {
      if (each.kind !== 'AuthorizationPolicy') return undefined;
      const next = edit(each.spec.rules ?? []);
      return next === undefined ? undefined : { ...each, spec: { ...each.spec, rules: next } };
    });
  for (const index of rules.keys()) {
    yield inRules((all) => {
      // Istio refuses a DENY without rules.
      const needed = policy.spec.action !== undefined && policy.spec.action !== 'ALLOW';
      if (index >= all.length || (needed && all.length === 1)) return undefined;
      return all.filter((_, each) => each !== index);
    });
  }
  for (const [index, rule] of rules.entries()) {
    for (const smaller of smallerRules(rule, index)) {
      yield inRules((all) => {
        const next = all[index] === undefined ? undefined : smaller(all[index]);
        return next === undefined ? undefined : all.map((each, place) => (place === index ? next : each));
      });
    }
  }
}

type RuleOmission = (rule: AuthorizationRule) => AuthorizationRule | undefined;

function* smallerRules(rule: AuthorizationRule, index: number): Iterable<RuleOmission> {
  for (const group of ['from', 'to', 'when'] as const) {
    for (const item of (rule[group] ?? []).keys()) {
      yield (from) => {
        const { [group]: items = [], ...rest } = from;
        if (item >= items.length) return undefined;
        return items.length === 1 ? rest : { ...rest, [group]: items.filter((_, each) => each !== item) };
      };
    }
  }
  for (const clause of ruleClauses(rule, index)) {
    const { field, values, path } = clause;
    const own = (from: AuthorizationRule): RulePart | undefined =>
      ruleClauses(from, index).find((each) => each.path.join('.') === path.join('.'));
    yield (from) => (own(from) === undefined ? undefined : withClause(from, clause, undefined));
    if (values.length < 2) continue;
    for (const place of values.keys()) {
      yield (from) => {
        const left = own(from)?.values.filter((_, each) => each !== place) ?? [];
        return left.length === 0 ? undefined : withClause(from, clause, { field, values: left });
      };
    }
  }
}

/** Workloads that neither a request nor a policy of `configs` mentions, each with what was there for it alone. */
export function* workloadOmissions({ config, requests }: World, configs: readonly MeshConfig[]): Iterable<Omission> {
  if (config.workloads.length < 2) return;
  const said = JSON.stringify([requests, configs.map((each) => policyResources(each))]);
  for (const workload of config.workloads) {
    const rest = config.workloads.filter((each) => each !== workload);
    const alone = !rest.some(({ namespace }) => namespace === workload.namespace);
    if (!said.includes(workload.name) && !(alone && said.includes(workload.namespace)))
      yield (from) => withWorkloads(from, rest);
  }
}

function withWorkloads(config: MeshConfig, workloads: readonly Workload[]): MeshConfig {
  const has = (namespace: string, name: string): boolean =>
    workloads.some((each) => each.namespace === namespace && each.name === name);
  return {
    ...config,
    workloads,
    services: config.services.filter(({ namespace, name }) => has(namespace, name)),
    serviceAccounts: config.serviceAccounts.filter(({ namespace, name }) =>
      workloads.some((each) => each.namespace === namespace && each.serviceAccount === name),
    ),
    namespaces: config.namespaces.filter(({ name }) => workloads.some(({ namespace }) => namespace === name)),
  };
}
