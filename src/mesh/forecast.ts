/**
 * Forecasts about a mesh's identities: when what expires, when everybody renews, how long the mesh does without its
 * certificate authority, how wrong a clock may be.
 *
 * The last two are found by bisection: each guess is a rehearsal of its own on the virtual clock, with real handshakes
 * at the instants that decide (a certificate that was just renewed, one about to be, one that expired). Bisection takes
 * for granted that what survives the longer survives the shorter.
 * @module
 */
import { addMs, DEFAULT_SEED, formatInstant, instantOf, MINUTE_MS, Rng, SECOND_MS } from '../core/index.ts';
import { rotationDelayMs } from '../pki/index.ts';
import type { LossEvidence } from './identity-evidence.ts';
import { Mesh } from './mesh.ts';
import { caOutagePlan, clockSkewPlan, firstRotationMs, fullRotationMs, type RotationTimes } from './rehearsal-plans.ts';
import type { RehearsalWorld } from './rehearsal-world.ts';
import { rehearse, type RehearsalPlan, reproducible } from './rehearse.ts';

export interface CalendarEntry {
  /** `namespace/workload`, `intermediate`, `root 1`. */
  readonly subject: string;
  readonly kind: 'workload' | 'intermediate' | 'root';
  readonly serial: string;
  readonly notAfter: string;
  /** When its holder means to renew it; absent where nobody does by itself. */
  readonly renewAt?: string;
}

export interface HerdHistogram {
  /** Renewals in each interval of `bucketMs` that has any. */
  readonly buckets: readonly { readonly afterMs: number; readonly renewals: number }[];
  /** The most renewals in one interval. */
  readonly peak: number;
}

export interface HerdForecast {
  readonly workloads: number;
  readonly bucketMs: number;
  readonly withJitter: HerdHistogram;
  readonly withoutJitter: HerdHistogram;
}

/** The largest value that does no harm, and what the next one does. */
export interface Tolerance {
  /** 0: not even the smallest. */
  readonly survivesMs: number;
  /** The smallest value tried that loses a request; absent where none up to the limit does. */
  readonly failsMs?: number;
  readonly firstLoss?: LossEvidence;
  readonly rehearsals: number;
}

export interface Forecast {
  readonly seed: string;
  readonly start: string;
  readonly calendar: readonly CalendarEntry[];
  readonly herd: HerdForecast;
  /** An outage that begins when the first workload is about to renew. */
  readonly caOutage: Tolerance;
  readonly clock: { readonly workload: string; readonly ahead: Tolerance; readonly behind: Tolerance };
}

export interface ForecastOptions {
  readonly seed?: string;
  /** Whose clock is wrong. @defaultValue the workload with the most flows */
  readonly workload?: string;
  readonly onProgress?: (what: string) => void;
}

export async function forecast(world: RehearsalWorld, options: ForecastOptions = {}): Promise<Forecast> {
  const { seed = world.seed ?? DEFAULT_SEED, workload = busiest(world), onProgress } = options;
  await using mesh = await Mesh.start({
    ...world.mesh,
    seed,
    ca: { reproducibleKeys: reproducible(world.mesh.ca), ...world.mesh.ca },
  });
  const workloads = [...mesh.simulation.agents()].length;
  onProgress?.('the longest outage of the certificate authority');
  const caOutage = await longestCaOutage(world, seed);
  onProgress?.(`how far the clock of ${workload} may be ahead`);
  const ahead = await largestSkew(world, { seed, workload, sign: 1 });
  onProgress?.(`how far the clock of ${workload} may be behind`);
  const behind = await largestSkew(world, { seed, workload, sign: -1 });
  return {
    seed,
    start: formatInstant(mesh.clock.now()),
    calendar: expiryCalendar(mesh),
    herd: renewalHerd(workloads, world.times, new Rng(seed)),
    caOutage,
    clock: { workload, ahead, behind },
  };
}

/** What expires when, the soonest first. */
export function expiryCalendar(mesh: Mesh): readonly CalendarEntry[] {
  const entries: CalendarEntry[] = [];
  for (const { workload, agent } of mesh.simulation.agents()) {
    const svid = agent.current();
    if (svid === undefined) continue;
    const { renewAt } = agent;
    entries.push({
      subject: `${workload.namespace}/${workload.name}`,
      kind: 'workload',
      serial: svid.serial,
      notAfter: formatInstant(svid.notAfter),
      ...(renewAt === undefined
        ? {}
        : { renewAt: formatInstant(instantOf(Math.floor(renewAt / SECOND_MS) * SECOND_MS)) }),
    });
  }
  const { ca } = mesh.simulation;
  const authority = (subject: string, kind: 'intermediate' | 'root', index = 0): void => {
    const certificate = kind === 'root' ? ca.roots[index] : ca.intermediate.certificate;
    if (certificate === undefined) return;
    const { serial, notAfter } = certificate;
    entries.push({ subject, kind, serial, notAfter: formatInstant(notAfter) });
  };
  authority('intermediate', 'intermediate');
  for (const index of ca.roots.keys()) authority(`root ${index + 1}`, 'root', index);
  return entries.sort((a, b) => (a.notAfter < b.notAfter ? -1 : a.notAfter > b.notAfter ? 1 : 0));
}

