/**
 * Traffic flows: declared rates, outcomes that real probes vouch for.
 *
 * Once a minute each flow sends one real request over its keep-alive connections and records the minute's whole volume
 * with the outcome that request had; volume, errors and latencies are drawn from the service's profile, so the cost
 * does not grow with the rate. After every change that could matter to it (a new certificate at either end, other
 * roots, an expiry, a clock that was set, a new configuration), and every hour, the request goes over a connection of its own.
 *
 * A flow that cannot open a new connection counts as down, and its open connections are closed: Envoy would keep them,
 * but no fleet lives on the connections it once had. While it is down every probe is a new connection.
 * @module
 */
import {
  addMs,
  type CertificateIssued,
  type EventLog,
  HOUR_MS,
  type LatencySample,
  MINUTE_MS,
  type PeerRef,
  type Rng,
  SECOND_MS,
  type ServiceRef,
} from '../core/index.ts';
import type { MeshRequest, Outcome } from './request.ts';
import { drawLatencies, type ServiceProfile } from './service-profile.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface TrafficFlowOptions {
  /** `namespace/workload` */
  readonly from: string;
  readonly to: string;
  readonly rps: number;
  readonly request?: Omit<MeshRequest, 'from' | 'to'>;
  /** Keep-alive connections of this flow. */
  readonly connections: number;
  /** How long it goes without a new connection. @defaultValue one hour */
  readonly freshIntervalMs?: number;
}

/** How long a flow goes without a new connection unless it says otherwise. */
export const FRESH_CONNECTION_INTERVAL_MS: number = HOUR_MS;
/** How often volume is recorded and vouched for unless asked otherwise. */
export const PROBE_INTERVAL_MS: number = MINUTE_MS;

/** What a flow asks of its mesh. */
export interface TrafficPort {
  request(
    request: MeshRequest,
    marks: { readonly flow?: string; readonly fresh?: boolean; readonly after?: Promise<unknown> },
  ): Promise<Outcome>;
  /** Whether something is interposed on links at present: then requests go one by one, as it is to see them. */
  isDisturbed(): boolean;
  openConnections(from: string, to: string, count: number): Promise<number>;
  connections(from: string, to: string): Promise<number>;
  closeConnections(from: string, to: string): Promise<void>;
  /** Draws the virtual time by which one exchange takes longer at present: faults on the link. */
  delays(from: string, to: string): Promise<() => number>;
  /** The ends of a flow, as events name them. */
  ends(
    from: string,
    to: string,
  ): { readonly source: PeerRef; readonly destination: PeerRef; readonly service: ServiceRef };
  /** The SPIFFE ID a workload is to have. */
  spiffeId(workload: string): string;
}

export class TrafficFlow {
  readonly name: string;
  readonly #options: TrafficFlowOptions;
  readonly #profile: ServiceProfile;
  readonly #mesh: TrafficPort;
  readonly #rng: Rng;
  #lastFreshMs = Number.NEGATIVE_INFINITY;
  #stale = true;
  #down = false;

  constructor(
    options: TrafficFlowOptions,
    profile: ServiceProfile,
    context: { readonly mesh: TrafficPort; readonly rng: Rng },
  ) {
    this.#options = options;
    this.#profile = profile;
    this.#mesh = context.mesh;
    this.#rng = context.rng;
    this.name = `${shortName(options.from)} -> ${shortName(options.to)}`;
  }

  /** `namespace/workload` */
  get from(): string {
    return this.#options.from;
  }

  get to(): string {
    return this.#options.to;
  }

  /** Whether the flow depends on this identity. */
  uses(spiffeId: string): boolean {
    const { from, to } = this.#options;
    return [from, to].some((end) => this.#mesh.spiffeId(end) === spiffeId);
  }

  /** Opens the flow's connections. */
  async open(): Promise<void> {
    const { from, to, connections } = this.#options;
    if (connections > 0) await this.#mesh.openConnections(from, to, connections);
  }

  /** The next probe goes over a new connection. */
  markChanged(): void {
    this.#stale = true;
  }

  get changed(): boolean {
    return this.#stale;
  }

  /** The next probe goes over a connection that is open, and nothing is in its way: it may share its turn with others. */
  isSteady(now: number): boolean {
    return !this.#isFresh(now) && !this.#mesh.isDisturbed();
  }

  #isFresh(now: number): boolean {
    const { freshIntervalMs = FRESH_CONNECTION_INTERVAL_MS } = this.#options;
    return this.#stale || this.#down || now - this.#lastFreshMs >= freshIntervalMs;
  }

