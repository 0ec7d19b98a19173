/**
 * What one event says about traffic, and sums of it: the common ground of the service and the flow fold.
 *
 * Volumes come from `traffic.recorded`; a `request.completed` counts as one request unless it was the probe of a flow,
 * whose volume already contains it. A request failed when the application answered 5xx or the mesh refused or lost it.
 * @module
 */
import type { Instant, LatencySample, MeshEvent, PeerRef, RequestCompleted, TrafficRecorded } from '../core/index.ts';
import { calleeOf, failed, provenSecurity, type Subject } from './outcome.ts';

/** The requests one event stands for. */
export interface Observation {
  readonly at: Instant;
  /** 0 for a single request. */
  readonly intervalMs: number;
  readonly source: PeerRef;
  readonly callee: Subject;
  readonly requests: number;
  readonly failures: number;
  /** How what arrived came; undefined where nothing did. */
  readonly proven: 'mutual' | 'plain' | undefined;
  readonly latency: readonly LatencySample[];
}

/** The observation in `event`, if it is about traffic that is not counted elsewhere. */
export function observe(event: MeshEvent): Observation | undefined {
  if (event.kind === 'traffic.recorded') return observeTraffic(event);
  if (event.kind === 'request.completed' && event.flow === undefined) return observeRequest(event);
  return undefined;
}

function observeTraffic(event: TrafficRecorded): Observation {
  // Where only some of the interval was lost, the probe's outcome is not everyone's: the rest did arrive.
  const delivery = event.lost < event.requests ? { status: 200, flags: '-' } : event;
  return {
    at: event.at,
    intervalMs: event.intervalMs,
    source: event.source,
    callee: calleeOf(event),
    requests: event.requests,
    failures: Math.min(event.requests, event.errors + event.lost),
    proven: event.requests === 0 ? undefined : provenSecurity(delivery, event.security),
    latency: event.latency,
  };
}

function observeRequest(event: RequestCompleted): Observation {
  return {
    at: event.at,
    intervalMs: 0,
    source: event.source,
    callee: calleeOf(event),
    requests: 1,
    failures: failed(event) ? 1 : 0,
    proven: provenSecurity(event, event.security),
    latency: event.durationMs === undefined ? [] : [{ ms: event.durationMs, count: 1 }],
  };
}

/** Sums of observations. */
export class Tally {
  requests = 0;
  failures = 0;
  #mutual = false;
  #plain = false;

  /** @param part how much of the observation counts, 0..1 */
  add(seen: Observation, part: number = 1): void {
    this.requests += seen.requests * part;
    this.failures += seen.failures * part;
    this.#mutual ||= seen.proven === 'mutual';
    this.#plain ||= seen.proven === 'plain';
  }

  merge(other: Tally): void {
    this.requests += other.requests;
    this.failures += other.failures;
    this.#mutual ||= other.#mutual;
    this.#plain ||= other.#plain;
  }

  /** Per cent. */
  get errorRate(): number {
    return this.requests === 0 ? 0 : (this.failures / this.requests) * 100;
  }

  /** Whether something arrived and all that did came over mutual TLS. */
  get mutualOnly(): boolean {
    return this.#mutual && !this.#plain;
  }
}
