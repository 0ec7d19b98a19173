/**
 * The flows a scenario declares, with the profiles of the services they go to.
 * @module
 */
import { parseDuration, Rng } from '../core/index.ts';
import { DEFAULT_PROFILE, parseWorkloadName, type ServiceProfile, TrafficFlow } from '../sim/index.ts';
import { definedOnly } from './defined-only.ts';
import type { Mesh } from './mesh.ts';
import type { FlowFile, RequestFile, ServiceFile } from './scenario-schema.ts';

export interface TrafficOptions {
  readonly seed: string;
  readonly services: Readonly<Record<string, ServiceFile>>;
  /** How long a flow goes without a new connection. */
  readonly freshIntervalMs?: number;
}

export function trafficFlows(
  mesh: Mesh,
  declared: readonly FlowFile[],
  { seed, services, freshIntervalMs }: TrafficOptions,
): readonly TrafficFlow[] {
  const rng = new Rng(seed).fork('traffic');
  return declared.map((flow) => {
    const { from, to, rps } = flow;
    const profile = profileOf(services[parseWorkloadName(to).name]);
    const siblings = declared.filter((other) => other.to === to);
    const connections = shareOf(
      profile.connections,
      siblings.map((other) => other.rps),
      siblings.indexOf(flow),
    );
    const request = requestOf(flow.request);
    const fresh = freshIntervalMs === undefined ? {} : { freshIntervalMs };
    return new TrafficFlow({ from, to, rps, request, connections, ...fresh }, profile, {
      mesh: mesh.simulation,
      rng: rng.fork(`${from}>${to}`),
    });
  });
}

/** A request as a scenario writes it, without the keys it leaves out. */
export function requestOf(request: RequestFile | undefined): {
  method?: string;
  path?: string;
  host?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
} {
  return definedOnly(request ?? {});
}

function profileOf(service: ServiceFile | undefined): ServiceProfile {
  if (service === undefined) return DEFAULT_PROFILE;
  const { latency, errorRate, connections } = service;
  return {
    p50Ms: latency === undefined ? DEFAULT_PROFILE.p50Ms : parseDuration(latency.p50),
    p99Ms: latency === undefined ? DEFAULT_PROFILE.p99Ms : parseDuration(latency.p99),
    errorRatio: errorRate === undefined ? 0 : Number.parseFloat(String(errorRate)) / 100,
    connections: connections ?? DEFAULT_PROFILE.connections,
  };
}

/** A service's connections, split over the flows to it by their rates; the parts add up, and nobody gets none. */
function shareOf(connections: number, rates: readonly number[], index: number): number {
  const total = rates.reduce((sum, rate) => sum + rate, 0);
  if (total === 0) return Math.max(1, Math.floor(connections / rates.length));
  const upTo = (count: number): number =>
    Math.round((connections * rates.slice(0, count).reduce((sum, rate) => sum + rate, 0)) / total);
  return Math.max(1, upTo(index + 1) - upTo(index));
}
