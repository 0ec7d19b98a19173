/**
 * Kubernetes and Istio resources as types, and the way from YAML text to a validated `MeshConfig`.
 * @module
 */
export * from './authorization-policy.ts';
export * from './destination-rule.ts';
export * from './kubernetes.ts';
export * from './mesh-config.ts';
export * from './mesh-settings.ts';
export * from './peer-authentication.ts';
export * from './request-authentication.ts';
export * from './resource.ts';
export * from './service-entry.ts';
