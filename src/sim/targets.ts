/**
 * Which service, endpoint and workload a caller's `to` means.
 * @module
 */
import { didYouMean, MeshError, type ServiceRef } from '../core/index.ts';
import type { Workload } from '../istio/index.ts';
import type { CompiledMesh, Endpoint, RegisteredService } from '../policy/index.ts';
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

export function serviceRefOf({ service, servicePort }: Target): ServiceRef {
  return { host: service.host, namespace: service.namespace, name: service.name, port: servicePort };
}

/** Finds workloads by name, quickly, for one compiled configuration. */
export class TargetIndex {
  readonly #compiled: CompiledMesh;
  readonly #workloads = new Map<string, Workload>();
  readonly #reachable = new Map<string, Omit<Target, 'workload'>[]>();
  /** Targets asked for by `namespace/workload[:port]`: no more than there are ports. */
  readonly #named = new Map<string, Target>();

  constructor(compiled: CompiledMesh) {
    this.#compiled = compiled;
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
    const ports = ways.map(({ servicePort }) => servicePort).join(', ');
    throw new MeshError(
      'ERR_REQUEST_INVALID',
      ways.length === 0
        ? `no Service selects \`${name}\``
        : `\`${name}\` has no port ${port}; its services offer ${ports}`,
    );
  }

  #byHost(host: string, port: number | undefined, fromNamespace: string): Target | NoTarget {
    const service = this.#compiled.registry.resolve(host, fromNamespace);
    if (service === undefined)
      return { kind: 'unknown-host', detail: `no service \`${host}\` is visible from namespace ${fromNamespace}` };
    const servicePort = port ?? (service.ports.some(({ number }) => number === 80) ? 80 : service.ports[0]?.number);
    if (servicePort === undefined || !service.ports.some(({ number }) => number === servicePort)) {
      return { kind: 'unknown-host', detail: `service ${service.host} has no port ${port}` };
    }
    for (const endpoint of service.endpoints(servicePort)) {
      if (endpoint.workload === undefined) continue;
      const workload = this.#workloads.get(`${endpoint.workload.namespace}/${endpoint.workload.name}`);
      if (workload !== undefined)
        return { service, servicePort, endpoint, workload, host: port === undefined ? host : `${host}:${port}` };
    }
    return { kind: 'no-endpoints', detail: `service ${service.host} has no endpoints on port ${servicePort}` };
  }
}