  /** One real request; its events come after those of `after`. */
  async probe(now: number, after?: Promise<unknown>): Promise<Outcome> {
    const { from, to, request } = this.#options;
    const fresh = this.#isFresh(now);
    const marks = { flow: this.name, fresh, ...(after && { after }) };
    const outcome = await this.#mesh.request({ ...request, from, to }, marks);
    if (fresh) {
      this.#lastFreshMs = now;
      this.#stale = false;
    }
    const delivered = outcome.result === 'allow' || outcome.result === 'deny';
    if (!delivered && !this.#down) await this.#mesh.closeConnections(from, to);
    if (delivered && this.#down) await this.open();
    this.#down = !delivered;
    return outcome;
  }

  /** Records an interval whose outcome was that of the probe at its end. */
  async record(events: EventLog, outcome: Outcome, intervalMs: number): Promise<void> {
    const { from, to, rps, request } = this.#options;
    const requests = Math.round((rps * intervalMs) / 1_000);
    const delivered = outcome.result === 'allow';
    const errors = delivered ? this.#rng.binomial(requests, this.#profile.errorRatio) : 0;
    const { source, destination, service } = this.#mesh.ends(from, to);
    const { security, clientPrincipal, serverPrincipal } = outcome.connection;
    events.append({
      kind: 'traffic.recorded',
      flow: this.name,
      source: clientPrincipal === undefined ? source : { ...source, principal: clientPrincipal },
      destination: serverPrincipal === undefined ? destination : { ...destination, principal: serverPrincipal },
      service,
      intervalMs,
      method: request?.method ?? 'GET',
      requests,
      lost: delivered ? 0 : requests,
      errors,
      status: outcome.status,
      flags: outcome.flags,
      security,
      latency: delivered ? await this.#latencies(requests) : [],
      connections: await this.#mesh.connections(from, to),
    });
  }

  async #latencies(requests: number): Promise<readonly LatencySample[]> {
    const { from, to } = this.#options;
    const delayMs = await this.#mesh.delays(from, to);
    return drawLatencies(this.#profile, requests, this.#rng).map(({ ms, count }) => ({ ms: ms + delayMs(), count }));
  }
}

export interface TrafficRunnerContext {
  readonly clock: VirtualClock;
  readonly events: EventLog;
  /** @defaultValue one minute */
  readonly probeIntervalMs?: number;
  /** Told of every real request of a flow, at its instant. */
  readonly onProbe?: (flow: TrafficFlow, outcome: Outcome) => void;
}

/**
 * Runs flows on the clock: a probe and a record a minute each, in their declared order, and probes after changes. The
 * minute's probes of steady flows are under way together; those that open connections go one by one.
 */
export class TrafficRunner {
  readonly #flows: readonly TrafficFlow[];
  readonly #clock: VirtualClock;
  readonly #events: EventLog;
  /** The latest certificate of each identity. */
  readonly #serials = new Map<string, string>();
  readonly #intervalMs: number;
  readonly #onProbe: TrafficRunnerContext['onProbe'];
  #probing = false;

  constructor(flows: readonly TrafficFlow[], context: TrafficRunnerContext) {
    this.#intervalMs = context.probeIntervalMs ?? PROBE_INTERVAL_MS;
    this.#onProbe = context.onProbe;
    this.#flows = flows;
    this.#clock = context.clock;
    this.#events = context.events;
  }

  /** Opens connections, sends the first probes, and plans the rest. */
  async start(): Promise<void> {
    for (const flow of this.#flows) {
      await flow.open();
      await this.#probe(flow);
    }
    this.#events.subscribe((event) => {
      if (event.kind === 'config.changed') this.#changed(this.#flows);
      if (event.kind === 'certificate.issued') this.#issued(event);
      if (event.kind === 'trust.changed' || event.kind === 'clock.stepped') this.recheck(event.spiffeId);
    });
    // Those issued before anybody listened.
    for (const event of this.#events.all()) if (event.kind === 'certificate.issued') this.#planExpiry(event);
    this.#planTick();
  }

  /** Tries every flow that depends on this identity over a new connection, at this instant. */
  recheck(spiffeId: string): void {
    this.#changed(this.#using(spiffeId));
  }

  #planTick(): void {
    this.#clock.schedule(addMs(this.#clock.now(), this.#intervalMs), async () => {
      const outcomes = await this.#probeAll();
      for (const [i, flow] of this.#flows.entries()) {
        const outcome = outcomes[i];
        if (outcome !== undefined) await flow.record(this.#events, outcome, this.#intervalMs);
      }
      this.#planTick();
    });
  }

  #issued(event: CertificateIssued): void {
    this.recheck(event.spiffeId);
    this.#planExpiry(event);
  }

  /** One probe of each flow. Two flows between the same workloads share connections: they take turns. */
  async #probeAll(): Promise<readonly Outcome[]> {
    const now = this.#clock.now();
    const probes: Promise<Outcome>[] = [];
    const underWay = new Set<string>();
    for (const flow of this.#flows) {
      const pair = `${flow.from} ${flow.to}`;
      const isAlone = !flow.isSteady(now);
      if (isAlone || underWay.has(pair)) {
        await Promise.all(probes);
        underWay.clear();
      }
      const probe = this.#probe(flow, underWay.size > 0 ? probes.at(-1) : undefined);
      probes.push(probe);
      if (isAlone) await probe;
      else underWay.add(pair);
    }
    return Promise.all(probes);
  }

  async #probe(flow: TrafficFlow, after?: Promise<unknown>): Promise<Outcome> {
    const outcome = await flow.probe(this.#clock.now(), after);
    this.#onProbe?.(flow, outcome);
    return outcome;
  }

  #using(spiffeId: string): readonly TrafficFlow[] {
    return this.#flows.filter((flow) => flow.uses(spiffeId));
  }

  /** A certificate that nobody replaced in time is a change too. */
  #planExpiry({ spiffeId, serial, notAfter }: CertificateIssued): void {
    this.#serials.set(spiffeId, serial);
    this.#clock.schedule(addMs(notAfter, SECOND_MS), () => {
      if (this.#serials.get(spiffeId) === serial) this.recheck(spiffeId);
    });
  }

  /** A change is probed at the instant it happens, once for all changes of that instant. */
  #changed(flows: readonly TrafficFlow[]): void {
    for (const flow of flows) flow.markChanged();
    if (this.#probing || flows.length === 0) return;
    this.#probing = true;
    this.#clock.schedule(this.#clock.now(), async () => {
      this.#probing = false;
      for (const flow of this.#flows) if (flow.changed) await this.#probe(flow);
    });
  }
}

function shortName(workload: string): string {
  return workload.slice(workload.indexOf('/') + 1);
}
