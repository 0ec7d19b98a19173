/**
 * What TLS a client's sidecar speaks to an endpoint, and whom it accepts there: DestinationRule `tls`, auto mTLS and
 * secure naming.
 *
 * Two levels, as in istiod. The *cluster* (service port and subset) is fixed by the DestinationRule, or is plaintext, or
 * is left to the endpoints ("auto"). The cluster level asks peer authentication for namespace and mesh only, so a
 * workload's STRICT under a namespace's DISABLE is not seen. In an auto cluster each *endpoint* gets mTLS if it is
 * labelled for it and its own peer authentication is not DISABLE; headless and PASSTHROUGH clusters decide all or
 * nothing.
 *
 * The accepted names belong to the cluster: any endpoint may show the identity of any other endpoint of its service.
 *
 * Not modelled: certificates from proxy metadata, HBONE, h2 upgrade policies, `meshConfig.tlsDefaults`.
 * Source: https://istio.io/latest/docs/ops/configuration/traffic-management/tls-configuration/ and
 * https://istio.io/latest/docs/concepts/security/#secure-naming
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import { parseWorkloadIdentity } from '../identity/spiffe-id.ts';
import type { ClientTlsSettings } from '../istio/destination-rule.ts';
import type { PortProtocol } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import {
  compileDestinationRules,
  effectiveTrafficPolicy,
  endpointTlsSettings,
  type DestinationRuleIndex,
  type MergedDestinationRule,
} from './destination-rule-lookup.ts';
import {
  compilePeerAuthentication,
  type CompiledPeerAuthentication,
  type WorkloadSubject,
} from './peer-authentication.ts';
import { istioSpiffeId, type Endpoint } from './service-endpoints.ts';
import { registeredPort, sortedUnique, type RegisteredService } from './registered-service.ts';

/** What travels on a connection, as ALPN distinguishes it. */
export type ApplicationProtocol = 'http/1.0' | 'http/1.1' | 'h2' | 'tcp';

/** Where the certificates come from that a peer's chain must lead to. */
export type TrustSource =
  | { readonly kind: 'mesh' }
  | { readonly kind: 'system' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'credential'; readonly name: string }
  /** `insecureSkipVerify`: nothing is verified. */
  | { readonly kind: 'none' };

/** The certificate a client shows. */
export type ClientCredential =
  | { readonly kind: 'workload' }
  | { readonly kind: 'file'; readonly certificate: string; readonly privateKey: string }
  | { readonly kind: 'credential'; readonly name: string };

interface Determined {
  /** The DestinationRule that decided, or `auto` where none names a mode. */
  readonly determinedBy: PolicyRef | 'auto';
  /** The PeerAuthentication that auto mTLS gave way to, where one did. */
  readonly peerAuthentication?: PolicyRef;
  /** For people, e.g. `DestinationRule foo/httpbin: tls mode DISABLE`. */
  readonly reason: string;
}

export interface PlaintextClient extends Determined {
  readonly mode: 'plaintext';
}

/** The route names a subset that the DestinationRule does not define: 503 NC. */
export interface MissingCluster extends Determined {
  readonly mode: 'cluster_not_found';
}

export interface TlsClient extends Determined {
  readonly mode: 'istio_mutual' | 'simple' | 'mutual';
  /** The server name sent; absent where it is taken from the request's Host. */
  readonly sni?: string;
  readonly alpn: Readonly<Record<ApplicationProtocol, readonly string[]>>;
  /** Exact names, one of which the server's certificate must carry; empty: no such check. */
  readonly subjectAltNames: readonly string[];
  /** The certificate must also match the request's Host. Only HTTP has one: nothing is checked on a TCP port. */
  readonly matchesHost: boolean;
  readonly trust: TrustSource;
  readonly credential?: ClientCredential;
}

export type ClientTls = PlaintextClient | TlsClient | MissingCluster;

export interface ClientTlsQuestion {
  /** The client's Pod. */
  readonly from: WorkloadSubject;
  readonly service: RegisteredService;
  /** Service port. */
  readonly port: number;
  readonly subset?: string;
  readonly endpoint: Endpoint;
}

