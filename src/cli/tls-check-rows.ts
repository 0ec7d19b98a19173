/**
 * The question of `meshproof tls-check`: for every service port, do the client's TLS mode and the server's peer
 * authentication agree?
 *
 * Certificates are taken to be in order: every workload has its own, of the mesh's root. What stands outside the mesh,
 * and what trust a DestinationRule's files hold, is not known here, and no verdict is given on it.
 * @module
 */
import { didYouMean, MeshError, type PolicyRef, type WorkloadRef } from '../core/index.ts';
import type { Workload } from '../istio/index.ts';
import {
  acceptedTrustDomains,
  compileClientTls,
  istioSpiffeId,
  predictOutcome,
  protocolClass,
  type CallerEnd,
  type CertificateFacts,
  type ClientTls,
  type CompiledClientTls,
  type CompiledMesh,
  type Endpoint,
  type EndpointTarget,
  type PredictedOutcome,
  type RegisteredPort,
  type RegisteredService,
  type ServerEnd,
} from '../policy/index.ts';
import { compareText } from '../policy/resource-order.ts';

export type TlsCheckStatus = 'OK' | 'CONFLICT' | 'UNKNOWN';

/** One endpoint of a service port. */
export interface TlsCheckEndpoint {
  readonly workload?: WorkloadRef;
  readonly address?: string;
  /** Workload port. */
  readonly port: number;
  readonly status: TlsCheckStatus;
  /** STRICT, PERMISSIVE, DISABLE, or NONE without a sidecar. */
  readonly server: string;
  readonly serverPolicy?: PolicyRef;
  /** The words of a DestinationRule: DISABLE, ISTIO_MUTUAL, SIMPLE, MUTUAL. */
  readonly client: string;
  readonly clientReason: string;
  readonly outcome?: Pick<PredictedOutcome, 'status' | 'flags' | 'ending' | 'refusal'>;
}

export interface TlsCheckRow {
  readonly host: string;
  readonly port: number;
  readonly protocol: string;
  readonly subset?: string;
  readonly status: TlsCheckStatus;
  readonly destinationRule?: PolicyRef;
  readonly endpoints: readonly TlsCheckEndpoint[];
}

export interface TlsCheckQuestion {
  readonly compiled: CompiledMesh;
  /** The caller; absent: a sidecar without labels in the namespace of each service. */
  readonly from?: Workload;
  /** Only services of this namespace. */
  readonly namespace?: string;
  /** Only this host, or `host:port`, as the caller would write it. */
  readonly target?: string;
}

/** Rows sorted by host, then port, then subset. */
export function tlsCheckRows(question: TlsCheckQuestion): readonly TlsCheckRow[] {
  const { compiled, from, namespace, target } = question;
  const [host, port] = target?.split(':') ?? [];
  const wanted = host === undefined ? undefined : wantedService(question, host, port);
  if (namespace !== undefined) refuseUnknownNamespace(compiled, namespace);
  const check = {
    compiled,
    clientTls: compileClientTls(compiled.config, { peerAuthentication: compiled.peers }),
    from,
  };
  return compiled.registry.services
    .filter((service) => target === undefined || service === wanted)
    .filter((service) => namespace === undefined || service.namespace === namespace)
    .filter((service) => compiled.registry.resolve(service.host, from?.namespace ?? service.namespace) === service)
    .flatMap((service) =>
      service.ports
        .filter(
          (candidate) => candidate.protocol !== 'udp' && (port === undefined || port === String(candidate.number)),
        )
        .flatMap((candidate) => rowsOf({ ...check, service, port: candidate })),
    )
    .sort((a, b) => compareText(a.host, b.host) || a.port - b.port || compareText(a.subset ?? '', b.subset ?? ''));
}

/** A name that means nothing must not look like a check without findings. */
function wantedService(
  { compiled, from, namespace }: TlsCheckQuestion,
  host: string,
  port: string | undefined,
): RegisteredService {
  const caller = from?.namespace ?? namespace ?? 'default';
  const { registry } = compiled;
  const found = registry.resolve(host, caller);
  if (found === undefined) {
    const names = registry.services.flatMap((service) => [service.name, `${service.name}.${service.namespace}`]);
    throw new MeshError('ERR_USAGE', `no service \`${host}\` seen from namespace ${caller}${didYouMean(host, names)}`);
  }
  const ports = found.ports.map(({ number }) => String(number));
  if (port === undefined || ports.includes(port)) return found;
  throw new MeshError('ERR_USAGE', `${found.host} has no port \`${port}\`: expected ${ports.join(', ') || 'none'}`);
}

function refuseUnknownNamespace({ config, registry }: CompiledMesh, namespace: string): void {
  const known = new Set([...config.namespaces.map(({ name }) => name), ...registry.services.map((s) => s.namespace)]);
  if (known.has(namespace)) return;
  throw new MeshError('ERR_USAGE', `no namespace \`${namespace}\` in the manifests${didYouMean(namespace, known)}`);
}

interface PortQuestion {
  readonly compiled: CompiledMesh;
  readonly clientTls: CompiledClientTls;
  readonly from: Workload | undefined;
  readonly service: RegisteredService;
  readonly port: RegisteredPort;
}

