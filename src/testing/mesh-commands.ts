/**
 * Model-based runs: commands that fast-check strings together on a live mesh, held to a model that knows the
 * configuration in force and nothing else.
 *
 * After every call the wire must answer as the model predicts; while the CA is away, or clocks are wrong, certificates
 * may run out, and the model knows when. Run them with `fc.asyncModelRun`, or `fc.scheduledModelRun` for races.
 * @module
 */
import * as fc from 'fast-check';
import { mergeConfig, type MeshConfig, type PolicyResource, refOf, removeResource } from '../istio/index.ts';
import type { Mesh } from '../mesh/index.ts';
import { compileMesh } from '../policy/index.ts';
import { HOUR_MS, MINUTE_MS } from '../core/index.ts';
import { disagreements, policyName } from '../policytest/index.ts';
import type { CertificateAgent, MeshRequest } from '../sim/index.ts';
import { authorizationPolicy, peerAuthentication, request } from './arbitraries.ts';
import { authorizationRequests, requestText, type World } from './world.ts';

/** What is known of the mesh without asking it. */
export interface MeshModel {
  config: MeshConfig;
  caAvailable: boolean;
}

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
  const { world, maxCommands = 30, replayPath } = options;
  const name = fc.constantFrom('run-1', 'run-2', 'run-3');
  const authorization = name.chain((each) => authorizationPolicy({ world, name: each, maxRules: 2 }));
  const peer = name.chain((each) => peerAuthentication({ world, name: each }));
  return fc.commands<MeshModel, Mesh, false>(
    [
      request({ world }).map((each) => new Call(each)),
      request({ world }).map((each) => new Call(each)),
      authorization.map((policy) => new Apply(policy)),
      peer.map((policy) => new Apply(policy)),
      fc
        .tuple(fc.constantFrom('AuthorizationPolicy', 'PeerAuthentication'), fc.nat({ max: 7 }))
        .map(([kind, index]) => new Remove(kind, index)),
      fc.constantFrom('1m', '1h', '6h', '13h').map((duration) => new Advance(duration)),
      fc.constant(new RotateNow()),
      fc.boolean().map((available) => new SetCa(available)),
      fc.nat({ max: 7 }).map((index) => new Restart(index)),
      fc
        .tuple(fc.nat({ max: 7 }), fc.constantFrom(0, -5 * MINUTE_MS, 5 * MINUTE_MS, 30 * HOUR_MS))
        .map(([index, skewMs]) => new Skew(index, skewMs)),
    ],
    { maxCommands, ...(replayPath === undefined ? {} : { replayPath }) },
  );
}

/** The model at the start of a run. */
export function meshModel(world: World): MeshModel {
  return { config: world.config, caAvailable: true };
}

class Call implements MeshCommand {
  readonly #request: MeshRequest;

  constructor(request: MeshRequest) {
    this.#request = request;
  }

  check(): boolean {
    return true;
  }

