/**
 * Changes of a configuration as values: what `kubectl apply` and `kubectl delete` do to the policies of a mesh.
 * @module
 */
import { EMPTY_MESH_CONFIG, type MeshConfig, type PolicyResource } from './mesh-config.ts';

/** Names one policy object. */
export interface ResourceRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Every policy object of `config`, by kind. */
export function policyResources(config: MeshConfig): readonly PolicyResource[] {
  return [
    ...config.peerAuthentications,
    ...config.authorizationPolicies,
    ...config.requestAuthentications,
    ...config.destinationRules,
    ...config.serviceEntries,
    ...config.workloadEntries,
    ...config.sidecars,
  ];
}

/** `config` with exactly these policy objects. */
export function withPolicyResources(config: MeshConfig, resources: readonly PolicyResource[]): MeshConfig {
  return {
    ...config,
    peerAuthentications: resources.filter((resource) => resource.kind === 'PeerAuthentication'),
    authorizationPolicies: resources.filter((resource) => resource.kind === 'AuthorizationPolicy'),
    requestAuthentications: resources.filter((resource) => resource.kind === 'RequestAuthentication'),
    destinationRules: resources.filter((resource) => resource.kind === 'DestinationRule'),
    serviceEntries: resources.filter((resource) => resource.kind === 'ServiceEntry'),
    workloadEntries: resources.filter((resource) => resource.kind === 'WorkloadEntry'),
    sidecars: resources.filter((resource) => resource.kind === 'Sidecar'),
  };
}

/**
 * `base` with the policy objects of `change`: one of the same kind, namespace and name is replaced where it stands, as
 * `kubectl apply` does, and others are added. Objects that a running mesh cannot change (workloads, services,
 * settings) are taken from `base`.
 */
export function mergeConfig(base: MeshConfig, change: MeshConfig | readonly PolicyResource[]): MeshConfig {
  const merged = new Map(policyResources(base).map((resource) => [keyOf(refOf(resource)), resource]));
  const added = isList(change) ? change : policyResources(change);
  for (const resource of added) merged.set(keyOf(refOf(resource)), kept(merged.get(keyOf(refOf(resource))), resource));
  return withPolicyResources(base, [...merged.values()]);
}

/** `config` without the object; the same value where there was none. */
export function removeResource(config: MeshConfig, ref: ResourceRef): MeshConfig {
  const all = policyResources(config);
  const rest = all.filter((resource) => keyOf(refOf(resource)) !== keyOf(ref));
  return rest.length === all.length ? config : withPolicyResources(config, rest);
}

/** A configuration of nothing but these policy objects. */
export function configOf(resources: readonly PolicyResource[]): MeshConfig {
  return mergeConfig(EMPTY_MESH_CONFIG, resources);
}

export function refOf(resource: PolicyResource): ResourceRef {
  return { kind: resource.kind, namespace: resource.metadata.namespace, name: resource.metadata.name };
}

function keyOf({ kind, namespace, name }: ResourceRef): string {
  return `${kind}/${namespace}/${name}`;
}

/** An update keeps the time of creation, which decides between conflicting objects. */
function kept(before: PolicyResource | undefined, after: PolicyResource): PolicyResource {
  const created = before?.metadata.creationTimestamp;
  if (created === undefined) return after;
  return { ...after, metadata: { ...after.metadata, creationTimestamp: created } };
}

function isList(change: MeshConfig | readonly PolicyResource[]): change is readonly PolicyResource[] {
  return Array.isArray(change);
}
