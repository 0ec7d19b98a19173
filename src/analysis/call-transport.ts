/**
 * Whether a call between two workloads arrives, transport only: what the caller's sidecar speaks against what the
 * server's takes, as `predictOutcome` sees a call with valid certificates. Policies are left out.
 * @module
 */
import type { Workload } from '../istio/kubernetes.ts';
import type { ReachedServer } from '../policy/call-passage.ts';
import type { ClientTls } from '../policy/client-tls.ts';
import type { CompiledMesh } from '../policy/compile-mesh.ts';
import { protocolClass, type ProtocolClass } from '../policy/inbound-ports.ts';
import { predictOutcome } from '../policy/outcome-prediction.ts';
import { acceptedTrustDomains } from '../policy/peer-names.ts';
import { registeredPort, type RegisteredService } from '../policy/registered-service.ts';
import { istioSpiffeId, type Endpoint } from '../policy/service-endpoints.ts';
import type { EndpointTarget } from '../policy/service-registry.ts';
import type { Traffic } from './access-program.ts';

/** Where a call goes: through a port of a service to one endpoint. */
export interface CallTarget {
  readonly service: RegisteredService;
  /** Of the service. */
  readonly port: number;
  readonly endpoint: Endpoint;
  /** Who answers there, where the endpoint itself does not name a workload. */
  readonly behind?: EndpointTarget;
}

/** One call on one side. */
export interface CallPassage {
  readonly reached: boolean;
  readonly tls: ClientTls;
  /** What the server's sidecar gets to see; absent where the call does not arrive. */
  readonly server?: ReachedServer;
  /** For people: `client plaintext (DestinationRule …), server STRICT`. */
  readonly reason: string;
}

/** What the caller's sidecar takes the port to speak. */
function clientProtocol({ service, port }: CallTarget): ProtocolClass {
  const declared = registeredPort(service, port);
  return declared === undefined ? 'auto' : protocolClass(declared.protocol);
}

/**
 * What becomes of a call, as far as transport goes.
 * @param traffic what the application says; what the service's port is declared to speak where absent
 */
export function callPassage(mesh: CompiledMesh, from: Workload, target: CallTarget, traffic?: Traffic): CallPassage {
  const { service, port, endpoint, behind } = target;
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
  const ref = behind?.workload ?? endpoint.workload;
  const serverPort = behind?.port ?? endpoint.port;
  const server = ref === undefined ? undefined : mesh.workload(`${ref.namespace}/${ref.name}`);
  const mode = server === undefined ? 'PERMISSIVE' : mesh.peerAuthentication(server, serverPort).mode;
  const protocol = clientProtocol(target);
  const anchors =
    tls.mode === 'plaintext' || tls.mode === 'cluster_not_found' || tls.trust.kind === 'mesh' ? ['mesh'] : ['other'];
  const outcome = predictOutcome({
    caller: {
      speaks: (traffic ?? (protocol === 'tcp' ? 'tcp' : 'http')) === 'tcp' ? 'tcp' : 'http/1.1',
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
              protocol: mesh.portProtocol(server, serverPort),
              certificate: certificate(server.namespace, server.serviceAccount),
              anchors: ['mesh'],
              trustDomains: acceptedTrustDomains(settings),
            },
          }
        : {},
  });
  const at = server?.injected === true ? `server ${mode}` : 'server without sidecar';
  return {
    reached: outcome.reached,
    tls,
    ...(outcome.reached && outcome.server !== undefined ? { server: outcome.server } : {}),
    reason: `client ${tls.mode.replace('_', ' ')} (${tls.reason}), ${at}`,
  };
}
