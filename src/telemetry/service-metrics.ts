/**
 * Metrics of every destination service, folded from the event log.
 *
 * A service runs over mutual TLS when some traffic reached it and all that did came over mutual TLS: traffic refused
 * before it arrived proves nothing either way. Not modelled: the latency of single requests, where the event has none.
 * @module
 */
import type { MeshEvent, PeerRef } from '../core/index.ts';
import { within, type EventWindow } from './event-window.ts';
import { LatencyHistogram } from './latency-histogram.ts';
import { calleeOf, displayNames, keyOf, subjectOf, type Subject } from './outcome.ts';
import { observe, Tally } from './tally.ts';

/** One row of the dashboard. */
export interface ServiceMetrics {
  readonly name: string;
  readonly requestsTotal: number;
  /** Per cent: 0.2 means 0.2 %. */
  readonly errorRate: number;
  readonly p50LatencyMs: number;
  readonly p99LatencyMs: number;
  /** Whether all traffic that reached the service ran over mutual TLS. */
  readonly mtlsEnabled: boolean;
  /** Sockets open to the service. */
  readonly connections: number;
}

interface ServiceState {
  readonly subject: Subject;
  readonly tally: Tally;
  readonly latency: LatencyHistogram;
  /** Sockets of each flow as last reported. */
  readonly flows: Map<string, FlowConnections>;
}

interface FlowConnections {
  readonly source: string;
  readonly count: number;
}

interface OpenConnection {
  readonly source: string;
  readonly service: string;
}

export class ServiceMetricsFold {
  readonly #window: EventWindow;
  readonly #services = new Map<string, ServiceState>();
  /** Real connections still open, by service, and closings whose opening another fold saw. */
  readonly #open = new Map<number, OpenConnection>();
  readonly #closed = new Set<number>();

  /** @param window only events inside count; all of them by default */
  constructor(window: EventWindow = {}) {
    this.#window = window;
  }

  add(event: MeshEvent): this {
    if (!within(event, this.#window)) return this;
    if (event.kind === 'connection.opened') {
      this.#open.set(event.connection, { source: sourceKey(event.source), service: keyOf(calleeOf(event)) });
    }
    if (event.kind === 'connection.closed') this.#close(event.connection);
    const seen = observe(event);
    if (seen === undefined) return this;
    const state = this.#service(seen.callee);
    if (event.kind === 'traffic.recorded')
      state.flows.set(event.flow, { source: sourceKey(event.source), count: event.connections });
    state.tally.add(seen);
    for (const sample of seen.latency) state.latency.record(sample);
    return this;
  }

  addAll(events: Iterable<MeshEvent>): this {
    for (const event of events) this.add(event);
    return this;
  }

  /** Continues with a fold over the events that follow this one's. */
  merge(later: ServiceMetricsFold): this {
    for (const theirs of later.#services.values()) {
      const mine = this.#service(theirs.subject);
      mine.tally.merge(theirs.tally);
      mine.latency.merge(theirs.latency);
      for (const [flow, connections] of theirs.flows) mine.flows.set(flow, connections);
    }
    for (const [connection, service] of later.#open) this.#open.set(connection, service);
    for (const connection of later.#closed) this.#close(connection);
    return this;
  }

  /** In order of first appearance. */
  snapshot(): readonly ServiceMetrics[] {
    return [...this.bySubject().values()];
  }

  /** The rows of `snapshot` by `namespace/name`. */
  bySubject(): ReadonlyMap<string, ServiceMetrics> {
    const nameOf = displayNames([...this.#services.values()].map((state) => state.subject));
    const rows = new Map<string, ServiceMetrics>();
    for (const [key, state] of this.#services) {
      rows.set(key, {
        name: nameOf(state.subject),
        requestsTotal: state.tally.requests,
        errorRate: state.tally.errorRate,
        p50LatencyMs: state.latency.percentileMs(50),
        p99LatencyMs: state.latency.percentileMs(99),
        mtlsEnabled: state.tally.mutualOnly,
        connections: this.#connectionsTo(key, state),
      });
    }
    return rows;
  }

  #close(connection: number): void {
    if (!this.#open.delete(connection)) this.#closed.add(connection);
  }

  /** What the flows say of theirs, and the connections of everybody else. */
  #connectionsTo(key: string, { flows }: ServiceState): number {
    const ofFlows = [...flows.values()];
    const others = [...this.#open.values()].filter(
      ({ service, source }) => service === key && !ofFlows.some((flow) => flow.source === source),
    );
    return ofFlows.reduce((sum, { count }) => sum + count, others.length);
  }

  #service(subject: Subject): ServiceState {
    const key = keyOf(subject);
    let state = this.#services.get(key);
    if (state === undefined) {
      state = {
        subject: subjectOf(subject),
        tally: new Tally(),
        latency: new LatencyHistogram(),
        flows: new Map(),
      };
      this.#services.set(key, state);
    }
    return state;
  }
}

function sourceKey({ workload }: PeerRef): string {
  return workload === undefined ? '' : keyOf(workload);
}
