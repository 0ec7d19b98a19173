/**
 * Which protocol Istio takes a port to speak: from `appProtocol`, else from the port's name up to the first dash.
 * Source: https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
 * @module
 */
import type { PortProtocol } from './kubernetes.ts';

const PROTOCOLS: ReadonlyMap<string, PortProtocol> = new Map<string, PortProtocol>([
  ['tcp', 'tcp'],
  ['udp', 'udp'],
  ['grpc', 'grpc'],
  ['grpc-web', 'grpc-web'],
  ['http', 'http'],
  ['http_proxy', 'http'],
  ['http2', 'http2'],
  ['https', 'https'],
  ['tls', 'tls'],
  ['mongo', 'mongo'],
  ['redis', 'redis'],
  ['mysql', 'mysql'],
]);

/** Names that the Kubernetes Service API itself defines for `appProtocol`. */
const APP_PROTOCOLS: ReadonlyMap<string, PortProtocol> = new Map<string, PortProtocol>([
  ['kubernetes.io/h2c', 'http2'],
  ['kubernetes.io/ws', 'http'],
  ['kubernetes.io/wss', 'https'],
]);

/** SMTP, DNS, MySQL, MongoDB: the server speaks first, so Istio does not sniff these where no name says a protocol. */
const NEVER_SNIFFED: ReadonlySet<number> = new Set([25, 53, 3306, 27_017]);

export interface PortNaming {
  readonly port: number;
  readonly name?: string | undefined;
  readonly appProtocol?: string | undefined;
  /** The transport, `TCP` where absent. */
  readonly protocol?: string | undefined;
}

export function portProtocol(port: PortNaming): PortProtocol {
  if (port.protocol === 'UDP') return 'udp';
  if (port.appProtocol !== undefined) {
    const standard = APP_PROTOCOLS.get(port.appProtocol);
    if (standard !== undefined) return standard;
  }
  const name = (port.appProtocol ?? port.name ?? '').toLowerCase();
  if (name.startsWith('grpc-web')) return 'grpc-web';
  const dash = name.indexOf('-');
  const found = protocolNamed(dash < 0 ? name : name.slice(0, dash));
  return found ?? (NEVER_SNIFFED.has(port.port) ? 'tcp' : 'auto');
}

/** The protocol of that name in any case, as ServiceEntry and Sidecar ports give it. */
export function protocolNamed(name: string): PortProtocol | undefined {
  return PROTOCOLS.get(name.toLowerCase());
}

/** Whether HTTP attributes exist on such a port for certain. `auto` is neither HTTP nor not. */
export function isHttpProtocol(protocol: PortProtocol): boolean {
  return protocol === 'http' || protocol === 'http2' || protocol === 'grpc' || protocol === 'grpc-web';
}
