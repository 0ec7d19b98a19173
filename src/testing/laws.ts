/**
 * Laws of authorization and of the mesh, as plain checks: a case goes in, and a violation comes out, or nothing.
 *
 * They hold for Istio's semantics whatever the policies are. A law is checked against a subject: the product by default,
 * or an evaluator or a mesh of your own.
 * @module
 */
import { diff } from '../analysis/index.ts';
import { MeshError } from '../core/index.ts';
import { type MeshConfig, selects } from '../istio/index.ts';
import { Mesh } from '../mesh/index.ts';
import { type AuthorizationRequest, compileAuthorization, compileMesh } from '../policy/index.ts';
import { disagreements } from '../policytest/index.ts';
import type { MeshRequest, Outcome } from '../sim/index.ts';
import { TargetIndex } from '../sim/targets.ts';
import { type MeshStep, runSteps } from './mesh-steps.ts';
import { authorizationRequests, requestText, type World } from './world.ts';

/** What a law is checked on. */
export interface LawCase {
  readonly world: World;
  /** The configuration after the change the law is about. */
  readonly after?: MeshConfig;
  /** What is done to the mesh, call by call, instead of the requests of the world. */
  readonly steps?: readonly MeshStep[];
}

export type Verdict = 'allow' | 'deny';

/** A mesh, as far as laws use one. */
export interface MeshSubject extends AsyncDisposable {
  request(request: MeshRequest): Promise<Outcome>;
  predict(request: MeshRequest): Outcome;
  readonly clock: { advance(duration: string): Promise<void> };
}

/** What is held to a law. */
export interface LawSubject {
  /** Decides requests under a configuration. */
  decide(config: MeshConfig): (request: AuthorizationRequest) => Verdict;
  start(config: MeshConfig): Promise<MeshSubject>;
  /** For each class of requests that two configurations decide differently, one of them. */
  differences(before: MeshConfig, after: MeshConfig): readonly AuthorizationRequest[];
}

/** The product itself. */
export const MESHPROOF: LawSubject = {
  decide: (config) => {
    const compiled = compileAuthorization(config);
    return (request) => compiled.authorize(request).decision;
  },
  start: (config) => Mesh.start({ config }),
  differences: (before, after) =>
    diff(before, after)
      .findings.filter(({ kind }) => kind === 'newly-allowed' || kind === 'newly-denied')
      .map(({ witness }) => witness),
};

export interface Law {
  /** Stable: counterexamples name it. */
  readonly name: LawName;
  readonly claim: string;
  /** Whether checking it starts a mesh. */
  readonly starts: boolean;
  /** What is wrong, in a line; nothing where the law holds. */
  check(sample: LawCase, subject: LawSubject): string | undefined | Promise<string | undefined>;
}

export type LawName =
  | 'adding-deny-never-widens'
  | 'adding-allow-rule-never-narrows'
  | 'removing-last-allow-opens'
  | 'order-is-irrelevant'
  | 'diff-is-exact'
  | 'strict-admits-no-plaintext'
  | 'rotation-loses-no-request'
  | 'model-and-wire-agree';

/** Compares the verdicts before and after, request by request. */
function compare(
  { world, after }: LawCase,
  subject: LawSubject,
  fault: (before: Verdict, after: Verdict) => string | undefined,
): string | undefined {
  if (after === undefined) return undefined;
  const [was, is] = [subject.decide(world.config), subject.decide(after)];
  for (const request of authorizationRequests(world)) {
    const found = fault(was(request), is(request));
    if (found !== undefined) return `${found}: ${askedText(request)}`;
  }
  return undefined;
}

function askedText({ source, destination, request }: AuthorizationRequest): string {
  const to = `${destination.namespace}/${destination.workload ?? ''}:${destination.port}`;
  return `${source?.principal ?? 'no identity'} → ${to} ${request?.method ?? 'TCP'} ${request?.path ?? ''}`;
}

const addingDeny: Law = {
  name: 'adding-deny-never-widens',
  claim: 'adding a DENY policy never lets in a request that was refused',
  starts: false,
  check: (sample, subject) =>
    compare(sample, subject, (before, after) =>
      before === 'deny' && after === 'allow' ? 'refused before the DENY was added, let in after' : undefined,
    ),
};

const addingAllowRule: Law = {
  name: 'adding-allow-rule-never-narrows',
  claim: 'adding a rule to an ALLOW policy never refuses a request that was let in',
  starts: false,
  check: (sample, subject) =>
    compare(sample, subject, (before, after) =>
      before === 'allow' && after === 'deny' ? 'let in before the rule was added, refused after' : undefined,
    ),
};

const removingLastAllow: Law = {
  name: 'removing-last-allow-opens',
  claim: 'a workload that no policy selects any more is open to everybody',
  starts: false,
  check: (sample, subject) =>
    compare(sample, subject, (_before, after) =>
      after === 'deny' ? 'refused although no policy selects the workload' : undefined,
    ),
};

const orderIsIrrelevant: Law = {
  name: 'order-is-irrelevant',
  claim: 'the order of policies, rules, alternatives and values decides nothing',
  starts: false,
  check: (sample, subject) =>
    compare(sample, subject, (before, after) =>
      before === after ? undefined : `${before} in one order, ${after} in the other`,
    ),
};

const diffIsExact: Law = {
  name: 'diff-is-exact',
  claim: 'the diff of two configurations is empty exactly when they decide every request alike',
  starts: false,
  check: ({ world, after }, subject) => {
    if (after === undefined) return undefined;
    const [was, is] = [subject.decide(world.config), subject.decide(after)];
    const witnesses = subject.differences(world.config, after);
    const wrong = witnesses.find((request) => was(request) === is(request));
    if (wrong !== undefined) return `the diff has a witness that is decided alike: ${askedText(wrong)}`;
    const missed = authorizationRequests(world).find((request) => was(request) !== is(request));
    return missed === undefined || witnesses.length > 0
      ? undefined
      : `the diff is empty, but decided differently is ${askedText(missed)}`;
  },
};

