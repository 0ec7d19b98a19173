/** Events for the tests of telemetry: short builders, the brief's shop, and generated logs. */
import * as fc from 'fast-check';
import {
  addMs,
  DEFAULT_EPOCH,
  EventLog,
  type ConnectionRefused,
  type Instant,
  type MeshEvent,
  type NewMeshEvent,
  type PeerRef,
  type RequestCompleted,
  type ServiceRef,
  type TrafficRecorded,
} from '../../../src/core/index.ts';

/** The seed of every property here: `FC_SEED` overrides it. */
export const FC_PARAMETERS: { readonly seed: number } = { seed: Number(process.env['FC_SEED'] ?? 20_260_101) };

/** A log whose clock the test moves. */
export class LogBuilder {
  #now: Instant = DEFAULT_EPOCH;
  readonly #log = new EventLog(() => this.#now);

  /** Appends `events` `atMs` after the epoch. */
  at(atMs: number, ...events: readonly NewMeshEvent[]): this {
    this.#now = addMs(DEFAULT_EPOCH, atMs);
    for (const event of events) this.#log.append(event);
    return this;
  }

  get events(): readonly MeshEvent[] {
    return this.#log.all();
  }
}

export function after(ms: number): Instant {
  return addMs(DEFAULT_EPOCH, ms);
}

export function principalOf(name: string, namespace = 'default'): string {
  return `spiffe://cluster.local/ns/${namespace}/sa/${name}`;
}

export function peer(name: string, namespace = 'default', proved = true): PeerRef {
  const workload = { namespace, name };
  return proved ? { workload, principal: principalOf(name, namespace) } : { workload };
}

export function service(name: string, namespace = 'default', port = 8080): ServiceRef {
  return { host: `${name}.${namespace}.svc.cluster.local`, namespace, name, port };
}

type Fields<E extends MeshEvent> = Partial<Omit<E, 'at' | 'seq' | 'kind'>>;

/** One minute of `requests` from `from` to `to` over mutual TLS, all well. */
export function traffic(
  from: string,
  to: string,
  requests: number,
  fields: Fields<TrafficRecorded> = {},
): NewMeshEvent {
  const proved = (fields.security ?? 'mutual_tls') === 'mutual_tls';
  return {
    kind: 'traffic.recorded',
    flow: `${from} -> ${to}`,
    source: peer(from, 'default', proved),
    destination: peer(to, 'default', proved),
    service: service(to),
    intervalMs: 60_000,
    method: 'GET',
    requests,
    lost: 0,
    errors: 0,
    status: 200,
    flags: '-',
    security: 'mutual_tls',
    latency: [{ ms: 10, count: requests }],
    connections: 1,
    ...fields,
  };
}

export function request(from: string, to: string, fields: Fields<RequestCompleted> = {}): NewMeshEvent {
  return {
    kind: 'request.completed',
    source: peer(from),
    destination: peer(to),
    service: service(to),
    method: 'GET',
    path: '/',
    status: 200,
    flags: '-',
    security: 'mutual_tls',
    determining: [],
    ...fields,
  };
}

export function refused(from: string, to: string, fields: Fields<ConnectionRefused> = {}): NewMeshEvent {
  return {
    kind: 'connection.refused',
    source: peer(from),
    destination: peer(to),
    service: service(to),
    port: 8080,
    stage: 'verify-client',
    reason: 'expired',
    applicationBytes: 0,
    ...fields,
  };
}

export function issued(name: string, atMs: number, serial: string, reason: 'initial' | 'rotation'): NewMeshEvent {
  return {
    kind: 'certificate.issued',
    spiffeId: principalOf(name),
    serial,
    notBefore: after(atMs),
    notAfter: after(atMs + 24 * 3_600_000),
    reason,
  };
}

const NAMES = ['api-gateway', 'user-service', 'order-service', 'legacy-service'];
const name = fc.constantFrom(...NAMES);
const latency = fc.array(
  fc.record({ ms: fc.double({ min: 0, max: 90_000, noNaN: true }), count: fc.integer({ min: 1, max: 5_000 }) }),
  { maxLength: 5 },
);

const trafficEvent = fc
  .record({
    from: name,
    to: name,
    latency,
    lostShare: fc.constantFrom(0, 0, 0, 0.5, 1),
    errorShare: fc.constantFrom(0, 0.001, 0.2),
    security: fc.constantFrom('mutual_tls' as const, 'mutual_tls' as const, 'tls' as const, 'none' as const),
    connections: fc.nat(200),
    intervalMs: fc.constantFrom(1_000, 60_000),
  })
  .map(({ from, to, latency, lostShare, errorShare, ...fields }) => {
    const requests = latency.reduce((sum, sample) => sum + sample.count, 0);
    const lost = Math.floor(requests * lostShare);
    const errors = Math.floor((requests - lost) * errorShare);
    const gone = requests > 0 && lost === requests;
    return traffic(from, to, requests, {
      ...fields,
      latency,
      lost,
      errors,
      status: gone ? 503 : 200,
      flags: gone ? 'UF,URX' : '-',
    });
  });

const requestEvent = fc
  .record({
    from: name,
    to: name,
    answer: fc.constantFrom(
      { status: 200, flags: '-' },
      { status: 403, flags: '-', details: 'rbac_access_denied_matched_policy[none]' },
      { status: 503, flags: 'UC' },
    ),
    flow: fc.option(fc.constant('probe'), { nil: undefined }),
  })
  .map(({ from, to, answer, flow }) => request(from, to, { ...answer, ...(flow === undefined ? {} : { flow }) }));

/** Openings and closings of a few connections, in any order a stream of steps allows. */
const connectionStep = fc.record({ open: fc.boolean(), to: name, pick: fc.nat() });

/** A whole log: traffic, single requests, connections and certificates, in time order. */
export const eventLog: fc.Arbitrary<readonly MeshEvent[]> = fc
  .array(
    fc.record({
      afterMs: fc.integer({ min: 0, max: 60_000 }),
      step: fc.oneof(
        { weight: 4, arbitrary: trafficEvent.map((event) => ({ event })) },
        { weight: 2, arbitrary: requestEvent.map((event) => ({ event })) },
        { weight: 1, arbitrary: connectionStep.map((connection) => ({ connection })) },
        {
          weight: 1,
          arbitrary: fc
            .tuple(name, fc.constantFrom('initial' as const, 'rotation' as const), fc.nat(99))
            .map(([id, reason, serial]) => ({ event: issued(id, 0, String(serial), reason) })),
        },
      ),
    }),
    { maxLength: 40 },
  )
  .map((steps) => {
    const log = new LogBuilder();
    const open: number[] = [];
    let atMs = 0;
    let connection = 0;
    for (const { afterMs, step } of steps) {
      atMs += afterMs;
      if ('event' in step) log.at(atMs, step.event);
      else if (step.connection.open) {
        open.push(connection);
        log.at(atMs, {
          kind: 'connection.opened',
          connection: connection++,
          source: peer('api-gateway'),
          destination: peer(step.connection.to),
          service: service(step.connection.to),
          port: 8080,
          security: 'mutual_tls',
          tlsVersion: 'TLSv1.3',
          resumed: false,
        });
      } else {
        const [closed] = open.splice(step.connection.pick % Math.max(1, open.length), 1);
        if (closed !== undefined) log.at(atMs, { kind: 'connection.closed', connection: closed });
      }
    }
    return log.events;
  });