export interface ClusterTls {
  /** In an auto cluster: what an endpoint fit for mTLS gets. */
  readonly tls: ClientTls;
  /** Each endpoint decides between `tls` and plaintext. */
  readonly perEndpoint: boolean;
  readonly rule?: MergedDestinationRule;
}

export interface CompiledClientTls {
  /** The cluster level: one answer for a service port and subset. */
  cluster(question: Omit<ClientTlsQuestion, 'endpoint'>): ClusterTls;
  /** What a connection to one endpoint uses. */
  decide(question: ClientTlsQuestion): ClientTls;
}

export interface ClientTlsParts {
  readonly peerAuthentication: CompiledPeerAuthentication;
  readonly destinationRules: DestinationRuleIndex;
}

/** `parts` may be handed in where the caller has compiled them already. */
export function compileClientTls(config: MeshConfig, parts: Partial<ClientTlsParts> = {}): CompiledClientTls {
  const compiler = new ClientTlsCompiler(
    config,
    parts.peerAuthentication ?? compilePeerAuthentication(config),
    parts.destinationRules ?? compileDestinationRules(config),
  );
  return {
    cluster: (question) => compiler.cluster(question),
    decide: (question) => compiler.decide(question),
  };
}

class ClientTlsCompiler {
  readonly #config: MeshConfig;
  readonly #peers: CompiledPeerAuthentication;
  readonly #rules: DestinationRuleIndex;
  readonly #names = new WeakMap<RegisteredService, readonly string[]>();

  constructor(config: MeshConfig, peers: CompiledPeerAuthentication, rules: DestinationRuleIndex) {
    this.#config = config;
    this.#peers = peers;
    this.#rules = rules;
  }

  cluster(question: Omit<ClientTlsQuestion, 'endpoint'>): ClusterTls {
    const { from, service, port, subset } = question;
    if (service.passthrough === true) return { perEndpoint: false, tls: PASSED_THROUGH };
    const rule = this.#rules.lookup(from, service);
    const found = rule === undefined ? {} : { rule };
    if (subset !== undefined && !(rule?.subsets.has(subset) ?? false)) {
      const reason = `no DestinationRule defines subset \`${subset}\` of ${service.host}`;
      return {
        ...found,
        perEndpoint: false,
        tls: { mode: 'cluster_not_found', determinedBy: rule?.ref ?? 'auto', reason },
      };
    }
    const policy = effectiveTrafficPolicy(rule, port, subset);
    if (policy.tls !== undefined && rule !== undefined) {
      const tls = this.#fromRule(question, policy.tls, { rule, ref: policy.tlsFrom ?? rule.ref });
      return { ...found, perEndpoint: false, tls };
    }
    const rawBalancer = subset === undefined ? rule?.trafficPolicy : rule?.subsets.get(subset)?.subset.trafficPolicy;
    const plaintext = this.#autoObstacle(question, isPassthrough(rawBalancer?.loadBalancer));
    if (plaintext !== undefined) return { ...found, perEndpoint: false, tls: plaintext };
    // A subset's cluster starts as a copy of the service's, so what made that one all or nothing stays.
    const originalDestination =
      service.resolution === 'NONE' ||
      [policy, rawBalancer, effectiveTrafficPolicy(rule, port)].some((one) => isPassthrough(one?.loadBalancer));
    const tls = this.#istioMutual(question, { determinedBy: 'auto', reason: 'auto mTLS' }, {});
    return { ...found, perEndpoint: !originalDestination, tls };
  }

  decide(question: ClientTlsQuestion): ClientTls {
    const { tls, perEndpoint, rule } = this.cluster(question);
    if (!perEndpoint) return tls;
    const { endpoint, port, subset } = question;
    const named = endpointTlsSettings(rule, port, subset);
    if (named !== undefined) {
      // Only where a port-level entry without `tls` stands under a rule with one: the entry hid it from the cluster.
      if ((named.mode ?? 'DISABLE') !== 'ISTIO_MUTUAL') {
        return plaintext(
          rule?.ref ?? 'auto',
          `${nameOf(rule?.ref)}: tls mode ${named.mode ?? 'DISABLE'} clears the endpoint`,
        );
      }
      return endpoint.tlsMode === 'istio' ? tls : plaintext('auto', 'auto mTLS: the endpoint has no sidecar');
    }
    if (endpoint.tlsMode !== 'istio') return plaintext('auto', 'auto mTLS: the endpoint has no sidecar');
    const peer = this.#peers.of(endpoint, endpoint.port);
    if (peer.mode !== 'DISABLE') return tls;
    return givesWay(
      peer.determinedBy,
      `auto mTLS: ${nameOf(peer.determinedBy)} disables mTLS on port ${endpoint.port}`,
    );
  }

