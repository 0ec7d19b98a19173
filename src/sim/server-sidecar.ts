/**
 * The server's side of one workload port: a live listener that asks for the filter chain of every connection, decides
 * every request, and every raw connection at its first bytes, before the application sees it, and answers as Envoy does.
 *
 * A workload without a sidecar is the same listener with nothing in front of its application.
 *
 * Not modelled: CUSTOM refusals go behind those of request authentication here, and before them in Envoy.
 * @module
 */
import type { Duplex } from 'node:stream';
import type { Instant } from '../core/index.ts';
import {
  type AuthenticatedRequest,
  type AuthorizationRequest,
  type Decision,
  denialBody,
  type RefusedRequest,
  type RequestAuthAttributes,
  type TokenRequest,
} from '../policy/index.ts';
import {
  connectTo,
  type FilterChain,
  type FirstFlight,
  type InboundConnection,
  type InboundExchange,
  type InboundHeaders,
  InboundListener,
  type InboundOptions,
  type Reply,
  withHeader,
} from '../wire/index.ts';
import { answer, type ApplicationPort } from './application-port.ts';
import type { ExchangeLedger, ExchangeRecord } from './exchange-ledger.ts';
import { headerLines, receivedHeaders, withChanges } from './forwarded-headers.ts';
import { localReply } from './local-reply.ts';
import { TcpGate } from './tcp-gate.ts';
import { onwardHeaders } from './onward-reply.ts';
import type { MeshRequest, Outcome } from './request.ts';
import type { Writable } from './writable.ts';

/** What the configuration says about one workload port. Replaced as a whole when the configuration changes. */
export interface PortPolicy {
  chain(flight: FirstFlight): FilterChain;
  /** @param admitted `tokens.admit` was asked before */
  decide(request: AuthorizationRequest, admitted?: boolean): Decision;
  /** The path that is matched and forwarded. */
  normalize(path: string): string;
  /** Absent where no RequestAuthentication selects the workload. */
  readonly tokens?: TokenFilter;
}

interface TokenFilter {
  /** What refuses a request before its tokens are looked at, or nothing. */
  admit(request: AuthorizationRequest): Decision | undefined;
  authenticate(request: TokenRequest): Promise<AuthenticatedRequest | RefusedRequest>;
}

/** A port that faces the outside, and passes on what it lets through. */
export interface EdgePort {
  /** The headers from here on, and the client's address. */
  received(
    headers: InboundHeaders,
    connection: InboundConnection,
  ): { readonly headers: InboundHeaders; readonly remoteIp: string };
  pass(
    request: Omit<MeshRequest, 'from' | 'to'>,
  ): Promise<{ readonly reply: Reply | undefined; readonly outcome: Outcome }>;
}

export interface ServerSidecarOptions {
  readonly namespace: string;
  readonly workload: string;
  readonly port: number;
  /** The pod's virtual address. */
  readonly ip: string;
  /** The SPIFFE ID of the workload now. */
  self(): string;
  /** Asked anew for every connection and request; absent: no sidecar. */
  readonly policy: (() => PortPolicy) | undefined;
  readonly application: ApplicationPort;
  /** Instead of an application. */
  readonly edge?: EdgePort;
  readonly ledger: ExchangeLedger;
  readonly now: () => Instant;
  /** Makes an id for a request that has none. */
  requestId(): string;
  /** Told of requests and raw connections that nobody in this process asked for. */
  onForeign(seen: ForeignExchange): void;
  readonly listener: Pick<
    InboundOptions,
    'identity' | 'verifyClient' | 'addresses' | 'onOpened' | 'onClosed' | 'onRefused' | 'minVersion' | 'listenPort'
  >;
}

/** What a client that is none of the mesh's own asked for, and what it got. */
export interface ForeignExchange {
  readonly connection: InboundConnection;
  readonly method: string;
  readonly path: string;
  readonly authority: string | undefined;
  readonly status: number;
  readonly details: string;
  readonly decision: Decision | undefined;
}

