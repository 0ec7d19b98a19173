/**
 * What istiod's webhook and the CRD refuse in a Sidecar, and what they warn of.
 * Source: https://istio.io/latest/docs/reference/config/networking/sidecar/
 * @module
 */
import { quote } from './config-error.ts';
import { PORT_MAX, type Decoding } from './decode.ts';
import { domainFault, isIpAddress, isIstioLabel, partialWildcardFault, wildcardDomainFault } from './network-name.ts';
import { validateAnnotations, validateLabels } from './policy-target.ts';
import { isHttpProtocol, protocolNamed } from './port-protocol.ts';
import type {
  OutboundTrafficPolicy,
  Sidecar,
  SidecarEgressListener,
  SidecarIngressListener,
  SidecarPort,
} from './service-entry.ts';
import { UNIX_SCHEME, unixSocketFault } from './unix-socket.ts';
import { validateServerTls } from './validate-server-tls.ts';

export function validateSidecar(sidecar: Sidecar, at: Decoding): void {
  const { spec, metadata } = sidecar;
  validateAnnotations(metadata.annotations, at);
  at.in('spec', () => {
    if (spec.workloadSelector !== undefined) {
      at.in('workloadSelector', () => validateLabels(spec.workloadSelector?.labels, 'labels', at));
    }
    const listeners = (spec.ingress?.length ?? 0) + (spec.egress?.length ?? 0);
    if (listeners === 0 && spec.outboundTrafficPolicy === undefined && spec.inboundConnectionPool === undefined) {
      at.fault('needs `ingress`, `egress`, `outboundTrafficPolicy` or `inboundConnectionPool`');
    }
    const ports = new Set<number>();
    spec.ingress?.forEach((listener, index) =>
      at.in('ingress', () => at.in(index, () => validateIngress(listener, ports, at))),
    );
    validateEgress(spec.egress ?? [], metadata.namespace, at);
    validateOutbound(spec.outboundTrafficPolicy, at);
  });
}

function validateIngress(listener: SidecarIngressListener, seen: Set<number>, at: Decoding): void {
  const { port, bind = '', defaultEndpoint = '', tls, connectionPool } = listener;
  validatePort(port, at);
  if (port.number === 0) at.fault(`expected a port from 1 to ${PORT_MAX}, found \`0\``, 'port', 'number');
  if (seen.has(port.number)) at.fault(`the port \`${port.number}\` has a listener already`, 'port', 'number');
  seen.add(port.number);
  const protocol = protocolNamed(port.protocol ?? '');
  if (bind !== '' && !isIpAddress(bind)) at.fault(`expected an IP address, found ${quote(bind)}`, 'bind');
  if (defaultEndpoint !== '' && !isLocalEndpoint(defaultEndpoint)) {
    at.fault(
      `expected 127.0.0.1:port, 0.0.0.0:port, [::1]:port, [::]:port, :port or unix://path, found ${quote(defaultEndpoint)}`,
      'defaultEndpoint',
    );
  }
  if (connectionPool?.['http'] !== undefined && (protocol === undefined || !isHttpProtocol(protocol))) {
    at.warn('HTTP settings have no effect on a port that is not HTTP', 'connectionPool', 'http');
  }
  if (tls === undefined) return;
  if (protocol !== 'https' && protocol !== 'tls') at.fault('TLS settings need a port of HTTPS or TLS', 'tls');
  at.in('tls', () => validateServerTls(tls, at));
}

function validatePort(port: SidecarPort, at: Decoding): void {
  const { name = '', protocol = '', targetPort = 0, number } = port;
  at.in('port', () => {
    if (name !== '' && !isIstioLabel(name)) at.fault(`${quote(name)} is not a port name`, 'name');
    if (protocol !== '' && protocolNamed(protocol) === undefined) {
      at.fault(`unknown protocol ${quote(protocol)}`, 'protocol');
    }
    if (targetPort !== 0) at.fault('has no effect in a Sidecar; the port itself is where it listens', 'targetPort');
    if (number > PORT_MAX) at.fault(`expected a port from 1 to ${PORT_MAX}, found \`${number}\``, 'number');
  });
}

function isLocalEndpoint(text: string): boolean {
  if (text.startsWith(UNIX_SCHEME)) return unixSocketFault(text) === undefined;
  const port = /^(?:127\.0\.0\.1|0\.0\.0\.0|\[::1?\])?:\+?(\d{1,9})$/.exec(text)?.[1];
  return port !== undefined && Number(port) >= 1 && Number(port) <= PORT_MAX;
}

