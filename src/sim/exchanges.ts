/**
 * Calls over real sockets: HTTP requests and raw connections, from a workload's sidecar or from a program without one.
 * @module
 */
import { type EventLog, type Instant, MeshError } from '../core/index.ts';
import { Certificate, verifyChain } from '../pki/index.ts';
import { acceptsServerNames } from '../policy/index.ts';
import {
  type Address,
  type HttpAnswer,
  type Link,
  openTunnel,
  type OutboundFailure,
  type OutboundPool,
  type OutboundRoute,
  startTls,
  type TcpAnswer,
  type VerifyPeer,
} from '../wire/index.ts';
import { type CallShape, type Departure, isHttp2Port, type Way } from './departures.ts';
import { type ExchangeLedger, ExchangeRecord } from './exchange-ledger.ts';
import { reportConnection, reportExchange, unresolved } from './exchange-report.ts';
import { withoutClientCertificate } from './forwarded-headers.ts';
import { converse } from './conversation.ts';
import { outcomeOf, plainAnswer } from './outcome.ts';
import { rawOutcome } from './raw-outcome.ts';
import type { Caller, ConnectionTls, MeshConnection, MeshRequest, Outcome } from './request.ts';
import type { NoTarget, Target } from './targets.ts';

export interface ExchangeMarks {
  /** The flow this request is a probe of. */
  readonly flow?: string;
  /** Over a connection of its own. */
  readonly fresh?: boolean;
  /** The log tells of this request once this has settled: requests under way together leave their events in order. */
  readonly after?: Promise<unknown>;
  /** A gateway passes it on: what X-Forwarded-Client-Cert says is the gateway's own word. */
  readonly edge?: boolean;
}

/** What calls ask of their mesh. */
export interface ExchangePort {
  readonly events: EventLog;
  readonly ledger: ExchangeLedger;
  readonly pool: OutboundPool;
  now(): Instant;
  departure(from: Caller): Promise<Departure>;
  /** @throws MeshError `ERR_REQUEST_INVALID` */
  resolve(to: string, namespace: string): Target | NoTarget;
  /** Where the target listens, in the order of opening. */
  address(target: Target): Promise<Address>;
  /** The port through which the applications of a workload call out. */
  outbound(workload: string): Promise<Address>;
  requestId(): string;
  /** Virtual time by which faults on a link delay an exchange at present. */
  delayMs(link: Link): number;
  /** REGISTRY_ONLY: hosts nobody registered are refused. */
  registryOnly(): boolean;
}

/** An outcome with the bytes it was made of. */
export interface Exchanged {
  readonly outcome: Outcome;
  readonly answer?: HttpAnswer;
}

/** How a request leaves and where it goes. */
interface Passage {
  readonly departure: Departure;
  readonly target: Target;
  readonly route: OutboundRoute;
  readonly hop: 'http' | 'tcp' | undefined;
  /** Over a connection that is closed afterwards. */
  readonly once: boolean;
}

const WAYS_MAX = 10_000;

/** Ways that hold until the configuration changes, by caller and by where the call goes. */
class KnownWays {
  readonly #byCaller = new Map<string, Map<string, Passage>>();
  #size = 0;

  get({ from, to, host, protocol }: MeshRequest): Passage | undefined {
    return typeof from === 'string' ? this.#byCaller.get(from)?.get(goalOf(to, host, protocol)) : undefined;
  }

  set({ from, to, host, protocol }: MeshRequest, way: Passage): void {
    if (typeof from !== 'string') return;
    if (this.#size >= WAYS_MAX) this.clear();
    let goals = this.#byCaller.get(from);
    if (goals === undefined) this.#byCaller.set(from, (goals = new Map<string, Passage>()));
    goals.set(goalOf(to, host, protocol), way);
    this.#size += 1;
  }

  clear(): void {
    this.#byCaller.clear();
    this.#size = 0;
  }
}

/** `to` itself where nothing else is said: a text that need not be put together and hashed for every request. */
function goalOf(to: string, host: string | undefined, protocol: string | undefined): string {
  return host === undefined && protocol === undefined ? to : `${to} ${host ?? ''} ${protocol ?? ''}`;
}

export class Exchanges {
  readonly #port: ExchangePort;
  readonly #ways = new KnownWays();
  #generation = 0;
  #callers = 0;

  constructor(port: ExchangePort) {
    this.#port = port;
  }

  /** @throws MeshError `ERR_REQUEST_INVALID` */
  async request(request: MeshRequest, marks: ExchangeMarks): Promise<Exchanged> {
    const { events } = this.#port;
    const way = this.#ways.get(request) ?? (await this.#way(request));
    if ('kind' in way) return { outcome: way.outcome };
    const { departure, target } = way;
    const once = departure.oneShot || marks.fresh === true;
    const exchanged = await this.#send(request, once ? { ...way, once, route: this.#ownRoute(way.route) } : way, marks);
    if (marks.after !== undefined) await marks.after.catch(() => undefined);
    const delayMs = this.#port.delayMs(way.route.link);
    const outcome = delayMs > 0 ? { ...exchanged.outcome, durationMs: delayMs } : exchanged.outcome;
    reportExchange(events, request, { departure, target, outcome, flow: marks.flow });
    const { answer } = exchanged;
    return answer === undefined ? { outcome } : { outcome, answer };
  }

