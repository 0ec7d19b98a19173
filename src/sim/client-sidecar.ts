/**
 * The port through which applications of one workload call out: real client programs reach the mesh as that workload.
 *
 * HTTP is answered as the workload's sidecar would answer it. A tunnel (CONNECT) to a port that carries bytes carries
 * them; one to a port declared HTTP is read as HTTP, and requests in it find their way by their Host, as in Envoy. For a
 * workload without a sidecar calls go out bare: where a sidecar would answer 503 the connection closes.
 *
 * Not modelled: bodies that flow (requests and answers are held whole), HTTP/2 trailers of requests.
 * @module
 */
import { MeshError } from '../core/index.ts';
import {
  type Address,
  join,
  type InboundExchange,
  type OutboundCall,
  OutboundListener,
  PortForward,
  type TunnelFate,
} from '../wire/index.ts';
import type { Departure } from './departures.ts';
import type { Exchanges } from './exchanges.ts';
import { headerLines, withoutClientCertificate } from './forwarded-headers.ts';
import { localReply } from './local-reply.ts';
import { onwardHeaders, onwardReply } from './onward-reply.ts';
import type { MeshRequest } from './request.ts';
import type { NoTarget, Target } from './targets.ts';

export interface ClientSidecarOptions {
  /** `namespace/name` */
  readonly workload: string;
  readonly exchanges: Exchanges;
  departure(): Promise<Departure>;
  resolve(to: string, namespace: string): Target | NoTarget;
  readonly listenPort: number | undefined;
}

export class ClientSidecar implements AsyncDisposable {
  readonly #calls: OutboundCalls;
  readonly #listener: OutboundListener;

  private constructor(calls: OutboundCalls, listener: OutboundListener) {
    this.#calls = calls;
    this.#listener = listener;
  }

  /** @throws MeshError `ERR_WIRE_LISTEN` */
  static async listen(options: ClientSidecarOptions): Promise<ClientSidecar> {
    const calls = new OutboundCalls(options);
    const listener = await OutboundListener.listen({
      ...(options.listenPort === undefined ? {} : { listenPort: options.listenPort }),
      onCall: (call) => calls.answer(call),
      onTunnel: (authority) => calls.tunnel(authority),
    });
    return new ClientSidecar(calls, listener);
  }

  get address(): Address {
    return this.#listener.address;
  }

  close(): Promise<void> {
    return this.#listener.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A port whose connections are tunnels to `authority`. @throws MeshError `ERR_WIRE_LISTEN` */
  forward(authority: string, listenPort?: number): Promise<PortForward> {
    return PortForward.listen({
      ...(listenPort === undefined ? {} : { listenPort }),
      onConnection: (socket) => {
        void this.#calls.tunnel(authority).then(
          (fate) => this.#listener.carry(socket, fate),
          () => socket.destroy(),
        );
      },
    });
  }
}

/** What a workload's calls out lead to. */
class OutboundCalls {
  readonly #options: ClientSidecarOptions;

  constructor(options: ClientSidecarOptions) {
    this.#options = options;
  }

  async answer(call: OutboundCall): Promise<void> {
    try {
      await this.#route(call);
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      // A Host that is no name at all.
      call.exchange.reply(localReply(call.exchange.headers, { status: 404, body: '' }));
    }
  }

  async #route({ exchange, authority, path, tunnelPort }: OutboundCall): Promise<void> {
    const { workload, exchanges } = this.#options;
    if (authority === undefined || authority === '') {
      exchange.reply(localReply(exchange.headers, { status: 400, body: 'no host' }));
      return;
    }
    const to = /:\d+$/.test(authority) || tunnelPort === undefined ? authority : `${authority}:${tunnelPort}`;
    if (exchange.upgrade !== undefined) {
      await this.#upgrade(exchange, to, path);
      return;
    }
    const body = exchange.hasBody ? await exchange.body(BODY_BYTES_MAX).catch(() => undefined) : NO_BODY;
    if (body === undefined) {
      exchange.reply(localReply(exchange.headers, { status: 413, body: 'Payload Too Large' }));
      return;
    }
    const request: MeshRequest = {
      from: workload,
      to,
      method: exchange.method,
      path,
      host: authority,
      headers: onwardHeaders(exchange.headers),
      protocol: exchange.protocol === 'h2' ? 'h2' : 'http/1.1',
      ...(body.length === 0 ? {} : { body }),
    };
    if (exchange.method === 'CONNECT') {
      exchange.reply(localReply(exchange.headers, { status: 501, body: 'CONNECT over HTTP/2 is not supported' }));
      return;
    }
    const { answer, outcome } = await exchanges.request(request, {});
    const reply = onwardReply(exchange.headers, { outcome, ...(answer && { answer }) });
    if (reply === undefined) exchange.abort();
    else exchange.reply(reply);
  }

  /** An upgrade goes over a connection of its own. */
  async #upgrade(exchange: InboundExchange, to: string, path: string): Promise<void> {
    const { exchanges } = this.#options;
    const departure = await this.#options.departure();
    const target = this.#options.resolve(to, departure.namespace);
    if ('kind' in target) {
      exchange.reply(localReply(exchange.headers, { status: 502, body: target.detail }));
      return;
    }
    const opened = await exchanges.openStream(departure, target, {
      speaks: 'http/1.1',
      host: exchange.host ?? target.host,
    });
    if (!opened.ok) {
      exchange.reply(localReply(exchange.headers, { status: 503, body: 'upstream connect error' }));
      return;
    }
    await exchange.tunnel(opened.stream, {
      path,
      headers: headerLines(withoutClientCertificate(exchange.headers)),
    });
  }

  /** What becomes of a tunnel to `host:port`. */
  async tunnel(authority: string): Promise<TunnelFate> {
    const departure = await this.#options.departure();
    let target: Target | NoTarget;
    try {
      target = this.#options.resolve(authority, departure.namespace);
    } catch (error) {
      return { kind: 'refused', status: 400, text: error instanceof Error ? error.message : 'bad authority' };
    }
    if ('kind' in target)
      return { kind: 'refused', status: target.kind === 'no-endpoints' ? 503 : 502, text: target.detail };
    const { exchanges } = this.#options;
    const known = target;
    const open = (stream: Parameters<typeof join>[0]): void =>
      void exchanges.openStream(departure, known, { speaks: 'tcp' }).then(
        (opened) => (opened.ok ? join(stream, opened.stream) : stream.destroy()),
        () => stream.destroy(),
      );
    const port = known.servicePort;
    const [http, tcp] = [departure.hop(known, 'http'), departure.hop(known, 'tcp')];
    // Without a sidecar, nobody reads along.
    if (http === undefined || tcp === undefined || http === 'tcp') return { kind: 'tcp', open };
    return tcp === 'http' ? { kind: 'http', port } : { kind: 'sniff', port, open };
  }
}

const BODY_BYTES_MAX = 64 * 1024 * 1024;
const NO_BODY = new Uint8Array();
