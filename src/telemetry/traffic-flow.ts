/**
 * Who calls whom, how fast, and over what: the edges of the mesh graph, folded from the event log.
 *
 * A rate needs a span: the window where one is given, else from the first recorded interval's start to the last one's
 * end. An interval that lies partly in the window counts with that part, so rates do not jump at its edges.
 * @module
 */
import { addMs, instantOf, SECOND_MS, type Instant, type MeshEvent } from '../core/index.ts';
import { overlap, type EventWindow } from './event-window.ts';
import { callerOf, displayNames, keyOf, subjectOf, type Subject } from './outcome.ts';
import { observe, Tally } from './tally.ts';

/** One edge of the graph. */
export interface TrafficFlow {
  readonly source: string;
  readonly dest: string;
  readonly rps: number;
  /** Per cent. */
  readonly errorRate: number;
  /** Whether all traffic that arrived ran over mutual TLS. */
  readonly mtls: boolean;
}

interface FlowState {
  readonly source: Subject;
  readonly dest: Subject;
  readonly tally: Tally;
}

export class TrafficFlowFold {
  readonly #from: Instant | undefined;
  readonly #to: Instant | undefined;
  readonly #flows = new Map<string, FlowState>();
  #firstAt = Number.POSITIVE_INFINITY;
  #lastAt = Number.NEGATIVE_INFINITY;

  /** @param window the span rates are over; by default that of the traffic seen */
  constructor(window: EventWindow = {}) {
    this.#from = window.from;
    this.#to = window.to;
  }

  add(event: MeshEvent): this {
    const seen = observe(event);
    if (seen === undefined) return this;
    const part = overlap(
      seen.at,
      seen.intervalMs,
      this.#from ?? instantOf(Number.NEGATIVE_INFINITY),
      this.#to ?? instantOf(Number.POSITIVE_INFINITY),
    );
    if (part === 0) return this;
    this.#firstAt = Math.min(this.#firstAt, addMs(seen.at, -seen.intervalMs));
    this.#lastAt = Math.max(this.#lastAt, seen.at);
    this.#flow(callerOf(seen.source), seen.callee).tally.add(seen, part);
    return this;
  }

  addAll(events: Iterable<MeshEvent>): this {
    for (const event of events) this.add(event);
    return this;
  }

  /** Continues with a fold over the events that follow this one's. */
  merge(later: TrafficFlowFold): this {
    for (const { source, dest, tally } of later.#flows.values()) this.#flow(source, dest).tally.merge(tally);
    this.#firstAt = Math.min(this.#firstAt, later.#firstAt);
    this.#lastAt = Math.max(this.#lastAt, later.#lastAt);
    return this;
  }

  /** In order of first appearance. */
  snapshot(): readonly TrafficFlow[] {
    const states = [...this.#flows.values()];
    const nameOf = displayNames(states.flatMap((state) => [state.source, state.dest]));
    return states.map(({ source, dest, tally }) => ({
      source: nameOf(source),
      dest: nameOf(dest),
      rps: this.#rate(tally),
      errorRate: tally.errorRate,
      mtls: tally.mutualOnly,
    }));
  }

  /** Requests a second to each service, by `namespace/name`. */
  rpsByService(): ReadonlyMap<string, number> {
    const rates = new Map<string, number>();
    for (const { dest, tally } of this.#flows.values()) {
      rates.set(keyOf(dest), (rates.get(keyOf(dest)) ?? 0) + this.#rate(tally));
    }
    return rates;
  }

  #rate(tally: Tally): number {
    const spanMs = (this.#to ?? this.#lastAt) - (this.#from ?? this.#firstAt);
    return spanMs > 0 ? (tally.requests * SECOND_MS) / spanMs : 0;
  }

  #flow(source: Subject, dest: Subject): FlowState {
    const key = `${keyOf(source)} ${keyOf(dest)}`;
    let state = this.#flows.get(key);
    if (state === undefined) {
      state = { source: subjectOf(source), dest: subjectOf(dest), tally: new Tally() };
      this.#flows.set(key, state);
    }
    return state;
  }
}