/** A request on its way through the filters. */
interface Passing {
  readonly exchange: InboundExchange;
  readonly record: ExchangeRecord | undefined;
  readonly headers: InboundHeaders;
  readonly path: string;
  readonly auth?: RequestAuthAttributes;
  /** Where it is not what X-Forwarded-For says. */
  readonly remoteIp?: string;
}

type Peer = AuthorizationRequest & Required<Pick<AuthorizationRequest, 'source'>>;

const NO_DETAILS = 'via_upstream';
const FORBIDDEN = 403;

export class ServerSidecar implements AsyncDisposable {
  readonly #options: ServerSidecarOptions;
  readonly #peers = new WeakMap<InboundConnection, Peer>();
  #listener: InboundListener | undefined;

  private constructor(options: ServerSidecarOptions) {
    this.#options = options;
  }

  static async listen(options: ServerSidecarOptions): Promise<ServerSidecar> {
    const sidecar = new ServerSidecar(options);
    const { application, policy } = options;
    sidecar.#listener = await InboundListener.listen({
      ...options.listener,
      port: options.port,
      chain: (flight) => (policy?.() ?? bareChain(application)).chain(flight),
      // Without a sidecar nothing looks at the bytes before an application that may speak first.
      ...(policy === undefined && { inspect: application.inProcess !== undefined }),
      onHttp: (exchange) => sidecar.#onHttp(exchange),
      onTcp: (connection, stream) => void sidecar.#onTcp(connection, stream),
    });
    return sidecar;
  }

  get address(): { readonly host: string; readonly port: number } {
    if (this.#listener === undefined) throw new TypeError('the sidecar is closed');
    return this.#listener.address;
  }

  get connections(): number {
    return this.#listener?.connections ?? 0;
  }

  /** Sockets open at this port, those that have not sent a byte yet included. */
  get sockets(): number {
    return this.#listener?.sockets ?? 0;
  }

  /** Closes what is open, as a listener that drains; new connections meet the configuration of today. */
  closeConnections(): void {
    this.#listener?.closeConnections();
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #onHttp(exchange: InboundExchange): void | Promise<void> {
    const { policy: read, ledger } = this.#options;
    const { connection } = exchange;
    const known = connection.source === undefined ? undefined : ledger.find(exchange.headers['x-request-id']);
    if (known) known.connection = connection;
    const policy = read?.();
    if (policy === undefined) {
      return this.#serve({ exchange, record: known, headers: exchange.headers, path: exchange.path });
    }
    const { headers, remoteIp } = this.#received(exchange);
    const arrived = { exchange, record: known, headers, path: exchange.path };
    const passing = remoteIp === undefined ? arrived : { ...arrived, remoteIp };
    const misdirected = misdirection(exchange, this.#options.edge !== undefined);
    if (misdirected !== undefined) {
      const { status, details } = misdirected;
      if (known) known.details = details;
      exchange.reply(localReply(headers, { status, body: '' }));
      this.#report(passing, { status, details, decision: undefined });
      return undefined;
    }
    return policy.tokens === undefined
      ? this.#authorize(passing, policy)
      : this.#authenticate(passing, policy, policy.tokens);
  }

  #authenticate(passing: Passing, policy: PortPolicy, tokens: TokenFilter): void | Promise<void> {
    const { exchange, record, headers, path } = passing;
    const arrived = this.#attributes(passing);
    const refusal = tokens.admit(arrived);
    if (refusal !== undefined) return this.#refuse(passing, arrived, refusal);
    const { method, host } = exchange;
    const asked = { method, path, headers, now: this.#options.now(), ...(host === undefined ? {} : { host }) };
    return tokens.authenticate(asked).then((verdict) => {
      if (verdict.ok) {
        const { headersToRemove, headersToAdd, auth } = verdict;
        const changed = withChanges(headers, headersToRemove, headersToAdd);
        const read = {
          ...passing,
          headers: changed,
          path: verdict.path ?? path,
          ...(auth === undefined ? {} : { auth }),
        };
        return this.#authorize(read, policy, true);
      }
      if (record) record.details = verdict.detail;
      const { status, body, detail, wwwAuthenticate } = verdict;
      exchange.reply(localReply(headers, { status, body, headers: { 'www-authenticate': wwwAuthenticate } }));
      this.#report(passing, { status, details: detail, decision: undefined });
      return undefined;
    });
  }

  #received({ headers, connection }: InboundExchange): Pick<Passing, 'headers' | 'remoteIp'> {
    const { edge } = this.#options;
    if (edge !== undefined) return edge.received(headers, connection);
    return { headers: receivedHeaders(this.#identified(headers), connection, this.#options.self()) };
  }

  #identified(headers: InboundHeaders): InboundHeaders {
    if (headers['x-request-id'] !== undefined) return headers;
    return withHeader(headers, 'x-request-id', this.#options.requestId());
  }

  #authorize(passing: Passing, policy: PortPolicy, admitted: boolean = false): void | Promise<void> {
    const { record } = passing;
    const asked = this.#attributes(passing);
    const decision = policy.decide(asked, admitted);
    if (decision.decision === 'deny') return this.#refuse(passing, asked, decision);
    if (record) {
      record.asked = asked;
      record.decision = decision;
    }
    const { exchange, headers } = passing;
    return this.#serve({ exchange, record, headers, path: policy.normalize(passing.path) }, decision);
  }

  #refuse(passing: Passing, asked: AuthorizationRequest, decision: Decision): void {
    const { exchange, record, headers } = passing;
    if (record) {
      record.asked = asked;
      record.decision = decision;
    }
    const { status } = decision;
    exchange.reply(localReply(headers, { status, body: denialBody(decision) }));
    this.#report(passing, { status, details: decision.trace.detail ?? decision.reason, decision });
  }

  #attributes({ exchange, headers, path, auth, remoteIp: seen }: Passing): AuthorizationRequest {
    const peer = this.#peer(exchange.connection);
    const { method, host } = exchange;
    const request: Writable<NonNullable<AuthorizationRequest['request']>> = { method, path, headers };
    if (host !== undefined) request.host = host;
    if (auth !== undefined) request.auth = auth;
    const { destination, connection } = peer;
    const source = seen === undefined ? peer.source : { ...peer.source, remoteIp: seen };
    return connection === undefined ? { destination, source, request } : { destination, source, connection, request };
  }

  /** What policies are told of a connection: the same for all its requests. */
  #peer(connection: InboundConnection): Peer {
    let peer = this.#peers.get(connection);
    if (peer === undefined) {
      const { namespace, workload, port, ip } = this.#options;
      const { source, remote, principal, sni } = connection;
      peer = {
        destination: { namespace, workload, port, ip },
        source: {
          ...(principal === undefined ? {} : { principal: principal.slice('spiffe://'.length) }),
          ip: source?.ip ?? remote.host,
        },
        ...(sni === undefined ? {} : { connection: { sni } }),
      };
      this.#peers.set(connection, peer);
    }
    return peer;
  }

  #serve(passing: Passing, decision?: Decision): void | Promise<void> {
    const { exchange, record, path, headers } = passing;
    const { application, edge } = this.#options;
    if (record) record.reached = true;
    if (edge !== undefined) return this.#pass(edge, passing, decision);
    if (exchange.upgrade !== undefined && application.inProcess === undefined) return this.#tunnel(passing, decision);
    if (application.inProcess !== undefined) {
      const answered = answer(application.inProcess, exchange, {
        path,
        headers,
        onBody: (bytes) => {
          if (record) record.applicationBytes = bytes;
        },
      });
      return this.#once(answered, () =>
        this.#report(passing, { status: exchange.status, details: NO_DETAILS, decision }),
      );
    }
    return application
      .address()
      .then((to) => exchange.forward(to, { path, headers: headerLines(headers) }))
      .then((status) => this.#report(passing, { status, details: NO_DETAILS, decision }));
  }

  async #pass(edge: EdgePort, passing: Passing, decision: Decision | undefined): Promise<void> {
    const { exchange, record, path, headers } = passing;
    const { method, host, protocol } = exchange;
    const body = exchange.hasBody ? await exchange.body().catch(() => undefined) : NO_BODY;
    if (body === undefined) {
      exchange.reply(localReply(headers, { status: 413, body: 'Payload Too Large' }));
      this.#report(passing, { status: 413, details: 'request_payload_too_large', decision });
      return;
    }
    const { reply, outcome } = await edge.pass({
      method,
      path,
      ...(host !== undefined && { host }),
      headers: onwardHeaders(headers),
      protocol: protocol === 'h2' ? 'h2' : 'http/1.1',
      ...(body.length > 0 && { body }),
    });
    if (record) record.onward = outcome;
    if (reply === undefined) exchange.abort();
    else exchange.reply(reply);
    this.#report(passing, { status: exchange.status, details: outcome.details, decision });
  }

  async #tunnel(passing: Passing, decision: Decision | undefined): Promise<void> {
    const { exchange, path, headers } = passing;
    try {
      const upstream = await connectTo(await this.#options.application.address());
      await exchange.tunnel(upstream, { path, headers: headerLines(headers) });
    } catch {
      exchange.reply(localReply(headers, { status: 503, body: NO_UPSTREAM }));
    }
    this.#report(passing, { status: exchange.status, details: NO_DETAILS, decision });
  }

  #once(done: void | Promise<void>, then: () => void): void | Promise<void> {
    if (done instanceof Promise) return done.then(then);
    then();
    return undefined;
  }

  #report({ exchange, record, path }: Passing, seen: Pick<ForeignExchange, 'status' | 'details' | 'decision'>): void {
    if (record !== undefined) return;
    const { connection, method, host: authority } = exchange;
    this.#options.onForeign({ connection, method, path, authority, ...seen });
  }

  /** A raw connection: the application is connected at once, and hears the client once its first bytes are let through. */
  async #onTcp(connection: InboundConnection, stream: Duplex): Promise<void> {
    const { ledger, policy: read, application } = this.#options;
    const dialled = connection.source?.connection;
    const record = dialled === undefined ? undefined : ledger.connection(dialled);
    if (record) record.connection = connection;
    const policy = read?.();
    let upstream: Duplex;
    try {
      upstream = await connectTo(await application.address());
    } catch {
      if (record) record.details = 'connection_refused';
      stream.destroy();
      record?.onVerdict?.();
      return;
    }
    if (stream.destroyed) {
      upstream.destroy();
      return;
    }
    const gate = new TcpGate(stream, upstream, () => {
      if (policy === undefined) return true;
      const asked = this.#peer(connection);
      const decision = policy.decide(asked);
      if (record) Object.assign(record, { asked, decision });
      return decision.decision === 'allow';
    });
    gate.onVerdict = (allowed) => {
      if (record && allowed) record.reached = true;
      record?.onVerdict?.();
    };
    upstream.once('close', () => {
      if (record) record.applicationBytes = gate.bytes;
    });
  }
}

/** What Envoy answers before its filters: to upgrades other than Istio's, CONNECT among them, and to `OPTIONS *`. */
function misdirection(
  { upgrade, path }: InboundExchange,
  isEdge: boolean,
): { readonly status: number; readonly details: string } | undefined {
  if (upgrade !== undefined && (isEdge || upgrade !== 'websocket'))
    return { status: FORBIDDEN, details: 'upgrade_failed' };
  return path.startsWith('/') ? undefined : { status: 404, details: 'absolute_path' };
}

/** Without a sidecar: what is not a function in process gets the bytes as they come. */
function bareChain(application: ApplicationPort): Pick<PortPolicy, 'chain'> {
  return application.inProcess === undefined ? { chain: () => 'passthrough' } : application;
}

const NO_BODY = new Uint8Array();
const NO_UPSTREAM =
  'upstream connect error or disconnect/reset before headers. reset reason: remote connection failure';
