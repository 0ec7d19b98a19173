/**
 * Which service, endpoint and workload a caller's `to` means.
 * @module
 */
import { didYouMean, MeshError, type PeerRef, type ServiceRef } from '../core/index.ts';
import type { Workload } from '../istio/index.ts';
import { passedThrough, type CompiledMesh, type Endpoint, type RegisteredService } from '../policy/index.ts';
import { OUTSIDE_NAMESPACE, outsideEndpoint, OutsidePlaces, passthroughService } from './outside.ts';
import { parseWorkloadTarget } from './request.ts';

export interface Target {
  readonly service: RegisteredService;
  readonly servicePort: number;
  readonly endpoint: Endpoint;
  readonly workload: Workload;
  /** The Host header an application would send. */
  readonly host: string;
}

/** A name that leads nowhere, as the caller's sidecar sees it. */
export interface NoTarget {
  readonly kind: 'no-endpoints' | 'unknown-host';
  readonly detail: string;
}

/** A container port that no Service reaches, called at the Pod's address: to a sidecar that is PassthroughCluster. */
function byAddress(workload: Workload, port: number): Target {
  const { namespace, name, labels } = workload;
  const host = `${name}.${namespace}`;
  const endpoint: Endpoint = {
    workload: { namespace, name },
    namespace,
    labels,
    port,
    tlsMode: 'disabled',
    sidecar: workload.injected,
    replicas: 1,
  };
  const service = passthroughService(host, port, endpoint);
  return { service, servicePort: port, endpoint, workload, host: `${host}:${port}` };
}

export function serviceRefOf({ service, servicePort }: Target): ServiceRef {
  return { host: service.host, namespace: service.namespace, name: service.name, port: servicePort };
}

/** The ends of a flow, as events name them. */
export interface FlowEnds {
  readonly source: PeerRef;
  readonly destination: PeerRef;
  readonly service: ServiceRef;
}

/** Finds workloads by name, quickly, for one compiled configuration. */
export class TargetIndex {
  readonly #compiled: CompiledMesh;
  readonly #outside: OutsidePlaces;
  readonly #workloads = new Map<string, Workload>();
  readonly #reachable = new Map<string, Omit<Target, 'workload'>[]>();
  /** Targets asked for by `namespace/workload[:port]`: no more than there are ports. */
  readonly #named = new Map<string, Target>();

  /** @param outside the places outside the mesh where somebody answers: `host` or `host:port` */
  constructor(compiled: CompiledMesh, outside: OutsidePlaces = new OutsidePlaces([])) {
    this.#compiled = compiled;
    this.#outside = outside;
    for (const workload of compiled.config.workloads)
      this.#workloads.set(`${workload.namespace}/${workload.name}`, workload);
    for (const service of compiled.registry.services) {
      for (const { number: servicePort } of service.ports) {
        for (const endpoint of service.endpoints(servicePort)) this.#enter(service, servicePort, endpoint);
      }
    }
  }

