/**
 * Which identity the server sees when one declared workload calls another: the caller's principal, unless the two ends
 * do not speak mutual TLS.
 *
 * A Pod without a sidecar counts as having one: manifests seldom say, and a policy without a sidecar decides nothing.
 * @module
 */
import { selects, type Workload } from '../istio/index.ts';
import { targetPortOf, type CompiledMesh } from '../policy/index.ts';

export interface CallerIdentity {
  readonly principal?: string;
  /** Why there is none. */
  readonly reason?: string;
}

/**
 * @param to absent for a server that no manifest declares
 * @param port the server's own port
 */
export function callerIdentity(
  mesh: CompiledMesh,
  from: Workload,
  to: Workload | undefined,
  port: number,
): CallerIdentity {
  const principal = `${mesh.config.settings.trustDomain}/ns/${from.namespace}/sa/${from.serviceAccount}`;
  if (to === undefined) return { principal };
  if (mesh.peerAuthentication(to, port).mode === 'DISABLE') {
    return { reason: `PeerAuthentication disables mutual TLS on port ${port}` };
  }
  const plaintext = from.injected && to.injected ? plaintextReason(mesh, from, to, port) : undefined;
  if (plaintext !== undefined) return { reason: plaintext };
  return { principal };
}

/** What the client's side says, over the Services that lead to that port; nothing where one of them is mutual TLS. */
function plaintextReason(mesh: CompiledMesh, from: Workload, to: Workload, port: number): string | undefined {
  let reason: string | undefined;
  for (const service of mesh.config.services) {
    if (service.namespace !== to.namespace || service.selector === undefined) continue;
    if (!selects(service.selector, to.labels)) continue;
    for (const each of service.ports) {
      if (targetPortOf(to, each.targetPort) !== port) continue;
      const client = mesh.clientTls(from, service.host, each.port);
      if (client.mode !== 'plaintext') return undefined;
      reason ??= client.reason;
    }
  }
  return reason;
}