  /** Why the cluster is plaintext although no rule says so, or nothing. */
  #autoObstacle(
    { service, port }: Omit<ClientTlsQuestion, 'endpoint'>,
    passthroughBalancer: boolean,
  ): PlaintextClient | undefined {
    if (service.location === 'MESH_EXTERNAL')
      return plaintext('auto', 'the service is outside the mesh (MESH_EXTERNAL)');
    if (!this.#config.settings.enableAutoMtls) return plaintext('auto', 'auto mTLS is off in the mesh configuration');
    if (service.resolution === 'NONE' || passthroughBalancer) {
      const endpoints = service.endpoints(port);
      if (endpoints.length === 0) return plaintext('auto', 'auto mTLS: a headless service without endpoints');
      if (endpoints.some(({ tlsMode }) => tlsMode !== 'istio')) {
        return plaintext('auto', 'auto mTLS: an endpoint of this headless service has no sidecar');
      }
    }
    const peer = this.#peers.ofNamespace(service.namespace);
    if (peer.mode !== 'DISABLE') return undefined;
    return givesWay(peer.determinedBy, `auto mTLS: ${nameOf(peer.determinedBy)} disables mTLS for the namespace`);
  }

  #fromRule(
    question: Omit<ClientTlsQuestion, 'endpoint'>,
    tls: ClientTlsSettings,
    { rule, ref }: { readonly rule: MergedDestinationRule; readonly ref: PolicyRef },
  ): ClientTls {
    const mode = tls.mode ?? 'DISABLE';
    const determined: Determined = { determinedBy: ref, reason: `${nameOf(ref)}: tls mode ${mode}` };
    if (mode === 'DISABLE') return { mode: 'plaintext', ...determined };
    if (mode === 'ISTIO_MUTUAL') return this.#istioMutual(question, determined, tls);
    const { credentialName = '', clientCertificate = '', privateKey = '' } = tls;
    if (credentialName !== '' && rule.selector === undefined && !credentialName.startsWith('configmap://')) {
      return plaintext(ref, `${nameOf(ref)}: credentialName without a workloadSelector is ignored by sidecars`);
    }
    if (mode === 'MUTUAL' && credentialName === '' && (clientCertificate === '' || privateKey === '')) {
      return plaintext(ref, `${nameOf(ref)}: MUTUAL without client certificate and key is not applied`);
    }
    return this.#originated(question, tls, determined);
  }

  #istioMutual(
    { service, port, subset }: Omit<ClientTlsQuestion, 'endpoint'>,
    determined: Determined,
    { sni, subjectAltNames = [] }: ClientTlsSettings,
  ): TlsClient {
    return {
      mode: 'istio_mutual',
      ...determined,
      sni: sni === undefined || sni === '' ? defaultSni(service.host, port, subset) : sni,
      alpn: isHttp2(registeredPort(service, port)?.protocol) ? ISTIO_H2_ALPN : ISTIO_ALPN,
      subjectAltNames: subjectAltNames.length > 0 ? subjectAltNames : this.#acceptedNames(service),
      matchesHost: false,
      trust: { kind: 'mesh' },
      credential: { kind: 'workload' },
    };
  }

  /** SIMPLE and MUTUAL: TLS as to any server, nothing of Istio's in it. */
  #originated(
    { service, port }: Omit<ClientTlsQuestion, 'endpoint'>,
    tls: ClientTlsSettings,
    determined: Determined,
  ): TlsClient {
    const { sni = '', subjectAltNames = [], insecureSkipVerify = false, credentialName = '' } = tls;
    const fromEntry = subjectAltNames.length === 0 && service.source.kind === 'ServiceEntry';
    const credential = credentialOf(tls);
    return {
      mode: tls.mode === 'MUTUAL' ? 'mutual' : 'simple',
      ...determined,
      ...(sni === '' ? {} : { sni }),
      alpn: isHttp2(registeredPort(service, port)?.protocol) ? H2_ALPN : NO_ALPN,
      subjectAltNames: insecureSkipVerify ? [] : fromEntry ? this.#acceptedNames(service) : subjectAltNames,
      matchesHost: sni === '' && subjectAltNames.length === 0 && !insecureSkipVerify,
      trust: trustOf(insecureSkipVerify, credentialName, tls.caCertificates ?? ''),
      ...(credential === undefined ? {} : { credential }),
    };
  }

  /** The service's identities, each repeated for every trust-domain alias. */
  #acceptedNames(service: RegisteredService): readonly string[] {
    const names =
      this.#names.get(service) ?? withAliases(service.identities(), this.#config.settings.trustDomainAliases);
    this.#names.set(service, names);
    return names;
  }
}

