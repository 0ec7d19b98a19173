/**
 * Rehearsals: a timeline of steps on a mesh's identities, played on the virtual clock under continuous real traffic,
 * with the invariant that no request is lost.
 *
 * Every flow is tried over real sockets once a minute, over a new connection after every change at either of its ends.
 * A loss is any such request that does not get through: refused by either sidecar, not delivered, or denied by a policy
 * that no longer knows the caller's name. Flows that do not work before the first step are an error of the rehearsal.
 * @module
 */
import {
  addMs,
  DEFAULT_SEED,
  type EventLog,
  formatDuration,
  formatInstant,
  type Instant,
  MeshError,
  MINUTE_MS,
  SECOND_MS,
} from '../core/index.ts';
import { type CertificateAgent, type Outcome, type TrafficFlow, TrafficRunner } from '../sim/index.ts';
import { describeIdentityAction, type IdentityAction, performIdentityAction } from './identity-action.ts';
import { type LossEvidence, lossEvidence } from './identity-evidence.ts';
import { Mesh, type MeshOptions } from './mesh.ts';
import type { FlowFile, ServiceFile } from './scenario-schema.ts';
import { trafficFlows } from './scenario-traffic.ts';

export interface RehearsalStep {
  /** Virtual time since the start. */
  readonly afterMs: number;
  readonly action: IdentityAction;
}

export interface RehearsalPlan {
  readonly name: string;
  readonly steps: readonly RehearsalStep[];
  /** Virtual time in all. */
  readonly forMs: number;
}

export interface RehearsalOptions {
  /** The mesh to rehearse on. Keys come from the seed unless `ca.reproducibleKeys` is false: reports repeat. */
  readonly mesh: MeshOptions;
  readonly traffic: readonly FlowFile[];
  readonly services?: Readonly<Record<string, ServiceFile>>;
  readonly seed?: string;
  /** @defaultValue one minute */
  readonly probeIntervalMs?: number;
  /** How long a flow goes without a new connection where nothing changes. @defaultValue one hour */
  readonly freshIntervalMs?: number;
  /**
   * Try a workload's flows over new connections a second before it means to renew, when its certificate is oldest.
   * @defaultValue false
   */
  readonly probeBeforeRenewal?: boolean;
  /** End at the first lost request. @defaultValue false */
  readonly stopAtFirstLoss?: boolean;
  readonly onProgress?: (progress: { readonly at: Instant; readonly start: Instant; readonly end: Instant }) => void;
  readonly signal?: AbortSignal;
}

/** A time in which a flow did not work. */
export interface Outage {
  readonly flow: string;
  readonly from: string;
  /** Absent: to the end of the rehearsal. */
  readonly until?: string;
  readonly ms: number;
}

export interface Rehearsal {
  readonly plan: string;
  /** No request was lost. */
  readonly ok: boolean;
  readonly seed: string;
  readonly start: string;
  readonly end: string;
  readonly steps: readonly { readonly after: string; readonly at: string; readonly what: string }[];
  /** The flows' declared volume. */
  readonly requestsSent: number;
  readonly requestsLost: number;
  /** Requests that really went over sockets. */
  readonly probesSent: number;
  readonly probesLost: number;
  /** Real mutual TLS handshakes that were completed. */
  readonly handshakes: number;
  readonly certificatesRotated: number;
  readonly renewalFailures: number;
  readonly outages: readonly Outage[];
  readonly firstLoss?: LossEvidence;
}

const STEP_MS: number = 15 * MINUTE_MS;

/** @throws MeshError `ERR_REHEARSAL`, where a flow does not work before the first step; those of `Mesh.start` */
export async function rehearse(plan: RehearsalPlan, options: RehearsalOptions): Promise<Rehearsal> {
  const { seed = DEFAULT_SEED } = options;
  const { ca } = options.mesh;
  await using mesh = await Mesh.start({ ...options.mesh, seed, ca: { reproducibleKeys: reproducible(ca), ...ca } });
  const watch = new LossWatch(mesh);
  const runner = await startTraffic(mesh, options, seed, watch);
  const start = mesh.clock.now();
  const end = addMs(start, plan.forMs);
  for (const { afterMs, action } of plan.steps)
    mesh.clock.schedule(addMs(start, afterMs), () => performIdentityAction(mesh, action));
  // A step of the last instant still gets its probes.
  while (mesh.clock.now() < end && options.signal?.aborted !== true) {
    await mesh.clock.advance(Math.min(STEP_MS, end - mesh.clock.now()));
    options.onProgress?.({ at: mesh.clock.now(), start, end });
    if (options.stopAtFirstLoss === true && watch.firstLoss !== undefined) break;
  }
  return {
    plan: plan.name,
    ok: watch.lost === 0,
    seed,
    start: formatInstant(start),
    end: formatInstant(mesh.clock.now()),
    steps: plan.steps.map(({ afterMs, action }) => ({
      after: formatDuration(afterMs),
      at: formatInstant(addMs(start, afterMs)),
      what: describeIdentityAction(action),
    })),
    ...countEvents(mesh.events),
    probesSent: watch.sent,
    probesLost: watch.lost,
    outages: watch.outages(runner),
    ...(watch.firstLoss === undefined ? {} : { firstLoss: watch.firstLoss }),
  };
}