  /** The configuration has changed: ways are found anew. */
  forgetWays(): void {
    this.#generation += 1;
    this.#ways.clear();
  }

  async #way(request: MeshRequest): Promise<Passage | { readonly kind: 'nowhere'; readonly outcome: Outcome }> {
    const generation = this.#generation;
    const departure = await this.#port.departure(request.from);
    const target = this.#port.resolve(request.to, departure.namespace);
    if ('kind' in target) return { kind: 'nowhere', outcome: this.#nowhere(target, departure) };
    const speaks = request.protocol ?? defaultProtocol(target);
    const address = await this.#port.address(target);
    const route = departure.route(target, address, { speaks, host: request.host ?? target.host });
    const way: Passage = { departure, target, route, hop: departure.hop(target, 'http'), once: false };
    // Not one that was found in a configuration that has been replaced meanwhile.
    if (!departure.oneShot && generation === this.#generation) this.#ways.set(request, way);
    return way;
  }

  #ownRoute(route: OutboundRoute): OutboundRoute {
    return { ...route, key: `${route.key}#${this.#callers++}` };
  }

  #nowhere({ kind, detail }: NoTarget, departure: Departure): Outcome {
    return unresolved({ kind, detail, viaSidecar: departure.viaSidecar, registryOnly: this.#port.registryOnly() });
  }

  async #send(request: MeshRequest, way: Passage, { edge }: ExchangeMarks): Promise<Exchanged> {
    const { target, route, once, hop } = way;
    const { ledger, pool } = this.#port;
    const given = request.headers?.['x-request-id'];
    const requestId = typeof given === 'string' ? given : this.#port.requestId();
    const requested = ledger.open(requestId);
    const headers =
      hop === 'http' && request.headers !== undefined && edge !== true
        ? withoutClientCertificate(lowerNames(request.headers))
        : request.headers;
    try {
      const answer = await pool.request(route, {
        method: request.method ?? 'GET',
        path: request.path ?? '/',
        host: request.host ?? target.host,
        headers: headers === undefined ? { 'x-request-id': requestId } : { ...headers, 'x-request-id': requestId },
        ...(request.body === undefined ? {} : { body: request.body }),
      });
      const record = this.#recordOf(answer, requested);
      const refusal = answer.ok ? this.#refused(answer.connection.id) : this.#refusalOf(answer.failure);
      return { answer, outcome: outcomeOf({ answer, record, refusal, hop }) };
    } finally {
      ledger.close(requestId);
      if (once) await pool.drain(route.key);
    }
  }

  /** A server that takes the port for TCP has seen no request, but it has seen the connection. */
  #recordOf(answer: HttpAnswer, requested: ExchangeRecord): ExchangeRecord {
    if (requested.connection !== undefined) return requested;
    const id = answer.ok ? answer.connection.id : (answer.failure.connection?.id ?? answer.failure.connectionId);
    return (id === undefined ? undefined : this.#port.ledger.knownConnection(id)) ?? requested;
  }

  #refusalOf(failure: OutboundFailure): ReturnType<ExchangeLedger['takeRefusal']> {
    const id = failure.connection?.id ?? failure.connectionId;
    return id === undefined ? undefined : this.#refused(id);
  }

