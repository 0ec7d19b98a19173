/**
 * What istiod's webhook refuses in a Sidecar, as far as it concerns listeners and what they export.
 * Source: https://istio.io/latest/docs/reference/config/networking/sidecar/
 * @module
 */
import { quote } from './config-error.ts';
import { isPlainObject, PORT_MAX, type Decoding } from './decode.ts';
import { isIpAddress, isIstioLabel, wildcardDomainFault } from './network-name.ts';
import { validateAnnotations, validateLabels } from './policy-target.ts';
import { protocolNamed } from './port-protocol.ts';
import type { Sidecar, SidecarIngressListener } from './service-entry.ts';

export function validateSidecar(sidecar: Sidecar, at: Decoding): void {
  const { spec } = sidecar;
  validateAnnotations(sidecar.metadata.annotations, at);
  at.in('spec', () => {
    if (spec.workloadSelector !== undefined) {
      at.in('workloadSelector', () => validateLabels(spec.workloadSelector?.labels, 'labels', at));
    }
    const listeners = (spec.ingress?.length ?? 0) + (spec.egress?.length ?? 0);
    if (listeners === 0 && spec.outboundTrafficPolicy === undefined && spec.inboundConnectionPool === undefined) {
      at.fault('needs `ingress`, `egress`, `outboundTrafficPolicy` or `inboundConnectionPool`');
    }
    const seen = new Set<number>();
    spec.ingress?.forEach((listener, index) =>
      at.in('ingress', () => at.in(index, () => validateIngress(listener, seen, at))),
    );
    spec.egress?.forEach((listener, index) =>
      at.in('egress', () => at.in(index, () => validateEgress(listener, index === (spec.egress?.length ?? 0) - 1, at))),
    );
  });
}

function validateIngress(listener: SidecarIngressListener, seen: Set<number>, at: Decoding): void {
  const { port, bind = '', defaultEndpoint = '', tls } = listener;
  if (seen.has(port.number)) at.fault(`the port \`${port.number}\` has a listener already`, 'port', 'number');
  seen.add(port.number);
  if ((port.name ?? '') !== '' && !isIstioLabel(port.name ?? '')) {
    at.fault(`${quote(port.name ?? '')} is not a port name`, 'port', 'name');
  }
  const protocol = protocolNamed(port.protocol ?? '');
  if ((port.protocol ?? '') !== '' && protocol === undefined) {
    at.fault(`unknown protocol ${quote(port.protocol ?? '')}`, 'port', 'protocol');
  }
  if (bind !== '' && !isIpAddress(bind)) at.fault(`expected an IP address, found ${quote(bind)}`, 'bind');
  if (defaultEndpoint !== '' && !isLocalEndpoint(defaultEndpoint)) {
    at.fault(
      `expected 127.0.0.1:port, 0.0.0.0:port, [::1]:port, [::]:port, :port or unix://path, found ${quote(defaultEndpoint)}`,
      'defaultEndpoint',
    );
  }
  if (tls === undefined) return;
  if (protocol !== 'https' && protocol !== 'tls') at.fault('TLS settings need a port of HTTPS or TLS', 'tls');
  const mode: string | undefined = tls.mode;
  if (mode === 'ISTIO_MUTUAL' || mode === 'AUTO_PASSTHROUGH') {
    at.fault(`the mode ${mode} cannot be used in a Sidecar`, 'tls', 'mode');
  }
}

function isLocalEndpoint(text: string): boolean {
  if (text.startsWith('unix://')) return /^unix:\/\/(?:@.*|\/.*[^/])$/.test(text);
  const port = /^(?:127\.0\.0\.1|0\.0\.0\.0|\[::1?\])?:(\d{1,5})$/.exec(text)?.[1];
  return port !== undefined && Number(port) >= 1 && Number(port) <= PORT_MAX;
}

function validateEgress(listener: Readonly<Record<string, unknown>>, last: boolean, at: Decoding): void {
  if (!isPlainObject(listener['port']) && !last) {
    at.fault('a listener without a port serves what no other does, so it must be the last');
  }
  const hosts: unknown = listener['hosts'];
  if (!Array.isArray(hosts)) return;
  if (hosts.length === 0) at.fault('needs at least one host', 'hosts');
  hosts.forEach((host: unknown, index) => {
    const fault = typeof host === 'string' ? egressHostFault(host) : undefined;
    if (fault !== undefined) at.fault(fault, 'hosts', index);
  });
}

/** `namespace/host`, with `*`, `.` and `~namespace` for namespaces. */
function egressHostFault(text: string): string | undefined {
  const slash = text.indexOf('/');
  const namespace = text.slice(0, Math.max(0, slash)).replace(/^~/, '');
  const host = text.slice(slash + 1);
  if (slash < 1 || host === '') return `expected \`namespace/host\`, found ${quote(text)}`;
  if (!['', '*', '.'].includes(namespace) && !isIstioLabel(namespace)) return `${quote(namespace)} is not a namespace`;
  if (host !== '*' && !host.includes('.')) return `${quote(host)} is a short name; write it in full`;
  return wildcardDomainFault(host);
}
