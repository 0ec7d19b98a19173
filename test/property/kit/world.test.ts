import { readdirSync, readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY_MESH_CONFIG, type MeshConfig, parseManifests, policyResources } from '../../../src/istio/index.ts';
import { Mesh } from '../../../src/mesh/index.ts';
import { compileAuthorization, compileMesh } from '../../../src/policy/index.ts';
import { TargetIndex } from '../../../src/sim/targets.ts';
import {
  assertMeshCommands,
  authorizationRequests,
  LawViolation,
  manifestsOf,
  meshCommands,
  meshModel,
  MESHPROOF,
  propertyParameters,
  readCounterexample,
  request,
  spiffeId,
  type World,
  world,
} from '../../../src/testing/index.ts';
import { smallerWorlds } from '../../../src/testing/shrinking.ts';
import { meshproof } from '../../kit/command-line.ts';
import { folderWith } from '../../kit/temporary-folder.ts';

const { seed } = propertyParameters(1);
const LONG = process.env['MESHPROOF_LONG'] === '1';

/** Without what reading adds: places, reasons, the ConfigMap the settings came from. */
function plain(value: unknown): unknown {
  const left = new Set(['origin', 'injectionReason', 'configData']);
  return JSON.parse(JSON.stringify(value, (key, each: unknown) => (left.has(key) ? undefined : each)));
}

describe(`world() (seed ${seed})`, () => {
  it('is a valid mesh that reads back from its manifests', () => {
    fc.assert(
      fc.property(world(), ({ config }) => {
        expect(plain(parseManifests(manifestsOf(config)))).toEqual(plain(config));
      }),
      { seed, numRuns: 150 },
    );
  });

  it('prints as Istio YAML', () => {
    const [sample] = fc
      .sample(world({ actions: ['DENY'], maxPolicies: 1 }), { seed: 3, numRuns: 20 })
      .filter(({ config }) => config.authorizationPolicies.length > 0);
    const text = fc.stringify(sample);
    expect(text).toContain('kind: AuthorizationPolicy');
    expect(text).toContain('# requests:');
  });

  it('puts requests on both sides of its policies', () => {
    const seen = { allow: 0, deny: 0 };
    for (const each of fc.sample(world({ modes: [] }), { seed, numRuns: 300 })) {
      const compiled = compileAuthorization(each.config);
      for (const asked of authorizationRequests(each)) seen[compiled.authorize(asked).decision]++;
    }
    const share = seen.allow / (seen.allow + seen.deny);
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.8);
  });

  it('lets more requests of its own be drawn', () => {
    const [within] = fc.sample(world(), { seed, numRuns: 1 });
    if (within === undefined) throw new Error('no sample');
    const drawn = fc.sample(request({ world: within }), { seed, numRuns: 50 });
    expect(authorizationRequests({ ...within, requests: drawn })).toHaveLength(50);
  });

  it('shrinks to one workload and no policy', () => {
    const never = fc.property(world(), ({ config }) => config.workloads.length === 0);
    const config = fc.check(never, { seed, numRuns: 1 }).counterexample?.[0].config;
    expect(config?.workloads).toHaveLength(1);
    expect(config?.authorizationPolicies).toEqual([]);
    expect(config?.peerAuthentications).toEqual([]);
  });
});

/** Names in the world's policies and requests that no workload of it has. */
function dangling({ config, requests }: World): readonly string[] {
  const { namespaces, serviceAccounts, workloads } = config;
  const text = JSON.stringify([policyResources(config), requests]);
  const root = config.settings.rootNamespace;
  return [
    ...[...text.matchAll(/"namespace":"([^"]+)"/g)]
      .map(([, name = '']) => name)
      .filter((name) => name !== root && !namespaces.some((each) => each.name === name)),
    ...[...text.matchAll(/"app":"([^"]+)"/g)]
      .map(([, name = '']) => name)
      .filter((name) => !workloads.some(({ labels }) => labels['app'] === name)),
    ...workloads
      .filter((each) => !serviceAccounts.some(({ name }) => name === each.serviceAccount))
      .map(({ serviceAccount }) => serviceAccount),
    ...requests.map(({ to }) => to).filter((to) => 'kind' in new TargetIndex(compileMesh(config)).resolve(to, root)),
  ];
}

