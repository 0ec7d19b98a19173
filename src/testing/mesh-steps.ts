/**
 * Steps of model-based runs as plain data: what is done to a mesh, and what must hold of it then. They need no fast-check,
 * so that a run that failed can be written down and replayed.
 *
 * After every call the wire must answer as the model predicts, by the policies applied so far; while the CA is away, or
 * clocks are wrong, certificates may run out, and the model knows when.
 * @module
 */
import { messageOf } from '../core/index.ts';
import {
  type MeshConfig,
  mergeConfig,
  type PolicyResource,
  refOf,
  removeResource,
  type ResourceRef,
} from '../istio/index.ts';
import type { Mesh } from '../mesh/index.ts';
import { compileMesh } from '../policy/index.ts';
import { disagreements, policyName } from '../policytest/index.ts';
import type { CertificateAgent, MeshRequest } from '../sim/index.ts';
import { authorizationRequests, requestText, type World } from './world.ts';

export type MeshStep =
  | { readonly call: MeshRequest }
  | { readonly apply: PolicyResource }
  /** One of the policies of a kind that are there then, counted round. */
  | { readonly remove: { readonly kind: 'AuthorizationPolicy' | 'PeerAuthentication'; readonly index: number } }
  /** A duration such as `6h`. */
  | { readonly advance: string }
  /** Every sidecar asks for a new certificate. */
  | { readonly rotate: 'all' }
  | { readonly ca: 'up' | 'down' }
  /** The sidecar of one workload, counted round, starts anew: it asks for a certificate, and no connection lives on. */
  | { readonly restart: number }
  /** The clock of one workload, counted round, goes wrong. */
  | { readonly skew: { readonly workload: number; readonly ms: number } };

/** What is known of the mesh without asking it. */
export interface MeshModel {
  config: MeshConfig;
  caAvailable: boolean;
  /** The steps so far, the one that runs included. */
  readonly ran: MeshStep[];
}

/** The model at the start of a run. */
export function meshModel(world: World): MeshModel {
  return { config: world.config, caAvailable: true, ran: [] };
}

export function stepText(step: MeshStep): string {
  if ('call' in step) return `call(${requestText(step.call)})`;
  if ('apply' in step) return `apply(${policyName(refOf(step.apply))} ${JSON.stringify(step.apply.spec)})`;
  if ('remove' in step) return `remove(${step.remove.kind} ${step.remove.index})`;
  if ('advance' in step) return `advance(${step.advance})`;
  if ('rotate' in step) return 'rotateNow()';
  if ('ca' in step) return step.ca === 'up' ? 'caUp()' : 'caDown()';
  if ('restart' in step) return `restart(${step.restart})`;
  return `skew(${step.skew.workload}, ${step.skew.ms} ms)`;
}

/** Whether a step makes sense now. */
export function isPossible(step: MeshStep, model: Readonly<MeshModel>): boolean {
  if ('remove' in step) return removable(step.remove, model) !== undefined;
  if ('ca' in step) return model.caAvailable !== (step.ca === 'up');
  return 'restart' in step ? model.caAvailable : true;
}

/** Does it, to model and mesh. @throws Error where the mesh did not do what the model says */
export async function runStep(step: MeshStep, model: MeshModel, mesh: Mesh): Promise<void> {
  model.ran.push(step);
  if ('call' in step) return call(step.call, model, mesh);
  if ('apply' in step) {
    await mesh.apply([step.apply]);
    model.config = mergeConfig(model.config, [step.apply]);
  } else if ('remove' in step) {
    const ref = removable(step.remove, model);
    if (ref === undefined) return;
    await mesh.remove(ref);
    model.config = removeResource(model.config, ref);
  } else if ('advance' in step) await mesh.clock.advance(step.advance);
  else if ('rotate' in step) rotate(model, mesh);
  else if ('ca' in step) {
    model.caAvailable = step.ca === 'up';
    mesh.simulation.ca.available = model.caAvailable;
  } else if ('restart' in step) await restart(step.restart, mesh);
  else agentAt(mesh, step.skew.workload)?.stepClock(step.skew.ms);
}

/** Steps one after the other; in a line, where the mesh refused one or did not do what the model says. */
export async function runSteps(world: World, steps: readonly MeshStep[], mesh: Mesh): Promise<string | undefined> {
  const model = meshModel(world);
  for (const step of steps) {
    try {
      if (isPossible(step, model)) await runStep(step, model, mesh);
    } catch (error) {
      return messageOf(error);
    }
  }
  return undefined;
}

function removable(
  { kind, index }: { readonly kind: string; readonly index: number },
  { config }: MeshModel,
): ResourceRef | undefined {
  const candidates = kind === 'AuthorizationPolicy' ? config.authorizationPolicies : config.peerAuthentications;
  const chosen = candidates[index % Math.max(1, candidates.length)];
  return chosen === undefined ? undefined : refOf(chosen);
}

async function call(request: MeshRequest, model: MeshModel, mesh: Mesh): Promise<void> {
  const predicted = await mesh.predictVerified(request);
  // A connection of an earlier call would outlive certificates that have run out since.
  const outcome = await mesh.simulation.request(request, { fresh: true });
  const [difference] = disagreements(outcome, predicted);
  if (difference !== undefined) throw new Error(`${difference}: ${requestText(request)}`);
  // What was decided was decided under the configuration the model has.
  if (outcome.result !== 'allow' && outcome.result !== 'deny') return;
  const [asked] = authorizationRequests({ config: model.config, requests: [request] });
  if (outcome.asked === undefined || asked === undefined) return;
  const expected = compileMesh(model.config).authorize(outcome.asked);
  if (expected.decision !== outcome.result)
    throw new Error(
      `${outcome.result} by ${outcome.decidedBy.map(policyName).join(', ') || 'no policy'}, but the policies applied so far say ${expected.decision}: ${requestText(request)}`,
    );
}

function rotate(model: MeshModel, mesh: Mesh): void {
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

async function restart(index: number, mesh: Mesh): Promise<void> {
  agentAt(mesh, index)?.renew();
  const names = mesh.config.workloads.map(({ namespace, name }) => `${namespace}/${name}`);
  for (const from of names) {
    for (const to of names) await mesh.simulation.closeConnections(from, to);
  }
}

function agentAt(mesh: Mesh, index: number): CertificateAgent | undefined {
  const agents = [...mesh.simulation.agents()];
  return agents[index % Math.max(1, agents.length)]?.agent;
}
