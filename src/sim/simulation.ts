/**
 * The simulated mesh: one certificate agent and sidecar per workload, live listeners on loopback, a virtual clock.
 *
 * Not modelled: several Pods of one workload as separate endpoints (one sidecar stands for all replicas), kubelet
 * probes, retries beyond their mark in the response flags.
 * @module
 */
import { DisposeStack, EventLog, InvariantError, MeshError, Rng, type WorkloadRef } from '../core/index.ts';
import { parseTrustDomain, type SpiffeId, workloadSpiffeId } from '../identity/index.ts';
import type { MeshConfig, Workload } from '../istio/index.ts';
import { DEFAULT_ROTATION_POLICY, type Svid } from '../pki/index.ts';
import {
  acceptedTrustDomains,
  type CompiledMesh,
  compileMesh,
  type CompiledRequestAuthentication,
  compileRequestAuthentication,
} from '../policy/index.ts';
import { type Address, AddressBook, OutboundPool, type PortForward, Seam } from '../wire/index.ts';
import { Applications } from './applications.ts';
import { CertificateAgent } from './certificate-agent.ts';
import { ClientTrust } from './client-trust.ts';
import { type Departure, departureOf, type Way } from './departures.ts';
import { ExchangeLedger } from './exchange-ledger.ts';
import type { Gateway } from './gateway.ts';
import { Gateways } from './gateways.ts';
import { MeshCa } from './mesh-ca.ts';
import { declaredAs, portPolicy } from './port-policy.ts';
import { RequestIds } from './request-ids.ts';
import { Predictions } from './predictions.ts';
import type { Caller, MeshConnection, MeshRequest, Outcome } from './request.ts';
import { listenFor, portsAskedFor } from './listen.ts';
import { type ExchangeMarks, Exchanges } from './exchanges.ts';
import { acceptsAnew, changesClients, type ConfigChange, trustMoved } from './reconfiguration.ts';
import { watchRoot } from './root-renewal.ts';
import { OutboundPorts } from './outbound-ports.ts';
import { OutsidePlaces, outsideRunning } from './outside.ts';
import { podAddress, type RunningWorkload } from './running-workload.ts';
import type { PortPolicy, ServerSidecar } from './server-sidecar.ts';
import type { SimulationOptions } from './simulation-options.ts';
import { type FlowEnds, TargetIndex } from './targets.ts';
import { Trouble } from './trouble.ts';
import { VirtualClock } from './virtual-clock.ts';
import { type Refused, type Served, Witnesses } from './witnesses.ts';

