/**
 * Whether a call between two workloads arrives, transport only: what the caller's sidecar speaks against what the
 * server's takes, as `predictOutcome` sees a call with valid certificates. Policies are left out.
 * @module
 */
import type { Workload } from '../istio/kubernetes.ts';
import type { ClientTls } from '../policy/client-tls.ts';
import type { CompiledMesh } from '../policy/compile-mesh.ts';
import { predictOutcome } from '../policy/outcome-prediction.ts';
import { acceptedTrustDomains } from '../policy/peer-names.ts';
import { istioSpiffeId, type Endpoint } from '../policy/service-endpoints.ts';
import type { RegisteredService } from '../policy/registered-service.ts';

/** Where a call goes: through a port of a service to one endpoint. */
export interface CallTarget {
  readonly service: RegisteredService;
  /** Of the service. */
  readonly port: number;
  readonly endpoint: Endpoint;
}

/** One call on one side. */
export interface CallPassage {
  readonly reached: boolean;
  readonly tls: ClientTls;
  /** For people: `client plaintext (DestinationRule …), server STRICT`. */
  readonly reason: string;
}

/** What becomes of a call, as far as transport goes. */
export function callPassage(mesh: CompiledMesh, from: Workload, { service, port, endpoint }: CallTarget): CallPassage {
  const { settings } = mesh.config;
  const tls: ClientTls = from.injected
    ? mesh.clientTls({ from, service, port, endpoint })
    : { mode: 'plaintext', determinedBy: 'auto', reason: 'the caller has no sidecar' };
  const certificate = (
    namespace: string,
    account: string,
  ): { names: readonly string[]; root: string; validity: string } => ({
    names: [istioSpiffeId(settings.trustDomain, namespace, account)],
    root: 'mesh',
    validity: 'valid',
  });
  const ref = endpoint.workload;
  const server = ref === undefined ? undefined : mesh.workload(`${ref.namespace}/${ref.name}`);
  const protocol = server === undefined ? 'unknown' : mesh.portProtocol(server, endpoint.port);
  const mode = server === undefined ? 'PERMISSIVE' : mesh.peerAuthentication(server, endpoint.port).mode;
  const anchors =
    tls.mode === 'plaintext' || tls.mode === 'cluster_not_found' || tls.trust.kind === 'mesh' ? ['mesh'] : ['other'];
  const outcome = predictOutcome({
    caller: {
      speaks: protocol === 'tcp' ? 'tcp' : 'http/1.1',
      host: service.host,
      ...(from.injected
        ? { sidecar: { tls, protocol, certificate: certificate(from.namespace, from.serviceAccount), anchors } }
        : {}),
    },
    server:
      server?.injected === true
        ? {
            sidecar: {
              mode,
              protocol,
              certificate: certificate(server.namespace, server.serviceAccount),
              anchors: ['mesh'],
              trustDomains: acceptedTrustDomains(settings),
            },
          }
        : {},
  });
  const at = server?.injected === true ? `server ${mode}` : 'server without sidecar';
  return { reached: outcome.reached, tls, reason: `client ${tls.mode.replace('_', ' ')} (${tls.reason}), ${at}` };
}