/** RSA keys cannot come from a seed. */
export function reproducible(ca: MeshOptions['ca']): boolean {
  return !(ca?.key ?? '').startsWith('rsa');
}

async function startTraffic(
  mesh: Mesh,
  options: RehearsalOptions,
  seed: string,
  watch: LossWatch,
): Promise<readonly TrafficFlow[]> {
  const { traffic, services = {}, probeIntervalMs, freshIntervalMs } = options;
  if (traffic.length === 0) throw new MeshError('ERR_REHEARSAL', 'a rehearsal without traffic proves nothing');
  const flows = trafficFlows(mesh, traffic, {
    seed,
    services,
    ...(freshIntervalMs === undefined ? {} : { freshIntervalMs }),
  });
  const runner = new TrafficRunner(flows, {
    clock: mesh.clock,
    events: mesh.events,
    ...(probeIntervalMs === undefined ? {} : { probeIntervalMs }),
    onProbe: (flow, outcome) => watch.add(flow, outcome),
  });
  if (options.probeBeforeRenewal === true) probeBeforeRenewal(mesh, runner);
  await runner.start();
  const { firstLoss } = watch;
  if (firstLoss !== undefined) {
    throw new MeshError(
      'ERR_REHEARSAL',
      `${firstLoss.flow} does not work before the first step: ${firstLoss.status} ${firstLoss.detail}`,
    );
  }
  return flows;
}

function probeBeforeRenewal(mesh: Mesh, runner: TrafficRunner): void {
  const plan = (agent: CertificateAgent): void => {
    const { renewAt, spiffeId } = agent;
    if (renewAt !== undefined) mesh.clock.schedule(addMs(renewAt, -SECOND_MS), () => runner.recheck(spiffeId));
  };
  const agents = [...mesh.simulation.agents()].map(({ agent }) => agent);
  for (const agent of agents) plan(agent);
  mesh.events.subscribe((event) => {
    if (event.kind !== 'certificate.issued') return;
    for (const agent of agents) if (agent.current()?.serial === event.serial) plan(agent);
  });
}

/** Counts what gets through and keeps the evidence of the first request that does not. */
class LossWatch {
  readonly #mesh: Mesh;
  readonly #start: Instant;
  readonly #down = new Map<string, Instant>();
  readonly #outages: Outage[] = [];
  sent = 0;
  lost = 0;
  firstLoss: LossEvidence | undefined;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
    this.#start = mesh.clock.now();
  }

  add(flow: TrafficFlow, outcome: Outcome): void {
    const now = this.#mesh.clock.now();
    const { name, from, to } = flow;
    const since = this.#down.get(name);
    this.sent++;
    if (outcome.result === 'allow') {
      if (since === undefined) return;
      this.#down.delete(name);
      this.#outages.push({ flow: name, from: formatInstant(since), until: formatInstant(now), ms: now - since });
      return;
    }
    this.lost++;
    if (since === undefined) this.#down.set(name, now);
    this.firstLoss ??= lossEvidence(this.#mesh, { flow: name, from, to, outcome, afterMs: now - this.#start });
  }

  /** In order of their beginning. */
  outages(flows: readonly TrafficFlow[]): readonly Outage[] {
    const now = this.#mesh.clock.now();
    const open = flows.flatMap(({ name }) => {
      const since = this.#down.get(name);
      return since === undefined ? [] : [{ flow: name, from: formatInstant(since), ms: now - since }];
    });
    return [...this.#outages, ...open].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  }
}

function countEvents(
  events: EventLog,
): Pick<Rehearsal, 'requestsSent' | 'requestsLost' | 'handshakes' | 'certificatesRotated' | 'renewalFailures'> {
  const counts = { requestsSent: 0, requestsLost: 0, handshakes: 0, certificatesRotated: 0, renewalFailures: 0 };
  for (const event of events) {
    if (event.kind === 'traffic.recorded') {
      counts.requestsSent += event.requests;
      counts.requestsLost += event.lost;
    } else if (event.kind === 'connection.opened' && event.security === 'mutual_tls') counts.handshakes++;
    else if (event.kind === 'certificate.issued' && event.reason === 'rotation') counts.certificatesRotated++;
    else if (event.kind === 'certificate.renewal-failed') counts.renewalFailures++;
  }
  return counts;
}
