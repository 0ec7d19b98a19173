/**
 * The laws hold for the product, and each breaks on an evaluator or a mesh that is wrong on purpose, with a world of at
 * most one policy, one rule and one clause.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { AuthorizationPolicy, MeshConfig } from '../../../src/istio/index.ts';
import { Mesh } from '../../../src/mesh/index.ts';
import {
  assertLaw,
  LAWS,
  type LawName,
  type LawSubject,
  LawViolation,
  MESHPROOF,
  propertyParameters,
  readCounterexample,
} from '../../../src/testing/index.ts';
import { meshproof } from '../../kit/command-line.ts';
import { folderWith } from '../../kit/temporary-folder.ts';

const LONG = process.env['MESHPROOF_LONG'] === '1';

const NAMES = Object.values(LAWS).map(({ name }) => name);

/** The evaluator under other policies. */
function decideUnder(
  change: (policies: readonly AuthorizationPolicy[]) => readonly AuthorizationPolicy[],
): LawSubject['decide'] {
  return (config) => MESHPROOF.decide({ ...config, authorizationPolicies: change(config.authorizationPolicies) });
}

async function meshUnder(config: MeshConfig, change: (config: MeshConfig) => MeshConfig): Promise<Mesh> {
  return Mesh.start({ config: change(config) });
}

/** One mistake for each law. */
const MISTAKES: Readonly<Record<LawName, Partial<LawSubject>>> = {
  // A DENY is read as an ALLOW.
  'adding-deny-never-widens': {
    decide: decideUnder((policies) => policies.map((each) => ({ ...each, spec: { ...each.spec, action: 'ALLOW' } }))),
  },
  // Of the rules of a policy only the last one counts.
  'adding-allow-rule-never-narrows': {
    decide: decideUnder((policies) =>
      policies.map((each) => ({ ...each, spec: { ...each.spec, rules: (each.spec.rules ?? []).slice(-1) } })),
    ),
  },
  // Nothing selected means nothing allowed.
  'removing-last-allow-opens': {
    decide: (config) => (request) => {
      const none = config.authorizationPolicies.length === 0;
      return none ? 'deny' : MESHPROOF.decide(config)(request);
    },
  },
  // Of the values of a source only the first one counts.
  'order-is-irrelevant': {
    decide: decideUnder((policies) =>
      policies.map((policy) => ({
        ...policy,
        spec: {
          ...policy.spec,
          rules: (policy.spec.rules ?? []).map(({ from, ...rule }) => ({
            ...rule,
            ...(from === undefined ? {} : { from: from.map(({ source }) => ({ source: firstValues(source) })) }),
          })),
        },
      })),
    ),
  },
  // The diff does not look at added policies.
  'diff-is-exact': { differences: () => [] },
  // The server takes plaintext too.
  'strict-admits-no-plaintext': {
    start: (config) => meshUnder(config, (each) => ({ ...each, peerAuthentications: [] })),
  },
  // Nobody renews.
  'rotation-loses-no-request': {
    start: async (config) => {
      const mesh = await Mesh.start({ config });
      for (const { agent } of mesh.simulation.agents()) agent.suspend();
      return mesh;
    },
  },
  // The model forgets DENY policies.
  'model-and-wire-agree': {
    start: async (config) => {
      const wire = await Mesh.start({ config });
      const model = await meshUnder(config, (each) => ({
        ...each,
        authorizationPolicies: each.authorizationPolicies.filter(({ spec }) => spec.action !== 'DENY'),
      }));
      return {
        request: (request) => wire.request(request),
        predict: (request) => model.predict(request),
        clock: wire.clock,
        async [Symbol.asyncDispose]() {
          await Promise.all([wire.close(), model.close()]);
        },
      };
    },
  },
};

function firstValues<T extends object>(holder: T): T {
  return Object.fromEntries(
    Object.entries(holder).map(([field, values]: [string, unknown]) => [
      field,
      Array.isArray(values) ? values.slice(0, 1) : values,
    ]),
  ) as T;
}

/** How many of each a world has. A PeerAuthentication is a policy, too. */
function sizeOf(config: MeshConfig): { policies: number; rules: number; clauses: number } {
  const rules = config.authorizationPolicies.flatMap(({ spec }) => spec.rules ?? []);
  const lists = rules.flatMap(({ from = [], to = [], when = [] }) => [
    ...from.flatMap(({ source }) => Object.keys(source)),
    ...to.flatMap(({ operation }) => Object.keys(operation)),
    ...when.map(({ key }) => key),
  ]);
  const policies =
    config.authorizationPolicies.length + config.peerAuthentications.length + config.destinationRules.length;
  return { policies, rules: rules.length, clauses: lists.length };
}

