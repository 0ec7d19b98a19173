/**
 * Istio's standard metrics, its certificate and CA metrics, and a few of our own, folded from the event log.
 *
 * Both sidecars of a request report it; one that never arrived has no reporter at the destination. A single request
 * without a known duration is counted but not timed. The log does not say which requests of an interval were the slow
 * ones: its latencies are spread over its outcomes in proportion. Not modelled: byte counts, gRPC messages, TCP bytes.
 *
 * Departures: `istio_agent_cert_expiry_seconds` has a label `spiffe_id`, where a real scrape would add the pod; CSRs
 * that never reached the CA cannot be told, so `citadel_server_csr_count` counts the answered ones.
 *
 * Source: Istio, "Istio Standard Metrics"; istio security/pkg/nodeagent/cache/monitoring.go, security/pkg/server/ca.
 * @module
 */
import { DEFAULT_EPOCH, SECOND_MS, type Instant, type LatencySample, type MeshEvent } from '../core/index.ts';
import type { ConnectionOpened, ConnectionRefused, RequestCompleted, TrafficRecorded } from '../core/index.ts';
import { istioLabels, type Labels, type LabelsOf, type Link, type Reporter, type Response } from './istio-labels.ts';
import { HistogramSeries, LabelPool, ValueSeries } from './metric-series.ts';
import { arrived } from './outcome.ts';
import { Sidecars } from './sidecars.ts';

export interface IstioMetricsOptions {
  /** The Kubernetes labels of a workload. @defaultValue none known */
  readonly labelsOf?: LabelsOf;
}

/** Requests of one event that ended alike. */
interface Outcome {
  readonly status: number;
  readonly flags: string;
  readonly requests: number;
  /** Whether the mesh lost them, so that they need not have a latency. */
  readonly lost: boolean;
}

/** Status of an application error within a volume, of which the log knows no more than that it is a 5xx. */
const APPLICATION_ERROR = 500;

export class IstioMetricsFold {
  readonly requests: ValueSeries = new ValueSeries();
  readonly durations: HistogramSeries = new HistogramSeries();
  readonly tcpOpened: ValueSeries = new ValueSeries();
  readonly tcpClosed: ValueSeries = new ValueSeries();
  readonly handshakes: ValueSeries = new ValueSeries();
  #issued = 0;
  #rotated = 0;
  #renewalFailures = 0;
  #lastAt: Instant = DEFAULT_EPOCH;
  readonly #notAfter = new Map<string, Instant>();
  readonly #tcpLinks = new Map<number, Link>();
  readonly #pool = new LabelPool();
  readonly #sidecars = new Sidecars();
  readonly #labelsOf: LabelsOf;

  constructor(options: IstioMetricsOptions = {}) {
    this.#labelsOf = options.labelsOf ?? (() => ({}));
  }

  add(event: MeshEvent): this {
    this.#lastAt = event.at;
    this.#sidecars.add(event);
    if (event.kind === 'traffic.recorded') this.#addTraffic(event);
    else if (event.kind === 'request.completed') this.#addRequest(event);
    else if (event.kind === 'connection.opened') this.#addOpened(event);
    else if (event.kind === 'connection.closed') this.#addClosed(event.connection);
    else if (event.kind === 'connection.refused') this.#addRefused(event);
    else if (event.kind === 'certificate.renewal-failed') this.#renewalFailures++;
    else if (event.kind === 'certificate.issued') {
      this.#issued++;
      if (event.reason === 'rotation') this.#rotated++;
      this.#notAfter.set(event.spiffeId, event.notAfter);
    }
    return this;
  }

  addAll(events: Iterable<MeshEvent>): this {
    for (const event of events) this.add(event);
    return this;
  }

  get certificates(): { readonly issued: number; readonly rotated: number; readonly renewalFailures: number } {
    return { issued: this.#issued, rotated: this.#rotated, renewalFailures: this.#renewalFailures };
  }

  /** Seconds until each identity's newest certificate expires; negative once it has. */
  certificateExpiry(at: Instant = this.#lastAt): ValueSeries {
    const series = new ValueSeries();
    for (const [spiffeId, notAfter] of this.#notAfter) {
      series.set({ resource_name: 'default', spiffe_id: spiffeId }, (notAfter - at) / SECOND_MS);
    }
    return series;
  }

  #addTraffic(event: TrafficRecorded): void {
    const outcomes = outcomesOf(event);
    const timed = shares(event.latency, outcomes);
    outcomes.forEach((outcome, index) => this.#report(event, outcome, timed[index] ?? []));
  }

  #addRequest(event: RequestCompleted): void {
    if (event.flow !== undefined) return;
    const timed = event.durationMs === undefined ? [] : [{ ms: event.durationMs, count: 1 }];
    this.#report(event, { status: event.status, flags: event.flags, requests: 1, lost: false }, timed);
  }

