/**
 * Model-based runs: commands that fast-check strings together on a live mesh, held to a model that knows the
 * configuration in force and nothing else. Run them with `fc.asyncModelRun`, with `fc.scheduledModelRun` for races, or let
 * `assertMeshCommands` do it and write down what failed.
 * @module
 */
import * as fc from 'fast-check';
import { HOUR_MS, MINUTE_MS } from '../core/index.ts';
import { Mesh } from '../mesh/index.ts';
import type { MeshConfig } from '../istio/index.ts';
import { authorizationPolicy, peerAuthentication, request, world, worldText } from './arbitraries.ts';
import { type AssertOptions, propertyParameters, violationOf } from './assert-law.ts';
import { type LawCase, LAWS } from './laws.ts';
import { isPossible, type MeshModel, meshModel, type MeshStep, runStep, stepText } from './mesh-steps.ts';
import type { World } from './world.ts';

export type MeshCommand = fc.AsyncCommand<MeshModel, Mesh>;

export interface MeshCommandOptions {
  readonly world: World;
  /** @defaultValue 30 */
  readonly maxCommands?: number;
  /** What a failed run prints as `replayPath`. */
  readonly replayPath?: string;
}

/** Arbitrary runs of commands: apply, delete, call, advance, rotate, CA outage, restart, clock skew. */
export function meshCommands(options: MeshCommandOptions): fc.Arbitrary<Iterable<MeshCommand>> {
  const { maxCommands = 30, replayPath } = options;
  const commands = stepArbitraries(options.world).map((steps) => steps.map((step) => new StepCommand(step)));
  return fc.commands<MeshModel, Mesh, false>(commands, {
    maxCommands,
    ...(replayPath === undefined ? {} : { replayPath }),
  });
}

function stepArbitraries(within: World): fc.Arbitrary<MeshStep>[] {
  const name = fc.constantFrom('run-1', 'run-2', 'run-3');
  const authorization = name.chain((each) => authorizationPolicy({ world: within, name: each, maxRules: 2 }));
  const peer = name.chain((each) => peerAuthentication({ world: within, name: each }));
  const kind = fc.constantFrom('AuthorizationPolicy' as const, 'PeerAuthentication' as const);
  const place = fc.nat({ max: 7 });
  const call = request({ world: within }).map((each) => ({ call: each }));
  return [
    call,
    call,
    authorization.map((apply) => ({ apply })),
    peer.map((apply) => ({ apply })),
    fc.record({ kind, index: place }).map((remove) => ({ remove })),
    fc.constantFrom('1m', '1h', '6h', '13h').map((advance) => ({ advance })),
    fc.constant({ rotate: 'all' }),
    fc.constantFrom('up' as const, 'down' as const).map((ca) => ({ ca })),
    place.map((restart) => ({ restart })),
    fc
      .record({ workload: place, ms: fc.constantFrom(0, -5 * MINUTE_MS, 5 * MINUTE_MS, 30 * HOUR_MS) })
      .map((skew) => ({ skew })),
  ];
}

class StepCommand implements MeshCommand {
  readonly #step: MeshStep;

  constructor(step: MeshStep) {
    this.#step = step;
  }

  check(model: Readonly<MeshModel>): boolean {
    return isPossible(this.#step, model);
  }

  run(model: MeshModel, mesh: Mesh): Promise<void> {
    return runStep(this.#step, model, mesh);
  }

  toString(): string {
    return stepText(this.#step);
  }
}

export interface AssertMeshCommandsOptions extends AssertOptions {
  /** @defaultValue small worlds */
  readonly worlds?: fc.Arbitrary<World>;
  /** @defaultValue the product itself */
  readonly start?: (config: MeshConfig) => Promise<Mesh>;
  /** @defaultValue 20 */
  readonly maxCommands?: number;
}

const SMALL = { maxWorkloads: 3, maxPolicies: 2, maxRules: 2, maxRequests: 1 } as const;

/**
 * Wire and model stay together whatever is done to a mesh: runs of commands on worlds, 10 of them where nothing is said.
 * @throws LawViolation with the smallest world and run that were found
 */
export async function assertMeshCommands(options: AssertMeshCommandsOptions = {}): Promise<void> {
  const { worlds = world(SMALL), start = (config) => Mesh.start({ config }), maxCommands = 20 } = options;
  const { seed, numRuns, path } = { ...propertyParameters(options.numRuns ?? 10), ...onlySet(options) };
  const cases = worlds.chain((within) =>
    meshCommands({ world: within, maxCommands }).map((commands) => ({ within, commands })),
  );
  // Every run that failed last is the smallest one fast-check has come to.
  let failed: { readonly sample: LawCase; readonly violation: string } | undefined;
  const property = fc.asyncProperty(cases, async ({ within, commands }) => {
    const model = meshModel(within);
    await using mesh = await start(within.config);
    try {
      await fc.asyncModelRun(() => ({ model, real: mesh }), commands);
    } catch (error) {
      const violation = error instanceof Error ? error.message : String(error);
      failed = { violation, sample: runText({ world: { ...within, requests: [] }, steps: [...model.ran] }) };
      throw error;
    }
  });
  const details = await fc.check(property, { seed, numRuns, ...(path === undefined ? {} : { path }) });
  if (!details.failed || failed === undefined) return;
  throw violationOf(LAWS['model-and-wire-agree'], failed.sample, {
    violation: failed.violation,
    details,
    ...(options.counterexamples === undefined ? {} : { folder: options.counterexamples }),
  });
}

function onlySet({ seed, path }: AssertOptions): Pick<AssertOptions, 'seed' | 'path'> {
  return { ...(seed === undefined ? {} : { seed }), ...(path === undefined ? {} : { path }) };
}

function runText(sample: LawCase): LawCase {
  const text = (): string =>
    [worldText(sample.world), '# steps:', ...(sample.steps ?? []).map((step) => `#   ${stepText(step)}`), ''].join(
      '\n',
    );
  return Object.defineProperty(sample, fc.toStringMethod, { value: text, enumerable: false });
}
