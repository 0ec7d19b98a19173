/**
 * Observed calls against a configuration: which of them arrive, and which no longer do after a change.
 * @module
 */
import type { Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { compileMesh, type CompiledMesh } from '../policy/compile-mesh.ts';
import type { RegisteredService } from '../policy/registered-service.ts';
import { callPassage, type CallPassage, type CallTarget } from './call-transport.ts';
import type { BreakCause, BrokenCall } from './migration-plan.ts';
import { accountOf, UNKNOWN_CALLER, type ObservedCall } from './observed-traffic.ts';

/** A caller and a server that the traffic connects, whatever lines say so. */
interface Link {
  readonly call: ObservedCall;
  readonly from: Workload;
  readonly server: Workload;
  readonly port: number;
  /** Ways there; none for a call to a Pod's own address. */
  readonly targets: readonly CallTarget[];
  readonly plaintextSeen: boolean;
}

/** One configuration with the traffic laid over it. */
export class TrafficOverlay {
  readonly config: MeshConfig;
  readonly #mesh: CompiledMesh;
  readonly #byName: ReadonlyMap<string, Workload>;
  readonly #byAccount = new Map<string, Workload>();
  readonly #targets = new Map<string, CallTarget[]>();
  readonly #links: readonly Link[];
  /** Callers and servers of the traffic that no manifest declares. */
  readonly undeclared: { readonly callers: Set<string>; readonly servers: Set<string> } = {
    callers: new Set(),
    servers: new Set(),
  };
  /** Callers that were seen to send plaintext where their configuration says mutual TLS. */
  readonly bare: ReadonlySet<string>;

  /** @param bare found out where absent; a later configuration would explain less than the one that was observed */
  constructor(config: MeshConfig, calls: readonly ObservedCall[], bare?: ReadonlySet<string>) {
    this.config = config;
    this.#mesh = compileMesh(config);
    this.#byName = new Map(config.workloads.map((workload) => [nameOf(workload), workload]));
    for (const workload of config.workloads) {
      const account = `${workload.namespace}/${workload.serviceAccount}`;
      if (!this.#byAccount.has(account)) this.#byAccount.set(account, workload);
    }
    for (const service of this.#mesh.registry.services) this.#index(service);
    this.#links = merged(calls.flatMap((call) => this.#linksOf(call)));
    this.bare = bare ?? this.#bareCallers();
  }

  #bareCallers(): ReadonlySet<string> {
    const speaksMutual = ({ from, targets }: Link): boolean =>
      from.injected && targets.some((target) => callPassage(this.#mesh, from, target).tls.mode === 'istio_mutual');
    return new Set(
      this.#links.filter((link) => link.plaintextSeen && speaksMutual(link)).map(({ from }) => nameOf(from)),
    );
  }

  #index(service: RegisteredService): void {
    for (const { number: port } of service.ports) {
      for (const endpoint of service.endpoints(port)) {
        if (endpoint.workload === undefined) continue;
        const key = `${endpoint.workload.namespace}/${endpoint.workload.name}`;
        const target = { service, port, endpoint };
        const list = this.#targets.get(key);
        if (list === undefined) this.#targets.set(key, [target]);
        else list.push(target);
      }
    }
  }

  #linksOf(call: ObservedCall): readonly Link[] {
    const from = this.#caller(call.from);
    const servers = this.#servers(call, from);
    if (servers.length === 0) this.undeclared.servers.add(call.to);
    return servers.map(({ server, port, targets }) => ({
      call,
      from,
      server,
      port,
      targets,
      plaintextSeen: call.plaintext === true,
    }));
  }

  /** Somebody whom no manifest declares has no sidecar, as far as anyone knows. */
  #caller(from: string): Workload {
    const found = this.#byName.get(from) ?? this.#byAccount.get(accountOf(from) ?? '');
    if (found !== undefined) return found;
    if (from !== UNKNOWN_CALLER) this.undeclared.callers.add(from);
    const [namespace = '', name = from] = /^[^/]+\/[^/]+$/.test(from) ? from.split('/') : [];
    return {
      kind: 'Pod',
      namespace,
      name,
      labels: {},
      annotations: {},
      serviceAccount: '',
      replicas: 1,
      ports: [],
      injected: false,
      injectionReason: 'no manifest declares the caller',
    };
  }

  #servers(call: ObservedCall, from: Workload): readonly Pick<Link, 'server' | 'port' | 'targets'>[] {
    const named = this.#byName.get(call.to);
    if (named !== undefined) {
      const all = this.#targets.get(call.to) ?? [];
      const own = all.filter(({ endpoint }) => call.port === undefined || endpoint.port === call.port);
      const targets = own.length > 0 ? own : all.filter(({ port }) => port === call.port);
      const ports = [...new Set(targets.map(({ endpoint }) => endpoint.port))];
      if (ports.length === 0 && call.port !== undefined) return [{ server: named, port: call.port, targets: [] }];
      return ports.map((port) => ({
        server: named,
        port,
        targets: targets.filter(({ endpoint }) => endpoint.port === port),
      }));
    }
    const host = call.to.includes('/') ? call.to.split('/').reverse().join('.') : call.to;
    const service = this.#mesh.registry.resolve(host, from.namespace);
    if (service === undefined) return [];
    return service.ports
      .filter(({ number }) => call.port === undefined || number === call.port)
      .flatMap(({ number: port }) =>
        service.endpoints(port).flatMap((endpoint) => {
          const { workload } = endpoint;
          const server = workload && this.#byName.get(`${workload.namespace}/${workload.name}`);
          return server === undefined ? [] : [{ server, port: endpoint.port, targets: [{ service, port, endpoint }] }];
        }),
      );
  }

  /** Observed calls that arrive here and no longer in `next`; only those to `servers`, where given. */
  brokenBy(next: TrafficOverlay, servers?: ReadonlySet<string>): readonly BrokenCall[] {
    return next.#links.flatMap((link, i) => {
      const now = this.#links[i];
      if (now === undefined || servers?.has(nameOf(link.server)) === false || !this.#arrives(now)) return [];
      const failure = next.#failure(link);
      return failure === undefined ? [] : [failure];
    });
  }

  #arrives(link: Link): boolean {
    return this.#failure(link) === undefined;
  }

  #failure(link: Link): BrokenCall | undefined {
    const { server, port, from, call } = link;
    const base = {
      from: nameOf(from),
      to: nameOf(server),
      port,
      count: call.count,
      ...(call.at === undefined ? {} : { seenAt: call.at }),
    };
    const { mode } = this.#mesh.peerAuthentication(server, port);
    if (server.injected && mode === 'STRICT') {
      const clear = this.#clearTraffic(link);
      if (clear !== undefined) return { ...base, ...clear };
    }
    for (const target of link.targets) {
      const passage = callPassage(this.#mesh, from, target);
      if (!passage.reached) return { ...base, ...this.#cause(from, passage) };
    }
    return undefined;
  }

  /** Plaintext that no DestinationRule explains. */
  #clearTraffic({ from, plaintextSeen, targets }: Link): Pick<BrokenCall, 'cause' | 'reason'> | undefined {
    if (!from.injected) return { cause: 'no-sidecar', reason: `no sidecar: ${from.injectionReason}` };
    if (targets.length === 0) {
      return { cause: 'plaintext', reason: 'no Service leads to this port: a Pod address is called in plaintext' };
    }
    if (!plaintextSeen || !this.bare.has(nameOf(from))) return undefined;
    return {
      cause: 'plaintext-seen',
      reason: 'plaintext was seen although its manifests ask for a sidecar: its Pods may be older than that',
    };
  }

  #cause(from: Workload, { tls, reason }: CallPassage): Pick<BrokenCall, 'cause' | 'reason' | 'by' | 'at'> {
    const by = tls.determinedBy === 'auto' ? undefined : tls.determinedBy;
    const rule = this.config.destinationRules.find(
      ({ metadata }) => metadata.namespace === by?.namespace && metadata.name === by.name,
    );
    return {
      cause: causeOf(from, { byRule: by !== undefined, autoMtls: this.config.settings.enableAutoMtls }),
      reason,
      ...(by === undefined ? {} : { by }),
      ...(rule?.origin === undefined ? {} : { at: positionOf(rule.origin) }),
    };
  }
}

function causeOf(from: Workload, client: { readonly byRule: boolean; readonly autoMtls: boolean }): BreakCause {
  if (!from.injected) return 'no-sidecar';
  if (client.byRule) return 'client-tls';
  return client.autoMtls ? 'plaintext' : 'auto-mtls-off';
}

export function positionOf({
  file,
  line,
  column,
}: {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}): { readonly file: string; readonly line: number; readonly column: number } {
  return { file, line, column };
}

export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** Lines about the same two ends are one link; the first that saw plaintext speaks for it. */
function merged(links: readonly Link[]): readonly Link[] {
  const groups = new Map<string, Link>();
  for (const link of links) {
    const key = `${nameOf(link.from)} ${nameOf(link.server)} ${link.port} ${link.targets.map(({ service, port }) => `${service.host}:${port}`).join(' ')}`;
    const known = groups.get(key);
    if (known === undefined) {
      groups.set(key, link);
      continue;
    }
    const first = known.plaintextSeen || !link.plaintextSeen ? known : link;
    groups.set(key, { ...first, call: { ...first.call, count: known.call.count + link.call.count } });
  }
  return [...groups.values()];
}
