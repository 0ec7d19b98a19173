/**
 * The cases a law is tried on: worlds, and the change each law is about.
 * @module
 */
import * as fc from 'fast-check';
import type { AuthorizationPolicy, MeshConfig } from '../istio/index.ts';
import type { Caller } from '../sim/index.ts';
import { drawnWorld as world, namesOf, printing, worldText } from './arbitraries.ts';
import { type LawCase, type LawName, reversed, withoutPoliciesOf } from './laws.ts';
import { policiesOf } from './manifests.ts';
import { authorizationDraft, ruleDraft } from './policy-arbitraries.ts';
import { omissions, shrinkingTo, withFewerRequests, workloadOmissions } from './shrinking.ts';
import type { World } from './world.ts';

/** Meshes that are started are kept small: keys cost time. */
const STARTED = { maxWorkloads: 3, maxPolicies: 2, maxRules: 2, maxRequests: 4 } as const;

const withAllow = fc.record({
  within: world({ modes: [], bareWorkloads: false }),
  allow: authorizationDraft({ actions: ['ALLOW'] }),
  rule: ruleDraft,
});

/** Changes that follow from the configuration; the others are an added policy, or a policy with a rule more. */
const DERIVED: Partial<Record<LawName, (config: MeshConfig, within: World) => MeshConfig>> = {
  'removing-last-allow-opens': (config, { requests }) =>
    withoutPoliciesOf(config, requests[0]?.to.replace(/:\d+$/, '') ?? ''),
  'order-is-irrelevant': (config) => reversed(config),
};

const CASES: Readonly<Record<LawName, () => fc.Arbitrary<LawCase>>> = {
  'adding-deny-never-widens': () =>
    fc
      .record({ within: world({ modes: [] }), deny: authorizationDraft({ actions: ['DENY'] }) })
      .map(({ within, deny }) => ({
        world: within,
        after: plus(within.config, deny(namesOf(within.config), 'added')),
      })),
  'adding-allow-rule-never-narrows': () =>
    withAllow.map(({ within, allow, rule }) => {
      const names = namesOf(within.config);
      const before = allow(names, 'extended');
      const after = { ...before, spec: { ...before.spec, rules: [...(before.spec.rules ?? []), rule(names)] } };
      return {
        world: printing({ ...within, config: plus(within.config, before) }),
        after: plus(within.config, after),
      };
    }),
  'removing-last-allow-opens': () =>
    world({ modes: [], actions: ['ALLOW'] }).map((within) => {
      const workload = within.requests[0]?.to.replace(/:\d+$/, '') ?? '';
      const requests = within.requests.filter(({ to }) => to.startsWith(`${workload}:`));
      const sample = printing({ ...within, requests });
      return { world: sample, after: withoutPoliciesOf(within.config, workload) };
    }),
  'order-is-irrelevant': () =>
    world({ modes: [] }).map((within) => ({ world: within, after: reversed(within.config) })),
  'diff-is-exact': () =>
    fc
      .record({
        within: world({ modes: [], bareWorkloads: false, maxWorkloads: 3, maxPolicies: 2 }),
        added: authorizationDraft({ maxRules: 2 }),
      })
      .map(({ within, added }) => ({
        world: within,
        after: plus(within.config, added(namesOf(within.config), 'added')),
      })),
  'strict-admits-no-plaintext': () =>
    world({ ...STARTED, modes: ['STRICT'], bareWorkloads: false }).map((within) => ({ world: strict(within) })),
  'rotation-loses-no-request': () =>
    world({ ...STARTED, maxWorkloads: 2, maxPolicies: 1, maxRequests: 2 }).map((within) => ({
      world: printing(within),
    })),
  'model-and-wire-agree': () => world(STARTED).map((within) => ({ world: printing(within) })),
};

/** Cases of a law; they print as Istio YAML and shrink until nothing can be left out. */
export function lawCase(name: LawName): fc.Arbitrary<LawCase> {
  return shrinkingTo(CASES[name](), (sample) => smallerCases(name, sample)).map((sample) =>
    Object.defineProperty(sample, fc.toStringMethod, { value: () => caseText(sample), enumerable: false }),
  );
}

function* smallerCases(name: LawName, { world: within, after }: LawCase): Iterable<LawCase> {
  const { config } = within;
  const both = after === undefined ? [config] : [config, after];
  for (const fewer of withFewerRequests(within)) yield { world: printing(fewer), ...(after && { after }) };
  for (const omit of [...both.flatMap((each) => [...omissions(each)]), ...workloadOmissions(within, both)]) {
    const smaller = printing({ ...within, config: omit(config) });
    const changed = after && (DERIVED[name]?.(smaller.config, smaller) ?? omit(after));
    // Both unchanged: an omission for the other of the two, or one that is not possible.
    if (smaller.config !== config || (DERIVED[name] === undefined && changed !== after))
      yield { world: smaller, ...(changed && { after: changed }) };
  }
}

function caseText({ world: within, after }: LawCase): string {
  if (after === undefined) return worldText(within);
  const before = new Set(within.config.authorizationPolicies.map((policy) => JSON.stringify(policy)));
  const changed = after.authorizationPolicies.filter((policy) => !before.has(JSON.stringify(policy)));
  const gone = within.config.authorizationPolicies.length - after.authorizationPolicies.length;
  const note =
    changed.length > 0
      ? ['# afterwards:', policiesOf(changed)]
      : [gone > 0 ? `# afterwards: ${gone} policies fewer` : '# afterwards: the same policies'];
  return [worldText(within), ...note].join('\n');
}

/** The whole mesh under STRICT, called in plaintext. */
function strict(within: World): World {
  const { rootNamespace } = within.config.settings;
  const config: MeshConfig = {
    ...within.config,
    destinationRules: [],
    peerAuthentications: [
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'PeerAuthentication',
        metadata: { name: 'default', namespace: rootNamespace, labels: {}, annotations: {} },
        spec: { mtls: { mode: 'STRICT' } },
      },
    ],
  };
  const from: Caller = 'outside';
  return printing({ config, requests: within.requests.map((request) => ({ ...request, from })) });
}

function plus(config: MeshConfig, policy: AuthorizationPolicy): MeshConfig {
  return { ...config, authorizationPolicies: [...config.authorizationPolicies, policy] };
}