function withAliases(identities: readonly string[], aliases: readonly string[]): readonly string[] {
  return sortedUnique(
    identities.flatMap((name) => {
      const identity = parseWorkloadIdentity(name);
      if (identity === undefined) return [name];
      const { namespace, serviceAccount } = identity;
      return [name, ...aliases.map((alias) => istioSpiffeId(alias, namespace, serviceAccount))];
    }),
  );
}

/** `outbound_.8080_._.httpbin.foo.svc.cluster.local` */
export function defaultSni(host: string, port: number, subset?: string): string {
  return `outbound_.${port}_.${subset ?? ''}_.${host}`;
}

const ISTIO_ALPN: TlsClient['alpn'] = {
  'http/1.0': ['istio-http/1.0', 'istio', 'http/1.0'],
  'http/1.1': ['istio-http/1.1', 'istio', 'http/1.1'],
  h2: ['istio-h2', 'istio', 'h2'],
  tcp: ['istio-peer-exchange', 'istio'],
};
/** A port declared HTTP/2 or gRPC: every request travels as HTTP/2. */
const ISTIO_H2_ALPN: TlsClient['alpn'] = {
  'http/1.0': ISTIO_ALPN.h2,
  'http/1.1': ISTIO_ALPN.h2,
  h2: ISTIO_ALPN.h2,
  tcp: ['istio-peer-exchange', 'istio', 'h2'],
};
const NO_ALPN: TlsClient['alpn'] = { 'http/1.0': [], 'http/1.1': [], h2: [], tcp: [] };
const H2_ALPN: TlsClient['alpn'] = { 'http/1.0': ['h2'], 'http/1.1': ['h2'], h2: ['h2'], tcp: ['h2'] };

function isHttp2(protocol: PortProtocol | undefined): boolean {
  return protocol === 'http2' || protocol === 'grpc' || protocol === 'grpc-web';
}

function isPassthrough(loadBalancer: Readonly<Record<string, unknown>> | undefined): boolean {
  return loadBalancer?.['simple'] === 'PASSTHROUGH';
}

function trustOf(skip: boolean, credentialName: string, caCertificates: string): TrustSource {
  if (skip) return { kind: 'none' };
  if (credentialName !== '') return { kind: 'credential', name: credentialName };
  return caCertificates === '' ? { kind: 'system' } : { kind: 'file', path: caCertificates };
}

function credentialOf(tls: ClientTlsSettings): ClientCredential | undefined {
  if (tls.mode !== 'MUTUAL') return undefined;
  const { credentialName = '', clientCertificate = '', privateKey = '' } = tls;
  if (credentialName !== '') return { kind: 'credential', name: credentialName };
  return { kind: 'file', certificate: clientCertificate, privateKey };
}

const PASSED_THROUGH: PlaintextClient = {
  mode: 'plaintext',
  determinedBy: 'auto',
  reason: "PassthroughCluster: the service is hidden from the caller's sidecar",
};

function plaintext(determinedBy: PolicyRef | 'auto', reason: string): PlaintextClient {
  return { mode: 'plaintext', determinedBy, reason };
}

function givesWay(peerAuthentication: PolicyRef | undefined, reason: string): PlaintextClient {
  return { ...plaintext('auto', reason), ...(peerAuthentication === undefined ? {} : { peerAuthentication }) };
}

function nameOf(ref: PolicyRef | undefined): string {
  return ref === undefined ? 'the mesh' : `${ref.kind} ${ref.namespace}/${ref.name}`;
}
