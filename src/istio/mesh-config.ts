/**
 * Everything a mesh is configured with, as one immutable value.
 * @module
 */
import type { AuthorizationPolicy } from './authorization-policy.ts';
import type { DestinationRule } from './destination-rule.ts';
import type { ConfigData, Namespace, Service, ServiceAccount, Workload } from './kubernetes.ts';
import { DEFAULT_MESH_SETTINGS, type MeshSettings } from './mesh-settings.ts';
import type { PeerAuthentication } from './peer-authentication.ts';
import type { RequestAuthentication } from './request-authentication.ts';
import type { ServiceEntry, Sidecar, WorkloadEntry } from './service-entry.ts';

/** The Istio objects that decide something; what `mesh.apply` and `mesh.remove` may change while a mesh runs. */
export type PolicyResource =
  | PeerAuthentication
  | AuthorizationPolicy
  | RequestAuthentication
  | DestinationRule
  | ServiceEntry
  | WorkloadEntry
  | Sidecar;

export interface MeshConfig {
  readonly settings: MeshSettings;
  readonly namespaces: readonly Namespace[];
  readonly serviceAccounts: readonly ServiceAccount[];
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly configData: readonly ConfigData[];
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly authorizationPolicies: readonly AuthorizationPolicy[];
  readonly requestAuthentications: readonly RequestAuthentication[];
  readonly destinationRules: readonly DestinationRule[];
  readonly serviceEntries: readonly ServiceEntry[];
  readonly workloadEntries: readonly WorkloadEntry[];
  readonly sidecars: readonly Sidecar[];
  /** How many objects of each other kind were read and left alone. */
  readonly otherKinds: Readonly<Record<string, number>>;
}

export const EMPTY_MESH_CONFIG: MeshConfig = {
  settings: DEFAULT_MESH_SETTINGS,
  namespaces: [],
  serviceAccounts: [],
  workloads: [],
  services: [],
  configData: [],
  peerAuthentications: [],
  authorizationPolicies: [],
  requestAuthentications: [],
  destinationRules: [],
  serviceEntries: [],
  workloadEntries: [],
  sidecars: [],
  otherKinds: {},
};
