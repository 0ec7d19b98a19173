/**
 * The property-testing kit: arbitraries of whole meshes, laws ready to assert, counterexamples that replay.
 * Needs fast-check.
 * @module
 */
export {
  authorizationPolicy,
  authorizationRule,
  peerAuthentication,
  request,
  spiffeId,
  world,
  type WorldConstraints,
} from './arbitraries.ts';
export {
  assertLaw,
  type AssertLawOptions,
  type AssertOptions,
  lawProperty,
  LawViolation,
  propertyParameters,
} from './assert-law.ts';
export { type Counterexample, counterexampleText, readCounterexample } from './counterexample.ts';
export { lawCase } from './law-cases.ts';
export {
  type Law,
  type LawCase,
  lawNamed,
  type LawName,
  LAWS,
  type LawSubject,
  type MeshSubject,
  MESHPROOF,
  reversed,
  type Verdict,
} from './laws.ts';
export { manifestsOf } from './manifests.ts';
export {
  assertMeshCommands,
  type AssertMeshCommandsOptions,
  type MeshCommand,
  type MeshCommandOptions,
  meshCommands,
} from './mesh-commands.ts';
export { type MeshModel, meshModel, type MeshStep } from './mesh-steps.ts';
export { authorizationRequests, requestText, type World } from './world.ts';
