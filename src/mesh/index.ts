/**
 * The composition root: the public mesh, manifest files, scenarios.
 * @module
 */
export { auditMesh, type BestPracticesOptions } from './best-practices.ts';
export * from './derived-traffic.ts';
export * from './forecast.ts';
export * from './identity-action.ts';
export type * from './identity-evidence.ts';
export { loadManifests } from './load-manifests.ts';
export { Mesh, type MeshOptions } from './mesh.ts';
export * from './rehearsal-plans.ts';
export * from './rehearsal-world.ts';
export * from './rehearse.ts';
export * from './run-scenario.ts';
export {
  DEFAULT_SCENARIO,
  loadScenario,
  type LoadedScenario,
  parseScenario,
  shippedScenarios,
} from './scenario-file.ts';
export type { LowCodeRun } from './scenario-lowcode.ts';
export type { ScenarioFile } from './scenario-schema.ts';
export { Serving, type ServingDescription, type ServingOptions, startServing } from './serving.ts';