async function violationOf(name: LawName, folder: string | false, seed?: number): Promise<LawViolation> {
  const more = seed === undefined ? {} : { seed };
  try {
    await assertLaw(name, { subject: MISTAKES[name], numRuns: 300, counterexamples: folder, ...more });
  } catch (error) {
    if (error instanceof LawViolation) return error;
    throw error;
  }
  throw new Error(`the mistake against ${name} was not found`);
}

describe(`laws (seed ${propertyParameters(1).seed})`, () => {
  it.each(NAMES)('%s holds', async (name) => {
    const { starts } = LAWS[name];
    const runs = starts ? 15 : name === 'diff-is-exact' ? 60 : 400;
    await assertLaw(name, { numRuns: LONG ? runs * 25 : runs, counterexamples: false });
  });

  it.each(NAMES)('%s breaks on a mistake, in a world of at most one policy, rule and clause', async (name) => {
    const folder = folderWith({});
    const broken = await violationOf(name, folder);
    const { policies, rules, clauses } = sizeOf(broken.sample.world.config);
    expect(policies).toBeLessThanOrEqual(1);
    expect(rules).toBeLessThanOrEqual(1);
    expect(clauses).toBeLessThanOrEqual(1);
    expect(broken.sample.world.requests.length).toBe(1);
    expect(broken.message).toContain(LAWS[name].claim);
    expect(broken.message).toContain(`FC_SEED=${broken.seed} FC_PATH=${broken.path}`);

    const [file = ''] = readdirSync(folder);
    expect(existsSync(`${folder}/${file}`)).toBe(true);
    const read = readCounterexample(readFileSync(`${folder}/${file}`, 'utf8'), file);
    expect(read.sample.world.requests).toEqual(broken.sample.world.requests);
    // Read back, it still shows the mistake, and the product does not make it.
    expect(await read.law.check(read.sample, { ...MESHPROOF, ...MISTAKES[name] })).toBe(broken.violation);
    expect(await read.law.check(read.sample, MESHPROOF)).toBeUndefined();
  });

  it.each(NAMES)('%s shrinks as far from other seeds', async (name) => {
    for (const other of LAWS[name].starts ? [7] : [1, 2, 7, 1234]) {
      const { sample } = await violationOf(name, false, other);
      const { policies, rules, clauses } = sizeOf(sample.world.config);
      expect({ policies, rules, clauses, requests: sample.world.requests.length, other }).toEqual({
        policies: policies === 0 ? 0 : 1,
        rules: rules === 0 ? 0 : 1,
        clauses: clauses === 0 ? 0 : 1,
        requests: 1,
        other,
      });
      const added = sample.after?.authorizationPolicies.find(({ metadata }) => metadata.name === 'added');
      expect(added?.spec.rules?.length ?? 0).toBeLessThanOrEqual(1);
    }
  });

  it('finds the same counterexample again from seed and path', async () => {
    const first = await violationOf('order-is-irrelevant', folderWith({}));
    const again = assertLaw('order-is-irrelevant', {
      subject: MISTAKES['order-is-irrelevant'],
      seed: first.seed,
      path: first.path,
      counterexamples: false,
    });
    await expect(again).rejects.toThrow(first.violation);
  });

  it('splits runs and seeds among shards', () => {
    expect(propertyParameters(100, { FC_SEED: '7', MESHPROOF_SHARD: '2/3' })).toEqual({ seed: 8, numRuns: 34 });
    expect(propertyParameters(100, { FC_SEED: '7', FC_PATH: '1:2', MESHPROOF_SHARD: '2/3' })).toMatchObject({
      seed: 7,
      path: '1:2',
    });
  });

  it('takes seed and runs from the environment, and refuses what is none', () => {
    expect(propertyParameters(100, { MESH_SEED: '8' })).toEqual({ seed: 8, numRuns: 100 });
    expect(propertyParameters(100, { MESH_SEED: '8', FC_SEED: '-7', FC_NUM_RUNS: '5' })).toEqual({
      seed: -7,
      numRuns: 5,
    });
    expect(() => propertyParameters(1, { FC_SEED: 'shop' })).toThrow('FC_SEED is `shop`: expected an integer');
    expect(() => propertyParameters(1, { MESHPROOF_SHARD: '4/3' })).toThrow('`4/3` is no shard');
  });
});

describe('meshproof replay', () => {
  it('checks the law again and says that it holds now', async () => {
    const folder = folderWith({});
    await violationOf('order-is-irrelevant', folder);
    const [file = ''] = readdirSync(folder);
    const { code, stdout } = await meshproof(['replay', file], { cwd: folder });
    expect(stdout).toContain('the law holds: this counterexample is one no more');
    expect(code).toBe(0);
  });

  it('refuses what is no counterexample', async () => {
    const folder = folderWith({ 'x.yaml': 'apiVersion: v1' });
    const { code, stderr } = await meshproof(['replay', 'x.yaml'], { cwd: folder });
    expect(stderr).toContain('`x.yaml` is no counterexample');
    expect(code).toBe(2);
  });
});
