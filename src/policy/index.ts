/**
 * What Istio would decide, as pure functions over a `MeshConfig`.
 * @module
 */
export * from './decision.ts';
export * from './request.ts';
