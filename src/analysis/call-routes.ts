/**
 * Where a name and a port lead a caller to on one side: the declared workloads behind them, or why there are none.
 * @module
 */
import type { CompiledMesh } from '../policy/compile-mesh.ts';
import { passedThrough, registeredPort, type RegisteredService } from '../policy/registered-service.ts';
import type { CallTarget } from './call-transport.ts';

export interface Routes {
  /** By `namespace/workload:port`, the port of the workload. */
  readonly targets: ReadonlyMap<string, CallTarget>;
  /** Why a server is not among them, for people. */
  readonly otherwise: string;
}

const NOWHERE: CallTargets = new Map();
type CallTargets = ReadonlyMap<string, CallTarget>;

export class CallRouter {
  readonly mesh: CompiledMesh;
  readonly #routes = new Map<RegisteredService, Map<number, Routes>>();

  constructor(mesh: CompiledMesh) {
    this.mesh = mesh;
  }

  /** Every name of a service with the ports it has. A wildcard is there as one of its names. */
  get names(): ReadonlyMap<string, readonly number[]> {
    const names = new Map<string, number[]>();
    for (const { host, ports } of this.mesh.registry.services) {
      const numbers = ports.filter(({ protocol }) => protocol !== 'udp').map(({ number }) => number);
      const name = host.replace(/^\*/, 'any');
      names.set(name, [...new Set([...(names.get(name) ?? []), ...numbers])]);
    }
    return names;
  }

  /** Where `host` and `port` lead callers of a namespace to. */
  routes(host: string, port: number, namespace: string): Routes {
    const { registry, config } = this.mesh;
    const service = registry.resolve(host, namespace);
    if (service !== undefined) return this.#known(service, port);
    const hidden = registry.hidden(host, namespace);
    if (hidden !== undefined && config.settings.outboundTrafficPolicy === 'ALLOW_ANY')
      return throughAddress(this.#known(hidden, port));
    const isThere = registry.services.some((each) => each.host === host);
    const otherwise = isThere ? `\`${host}\` is not visible from namespace \`${namespace}\`` : `no service \`${host}\``;
    return { targets: NOWHERE, otherwise };
  }

  #known(service: RegisteredService, port: number): Routes {
    const known = this.#routes.get(service) ?? new Map<number, Routes>();
    const routes = known.get(port) ?? this.#behind(service, port);
    known.set(port, routes);
    this.#routes.set(service, known);
    return routes;
  }

  #behind(service: RegisteredService, port: number): Routes {
    const { host } = service;
    if (registeredPort(service, port) === undefined)
      return { targets: NOWHERE, otherwise: `${port} is no port of \`${host}\`` };
    const targets = new Map<string, CallTarget>();
    const endpoints = service.endpoints(port);
    for (const endpoint of endpoints) {
      for (const behind of this.mesh.registry.targets(endpoint)) {
        const name = `${behind.workload.namespace}/${behind.workload.name}:${behind.port}`;
        if (!targets.has(name)) {
          const own = endpoint.workload === undefined ? { behind } : {};
          targets.set(name, { service, port, endpoint, ...own });
        }
      }
    }
    if (targets.size > 0)
      return { targets, otherwise: `\`${host}:${port}\` leads to ${namesText([...targets.keys()])}` };
    const nobody = endpoints.length === 0 ? 'has no endpoint' : 'leads to no declared workload';
    return { targets, otherwise: `\`${host}:${port}\` ${nobody}` };
  }
}

/** The same, called at the Service's address by sidecars that do not know it. */
function throughAddress({ targets, otherwise }: Routes): Routes {
  const passed = [...targets].map(
    ([name, target]) => [name, { ...target, service: passedThrough(target.service, target.port) }] as const,
  );
  return { targets: new Map(passed), otherwise };
}

const NAMES_MAX = 3;

function namesText(names: readonly string[]): string {
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
  return `${names
    .slice(0, NAMES_MAX)
    .map((name) => `\`${name}\``)
    .join(', ')}${more}`;
}