const strictAdmitsNoPlaintext: Law = {
  name: 'strict-admits-no-plaintext',
  claim: 'where STRICT is in force, no byte that came in plaintext reaches the application',
  starts: true,
  check: async ({ world }, subject) => {
    const compiled = compileMesh(world.config);
    const targets = new TargetIndex(compiled);
    const underStrict = world.requests.filter(({ to }) => {
      const target = targets.resolve(to, 'default');
      if ('kind' in target || !target.workload.injected) return false;
      return compiled.peerAuthentication(target.workload, target.endpoint.port).mode === 'STRICT';
    });
    if (underStrict.length === 0) return undefined;
    await using mesh = await subject.start(world.config);
    for (const request of underStrict) {
      const outcome = await mesh.request({ ...request, body: 'secret' });
      const bytes = outcome.refusal?.applicationBytes ?? 0;
      const reached = outcome.result === 'allow' || outcome.result === 'deny';
      if (bytes > 0 || (reached && outcome.connection.security === 'none'))
        return `plaintext was answered with ${outcome.result} ${outcome.status}: ${requestText(request)}`;
    }
    return undefined;
  },
};

/** Beyond the lifetime of every first certificate. */
const ROTATION_STEPS = ['7h', '7h', '11h'];

const rotationLosesNoRequest: Law = {
  name: 'rotation-loses-no-request',
  claim: 'what is let in now is let in after every certificate has rotated',
  starts: true,
  check: async ({ world }, subject) => {
    await using mesh = await subject.start(world.config);
    const first = new Map<MeshRequest, Outcome['result']>();
    for (const request of world.requests) first.set(request, (await mesh.request(request)).result);
    for (const step of ROTATION_STEPS) {
      await mesh.clock.advance(step);
      for (const [request, before] of first) {
        const { result, reason } = await mesh.request(request);
        if (result !== before) return `${before} at first, ${result} later (${reason}): ${requestText(request)}`;
      }
    }
    return undefined;
  },
};

const modelAndWireAgree: Law = {
  name: 'model-and-wire-agree',
  claim: 'the model predicts what the wire does',
  starts: true,
  check: async ({ world, steps }, subject) => {
    await using mesh = await subject.start(world.config);
    if (steps !== undefined) {
      if (!(mesh instanceof Mesh)) throw new TypeError('steps are done to a Mesh, and `start` gave something else');
      return await runSteps(world, steps, mesh);
    }
    for (const request of world.requests) {
      const [difference] = disagreements(await mesh.request(request), mesh.predict(request));
      if (difference !== undefined) return `${difference}: ${requestText(request)}`;
    }
    return undefined;
  },
};

/** Every law, by name. */
export const LAWS: Readonly<Record<LawName, Law>> = {
  'adding-deny-never-widens': addingDeny,
  'adding-allow-rule-never-narrows': addingAllowRule,
  'removing-last-allow-opens': removingLastAllow,
  'order-is-irrelevant': orderIsIrrelevant,
  'diff-is-exact': diffIsExact,
  'strict-admits-no-plaintext': strictAdmitsNoPlaintext,
  'rotation-loses-no-request': rotationLosesNoRequest,
  'model-and-wire-agree': modelAndWireAgree,
};

export function isLawName(name: string): name is LawName {
  return Object.hasOwn(LAWS, name);
}

/** @throws MeshError `ERR_TEST_INVALID` */
export function lawNamed(name: string): Law {
  if (!isLawName(name))
    throw new MeshError('ERR_TEST_INVALID', `no law \`${name}\`; known are ${Object.keys(LAWS).join(', ')}`);
  return LAWS[name];
}

/** `config` with everything that has no meaning in its order turned round. */
export function reversed(config: MeshConfig): MeshConfig {
  const turn = <T>(list: readonly T[]): readonly T[] => [...list].reverse();
  const lists = <T extends object>(holder: T): T =>
    Object.fromEntries(
      Object.entries(holder).map(([key, value]: [string, unknown]) => [
        key,
        Array.isArray(value) ? turn(value) : value,
      ]),
    ) as T;
  return {
    ...config,
    authorizationPolicies: turn(config.authorizationPolicies).map((policy) => ({
      ...policy,
      spec: {
        ...policy.spec,
        rules: turn(policy.spec.rules ?? []).map((rule) => ({
          ...rule,
          ...(rule.from === undefined
            ? {}
            : { from: turn(rule.from).map(({ source }) => ({ source: lists(source) })) }),
          ...(rule.to === undefined
            ? {}
            : { to: turn(rule.to).map(({ operation }) => ({ operation: lists(operation) })) }),
          ...(rule.when === undefined ? {} : { when: turn(rule.when).map(lists) }),
        })),
      },
    })),
  };
}

/** `config` without the policies that select the workload `namespace/name`. */
export function withoutPoliciesOf(config: MeshConfig, workload: string): MeshConfig {
  const found = config.workloads.find(({ namespace, name }) => `${namespace}/${name}` === workload);
  if (found === undefined) return config;
  return {
    ...config,
    authorizationPolicies: config.authorizationPolicies.filter(
      ({ metadata, spec }) =>
        (metadata.namespace !== found.namespace && metadata.namespace !== config.settings.rootNamespace) ||
        !selects(spec.selector?.matchLabels, found.labels),
    ),
  };
}
