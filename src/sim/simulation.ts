/**
 * The simulated mesh: one certificate agent and sidecar per workload, live listeners on loopback, a virtual clock.
 *
 * Not modelled: several Pods of one workload as separate endpoints (one sidecar stands for all replicas), kubelet
 * probes, retries beyond their mark in the response flags.
 * @module
 */
import {
  DisposeStack,
  EventLog,
  type Instant,
  InvariantError,
  MeshError,
  type PeerRef,
  type PolicyRef,
  Rng,
  type ServiceRef,
  type WorkloadRef,
} from '../core/index.ts';
import { parseTrustDomain, type SpiffeId, workloadSpiffeId } from '../identity/index.ts';
import type { MeshConfig, Workload } from '../istio/index.ts';
import { DEFAULT_ROTATION_POLICY, type KeyAlgorithm, type RotationPolicy, type Svid } from '../pki/index.ts';
import { acceptedTrustDomains, type CompiledMesh, compileMesh } from '../policy/index.ts';
import { AddressBook, type HttpAnswer, OutboundPool, type OutboundRoute, Seam } from '../wire/index.ts';
import { type Application, echoApplication } from './application.ts';
import { CertificateAgent, type CsrPath } from './certificate-agent.ts';
import { callerKind, type Departure, departureOf, type Way } from './departures.ts';
import { ExchangeLedger } from './exchange-ledger.ts';
import { MeshCa } from './mesh-ca.ts';
import { outcomeOf } from './outcome.ts';
import { portPolicy } from './port-policy.ts';
import { predict } from './prediction.ts';
import { type Caller, type MeshRequest, type Outcome, parseWorkloadTarget } from './request.ts';
import { requestIdFrom } from './request-id.ts';
import { listenFor } from './listen.ts';
import { reportExchange, unresolved } from './exchange-report.ts';
import { watchRoot } from './root-renewal.ts';
import { podAddress, type RunningWorkload } from './running-workload.ts';
import type { PortPolicy, ServerSidecar } from './server-sidecar.ts';
import { serviceRefOf, type Target, TargetIndex } from './targets.ts';
import { Trouble } from './trouble.ts';
import { VirtualClock } from './virtual-clock.ts';
import { type Refused, type Served, Witnesses } from './witnesses.ts';

export interface SimulationOptions {
  readonly config: MeshConfig;
  readonly seed: string;
  readonly start: Instant;
  readonly key: KeyAlgorithm;
  /** Keys and certificates come from the seed: worlds repeat byte for byte with Ed25519, and are worthless as secrets. */
  readonly reproducibleKeys: boolean;
  readonly rotation?: Partial<RotationPolicy>;
  readonly ca?: {
    readonly rootTtlMs?: number;
    /** How old the root is at the start. */
    readonly rootAgeMs?: number;
    /** Renew the root, with its key, before it expires. @defaultValue true, as istiod does */
    readonly renewRoot?: boolean;
  };
  /** What is special about single workloads, by `namespace/workload`. */
  readonly workloads?: Readonly<Record<string, { readonly clockSkewMs?: number; readonly csr?: CsrPath }>>;
  /** Applications by `namespace/workload`; an echo where none is given. */
  readonly applications?: Readonly<Record<string, Application>>;
  /** Loopback ports by `namespace/workload:port`; any free one where none is given. */
  readonly listen?: Readonly<Record<string, number>>;
}

