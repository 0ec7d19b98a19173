/**
 * What Istio would decide, as pure functions over a `MeshConfig`.
 * @module
 */
export * from './authorization-program.ts';
export * from './compile-authorization.ts';
export * from './decision.ts';
export * from './explain.ts';
export type { ExternalAuthorizer, ExternalVerdict } from './external-authorizer.ts';
export * from './path-normalization.ts';
export * from './request-reader.ts';
export type { RequestAttributes } from './request-view.ts';
export * from './request.ts';