  async run(model: MeshModel, mesh: Mesh): Promise<void> {
    const predicted = await mesh.simulation.predictVerified(this.#request);
    // A connection of an earlier call would outlive certificates that have run out since.
    const outcome = await mesh.simulation.request(this.#request, { fresh: true });
    const [difference] = disagreements(outcome, predicted);
    if (difference !== undefined) throw new Error(`${difference}: ${this.toString()}`);
    // What was decided was decided under the configuration the model has.
    if (outcome.result !== 'allow' && outcome.result !== 'deny') return;
    const [asked] = authorizationRequests({ config: model.config, requests: [this.#request] });
    if (outcome.asked === undefined || asked === undefined) return;
    const expected = compileMesh(model.config).authorize(outcome.asked);
    if (expected.decision !== outcome.result)
      throw new Error(
        `${outcome.result} by ${outcome.decidedBy.map(policyName).join(', ') || 'no policy'}, but the policies applied so far say ${expected.decision}: ${this.toString()}`,
      );
  }

  toString(): string {
    return `call(${requestText(this.#request)})`;
  }
}

class Apply implements MeshCommand {
  readonly #policy: PolicyResource;

  constructor(policy: PolicyResource) {
    this.#policy = policy;
  }

  check(): boolean {
    return true;
  }

  async run(model: MeshModel, mesh: Mesh): Promise<void> {
    await mesh.apply([this.#policy]);
    model.config = mergeConfig(model.config, [this.#policy]);
  }

  toString(): string {
    return `apply(${policyName(refOf(this.#policy))} ${JSON.stringify(this.#policy.spec)})`;
  }
}

class Remove implements MeshCommand {
  readonly #kind: string;
  readonly #index: number;

  constructor(kind: string, index: number) {
    this.#kind = kind;
    this.#index = index;
  }

  #candidates({ config }: MeshModel): readonly PolicyResource[] {
    return this.#kind === 'AuthorizationPolicy' ? config.authorizationPolicies : config.peerAuthentications;
  }

  check(model: Readonly<MeshModel>): boolean {
    return this.#candidates(model).length > 0;
  }

  async run(model: MeshModel, mesh: Mesh): Promise<void> {
    const candidates = this.#candidates(model);
    const chosen = candidates[this.#index % candidates.length];
    if (chosen === undefined) return;
    await mesh.remove(refOf(chosen));
    model.config = removeResource(model.config, refOf(chosen));
  }

  toString(): string {
    return `remove(${this.#kind} ${this.#index})`;
  }
}

class Advance implements MeshCommand {
  readonly #duration: string;

  constructor(duration: string) {
    this.#duration = duration;
  }

  check(): boolean {
    return true;
  }

  async run(_model: MeshModel, mesh: Mesh): Promise<void> {
    await mesh.clock.advance(this.#duration);
  }

  toString(): string {
    return `advance(${this.#duration})`;
  }
}

class RotateNow implements MeshCommand {
  check(): boolean {
    return true;
  }

  async run(model: MeshModel, mesh: Mesh): Promise<void> {
    for (const { workload, agent } of mesh.simulation.agents()) {
      const before = agent.current();
      agent.renew();
      const changed = agent.current() !== before;
      if (changed !== model.caAvailable)
        throw new Error(
          `${workload.namespace}/${workload.name} ${changed ? 'got' : 'did not get'} a certificate while the CA was ${model.caAvailable ? 'up' : 'down'}`,
        );
    }
  }

  toString(): string {
    return 'rotateNow()';
  }
}

class SetCa implements MeshCommand {
  readonly #available: boolean;

  constructor(available: boolean) {
    this.#available = available;
  }

  check({ caAvailable }: Readonly<MeshModel>): boolean {
    return caAvailable !== this.#available;
  }

  async run(model: MeshModel, mesh: Mesh): Promise<void> {
    mesh.simulation.ca.available = this.#available;
    model.caAvailable = this.#available;
  }

  toString(): string {
    return this.#available ? 'caUp()' : 'caDown()';
  }
}

function agentAt(mesh: Mesh, index: number): CertificateAgent | undefined {
  const agents = [...mesh.simulation.agents()];
  return agents[index % Math.max(1, agents.length)]?.agent;
}

/** A sidecar starts anew: it asks for a certificate, and nobody's connections live on. */
class Restart implements MeshCommand {
  readonly #index: number;

  constructor(index: number) {
    this.#index = index;
  }

  check({ caAvailable }: Readonly<MeshModel>): boolean {
    return caAvailable;
  }

  async run(_model: MeshModel, mesh: Mesh): Promise<void> {
    agentAt(mesh, this.#index)?.renew();
    const names = mesh.config.workloads.map(({ namespace, name }) => `${namespace}/${name}`);
    for (const from of names) {
      for (const to of names) await mesh.simulation.closeConnections(from, to);
    }
  }

  toString(): string {
    return `restart(${this.#index})`;
  }
}

/** The clock of one workload goes wrong. */
class Skew implements MeshCommand {
  readonly #index: number;
  readonly #skewMs: number;

  constructor(index: number, skewMs: number) {
    this.#index = index;
    this.#skewMs = skewMs;
  }

  check(): boolean {
    return true;
  }

  async run(_model: MeshModel, mesh: Mesh): Promise<void> {
    agentAt(mesh, this.#index)?.stepClock(this.#skewMs);
  }

  toString(): string {
    return `skew(${this.#index}, ${this.#skewMs} ms)`;
  }
}
