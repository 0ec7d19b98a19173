/**
 * A mesh's whole configuration, compiled once: what sidecars, the model, the command line and the analyses ask.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import type { Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { type ClientTls, type ClientTlsQuestion, compileClientTls, type CompiledClientTls } from './client-tls.ts';
import {
  type AuthorizationOptions,
  type CompiledAuthorization,
  compileAuthorization,
} from './compile-authorization.ts';
import type { Decision, DecisionTrace } from './decision.ts';
import { type InboundPort, inboundPorts, type ProtocolClass } from './inbound-ports.ts';
import {
  type CompiledPeerAuthentication,
  compilePeerAuthentication,
  type EffectivePeerAuthentication,
  type WorkloadSubject,
} from './peer-authentication.ts';
import type { AuthorizationRequest } from './request.ts';
import { compileServiceRegistry, type ServiceRegistry } from './service-registry.ts';

/** Policies compile lazily, per workload and port; the value never changes. */
export class CompiledMesh {
  readonly config: MeshConfig;
  readonly authorization: CompiledAuthorization;
  readonly peers: CompiledPeerAuthentication;
  readonly registry: ServiceRegistry;
  readonly #clientTls: CompiledClientTls;
  readonly #workloads: ReadonlyMap<string, Workload>;
  readonly #ports = new Map<string, readonly InboundPort[]>();

  constructor(config: MeshConfig, options: AuthorizationOptions) {
    this.config = config;
    this.authorization = compileAuthorization(config, options);
    this.peers = compilePeerAuthentication(config);
    this.registry = compileServiceRegistry(config);
    this.#clientTls = compileClientTls(config, { peerAuthentication: this.peers });
    this.#workloads = new Map(config.workloads.map((workload) => [`${workload.namespace}/${workload.name}`, workload]));
  }

  /** `namespace/name` as a declared workload. @throws MeshError `ERR_REQUEST_INVALID` */
  workload(name: string): Workload {
    const found = this.#workloads.get(name);
    if (found !== undefined) return found;
    throw new MeshError(
      'ERR_REQUEST_INVALID',
      `no workload \`${name}\` in the configuration${didYouMean(name, this.#workloads.keys())}`,
    );
  }

  /** Decides one request or raw connection at its destination. @throws MeshError `ERR_REQUEST_INVALID` */
  authorize(request: AuthorizationRequest): Decision {
    return this.authorization.authorize(request);
  }

  /** All that can be told about a decision, near misses included. */
  trace(request: AuthorizationRequest): DecisionTrace {
    return this.authorization.trace(request);
  }

  /** The mode in force for a workload, or for one of its (workload) ports. */
  peerAuthentication(workload: string | WorkloadSubject, port?: number): EffectivePeerAuthentication {
    return this.peers.of(typeof workload === 'string' ? this.workload(workload) : workload, port);
  }

  /**
   * What the sidecar of `from` speaks to a service: `to` is a host name as `from` would use it, `port` a service port.
   * The first endpoint speaks for all where none is named.
   * @throws MeshError `ERR_REQUEST_INVALID`
   */
  clientTls(from: string | WorkloadSubject, to: string, port: number): ClientTls;
  clientTls(question: ClientTlsQuestion): ClientTls;
  clientTls(from: string | WorkloadSubject | ClientTlsQuestion, to?: string, port?: number): ClientTls {
    if (typeof from === 'object' && 'endpoint' in from) return this.#clientTls.decide(from);
    const client = typeof from === 'string' ? this.workload(from) : from;
    const service = this.registry.resolve(to ?? '', client.namespace);
    if (service === undefined)
      throw new MeshError('ERR_REQUEST_INVALID', `no service \`${to}\` is visible from namespace ${client.namespace}`);
    const servicePort = port ?? 0;
    const [endpoint] = service.endpoints(servicePort);
    if (endpoint !== undefined) return this.#clientTls.decide({ from: client, service, port: servicePort, endpoint });
    return this.#clientTls.cluster({ from: client, service, port: servicePort }).tls;
  }

  /** The ports of a workload that some Service or Sidecar declares, ascending. */
  inboundPorts(workload: Workload): readonly InboundPort[] {
    const key = `${workload.namespace}/${workload.name}`;
    const ports = this.#ports.get(key) ?? inboundPorts(this.config, workload);
    this.#ports.set(key, ports);
    return ports;
  }

  /** How the sidecar treats one workload port. */
  portProtocol(workload: Workload, port: number): ProtocolClass {
    return this.inboundPorts(workload).find((declared) => declared.port === port)?.protocolClass ?? 'unknown';
  }
}

/** @throws MeshError `ERR_CONFIG_INVALID` for a configuration no release of Istio agrees on */
export function compileMesh(config: MeshConfig, options: AuthorizationOptions = {}): CompiledMesh {
  return new CompiledMesh(config, options);
}
