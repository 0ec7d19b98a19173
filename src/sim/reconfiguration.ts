/**
 * What a change of configuration does to connections that are open.
 * @module
 */
import type { PolicyRef } from '../core/index.ts';
import type { MeshConfig, Workload } from '../istio/index.ts';
import { acceptedTrustDomains, type CompiledMesh } from '../policy/index.ts';

export interface ConfigChange {
  readonly applied: readonly PolicyRef[];
  readonly removed: readonly PolicyRef[];
}

/** Other trust domains are other TLS contexts at both ends: Envoy drains what was accepted under the old ones. */
export function trustMoved(before: MeshConfig, after: MeshConfig): boolean {
  return acceptedTrustDomains(before.settings).join() !== acceptedTrustDomains(after.settings).join();
}

/** Whether a port takes its connections in another way than before. */
export function acceptsAnew(
  before: CompiledMesh,
  after: CompiledMesh,
  at: { readonly workload: Workload; readonly port: number },
): boolean {
  const { workload, port } = at;
  return before.peerAuthentication(workload, port).mode !== after.peerAuthentication(workload, port).mode;
}

/** Whether clients may reach their servers in another way than before. */
export function changesClients({ applied, removed }: ConfigChange): boolean {
  return [...applied, ...removed].some(({ kind }) => CLIENT_SIDE.has(kind));
}

const CLIENT_SIDE: ReadonlySet<string> = new Set(['DestinationRule', 'ServiceEntry', 'WorkloadEntry']);
