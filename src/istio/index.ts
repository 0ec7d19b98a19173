/**
 * Kubernetes and Istio resources as types, and the way from YAML text to a validated `MeshConfig`.
 * @module
 */
export * from './authorization-policy.ts';
export * from './config-change.ts';
export { ConfigError, formatIssue, formatPath, type ConfigIssue, type ConfigPath } from './config-error.ts';
export * from './destination-rule.ts';
export { INJECT_KEY } from './injection.ts';
export * from './kubernetes.ts';
export * from './mesh-config.ts';
export * from './mesh-settings.ts';
export { parseManifestFiles, parseManifests, type ParseOptions } from './parse-manifests.ts';
export { isPathTemplate, pathPatternFault } from './path-template.ts';
export { isIpAddress, isIpBlock } from './network-name.ts';
export * from './peer-authentication.ts';
export { isHttpProtocol, portProtocol, protocolNamed, type PortNaming } from './port-protocol.ts';
export * from './request-authentication.ts';
export * from './resource.ts';
export * from './selector.ts';
export * from './service-entry.ts';
export { resourceWarnings, validateResource, type ResourceWarning } from './validate-resource.ts';
export { readYaml, type DocumentCache, type SourceText } from './yaml-reader.ts';
export type { SourceObject } from './yaml-source.ts';
