/**
 * The gateways of a mesh: which ports they are, and how what they let through goes on.
 * @module
 */
import { MeshError } from '../core/index.ts';
import { NO_ROUTE } from '../policy/index.ts';
import type { InboundConnection } from '../wire/index.ts';
import type { Exchanges } from './exchanges.ts';
import { type EdgePeer, Gateway, type GatewayTable } from './gateway.ts';
import { onwardReply } from './onward-reply.ts';
import { type Outcome, parseWorkloadTarget } from './request.ts';
import type { EdgePort } from './server-sidecar.ts';
import type { NoTarget, Target } from './targets.ts';

export interface GatewaysPort {
  readonly exchanges: Exchanges;
  requestId(): string;
  resolve(to: string, namespace: string): Target | NoTarget;
  /** Ports of a workload that some Service targets; nothing where it has no sidecar. @throws MeshError */
  ports(workload: string): readonly number[] | undefined;
}

export class Gateways {
  readonly #gateways = new Map<string, Gateway>();
  readonly #port: GatewaysPort;

  /** @throws MeshError `ERR_REQUEST_INVALID` */
  constructor(table: GatewayTable, port: GatewaysPort) {
    this.#port = port;
    for (const [name, option] of Object.entries(table)) {
      const target = parseWorkloadTarget(name);
      if (target?.port === undefined)
        throw new MeshError('ERR_REQUEST_INVALID', `gateway \`${name}\`: expected namespace/workload:port`);
      this.#gateways.set(name, new Gateway(name, option));
    }
  }

  /**
   * That every gateway has an identity and can be reached, and that its routes lead somewhere.
   * @throws MeshError `ERR_REQUEST_INVALID`
   */
  check(): void {
    for (const [name, gateway] of this.#gateways) {
      const { namespace = '', name: workload = '', port = 0 } = parseWorkloadTarget(name) ?? {};
      const ports = this.#port.ports(`${namespace}/${workload}`);
      const fail = (what: string): never => {
        throw new MeshError('ERR_REQUEST_INVALID', `gateway \`${name}\`: ${what}`);
      };
      if (ports === undefined) fail('the workload is not injected, so it has no identity to call under');
      else if (!ports.includes(port))
        fail(`no Service targets the port; those of the workload are ${ports.join(', ')}`);
      for (const { to } of gateway.routes) {
        const target = this.#port.resolve(to, namespace);
        if ('kind' in target) fail(`route to \`${to}\`: ${target.detail}`);
      }
    }
  }

  at(workload: string, port: number): Gateway | undefined {
    return this.#gateways.get(`${workload}:${port}`);
  }

  /** The gateway of a port with what its listener needs. */
  edge(workload: string, at: number): { readonly gateway: Gateway; readonly edge: EdgePort } | undefined {
    const gateway = this.at(workload, at);
    if (gateway === undefined) return undefined;
    const port = this.#port;
    const edge: EdgePort = {
      received: (headers, connection) => {
        const peer = peerOf(connection);
        return {
          headers: gateway.received(headers, peer, port.requestId()),
          remoteIp: gateway.remoteIp(headers, peer),
        };
      },
      pass: async (request) => {
        const { headers = {} } = request;
        const to = gateway.route(request.host, request.path ?? '/');
        const passed =
          to === undefined
            ? { outcome: noRoute() }
            : await port.exchanges.request({ ...request, from: workload, to }, { edge: true });
        return { reply: onwardReply(headers, passed), outcome: passed.outcome };
      },
    };
    return { gateway, edge };
  }

  /** Names of gateways, for messages and listings. */
  get names(): readonly string[] {
    return [...this.#gateways.keys()];
  }
}

function peerOf({ source, remote, security, peerCertificate }: InboundConnection): EdgePeer {
  return {
    ip: source?.ip ?? remote.host,
    isTls: security !== 'none',
    ...(peerCertificate !== undefined && { certificate: peerCertificate }),
  };
}

/** What a gateway answers to a request that none of its routes takes. */
export function noRoute(): Outcome {
  return {
    result: 'unreachable',
    ...NO_ROUTE,
    headers: {},
    decidedBy: [],
    reason: 'no route of the gateway takes the request',
    connection: { security: 'none', resumed: false },
  };
}