describe('shrinking', () => {
  it('makes every smaller world from one that fits together fit together', () => {
    fc.assert(
      fc.property(world(), (within) => {
        expect(dangling(within)).toEqual([]);
        for (const smaller of smallerWorlds(within)) {
          expect(dangling(smaller)).toEqual([]);
          expect(plain(parseManifests(manifestsOf(smaller.config)))).toEqual(plain(smaller.config));
        }
      }),
      { seed, numRuns: 40 },
    );
  });

  it.each([1, 2, 3, 4, 5])('leaves what a failure needs and nothing else (seed %i)', (other) => {
    const valueOf = (config: MeshConfig): number =>
      config.authorizationPolicies
        .flatMap(({ spec }) => spec.rules ?? [])
        .flatMap(({ to = [] }) => to)
        .filter(({ operation }) => operation.methods?.includes('GET') === true).length;
    const property = fc.property(world({ maxPolicies: 6, maxWorkloads: 8 }), ({ config }) => valueOf(config) === 0);
    const found = fc.check(property, { seed: other, numRuns: 200 }).counterexample?.[0];
    const { config, requests = [] } = found ?? { config: EMPTY_MESH_CONFIG };
    expect(config.authorizationPolicies.map(({ spec }) => spec.rules)).toEqual([
      [{ to: [{ operation: { methods: ['GET'] } }] }],
    ]);
    expect([config.workloads.length, config.services.length, config.namespaces.length, requests.length]).toEqual([
      1, 1, 1, 1,
    ]);
    expect([...config.peerAuthentications, ...config.destinationRules]).toEqual([]);
    expect(fc.stringify(found)).toContain('kind: AuthorizationPolicy');
  });
});

describe('spiffeId()', () => {
  it('keeps to the trust domain that is asked for', () => {
    fc.assert(
      fc.property(spiffeId({ trustDomain: 'a.example' }), (id) => id.startsWith('spiffe://a.example/ns/')),
      { seed },
    );
  });
});

describe('meshCommands()', () => {
  const [within] = fc
    .sample(world({ maxWorkloads: 4, maxPolicies: 2 }), { seed: 5, numRuns: 30 })
    .filter(({ config }) => config.workloads.length >= 3);
  if (within === undefined) throw new Error('no sample');

  it('keeps wire and model together through changes, rotation, outages, restarts and wrong clocks', async () => {
    await fc.assert(
      fc.asyncProperty(meshCommands({ world: within, maxCommands: 20 }), async (commands) => {
        await using mesh = await Mesh.start({ config: within.config });
        await fc.asyncModelRun(() => ({ model: meshModel(within), real: mesh }), commands);
      }),
      { seed, numRuns: LONG ? 300 : 15 },
    );
  });

  it('finds a mesh that forgets what was applied, and prints the run that shows it', async () => {
    const details = await fc.check(
      fc.asyncProperty(meshCommands({ world: within, maxCommands: 20 }), async (commands) => {
        await using mesh = await Mesh.start({ config: within.config });
        mesh.apply = () => Promise.resolve();
        await fc.asyncModelRun(() => ({ model: meshModel(within), real: mesh }), commands);
      }),
      { seed, numRuns: 100 },
    );
    expect(details.failed).toBe(true);
    const text = fc.stringify(details.counterexample?.[0]);
    expect(text).toMatch(/apply\(.*(?:call|remove)\(/);
    expect(text).toContain('replayPath');
  });

  it('leaves a run that failed behind, for replay', async () => {
    const folder = folderWith({});
    /** A mesh that says yes to every change and makes none. */
    const forgetful = async (config: MeshConfig): Promise<Mesh> => {
      const mesh = await Mesh.start({ config });
      mesh.apply = () => Promise.resolve();
      return mesh;
    };
    const failure: unknown = await assertMeshCommands({ start: forgetful, numRuns: 60, counterexamples: folder }).catch(
      (error: unknown) => error,
    );
    if (!(failure instanceof LawViolation)) throw new Error('the forgetful mesh was not found');
    const steps = failure.sample.steps ?? [];
    expect(steps.length).toBeLessThanOrEqual(4);
    expect(steps.map((step) => Object.keys(step)[0])).toEqual(expect.arrayContaining(['apply']));
    expect(failure.message).toMatch(/# steps:\n# {3}[^]*apply\(AuthorizationPolicy|apply\(PeerAuthentication/);
    expect(failure.message).toContain(`FC_SEED=${failure.seed} FC_PATH=${failure.path}`);

    const [file = ''] = readdirSync(folder);
    const read = readCounterexample(readFileSync(`${folder}/${file}`, 'utf8'), file);
    expect(await read.law.check(read.sample, { ...MESHPROOF, start: forgetful })).toBe(failure.violation);
    const { code, stdout } = await meshproof(['replay', file], { cwd: folder });
    expect(stdout).toMatch(/the law holds: this counterexample is one no more\nsteps\n {2}/);
    expect(code).toBe(0);
  });

  it('hold for the product', async () => {
    await assertMeshCommands({ numRuns: LONG ? 100 : 3, maxCommands: 10, counterexamples: false });
  });

  it('races calls against changes without a call that is answered by half a configuration', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), meshCommands({ world: within, maxCommands: 8 }), async (scheduler, commands) => {
        await using mesh = await Mesh.start({ config: within.config });
        await fc.scheduledModelRun(scheduler, () => ({ model: meshModel(within), real: mesh }), commands);
      }),
      { seed, numRuns: LONG ? 100 : 5 },
    );
  });
});
