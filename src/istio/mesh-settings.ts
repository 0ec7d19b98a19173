/**
 * MeshConfig, as far as it decides anything here.
 * Source: https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/
 * @module
 */

export type PathNormalization = 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES';

/** An external authorizer that CUSTOM policies name. */
export interface ExtAuthzProvider {
  readonly name: string;
  readonly protocol: 'http' | 'grpc';
  readonly service: string;
  readonly port: number;
  readonly failOpen: boolean;
  /** 403 where absent. */
  readonly statusOnError: number;
}

export interface MeshSettings {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  /** Trust domains of `caCertificates[].trustDomains`: clients of theirs are let into the handshake. */
  readonly caTrustDomains: readonly string[];
  readonly rootNamespace: string;
  readonly clusterDomain: string;
  readonly enableAutoMtls: boolean;
  readonly pathNormalization: PathNormalization;
  readonly outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  readonly defaultDestinationRuleExportTo: readonly string[];
  readonly extensionProviders: readonly ExtAuthzProvider[];
  /** Names of providers that exist but are not external authorizers, or are unusable: CUSTOM with them denies. */
  readonly unusableProviders: readonly string[];
  readonly minTlsVersion: 'TLSv1.2' | 'TLSv1.3';
  /** `defaultConfig.gatewayTopology.numTrustedProxies`. */
  readonly numTrustedProxies: number;
}

export const DEFAULT_MESH_SETTINGS: MeshSettings = {
  trustDomain: 'cluster.local',
  trustDomainAliases: [],
  caTrustDomains: [],
  rootNamespace: 'istio-system',
  clusterDomain: 'cluster.local',
  enableAutoMtls: true,
  pathNormalization: 'BASE',
  outboundTrafficPolicy: 'ALLOW_ANY',
  defaultDestinationRuleExportTo: [],
  extensionProviders: [],
  unusableProviders: [],
  minTlsVersion: 'TLSv1.2',
  numTrustedProxies: 0,
};