  #refused(id: number): ReturnType<ExchangeLedger['takeRefusal']> {
    return this.#port.ledger.takeRefusal(id);
  }

  /** A raw connection. @throws MeshError `ERR_REQUEST_INVALID` */
  async connect(connection: MeshConnection): Promise<Outcome> {
    const departure = await this.#port.departure(connection.from);
    const target = this.#port.resolve(connection.to, departure.namespace);
    if ('kind' in target) return { ...this.#nowhere(target, departure), status: 0, body: '' };
    const outcome =
      departure.hop(target, 'tcp') === 'http'
        ? await this.#asHttp(connection, departure, target)
        : await this.#raw(connection, departure, target);
    reportConnection(this.#port.events, { departure, target, outcome });
    return outcome;
  }

  /** To a port that the caller's own sidecar takes for HTTP: its codec gets the bytes. */
  async #asHttp(connection: MeshConnection, { outboundOf }: Departure, target: Target): Promise<Outcome> {
    const { service, servicePort } = target;
    const tunnel = await openTunnel(await this.#port.outbound(outboundOf ?? ''), `${service.host}:${servicePort}`);
    const heard = await converse(tunnel, connection, new ExchangeRecord());
    return rawOutcome({ kind: 'codec', heard });
  }

  async #raw(connection: MeshConnection, departure: Departure, target: Target): Promise<Outcome> {
    const { ledger } = this.#port;
    const opened = await this.openStream(departure, target);
    const hop = departure.hop(target, 'tcp') === 'tcp' ? 'tcp' : undefined;
    if (!opened.ok) {
      const { failure } = opened;
      const { connectionId: id } = failure;
      const refusal = this.#refusalOf(failure);
      const record = id === undefined ? undefined : ledger.knownConnection(id);
      return rawOutcome({ kind: 'failed', failure: plainAnswer(failure, record), refusal, hop });
    }
    const { connection: facts } = opened;
    const record = ledger.connection(facts.id);
    try {
      let { stream } = opened;
      if (connection.tls !== undefined) {
        const secured = await startTls(stream, this.#ownTls(connection.tls));
        if (!secured.ok)
          return rawOutcome({ kind: 'tls', facts, record, failed: secured, refusal: this.#refused(facts.id) });
        stream = secured.stream;
      }
      const heard = await converse(stream, connection, record);
      return rawOutcome({
        kind: 'spoken',
        facts,
        record,
        heard,
        refusal: this.#refused(facts.id),
        ownTls: connection.tls !== undefined,
      });
    } finally {
      opened.stream.destroy();
      ledger.closeConnection(facts.id);
    }
  }

  /** The stream of a raw connection, for who carries its bytes himself. */
  async openStream(departure: Departure, target: Target, shape: CallShape = { speaks: 'tcp' }): Promise<TcpAnswer> {
    const route = departure.route(target, await this.#port.address(target), shape);
    return this.#port.pool.connectTcp(route);
  }

  #ownTls({ serverName, alpn, roots }: ConnectionTls): Parameters<typeof startTls>[1] {
    return {
      ...(serverName === undefined ? {} : { sni: serverName }),
      ...(alpn === undefined ? {} : { alpn }),
      identity: () => undefined,
      verifyServer: applicationVerdict(roots, serverName, () => this.#port.now()),
    };
  }

  /** Opens keep-alive connections until `count` are open; how many are. */
  async open(from: string, to: string, count: number): Promise<number> {
    const route = await this.#routeOf(from, to);
    if (route === undefined) return 0;
    const opened = await this.#port.pool.open({ ...route, connectionsMax: count }, count);
    return opened.open;
  }

  /** Sockets open from one workload to another. */
  async count(from: string, to: string): Promise<number> {
    const route = await this.#routeOf(from, to);
    return route === undefined ? 0 : this.#port.pool.connections(route.key);
  }

  /** Closes the idle connections from one workload to another. */
  async drain(from: string, to: string): Promise<void> {
    const route = await this.#routeOf(from, to);
    if (route !== undefined) await this.#port.pool.drain(route.key);
  }

  async #routeOf(from: string, to: string): Promise<OutboundRoute | undefined> {
    return (await this.way(from, to))?.route;
  }

  /** How a call would leave and where it would arrive; nothing where `to` leads nowhere. */
  async way(from: Caller, to: string): Promise<Way | undefined> {
    const request = { from, to };
    const way = this.#ways.get(request) ?? (await this.#way(request));
    if ('kind' in way) return undefined;
    const { route, target } = way;
    const { workload, host } = target;
    return { route, host, server: `${workload.namespace}/${workload.name}` };
  }
}

/** An application that calls a port declared HTTP/2 or gRPC speaks HTTP/2. */
export function defaultProtocol({ service, servicePort }: Target): 'http/1.1' | 'h2' {
  return isHttp2Port(service, servicePort) ? 'h2' : 'http/1.1';
}

function lowerNames(
  headers: Readonly<Record<string, string | readonly string[]>> = {},
): Readonly<Record<string, string | readonly string[]>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function applicationVerdict(roots: string | undefined, serverName: string | undefined, now: () => Instant): VerifyPeer {
  if (roots === undefined) return () => ({ ok: true, validUntil: now() });
  const trusted = Object.freeze(Certificate.allFromPem(roots));
  if (trusted.length === 0) throw new MeshError('ERR_REQUEST_INVALID', 'no certificate in `tls.roots`');
  return (chain) => {
    const certificates = chain.map((der) => Certificate.fromDer(der));
    const result = verifyChain(certificates, { roots: trusted, at: now(), purpose: 'server' });
    if (!result.ok) return result;
    const names = (certificates[0]?.extensions.subjectAltName ?? []).flatMap((name) =>
      name.kind === 'uri' || name.kind === 'dns' ? [name.text] : [],
    );
    const asked = { subjectAltNames: [], matchesHost: true, trust: { kind: 'system' } } as const;
    return acceptsServerNames(asked, names, serverName)
      ? { ok: true, validUntil: result.validUntil }
      : { ok: false, reason: 'san_mismatch', detail: `the server is ${names.join(', ')}` };
  };
}