/** The port itself, and every subset whose rule has a policy of its own for it. */
function rowsOf(question: PortQuestion): readonly TlsCheckRow[] {
  const { clientTls, from, service, port } = question;
  const caller = from ?? { namespace: service.namespace, labels: {} };
  // A caller without a sidecar knows no DestinationRule.
  const rule =
    from?.injected === false ? undefined : clientTls.cluster({ from: caller, service, port: port.number }).rule;
  const subsets = [...(rule?.subsets.values() ?? [])].filter(({ subset }) => subset.trafficPolicy !== undefined);
  const row = (subset?: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }): TlsCheckRow => {
    const labels = Object.entries(subset?.labels ?? {});
    const endpoints = service
      .endpoints(port.number)
      .filter((endpoint) => labels.every(([key, value]) => endpoint.labels[key] === value))
      .flatMap((endpoint) => checkEndpoint({ ...question, endpoint, subset: subset?.name }));
    return {
      host: service.host,
      port: port.number,
      protocol: port.protocol,
      ...(subset === undefined ? {} : { subset: subset.name }),
      status: overall(endpoints),
      ...(rule === undefined ? {} : { destinationRule: rule.ref }),
      endpoints,
    };
  };
  return [row(), ...subsets.map(({ subset }) => row(subset))];
}

function overall(endpoints: readonly TlsCheckEndpoint[]): TlsCheckStatus {
  if (endpoints.some(({ status }) => status === 'CONFLICT')) return 'CONFLICT';
  return endpoints.length > 0 && endpoints.every(({ status }) => status === 'OK') ? 'OK' : 'UNKNOWN';
}

interface EndpointQuestion extends PortQuestion {
  readonly endpoint: Endpoint;
  readonly subset: string | undefined;
}

function checkEndpoint(question: EndpointQuestion): readonly TlsCheckEndpoint[] {
  const { compiled, clientTls, from, service, port, endpoint, subset } = question;
  const caller = from ?? { namespace: service.namespace, labels: {} };
  const tls = clientTls.decide({
    from: caller,
    service,
    port: port.number,
    endpoint,
    ...(subset === undefined ? {} : { subset }),
  });
  const targets = compiled.registry.targets(endpoint);
  if (targets.length === 0) return [unknownEndpoint(endpoint, tls, from)];
  return targets.map((target) => checkTarget(question, target, tls));
}

function unknownEndpoint(endpoint: Endpoint, tls: ClientTls, from: Workload | undefined): TlsCheckEndpoint {
  return {
    ...(endpoint.address === undefined ? {} : { address: endpoint.address }),
    port: endpoint.port,
    status: 'UNKNOWN',
    server: endpoint.sidecar ? 'UNKNOWN' : 'NONE',
    client: clientWord(tls, from),
    clientReason: tls.reason,
  };
}

function checkTarget(question: EndpointQuestion, target: EndpointTarget, tls: ClientTls): TlsCheckEndpoint {
  const { compiled, from } = question;
  const workload = compiled.workload(`${target.workload.namespace}/${target.workload.name}`);
  const peer = compiled.peerAuthentication(workload, target.port);
  const outcome = predictOutcome({
    caller: callerEnd(question, tls),
    server: serverEnd(compiled, workload, target.port),
  });
  const { status, flags, ending, refusal } = outcome;
  const isUnknown =
    'trust' in tls &&
    (tls.trust.kind === 'file' || tls.trust.kind === 'credential') &&
    refusal?.reason === 'untrusted_root';
  const verdict = outcome.reached ? 'OK' : isUnknown ? 'UNKNOWN' : 'CONFLICT';
  return {
    workload: target.workload,
    port: target.port,
    status: verdict,
    server: workload.injected ? peer.mode : 'NONE',
    ...(peer.determinedBy === undefined || !workload.injected ? {} : { serverPolicy: peer.determinedBy }),
    client: clientWord(tls, from),
    clientReason: from?.injected === false ? `${from.namespace}/${from.name} has no sidecar` : tls.reason,
    outcome: { status, flags, ending, ...(refusal === undefined ? {} : { refusal }) },
  };
}

const ROOT = 'mesh';

function callerEnd({ compiled, from, service, port }: EndpointQuestion, tls: ClientTls): CallerEnd {
  const protocol = protocolClass(port.protocol);
  const speaks = protocol === 'tcp' ? 'tcp' : 'http/1.1';
  if (from?.injected === false) return { speaks, host: service.host };
  const { trustDomain } = compiled.config.settings;
  const certificate = meshCertificate(
    istioSpiffeId(trustDomain, from?.namespace ?? service.namespace, from?.serviceAccount ?? 'default'),
  );
  const anchors = 'trust' in tls && tls.trust.kind === 'mesh' ? [ROOT] : [];
  return { speaks, host: service.host, sidecar: { tls, protocol, certificate, anchors } };
}

function serverEnd(compiled: CompiledMesh, workload: Workload, port: number): ServerEnd {
  if (!workload.injected) return {};
  const { settings } = compiled.config;
  return {
    sidecar: {
      mode: compiled.peerAuthentication(workload, port).mode,
      protocol: compiled.portProtocol(workload, port),
      certificate: meshCertificate(istioSpiffeId(settings.trustDomain, workload.namespace, workload.serviceAccount)),
      anchors: [ROOT],
      trustDomains: acceptedTrustDomains(settings),
    },
  };
}

function meshCertificate(name: string): CertificateFacts {
  return { names: [name], root: ROOT, validity: 'valid' };
}

/** The client's mode in the words of a DestinationRule. */
function clientWord(tls: ClientTls, from: Workload | undefined): string {
  if (from?.injected === false || tls.mode === 'plaintext') return 'DISABLE';
  return tls.mode === 'cluster_not_found' ? 'NONE' : tls.mode.toUpperCase();
}