  #report(link: Link, outcome: Outcome, timed: readonly LatencySample[]): void {
    for (const reporter of this.#reporters(link, arrived(outcome))) {
      const response = { code: String(outcome.status), flags: outcome.flags };
      const labels = this.#labels(link, reporter, response);
      this.requests.add(labels, outcome.requests);
      for (const { ms, count } of timed) this.durations.observe(labels, ms, count);
    }
  }

  #addOpened(event: ConnectionOpened): void {
    if (event.security !== 'none') {
      this.#handshake('success', '-', event.tlsVersion ?? 'unknown', event.resumed);
    }
    if (event.protocol === 'http') return;
    this.#tcpLinks.set(event.connection, event);
    this.#countTcp(event, this.tcpOpened);
  }

  #addClosed(connection: number): void {
    const link = this.#tcpLinks.get(connection);
    if (link === undefined) return;
    this.#tcpLinks.delete(connection);
    this.#countTcp(link, this.tcpClosed);
  }

  #countTcp(link: Link, series: ValueSeries): void {
    for (const reporter of this.#reporters(link, true)) series.add(this.#labels(link, reporter), 1);
  }

  #addRefused(event: ConnectionRefused): void {
    // The other stages come before a handshake or after it.
    if (event.stage !== 'handshake' && event.stage !== 'verify-server' && event.stage !== 'verify-client') return;
    this.#handshake('failure', event.reason, 'unknown', false);
  }

  #handshake(result: 'success' | 'failure', reason: string, version: string, resumed: boolean): void {
    const labels = { result, reason, version, resumed: String(resumed) };
    this.handshakes.add(
      this.#pool.take(Object.values(labels), () => labels),
      1,
    );
  }

  #labels(link: Link, reporter: Reporter, response?: Response): Labels {
    const { source, destination, service } = link;
    const [from, to] = [source.workload, destination.workload];
    const ends = [from?.namespace, from?.name, source.principal, to?.namespace, to?.name, destination.principal];
    const called = [service?.host, service?.namespace, service?.name];
    const key = [reporter, link.security, response?.code, response?.flags, ...ends, ...called];
    return this.#pool.take(key, () => istioLabels(link, reporter, this.#labelsOf, response));
  }

  #reporters(link: Link, reached: boolean): readonly Reporter[] {
    const reporters: Reporter[] = [];
    if (this.#sidecars.has(link.source)) reporters.push('source');
    if (reached && this.#sidecars.has(link.destination)) reporters.push('destination');
    return reporters;
  }
}

/** A volume by how its requests ended: well, with an error of the application, lost. */
function outcomesOf(event: TrafficRecorded): readonly Outcome[] {
  const lost = Math.min(event.lost, event.requests);
  const errors = Math.min(event.errors, event.requests - lost);
  const well = event.requests - lost - errors;
  const wellStatus = lost === 0 ? { status: event.status, flags: event.flags } : { status: 200, flags: '-' };
  return [
    { ...wellStatus, requests: well, lost: false },
    { status: APPLICATION_ERROR, flags: '-', requests: errors, lost: false },
    { status: event.status, flags: event.flags, requests: lost, lost: true },
  ].filter((outcome) => outcome.requests > 0);
}

/**
 * The latencies of a volume divided among its outcomes in proportion, without losing one. Lost requests get a share
 * only where there are more latencies than answered requests.
 */
function shares(
  latency: readonly LatencySample[],
  outcomes: readonly Outcome[],
): readonly (readonly LatencySample[])[] {
  const answered = sum(outcomes.map((outcome) => (outcome.lost ? 0 : outcome.requests)));
  const lostToo = sum(latency.map((sample) => sample.count)) > answered;
  const weights = outcomes.map((outcome) => (outcome.lost && !lostToo ? 0 : outcome.requests));
  const total = sum(weights);
  const given: LatencySample[][] = outcomes.map(() => []);
  const counts = outcomes.map(() => 0);
  const largest = weights.indexOf(Math.max(...weights));
  let seen = 0;
  for (const { ms, count } of total === 0 ? [] : latency) {
    seen += count;
    let left = count;
    const give = (index: number, requests: number): void => {
      given[index]?.push({ ms, count: requests });
      counts[index] = (counts[index] ?? 0) + requests;
      left -= requests;
    };
    weights.forEach((weight, index) => {
      const due = Math.round((seen * weight) / total) - (counts[index] ?? 0);
      give(index, Math.min(left, Math.max(0, due)));
    });
    // What rounding left over; the next sample makes up for it.
    give(largest, left);
  }
  return given;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