export class Simulation implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly events: EventLog;
  readonly ca: MeshCa;
  readonly seam: Seam;
  /** Faults and captures on links. */
  readonly trouble: Trouble;
  readonly #options: SimulationOptions;
  readonly #rng: Rng;
  readonly #requestIds: Rng;
  readonly #addresses = new AddressBook();
  readonly #ledger = new ExchangeLedger();
  readonly #pool: OutboundPool;
  readonly #running = new Map<string, RunningWorkload>();
  readonly #disposal = new DisposeStack();
  readonly #witnesses = new Witnesses();
  #compiled: CompiledMesh;
  #targets: TargetIndex;
  #policies = new Map<string, PortPolicy>();
  #callers = 0;
  #closed = false;

  private constructor(options: SimulationOptions) {
    const { config, seed, start, key, reproducibleKeys, ca = {} } = options;
    this.#options = options;
    this.#rng = new Rng(seed);
    this.#requestIds = this.#rng.fork('request-ids');
    this.clock = new VirtualClock(start);
    this.events = new EventLog(() => this.clock.now());
    this.#compiled = compileMesh(config);
    this.#targets = new TargetIndex(this.#compiled);
    this.ca = new MeshCa({
      trustDomain: parseTrustDomain(config.settings.trustDomain),
      acceptedTrustDomains: acceptedTrustDomains(config.settings),
      now: () => this.clock.now(),
      key,
      ...(ca.rootTtlMs === undefined ? {} : { rootTtlMs: ca.rootTtlMs }),
      ...(ca.rootAgeMs === undefined ? {} : { rootAgeMs: ca.rootAgeMs }),
      ...(reproducibleKeys ? { rng: this.#rng.fork('ca') } : {}),
    });
    if (ca.renewRoot ?? true) {
      const watch = watchRoot(this.ca, this.clock, this.#rng.fork('root-renewal'));
      this.#disposal.defer(() => watch[Symbol.dispose]());
    }
    this.seam = new Seam(this.#addresses);
    this.#pool = new OutboundPool({ seam: this.seam, addresses: this.#addresses });
    this.trouble = new Trouble({
      seam: this.seam,
      clock: this.clock,
      events: this.events,
      ipOf: (name) => this.#running.get(name)?.ip,
      redial: () => this.#pool.drain(),
    });
    this.#disposal.defer(() => this.seam.close());
    this.#disposal.defer(() => this.#pool.close());
  }

  static async start(options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(options);
    try {
      simulation.#boot();
      await simulation.#listenAsAsked();
    } catch (error) {
      await simulation.close();
      throw error;
    }
    return simulation;
  }

  /** Ports that were asked for by number open at once, so that a busy one shows at the start. */
  async #listenAsAsked(): Promise<void> {
    for (const name of Object.keys(this.#options.listen ?? {})) {
      const target = parseWorkloadTarget(name);
      if (target?.port === undefined) {
        throw new MeshError(
          'ERR_REQUEST_INVALID',
          `\`${name}\` is not a workload port such as default/api-gateway:8080`,
        );
      }
      const { workload } = this.#find(`${target.namespace}/${target.name}`);
      const ports = this.#compiled.inboundPorts(workload).map(({ port }) => port);
      if (!ports.includes(target.port)) {
        throw new MeshError('ERR_REQUEST_INVALID', `\`${name}\`: the workload's ports are ${ports.join(', ')}`);
      }
      await this.#port(workload, target.port);
    }
  }

  #boot(): void {
    const { workloads, settings } = this.#options.config;
    this.events.append({
      kind: 'mesh.started',
      trustDomain: settings.trustDomain,
      workloads: workloads.map(({ namespace, name, injected }) => ({ namespace, name, injected })),
    });
    workloads.forEach((workload, index) => this.#startWorkload(workload, index));
  }

  #startWorkload(workload: Workload, index: number): void {
    const { namespace, serviceAccount } = workload;
    const name = `${namespace}/${workload.name}`;
    const identity = (): SpiffeId =>
      workloadSpiffeId({ trustDomain: this.#compiled.config.settings.trustDomain, namespace, serviceAccount });
    const agent = workload.injected ? this.#agent(name, identity) : undefined;
    this.#running.set(name, {
      workload,
      name,
      ip: podAddress(index),
      get spiffeId() {
        return identity();
      },
      agent,
      application: this.#witnesses.watch(name, this.#options.applications?.[name] ?? echoApplication(workload)),
      ports: new Map(),
    });
    agent?.start();
  }

  /** Calls `read` for every request that is handed to an application from now on. */
  onServed(read: (served: Served) => void): Disposable {
    return this.#witnesses.onServed(read);
  }

  /** Calls `read` for every connection that a port refuses from now on, whoever opened it. */
  onRefused(read: (refused: Refused) => void): Disposable {
    return this.#witnesses.onRefused(read);
  }

  #agent(name: string, identity: () => SpiffeId): CertificateAgent {
    const { key, reproducibleKeys, rotation } = this.#options;
    const agent = new CertificateAgent({
      identity,
      ca: this.ca,
      clock: this.clock,
      events: this.events,
      rng: this.#rng.fork(`agent/${name}`),
      key,
      reproducibleKeys,
      policy: { ...DEFAULT_ROTATION_POLICY, ...rotation },
      ...this.#options.workloads?.[name],
    });
    this.#disposal.defer(() => agent.stop());
    return agent;
  }

  get compiled(): CompiledMesh {
    return this.#compiled;
  }

  /** The certificate a workload presents now. */
  svid(workload: string): Svid | undefined {
    return this.#find(workload).agent?.current();
  }

  /** The certificate agent of a workload; nothing where it has no sidecar. @throws MeshError `ERR_REQUEST_INVALID` */
  agent(workload: string): CertificateAgent | undefined {
    return this.#find(workload).agent;
  }

  /** Pushes the roots that the CA gives out now to every sidecar, as a trust-bundle push does. */
  pushTrust(options: { readonly renew: boolean }): void {
    for (const { agent } of this.#running.values()) agent?.push(this.ca.trusted, options);
  }

  /** Every workload with the sidecar's certificate agent. */
  *agents(): Iterable<{ readonly workload: WorkloadRef; readonly agent: CertificateAgent }> {
    for (const { workload, agent } of this.#running.values()) if (agent) yield { workload, agent };
  }

  /**
   * Replaces the configuration at this instant. Requests on open connections are decided by the new policies; ports
   * whose way of accepting connections changes drop theirs.
   */
  async reconfigure(
    config: MeshConfig,
    changed: { readonly applied: readonly PolicyRef[]; readonly removed: readonly PolicyRef[] },
  ): Promise<void> {
    this.#assertOpen();
    const before = this.#compiled;
    this.#compiled = compileMesh(config);
    this.#targets = new TargetIndex(this.#compiled);
    this.#policies = new Map();
    this.ca.accept(parseTrustDomain(config.settings.trustDomain), acceptedTrustDomains(config.settings));
    this.events.append({ kind: 'config.changed', ...changed });
    // Other trust domains are other TLS contexts at both ends: Envoy drains what was accepted under the old ones.
    const moved = acceptedTrustDomains(config.settings).join() !== acceptedTrustDomains(before.config.settings).join();
    let redial = moved || changed.applied.some(isClientSide) || changed.removed.some(isClientSide);
    for (const { workload, ports } of this.#running.values()) {
      for (const [port, sidecar] of ports) {
        const [was, is] = [
          before.peerAuthentication(workload, port).mode,
          this.#compiled.peerAuthentication(workload, port).mode,
        ];
        if (was === is && !moved) continue;
        redial = true;
        (await sidecar).closeConnections();
      }
    }
    if (redial) await this.#pool.drain();
  }

  /** One request over real sockets. @throws MeshError `ERR_REQUEST_INVALID` for names that do not exist */
  request(request: MeshRequest, marks: { readonly flow?: string; readonly fresh?: boolean } = {}): Promise<Outcome> {
    this.#assertOpen();
    return this.clock.track(this.#request(request, marks));
  }

  async #request(request: MeshRequest, marks: { readonly flow?: string; readonly fresh?: boolean }): Promise<Outcome> {
    const departure = await this.#departure(request.from);
    const target = this.#targets.resolve(request.to, departure.namespace);
    if ('kind' in target) return unresolved(target.kind, target.detail, departure.viaSidecar);
    const sidecar = await this.#port(target.workload, target.endpoint.port);
    const route = departure.route(target, sidecar.address);
    const once = departure.oneShot || marks.fresh === true;
    const outcome = await this.#send(request, {
      departure,
      target,
      route: once ? { ...route, key: `${route.key}#${this.#callers++}` } : route,
      once,
    });
    const delayMs = this.seam.virtualDelayMs(route.link);
    const felt = delayMs > 0 ? { ...outcome, durationMs: delayMs } : outcome;
    reportExchange(this.events, request, { departure, target, outcome: felt, flow: marks.flow });
    return felt;
  }

  async #send(
    request: MeshRequest,
    way: {
      readonly departure: Departure;
      readonly target: Target;
      readonly route: OutboundRoute;
      readonly once: boolean;
    },
  ): Promise<Outcome> {
    const { departure, target, route, once } = way;
    const requestId = request.headers?.['x-request-id'] ?? requestIdFrom(this.#requestIds);
    const record = this.#ledger.open(requestId);
    try {
      const answer = await this.#pool.request(route, {
        method: request.method ?? 'GET',
        path: request.path ?? '/',
        host: request.host ?? target.host,
        headers: { ...request.headers, 'x-request-id': requestId },
        ...(request.body === undefined ? {} : { body: request.body }),
      });
      return outcomeOf({ answer, record, refusal: this.#refusalOf(answer), viaSidecar: departure.viaSidecar });
    } finally {
      this.#ledger.close(requestId);
      if (once) await this.#pool.drain(route.key);
    }
  }

  #refusalOf(answer: HttpAnswer): ReturnType<ExchangeLedger['takeRefusal']> {
    const connection = answer.ok ? undefined : answer.failure.connection;
    return connection === undefined ? undefined : this.#ledger.takeRefusal(connection.local);
  }

  /** Opens keep-alive connections until `count` are open; how many are. */
  async openConnections(from: string, to: string, count: number): Promise<number> {
    this.#assertOpen();
    const way = await this.way(from, to);
    if (way === undefined) return 0;
    const route = { ...way.route, connectionsMax: count };
    const opened = await this.clock.track(this.#pool.open(route, count));
    return opened.open;
  }

  /** Sockets open from one workload to another. */
  async connections(from: string, to: string): Promise<number> {
    const route = (await this.way(from, to))?.route;
    return route === undefined ? 0 : this.#pool.connections(route.key);
  }

  /** Closes the idle connections from one workload to another. */
  async closeConnections(from: string, to: string): Promise<void> {
    const route = (await this.way(from, to))?.route;
    if (route !== undefined) await this.#pool.drain(route.key);
  }

  /** Virtual time by which an exchange between the two takes longer at present. */
  async delayMs(from: string, to: string): Promise<number> {
    const route = (await this.way(from, to))?.route;
    return route === undefined ? 0 : this.seam.virtualDelayMs(route.link);
  }

  /** How a call would leave and where it would arrive; nothing where `to` leads nowhere. */
  async way(from: Caller, to: string): Promise<Way | undefined> {
    const departure = await this.#departure(from);
    const target = this.#targets.resolve(to, departure.namespace);
    if ('kind' in target) return undefined;
    const { workload, host } = target;
    const { address } = await this.#port(workload, target.endpoint.port);
    return { route: departure.route(target, address), host, server: `${workload.namespace}/${workload.name}` };
  }

  /** The ends of a flow, as events name them. */
  ends(
    from: string,
    to: string,
  ): { readonly source: PeerRef; readonly destination: PeerRef; readonly service: ServiceRef } {
    const source = this.#find(from).workload;
    const target = this.#targets.resolve(to, source.namespace);
    if ('kind' in target) throw new MeshError('ERR_REQUEST_INVALID', target.detail);
    const { workload } = target;
    return {
      source: { workload: { namespace: source.namespace, name: source.name } },
      destination: { workload: { namespace: workload.namespace, name: workload.name } },
      service: serviceRefOf(target),
    };
  }

  /** The SPIFFE ID of a workload's certificate; without one, the ID it is to have. */
  spiffeId(workload: string): SpiffeId {
    const { agent, spiffeId } = this.#find(workload);
    return agent?.spiffeId ?? spiffeId;
  }

  /** Every port that a Service reaches, listening. */
  async listenAll(): Promise<
    readonly { readonly workload: Workload; readonly port: number; readonly sidecar: ServerSidecar }[]
  > {
    const listening: { readonly workload: Workload; readonly port: number; readonly sidecar: ServerSidecar }[] = [];
    for (const { workload } of this.#running.values()) {
      for (const { port } of this.#compiled.inboundPorts(workload)) {
        listening.push({ workload, port, sidecar: await this.#port(workload, port) });
      }
    }
    return listening;
  }

  /** Listeners open when they are first needed. */
  #port(workload: Workload, port: number): Promise<ServerSidecar> {
    const running = this.#find(`${workload.namespace}/${workload.name}`);
    const known = running.ports.get(port);
    if (known !== undefined) return known;
    const opening = listenFor(running, port, {
      events: this.events,
      ledger: this.#ledger,
      addresses: this.#addresses,
      ca: this.ca,
      now: () => this.clock.now(),
      policy: () => this.#policy(`${running.name}:${port}`, workload, port),
      minVersion: this.#compiled.config.settings.minTlsVersion,
      closing: () => this.#closed,
      refused: (refusal) => this.#witnesses.refused(running.name, refusal),
      listenPort: this.#options.listen?.[`${running.name}:${port}`],
    });
    running.ports.set(port, opening);
    // One that never opened needs no closing; who waits for it hears why.
    this.#disposal.defer(async () => (await opening.catch(() => undefined))?.close());
    return opening;
  }

  #policy(key: string, workload: Workload, port: number): PortPolicy {
    const known = this.#policies.get(key);
    if (known !== undefined) return known;
    const policy = portPolicy(this.#compiled, workload, port);
    this.#policies.set(key, policy);
    return policy;
  }

  /** The same question answered from the compiled configuration, without sockets. */
  predict(request: MeshRequest): Outcome {
    this.#assertOpen();
    const caller = callerKind(request.from, (name) => this.#find(name));
    const target = this.#targets.resolve(request.to, caller.running?.workload.namespace ?? 'default');
    if ('kind' in target) return unresolved(target.kind, target.detail, caller.kind === 'sidecar');
    const server = this.#find(`${target.workload.namespace}/${target.workload.name}`);
    return predict({ request, caller, target, server, compiled: this.#compiled, ca: this.ca, now: this.clock.now() });
  }

  #departure(from: Caller): Promise<Departure> {
    return departureOf(from, {
      ca: this.ca,
      key: this.#options.key,
      now: () => this.clock.now(),
      compiled: () => this.#compiled,
      running: (name) => this.#find(name),
    });
  }

  #find(name: string): RunningWorkload {
    const found = this.#running.get(name);
    if (found !== undefined) return found;
    this.#targets.workload(name);
    throw new InvariantError(`workload ${name} is configured but does not run`);
  }

  #assertOpen(): void {
    if (this.#closed) throw new MeshError('ERR_MESH_CLOSED', 'the mesh is closed');
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#disposal.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function isClientSide(ref: PolicyRef): boolean {
  return ref.kind === 'DestinationRule' || ref.kind === 'ServiceEntry' || ref.kind === 'WorkloadEntry';
}