/** How many of a fleet that started together renew in the same few minutes, over its first three renewals. */
export function renewalHerd(workloads: number, times: RotationTimes, rng: Rng): HerdForecast {
  const bucketMs = Math.max(SECOND_MS, Math.ceil(times.ttlMs / 288 / SECOND_MS) * SECOND_MS);
  return {
    workloads,
    bucketMs,
    withJitter: histogram(workloads, times, { rng: rng.fork('herd/jitter'), bucketMs }),
    withoutJitter: histogram(workloads, { ...times, jitterRatio: 0 }, { rng: rng.fork('herd/none'), bucketMs }),
  };
}

const RENEWALS = 3;

function histogram(
  workloads: number,
  times: RotationTimes,
  { rng, bucketMs }: { readonly rng: Rng; readonly bucketMs: number },
): HerdHistogram {
  const counts = new Map<number, number>();
  for (let i = 0; i < workloads; i++) {
    const own = rng.fork(String(i));
    let now = instantOf(0);
    for (let renewal = 0; renewal < RENEWALS; renewal++) {
      const delay = rotationDelayMs({ created: now, expire: addMs(now, times.ttlMs), now, ...times, rng: own });
      now = addMs(now, Math.max(delay, SECOND_MS));
      const bucket = Math.floor(now / bucketMs) * bucketMs;
      counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    }
  }
  const buckets = [...counts].sort(([a], [b]) => a - b).map(([afterMs, renewals]) => ({ afterMs, renewals }));
  return { buckets, peak: Math.max(0, ...counts.values()) };
}

/** The longest outage, beginning at the worst instant, in which no request is lost; to the minute. */
export function longestCaOutage(world: RehearsalWorld, seed: string): Promise<Tolerance> {
  const { times } = world;
  const resolutionMs = resolution(times, MINUTE_MS);
  return largest({ resolutionMs, maxMs: 2 * times.ttlMs }, (outageMs) =>
    decisive(
      world,
      seed,
      caOutagePlan(times, { outageMs, afterMs: firstRotationMs(times), forMs: untilRecovered(times, outageMs) }),
    ),
  );
}

/** After the outage everybody has renewed, and the last to come has been tried. */
function untilRecovered(times: RotationTimes, outageMs: number): number {
  return firstRotationMs(times) + outageMs + 5 * MINUTE_MS;
}

/** The most that one workload's clock may be wrong without a request being lost; to the second. */
export function largestSkew(
  world: RehearsalWorld,
  wrong: { readonly seed: string; readonly workload: string; readonly sign: 1 | -1 },
): Promise<Tolerance> {
  const { times } = world;
  const { seed, workload, sign } = wrong;
  return largest({ resolutionMs: SECOND_MS, maxMs: 2 * times.ttlMs }, (skewMs) =>
    decisive(
      world,
      seed,
      clockSkewPlan(times, {
        workloads: [workload],
        skewMs: sign * skewMs,
        afterMs: MINUTE_MS,
        forMs: 2 * fullRotationMs(times),
      }),
    ),
  );
}

function resolution({ ttlMs }: RotationTimes, wanted: number): number {
  return Math.min(wanted, Math.max(SECOND_MS, Math.floor(ttlMs / 1_000)));
}

/** A rehearsal with handshakes at the instants that decide, and little else. */
async function decisive(world: RehearsalWorld, seed: string, plan: RehearsalPlan): Promise<LossEvidence | undefined> {
  const { firstLoss } = await rehearse(plan, {
    mesh: world.mesh,
    traffic: world.traffic,
    seed,
    probeIntervalMs: Math.max(MINUTE_MS, Math.floor(world.times.ttlMs / 6)),
    freshIntervalMs: Number.POSITIVE_INFINITY,
    probeBeforeRenewal: true,
    stopAtFirstLoss: true,
  });
  return firstLoss;
}

/** Bisection over multiples of `resolutionMs`. */
async function largest(
  range: { readonly resolutionMs: number; readonly maxMs: number },
  lossAt: (ms: number) => Promise<LossEvidence | undefined>,
): Promise<Tolerance> {
  const { resolutionMs, maxMs } = range;
  let good = 0;
  let bad = Math.ceil(maxMs / resolutionMs) + 1;
  let firstLoss: LossEvidence | undefined;
  let rehearsals = 0;
  while (bad - good > 1) {
    const middle = good + Math.floor((bad - good) / 2);
    const loss = await lossAt(middle * resolutionMs);
    rehearsals++;
    if (loss === undefined) good = middle;
    else {
      bad = middle;
      firstLoss = loss;
    }
  }
  const survivesMs = good * resolutionMs;
  if (firstLoss === undefined) return { survivesMs, rehearsals };
  return { survivesMs, failsMs: bad * resolutionMs, firstLoss, rehearsals };
}

/** The workload that takes part in most flows and has a sidecar's clock to be wrong. */
function busiest({ traffic }: RehearsalWorld): string {
  const count = new Map<string, number>();
  for (const { from, to } of traffic) for (const end of [from, to]) count.set(end, (count.get(end) ?? 0) + 1);
  const [first] = [...count].sort(([, a], [, b]) => b - a);
  return first?.[0] ?? '';
}
