/**
 * One port of an application, as its container has it: where requests and raw connections arrive once the sidecar has
 * let them through.
 *
 * A function that answers HTTP is called in process. Raw bytes need a port: one on loopback is opened when they first
 * come, so that an application in process is as real to them as one that runs by itself.
 * @module
 */
import { MeshError, messageOf } from '../core/index.ts';
import { Certificate, keyPairFromPem } from '../pki/index.ts';
import {
  type Address,
  AddressBook,
  type Credential,
  type FilterChain,
  type FirstFlight,
  type InboundExchange,
  InboundListener,
} from '../wire/index.ts';
import type { Application, ApplicationOption, ApplicationServer } from './application.ts';

/** Applications get at most this much body: a bound against memory, not a limit of Istio's. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;
const NO_BODY = new Uint8Array();

export class ApplicationPort implements AsyncDisposable {
  readonly #server: ApplicationServer;
  readonly #port: number;
  /** A server somewhere on loopback. */
  readonly #external: Address | undefined;
  readonly #credential: Credential | undefined;
  #listener: Promise<InboundListener> | undefined;

  /** @throws MeshError `ERR_REQUEST_INVALID`, `ERR_PKI_ENCODING` for an address or a certificate that is none */
  constructor(option: ApplicationOption, port: number) {
    this.#server = typeof option === 'function' ? { http: option } : option;
    this.#port = port;
    const { address, tls } = this.#server;
    this.#external = address === undefined ? undefined : parseAddress(address);
    this.#credential =
      tls === undefined ? undefined : { chain: Certificate.allFromPem(tls.cert), key: keyPairFromPem(tls.key) };
  }

  /** What answers requests in process; absent where they go over a socket. */
  get inProcess(): Application | undefined {
    return this.#external === undefined && this.#credential === undefined ? this.#server.http : undefined;
  }

  /** The certificate with which the application ends TLS itself. */
  get certificate(): Certificate | undefined {
    const leaf = this.#credential?.chain[0];
    return leaf instanceof Certificate ? leaf : undefined;
  }

  /** Whether the first bytes of a connection are looked at before the application sees it; else it may speak first. */
  get inspects(): boolean {
    return this.#external === undefined && (this.#server.http !== undefined || this.#credential !== undefined);
  }

  /** How the application itself takes a connection, where no sidecar is in front of it. */
  chain(flight: FirstFlight): FilterChain {
    const { http, tcp } = this.#server;
    if (this.#external !== undefined) return 'passthrough';
    if (flight.kind === 'tls') {
      if (this.#credential === undefined) return http === undefined ? 'plain-tcp' : 'codec-error';
      return http === undefined ? 'tls-tcp' : 'tls-http';
    }
    // A server that ends TLS does not understand anything else.
    if (this.#credential !== undefined) return 'codec-error';
    if (http !== undefined && (flight.looksLike === 'http' || tcp === undefined)) {
      return flight.looksLike === 'http' ? 'plain-http' : 'codec-error';
    }
    return 'plain-tcp';
  }

  /** Where raw bytes go. */
  async address(): Promise<Address> {
    return this.#external ?? (await (this.#listener ??= this.#listen())).address;
  }

  #listen(): Promise<InboundListener> {
    const { http, tcp } = this.#server;
    return InboundListener.listen({
      port: this.#port,
      addresses: new AddressBook(),
      chain: (flight) => this.chain(flight),
      identity: () => this.#credential,
      verifyClient: () => ({ ok: false, reason: 'not_asked', detail: 'no client certificate is asked for' }),
      inspect: this.inspects,
      onHttp: (exchange) => (http === undefined ? exchange.abort() : answer(http, exchange, asArrived(exchange))),
      ...(tcp && { onTcp: (_connection, stream) => tcp(stream) }),
      onRefused: () => undefined,
    });
  }

  async close(): Promise<void> {
    await (await this.#listener)?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The request as the application is to see it. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: InboundExchange['headers'];
  /** Told how many bytes of body the application is handed. */
  readonly onBody?: (bytes: number) => void;
}

function asArrived({ path, headers }: InboundExchange): SeenRequest {
  return { path, headers };
}

/** Lets a function answer an exchange; synchronous where the function is and there is no body to wait for. */
export function answer(application: Application, exchange: InboundExchange, seen: SeenRequest): void | Promise<void> {
  const { path, headers, onBody } = seen;
  const respond = (body: Uint8Array): void | Promise<void> => {
    try {
      const response = application({ method: exchange.method, path, headers, body });
      if (response instanceof Promise) return response.then((late) => exchange.reply(late)).catch(failed);
      exchange.reply(response);
    } catch (error) {
      failed(error);
    }
    return undefined;
  };
  // As a server does whose handler throws: its caller is answered, other requests go on.
  const failed = (error: unknown): void =>
    exchange.reply({ status: 500, body: `the application failed: ${messageOf(error)}` });
  if (!exchange.hasBody) return respond(NO_BODY);
  return exchange.body(BODY_BYTES_MAX).then(
    (body) => {
      onBody?.(body.length);
      return respond(body);
    },
    (error: unknown) => exchange.reply({ status: 413, body: messageOf(error) }),
  );
}

/** `127.0.0.1:5432`, `localhost:5432`, `[::1]:5432` */
function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-f:]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(text);
  const [, v6, name, port] = match ?? [];
  const host = v6 ?? name;
  if (host === undefined || !/^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/.test(host)) {
    throw new MeshError('ERR_REQUEST_INVALID', `\`${text}\` is not an address on loopback such as 127.0.0.1:5432`);
  }
  return { host, port: Number(port) };
}

export type ApplicationTable = Readonly<Record<string, ApplicationOption>>;

/** The application of a workload port: its own, that of the whole workload, or `otherwise`. */
export function applicationOf(table: ApplicationTable, name: string, port: number): ApplicationOption | undefined {
  for (const key of [`${name}:${port}`, name]) if (Object.hasOwn(table, key)) return table[key];
  return undefined;
}