  #enter(service: RegisteredService, servicePort: number, endpoint: Endpoint): void {
    if (endpoint.workload === undefined) return;
    const key = `${endpoint.workload.namespace}/${endpoint.workload.name}`;
    const host =
      servicePort === 80
        ? `${service.name}.${service.namespace}`
        : `${service.name}.${service.namespace}:${servicePort}`;
    const list = this.#reachable.get(key) ?? [];
    list.push({ service, servicePort, endpoint, host });
    this.#reachable.set(key, list);
  }

  /** @throws MeshError `ERR_REQUEST_INVALID` */
  workload(name: string): Workload {
    const found = this.#workloads.get(name);
    if (found === undefined) {
      throw new MeshError(
        'ERR_REQUEST_INVALID',
        `no workload \`${name}\` in the configuration${didYouMean(name, this.#workloads.keys())}`,
      );
    }
    return found;
  }

  /** @throws MeshError `ERR_REQUEST_INVALID` where `to` leads nowhere */
  ends(source: Workload, to: string): FlowEnds {
    const target = this.resolve(to, source.namespace);
    if ('kind' in target) throw new MeshError('ERR_REQUEST_INVALID', target.detail);
    const { workload } = target;
    return {
      source: { workload: { namespace: source.namespace, name: source.name } },
      destination: { workload: { namespace: workload.namespace, name: workload.name } },
      service: serviceRefOf(target),
    };
  }

  /**
   * `namespace/workload[:port]`, or a host name (with a port, or `http://…`) as an application in `fromNamespace`
   * would write it.
   * @throws MeshError `ERR_REQUEST_INVALID` for a workload or port that the configuration does not have
   */
  resolve(to: string, fromNamespace: string): Target | NoTarget {
    const known = this.#named.get(to);
    if (known !== undefined) return known;
    const named = parseWorkloadTarget(to);
    if (named !== undefined) {
      const target = this.#byWorkload(`${named.namespace}/${named.name}`, named.port);
      this.#named.set(to, target);
      return target;
    }
    const match = /^(?:https?:\/\/)?([A-Za-z0-9.*_-]+)(?::(\d+))?(?:\/.*)?$/.exec(to);
    const host = match?.[1];
    if (host === undefined)
      throw new MeshError('ERR_REQUEST_INVALID', `\`${to}\` is neither namespace/workload nor a host name`);
    return this.#byHost(host, match?.[2] === undefined ? undefined : Number(match[2]), fromNamespace);
  }

  #byWorkload(name: string, port: number | undefined): Target {
    const workload = this.workload(name);
    const ways = this.#reachable.get(name) ?? [];
    const way =
      port === undefined
        ? ways[0]
        : (ways.find(({ servicePort }) => servicePort === port) ?? ways.find(({ endpoint }) => endpoint.port === port));
    if (way !== undefined) return { ...way, workload };
    if (port !== undefined && workload.ports.some(({ number }) => number === port)) return byAddress(workload, port);
    const ports = [...new Set(ways.map(({ servicePort }) => servicePort))].join(', ');
    throw new MeshError(
      'ERR_REQUEST_INVALID',
      ways.length === 0
        ? `no Service selects \`${name}\``
        : `\`${name}\` has no port ${port}; its services offer ${ports}`,
    );
  }

  #byHost(host: string, port: number | undefined, fromNamespace: string): Target | NoTarget {
    const service = this.#compiled.registry.resolve(host, fromNamespace);
    if (service === undefined) return this.#unregistered(host, port, fromNamespace);
    return this.#byService(service, host, port);
  }

  #byService(service: RegisteredService, host: string, port: number | undefined): Target | NoTarget {
    const servicePort = port ?? (service.ports.some(({ number }) => number === 80) ? 80 : service.ports[0]?.number);
    if (servicePort === undefined || !service.ports.some(({ number }) => number === servicePort)) {
      return { kind: 'unknown-host', detail: `service ${service.host} has no port ${port}` };
    }
    const way = { service, servicePort, host: port === undefined ? host : `${host}:${port}` };
    const listed = service.endpoints(servicePort);
    // Where nothing is resolved the caller's own address counts.
    const endpoints =
      listed.length === 0 && service.resolution === 'NONE' && !service.headless
        ? [outsideEndpoint(service.namespace, host, servicePort)]
        : listed;
    for (const endpoint of endpoints) {
      const behind = this.#behind(endpoint, host, servicePort);
      if (behind !== undefined) return { ...way, ...behind };
    }
    return { kind: 'no-endpoints', detail: `service ${service.host} has no endpoints on port ${servicePort}` };
  }

  /** Who really answers at an endpoint: one of the mesh's workloads, or somebody outside. */
  #behind(endpoint: Endpoint, host: string, port: number): Pick<Target, 'workload' | 'endpoint'> | undefined {
    for (const target of this.#compiled.registry.targets(endpoint)) {
      const workload = this.#workloads.get(`${target.workload.namespace}/${target.workload.name}`);
      if (workload !== undefined) return { workload, endpoint: { ...endpoint, port: target.port } };
    }
    const { address } = endpoint;
    const names = [...(address === undefined ? [] : [[address, endpoint.port] as const]), [host, port] as const];
    for (const [name, at] of names) {
      const place = this.#outside.find(name, at);
      if (place !== undefined) return { workload: place, endpoint };
    }
    return undefined;
  }

  /** A host that nobody registered: outside the mesh, where REGISTRY_ONLY does not forbid it. */
  #unregistered(host: string, port: number | undefined, fromNamespace: string): Target | NoTarget {
    const servicePort = port ?? 80;
    const unknown = {
      kind: 'unknown-host',
      detail: `no service \`${host}\` is visible from namespace ${fromNamespace}`,
    } as const;
    if (this.#compiled.config.settings.outboundTrafficPolicy === 'REGISTRY_ONLY') return unknown;
    const hidden = this.#compiled.registry.hidden(host, fromNamespace);
    if (hidden !== undefined) {
      const target = this.#byService(hidden, host, port);
      return 'kind' in target ? unknown : { ...target, service: passedThrough(hidden, target.servicePort) };
    }
    const workload = this.#outside.find(host, servicePort);
    if (workload === undefined) return unknown;
    const endpoint = outsideEndpoint(OUTSIDE_NAMESPACE, host, servicePort);
    const service = passthroughService(host, servicePort, endpoint);
    return { service, servicePort, endpoint, workload, host: port === undefined ? host : `${host}:${port}` };
  }
}
