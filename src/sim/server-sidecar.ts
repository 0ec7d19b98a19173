/**
 * The server's side of one workload port: a live listener that asks for the filter chain of every connection, decides
 * every request before the application sees it, and answers as Envoy does.
 *
 * A workload without a sidecar is the same listener with nothing in front of its application.
 * @module
 */
import type { Instant } from '../core/index.ts';
import type { AuthorizationRequest, Decision, RequestAuthAttributes } from '../policy/index.ts';
import {
  type FilterChain,
  type FirstFlight,
  type InboundExchange,
  InboundListener,
  type InboundOptions,
} from '../wire/index.ts';
import type { Application } from './application.ts';
import type { ExchangeLedger, ExchangeRecord } from './exchange-ledger.ts';

/** What request authentication made of a request. */
export type TokenVerdict =
  | { readonly ok: true; readonly auth?: RequestAuthAttributes; readonly headers?: InboundExchange['headers'] }
  | {
      readonly ok: false;
      readonly status: number;
      readonly body: string;
      readonly details: string;
      readonly wwwAuthenticate?: string;
    };

/** What the configuration says about one workload port. Replaced as a whole when the configuration changes. */
export interface PortPolicy {
  chain(flight: FirstFlight): FilterChain;
  decide(request: AuthorizationRequest): Decision;
  /** The path that is matched and forwarded. */
  normalize(path: string): string;
  /** Absent where no RequestAuthentication selects the workload. */
  readonly authenticate?: (exchange: InboundExchange, now: Instant) => Promise<TokenVerdict>;
}

/** A workload without a sidecar: its application takes HTTP as it comes, and chokes on anything else. */
export const BARE_PORT: Pick<PortPolicy, 'chain'> = {
  chain: (flight) => (flight.kind === 'raw' && flight.looksLike === 'http' ? 'plain-http' : 'codec-error'),
};

export interface ServerSidecarOptions {
  readonly namespace: string;
  readonly workload: string;
  readonly port: number;
  /** The pod's virtual address. */
  readonly ip: string;
  /** Asked anew for every connection and request; absent: no sidecar. */
  readonly policy: (() => PortPolicy) | undefined;
  readonly application: Application;
  readonly ledger: ExchangeLedger;
  readonly now: () => Instant;
  readonly listener: Pick<
    InboundOptions,
    'identity' | 'verifyClient' | 'addresses' | 'onOpened' | 'onClosed' | 'onRefused' | 'minVersion' | 'listenPort'
  >;
}

/** Applications get at most this much body: a bound against memory, not a limit of Istio's. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;

const RBAC_DENIED = 'RBAC: access denied';

export class ServerSidecar implements AsyncDisposable {
  readonly #options: ServerSidecarOptions;
  #listener: InboundListener | undefined;

  private constructor(options: ServerSidecarOptions) {
    this.#options = options;
  }

  static async listen(options: ServerSidecarOptions): Promise<ServerSidecar> {
    const sidecar = new ServerSidecar(options);
    sidecar.#listener = await InboundListener.listen({
      ...options.listener,
      port: options.port,
      chain: (flight) => (options.policy?.() ?? BARE_PORT).chain(flight),
      onHttp: (exchange) => sidecar.#onHttp(exchange),
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
    const { policy: read, ledger, now } = this.#options;
    const record = ledger.find(exchange.headers['x-request-id']);
    if (record) record.connection = exchange.connection;
    const policy = read?.();
    if (policy === undefined) return this.#serve(exchange, exchange.path, record);
    if (policy.authenticate === undefined) return this.#authorize(exchange, policy, undefined, record);
    return policy.authenticate(exchange, now()).then((verdict) => {
      if (verdict.ok) return this.#authorize(exchange, policy, verdict.auth, record);
      if (record) record.details = verdict.details;
      exchange.reply({
        status: verdict.status,
        headers: {
          'content-type': 'text/plain',
          ...(verdict.wwwAuthenticate === undefined ? {} : { 'www-authenticate': verdict.wwwAuthenticate }),
        },
        body: verdict.body,
      });
      return undefined;
    });
  }

  #authorize(
    exchange: InboundExchange,
    policy: PortPolicy,
    auth: RequestAuthAttributes | undefined,
    record: ExchangeRecord | undefined,
  ): void | Promise<void> {
    const asked = this.#attributes(exchange, auth);
    const decision = policy.decide(asked);
    if (record) Object.assign(record, { asked, decision });
    if (decision.decision === 'deny') {
      exchange.reply({
        status: decision.status,
        headers: { 'content-type': 'text/plain' },
        body: decision.status === 403 ? RBAC_DENIED : '',
      });
      return undefined;
    }
    return this.#serve(exchange, policy.normalize(exchange.path), record);
  }

  #attributes(exchange: InboundExchange, auth: RequestAuthAttributes | undefined): AuthorizationRequest {
    const { connection } = exchange;
    const { namespace, workload, port, ip } = this.#options;
    const peer = connection.source?.ip ?? connection.remote.host;
    const principal = connection.principal;
    return {
      destination: { namespace, workload, port, ip },
      source: {
        ...(principal === undefined ? {} : { principal: principal.slice('spiffe://'.length) }),
        ip: peer,
        remoteIp: lastForwarded(exchange.headers['x-forwarded-for']) ?? peer,
      },
      ...(connection.sni === undefined ? {} : { connection: { sni: connection.sni } }),
      request: {
        method: exchange.method,
        ...(exchange.host === undefined ? {} : { host: exchange.host }),
        path: exchange.path,
        headers: exchange.headers,
        ...(auth === undefined ? {} : { auth }),
      },
    };
  }

  #serve(exchange: InboundExchange, path: string, record: ExchangeRecord | undefined): void | Promise<void> {
    if (record) record.reached = true;
    const hasBody =
      exchange.headers['content-length'] !== undefined || exchange.headers['transfer-encoding'] !== undefined;
    if (!hasBody) return this.#answer(exchange, path, new Uint8Array());
    return exchange.body(BODY_BYTES_MAX).then((body) => {
      if (record) record.applicationBytes = body.length;
      return this.#answer(exchange, path, body);
    });
  }

  #answer(exchange: InboundExchange, path: string, body: Uint8Array): void | Promise<void> {
    const response = this.#options.application({ method: exchange.method, path, headers: exchange.headers, body });
    if (response instanceof Promise) return response.then((answer) => exchange.reply(answer));
    exchange.reply(response);
    return undefined;
  }
}

/** A sidecar trusts the right-most entry of X-Forwarded-For (use_remote_address=false, no trusted hops). */
export function lastForwarded(header: string | readonly string[] | undefined): string | undefined {
  const text = typeof header === 'string' ? header : header?.join(',');
  const last = text?.split(',').at(-1)?.trim();
  return last === undefined || last === '' ? undefined : last;
}