export class Simulation implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly events: EventLog;
  readonly ca: MeshCa;
  readonly seam: Seam;
  /** Faults and captures on links. */
  readonly trouble: Trouble;
  readonly #options: SimulationOptions;
  readonly #rng: Rng;
  readonly #requestIds: RequestIds;
  readonly #addresses = new AddressBook();
  readonly #outside: OutsidePlaces;
  readonly #trust: ClientTrust;
  readonly #exchanges: Exchanges;
  readonly #ledger = new ExchangeLedger();
  readonly #pool: OutboundPool;
  readonly #running = new Map<string, RunningWorkload>();
  readonly #witnesses = new Witnesses();
  readonly #applications = new Applications(this.#witnesses);
  readonly #outbound: OutboundPorts;
  readonly #predictions: Predictions;
  readonly #gateways: Gateways;
  readonly #disposal = new DisposeStack();
  #compiled: CompiledMesh;
  #authentication: CompiledRequestAuthentication;
  #targets: TargetIndex;
  #policies = new Map<string, PortPolicy>();
  #closed = false;

  private constructor(options: SimulationOptions) {
    const { config, seed, start, key, reproducibleKeys, ca = {} } = options;
    this.#options = options;
    this.#rng = new Rng(seed);
    this.#requestIds = new RequestIds(this.#rng.fork('request-ids'));
    this.clock = new VirtualClock(start);
    this.events = new EventLog(() => this.clock.now());
    this.#outside = new OutsidePlaces(Object.keys(options.outside ?? {}));
    this.#compiled = this.#compile(config);
    this.#authentication = compileRequestAuthentication(config, options.jwks && { jwks: options.jwks });
    this.#targets = new TargetIndex(this.#compiled, this.#outside);
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
    this.#trust = new ClientTrust({
      ca: this.ca,
      files: options.files ?? {},
      systemRoots: options.systemRoots ?? [],
    });
    this.#exchanges = new Exchanges({
      events: this.events,
      ledger: this.#ledger,
      pool: this.#pool,
      now: () => this.clock.now(),
      departure: (from) => this.#departure(from),
      resolve: (to, namespace) => this.#targets.resolve(to, namespace),
      address: async ({ workload, endpoint }) => (await this.#port(workload, endpoint.port)).address,
      outbound: async (workload) => (await this.#outbound.of(this.#find(workload).name)).address,
      requestId: () => this.#requestIds.next(),
      delayMs: (link) => this.seam.virtualDelayMs(link),
      registryOnly: () => this.#compiled.config.settings.outboundTrafficPolicy === 'REGISTRY_ONLY',
    });
    this.#outbound = new OutboundPorts({
      exchanges: this.#exchanges,
      departure: (name) => this.#departure(name),
      resolve: (to, namespace) => this.#targets.resolve(to, namespace),
      listenPort: (name) => options.listen?.[name],
    });
    this.#gateways = new Gateways(options.gateways ?? {}, {
      exchanges: this.#exchanges,
      requestId: () => this.#requestIds.next(),
      resolve: (to, namespace) => this.#targets.resolve(to, namespace),
      ports: (name) => {
        const { agent, workload } = this.#find(name);
        return agent && this.#portsOf(workload);
      },
    });
    this.#predictions = new Predictions({
      ca: this.ca,
      trust: this.#trust,
      gateways: this.#gateways,
      now: () => this.clock.now(),
      compiled: () => this.#compiled,
      authentication: () => this.#authentication,
      find: (name) => this.#find(name),
      resolve: (to, namespace) => this.#targets.resolve(to, namespace),
    });
    for (const part of [this.#applications, this.seam, this.#pool, this.#outbound])
      this.#disposal.defer(() => part.close());
  }

  static async start(options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(options);
    try {
      simulation.#boot();
      simulation.#gateways.check();
      await simulation.#listenAsAsked();
    } catch (error) {
      await simulation.close();
      throw error;
    }
    return simulation;
  }

  /** Ports that were asked for by number open at once, so that a busy one shows at the start. */
  async #listenAsAsked(): Promise<void> {
    for (const { name, workload, port } of portsAskedFor(this.#options.listen)) {
      const running = this.#find(workload);
      const ports = this.#portsOf(running.workload);
      if (port === undefined) await this.#outbound.of(running.name);
      else if (ports.includes(port)) await this.#port(running.workload, port);
      else throw new MeshError('ERR_REQUEST_INVALID', `\`${name}\`: the workload's ports are ${ports.join(', ')}`);
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
      application: this.#applications.of(this.#options.applications ?? {}, name, workload),
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

  #compile(config: MeshConfig): CompiledMesh {
    const { externalAuthorizer } = this.#options;
    return compileMesh(config, externalAuthorizer === undefined ? {} : { externalAuthorizer });
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
  async reconfigure(config: MeshConfig, changed: ConfigChange): Promise<void> {
    this.#assertOpen();
    const before = this.#compiled;
    this.#compiled = this.#compile(config);
    const { jwks } = this.#options;
    this.#authentication = compileRequestAuthentication(config, jwks && { jwks });
    this.#targets = new TargetIndex(this.#compiled, this.#outside);
    this.#policies = new Map();
    this.#exchanges.forgetWays();
    this.ca.accept(parseTrustDomain(config.settings.trustDomain), acceptedTrustDomains(config.settings));
    this.events.append({ kind: 'config.changed', ...changed });
    const moved = trustMoved(before.config, config);
    let redial = moved || changesClients(changed);
    for (const { workload, ports } of this.#running.values()) {
      for (const [port, sidecar] of ports) {
        if (!moved && !acceptsAnew(before, this.#compiled, { workload, port })) continue;
        redial = true;
        (await sidecar).closeConnections();
      }
    }
    if (redial) await this.#pool.drain();
  }

  /** One request over real sockets. @throws MeshError `ERR_REQUEST_INVALID` for names that do not exist */
  async request(request: MeshRequest, marks: ExchangeMarks = {}): Promise<Outcome> {
    this.#assertOpen();
    return (await this.clock.track(this.#exchanges.request(request, marks))).outcome;
  }

  /** One raw connection over real sockets. @throws MeshError `ERR_REQUEST_INVALID` for names that do not exist */
  async connect(connection: MeshConnection): Promise<Outcome> {
    this.#assertOpen();
    return this.clock.track(this.#exchanges.connect(connection));
  }

  /** Opens keep-alive connections until `count` are open; how many are. */
  async openConnections(from: string, to: string, count: number): Promise<number> {
    this.#assertOpen();
    return this.clock.track(this.#exchanges.open(from, to, count));
  }

  /** Sockets open from one workload to another. */
  connections(from: string, to: string): Promise<number> {
    return this.#exchanges.count(from, to);
  }

  /** Closes the idle connections from one workload to another. */
  closeConnections(from: string, to: string): Promise<void> {
    return this.#exchanges.drain(from, to);
  }

  /** Whether rules are installed on links: faults, captures, attacks. */
  isDisturbed(): boolean {
    return this.seam.rules.length > 0;
  }

  /** Draws the virtual time by which one exchange between the two takes longer at present. */
  async delays(from: string, to: string): Promise<() => number> {
    const route = (await this.way(from, to))?.route;
    return () => (route === undefined ? 0 : this.seam.virtualDelayMs(route.link));
  }

  /** How a call would leave and where it would arrive; nothing where `to` leads nowhere. */
  way(from: Caller, to: string): Promise<Way | undefined> {
    return this.#exchanges.way(from, to);
  }

  /** The port through which real programs call out as `workload`. @throws MeshError `ERR_REQUEST_INVALID` */
  async outbound(workload: string): Promise<Address> {
    this.#assertOpen();
    return (await this.#outbound.of(this.#find(workload).name)).address;
  }

  /**
   * A port on loopback whose connections are carried, as raw bytes, from `from` to `to`: for programs that know no proxy.
   * @throws MeshError `ERR_REQUEST_INVALID`, `ERR_WIRE_LISTEN`
   */
  async forward(from: string, to: string, listenPort?: number): Promise<PortForward> {
    this.#assertOpen();
    return this.#outbound.forward(this.#find(from).name, to, listenPort);
  }

  /** The gateway that a workload port is, if it is one. */
  gateway({ namespace, name }: WorkloadRef, port: number): Gateway | undefined {
    return this.#gateways.at(`${namespace}/${name}`, port);
  }

  /** The ends of a flow, as events name them. */
  ends(from: string, to: string): FlowEnds {
    return this.#targets.ends(this.#find(from).workload, to);
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
      for (const port of this.#portsOf(workload)) {
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
    const gateway = this.#gateways.edge(running.name, port);
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
      requestId: () => this.#requestIds.next(),
      gateway,
      protocol: gateway === undefined ? declaredAs(this.#compiled.portProtocol(workload, port)) : 'http',
      listenPort: this.#options.listen?.[`${running.name}:${port}`],
    });
    running.ports.set(port, opening);
    // One that never opened needs no closing; who waits for it hears why.
    this.#disposal.defer(async () => (await opening.catch(() => undefined))?.close());
    return opening;
  }

  #portsOf(workload: Workload): readonly number[] {
    return this.#compiled.inboundPorts(workload).map(({ port }) => port);
  }

  #policy(key: string, workload: Workload, port: number): PortPolicy {
    const known = this.#policies.get(key);
    if (known !== undefined) return known;
    const policy = portPolicy(this.#compiled, this.#authentication, workload, port, this.gateway(workload, port));
    this.#policies.set(key, policy);
    return policy;
  }

  /** The same question answered from the compiled configuration, without sockets. */
  predict(request: MeshRequest): Outcome {
    this.#assertOpen();
    return this.#predictions.request(request);
  }

  /** The same, with tokens verified as the server's RequestAuthentications have it. */
  predictVerified(request: MeshRequest): Promise<Outcome> {
    this.#assertOpen();
    return this.#predictions.verified(request);
  }

  /** The same for a raw connection. */
  predictConnection(connection: MeshConnection): Outcome {
    this.#assertOpen();
    return this.#predictions.connection(connection);
  }

  #departure(from: Caller): Promise<Departure> {
    return departureOf(from, {
      ca: this.ca,
      trust: this.#trust,
      key: this.#options.key,
      now: () => this.clock.now(),
      compiled: () => this.#compiled,
      running: (name) => this.#find(name),
      gateway: ({ workload, endpoint }) => this.gateway(workload, endpoint.port),
    });
  }

  #find(name: string): RunningWorkload {
    const found = this.#running.get(name) ?? this.#runOutside(name);
    if (found !== undefined) return found;
    this.#targets.workload(name);
    throw new InvariantError(`workload ${name} is configured but does not run`);
  }

  /** Somebody outside the mesh begins to run when he is first called. */
  #runOutside(name: string): RunningWorkload | undefined {
    const running = outsideRunning(name, this.#options.outside ?? {}, this.#applications);
    if (running !== undefined) this.#running.set(name, running);
    return running;
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
