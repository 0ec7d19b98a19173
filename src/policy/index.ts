/**
 * What Istio would decide, as pure functions over a `MeshConfig`.
 * @module
 */
export * from './authorization-program.ts';
export * from './authorization-warnings.ts';
export * from './compile-authorization.ts';
export * from './decision.ts';
export * from './envoy-texts.ts';
export * from './explain.ts';
export type { ExternalAuthorizer, ExternalVerdict } from './external-authorizer.ts';
export * from './path-normalization.ts';
export * from './request-reader.ts';
export type { RequestAttributes } from './request-view.ts';
export * from './request.ts';
export * from './client-tls.ts';
export * from './destination-rule-lookup.ts';
export * from './inbound-ports.ts';
export * from './peer-authentication.ts';
export * from './policy-attachment.ts';
export * from './service-endpoints.ts';
export * from './registered-service.ts';
export * from './service-registry.ts';
export * from './compile-mesh.ts';
export * from './inbound.ts';
export * from './outcome-prediction.ts';
export * from './outcome-question.ts';
export * from './peer-names.ts';
export type { LogLine, ReachedServer } from './call-passage.ts';
export * from './request-authentication.ts';
export { JWT_FAULTS, type JwtFault } from './jwt-token.ts';