function validateEgress(listeners: readonly SidecarEgressListener[], namespace: string, at: Decoding): void {
  const taken = new Set<string>();
  listeners.forEach((listener, index) =>
    at.in('egress', () =>
      at.in(index, () => {
        const isLast = index === listeners.length - 1;
        if (listener.port === undefined && !isLast) {
          at.fault('a listener without a port serves what no other does, so it must be the last');
        }
        if (listener.port !== undefined) validateEgressPort(listener, listener.port, taken, at);
        if (listener.hosts.length === 0) at.fault('needs at least one host', 'hosts');
        at.in('hosts', () => validateEgressHosts(listener.hosts, namespace, at));
      }),
    ),
  );
}

/** `taken` holds ports and sockets that have a listener. */
function validateEgressPort(
  { bind = '', captureMode = 'DEFAULT' }: SidecarEgressListener,
  port: SidecarPort,
  taken: Set<string>,
  at: Decoding,
): void {
  validatePort(port, at);
  const key = port.number === 0 ? bind : String(port.number);
  if (taken.has(key)) at.fault(`${quote(key)} has a listener already`, 'port', 'number');
  taken.add(key);
  if (port.number !== 0) {
    if (bind !== '' && !isIpAddress(bind)) at.fault(`expected an IP address, found ${quote(bind)}`, 'bind');
    return;
  }
  const fault = unixSocketFault(bind);
  if (fault !== undefined) at.fault(`the port 0 stands for a Unix socket: ${fault}`, 'bind');
  if (captureMode === 'IPTABLES') at.fault('a Unix socket cannot be captured by IPTABLES', 'captureMode');
}

function validateEgressHosts(hosts: readonly string[], namespace: string, at: Decoding): void {
  const seen = new Map<string, Set<string>>();
  hosts.forEach((text, index) => {
    const fault = egressHostFault(text);
    if (fault !== undefined) {
      at.fault(fault, index);
      return;
    }
    const slash = text.indexOf('/');
    const [owner, host] = [text.slice(0, slash), text.slice(slash + 1)];
    if (owner.startsWith('~')) return;
    const own = owner === '.' ? namespace : owner;
    const before = seen.get(own) ?? new Set();
    const isDuplicate = host === '*' ? before.size > 0 : before.has(host) || before.has('*');
    if (isDuplicate) at.warn(`${quote(text)} adds nothing: what it names is in another host of the list`, index);
    seen.set(own, before.add(host));
  });
  if (seen.get('*')?.has('*') === true && seen.size > 1) at.warn('`*/*` stands for every host; the others add nothing');
}

/** `namespace/host`, with `*`, `.` and `~namespace` for namespaces. */
function egressHostFault(text: string): string | undefined {
  const slash = text.indexOf('/');
  const namespace = text.slice(0, Math.max(0, slash)).replace(/^~/, '');
  const host = text.slice(slash + 1);
  if (slash < 1 || host === '') return `expected \`namespace/host\`, found ${quote(text)}`;
  if (!['', '*', '.'].includes(namespace) && !isIstioLabel(namespace)) return `${quote(namespace)} is not a namespace`;
  if (host !== '*' && !host.includes('.')) return `${quote(host)} is a short name; write it in full`;
  return wildcardDomainFault(host) ?? partialWildcardFault(host);
}

function validateOutbound(policy: OutboundTrafficPolicy | undefined, at: Decoding): void {
  const proxy = policy?.egressProxy;
  if (policy === undefined || proxy === undefined) return;
  at.in('outboundTrafficPolicy', () => {
    if (policy.mode !== 'ALLOW_ANY') {
      at.fault('needs `mode: ALLOW_ANY`', 'egressProxy');
      return;
    }
    at.in('egressProxy', () => {
      const fault = domainFault(proxy.host);
      if (fault !== undefined) at.fault(fault, 'host');
      const { subset = '', port } = proxy;
      if (subset !== '' && !isIstioLabel(subset)) at.fault(`${quote(subset)} is not a subset name`, 'subset');
      const number = port?.number ?? 0;
      if (port === undefined) at.fault('the field `port` is missing');
      else if (number < 1 || number > PORT_MAX) {
        at.fault(`expected a port from 1 to ${PORT_MAX}, found \`${number}\``, 'port', 'number');
      }
    });
  });
}
