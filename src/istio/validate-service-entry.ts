/**
 * What istiod's webhook and the CRD refuse in a ServiceEntry or WorkloadEntry, and what they warn of.
 * Source: https://istio.io/latest/docs/reference/config/networking/service-entry/
 * @module
 */
import { quote } from './config-error.ts';
import type { Decoding } from './decode.ts';
import { validateExportTo } from './export-to.ts';
import {
  domainFault,
  isIpAddress,
  isIpBlock,
  isIstioLabel,
  labelFault,
  partialWildcardFault,
  wildcardDomainFault,
} from './network-name.ts';
import { validateAnnotations, validateLabels } from './policy-target.ts';
import { isHttpProtocol, protocolNamed } from './port-protocol.ts';
import type { ServiceEntry, ServiceEntrySpec, WorkloadEntry, WorkloadEntrySpec } from './service-entry.ts';
import { UNIX_SCHEME, unixSocketFault } from './unix-socket.ts';

const WAYPOINT_LABEL = 'istio.io/use-waypoint';
const AUTO_ALLOCATE_LABEL = 'networking.istio.io/enable-autoallocate-ip';

export function validateServiceEntry(entry: ServiceEntry, at: Decoding): void {
  const { spec, metadata } = entry;
  validateAnnotations(metadata.annotations, at);
  at.in('spec', () => {
    if (spec.workloadSelector !== undefined) {
      at.in('workloadSelector', () => validateLabels(spec.workloadSelector?.labels, 'labels', at));
      if (spec.endpoints !== undefined)
        at.fault('only one of `workloadSelector` and `endpoints` may be given', 'endpoints');
    }
    validateHosts(spec, at);
    validateAddresses(spec, at);
    validatePorts(spec, at);
    validateResolution(spec, at);
    warnOfAddresses(entry, at);
    if (spec.resolution === 'DYNAMIC_DNS' && spec.location === 'MESH_INTERNAL' && usesWaypoint(metadata.labels)) {
      at.fault('behind a waypoint the resolution DYNAMIC_DNS needs MESH_EXTERNAL', 'location');
    }
    const shared = spec.hosts.length > 1 && (spec.resolution ?? 'NONE') !== 'NONE';
    if (shared && spec.ports?.some((port) => !tellsHostsApart(port.protocol)) === true) {
      at.fault('several hosts can only share ports of HTTP or TLS: nothing else tells them apart', 'hosts');
    }
    const { namespace } = metadata;
    validateExportTo(spec.exportTo, { namespace, noneAllowed: true, privateOnly: false }, at);
  });
}

function usesWaypoint(labels: Readonly<Record<string, string>>): boolean {
  const waypoint = Object.hasOwn(labels, WAYPOINT_LABEL) ? (labels[WAYPOINT_LABEL] ?? '') : '';
  return waypoint !== '' && waypoint.toLowerCase() !== 'none';
}

/** An address is all that tells TCP to one host from TCP to another. */
function warnOfAddresses({ spec, metadata }: ServiceEntry, at: Decoding): void {
  const { addresses = [], ports = [], hosts, resolution = 'NONE' } = spec;
  const allocated = resolution !== 'NONE' && metadata.labels[AUTO_ALLOCATE_LABEL]?.toLowerCase() !== 'false';
  ports.forEach(({ protocol = '' }, index) => {
    if (addresses.length > 0 || allocated || (protocol !== '' && protocol !== 'TCP')) return;
    at.warn('a TCP port needs `addresses` where none is allocated', 'ports', index);
  });
  const isDns = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
  if (!isDns || addresses.length === 0 || hosts.length < 2) return;
  if (ports.some(({ protocol }) => speaksTcp(protocol))) {
    at.warn('several hosts share the addresses, which on a TCP port nothing tells apart', 'hosts');
  }
}

/** Every protocol but HTTP in the clear, and UDP. */
function speaksTcp(name: string | undefined): boolean {
  const protocol = protocolNamed(name ?? '');
  return protocol !== undefined && protocol !== 'udp' && !isHttpProtocol(protocol);
}

function tellsHostsApart(name: string | undefined): boolean {
  const protocol = protocolNamed(name ?? '');
  return protocol !== undefined && (isHttpProtocol(protocol) || protocol === 'https' || protocol === 'tls');
}

function validateHosts({ hosts, resolution }: ServiceEntrySpec, at: Decoding): void {
  if (hosts.length === 0) at.fault('needs at least one host', 'hosts');
  hosts.forEach((host, index) => {
    const fault = host === '*' ? 'the host `*` is not allowed' : wildcardDomainFault(host);
    if (fault !== undefined) at.fault(fault, 'hosts', index);
    const partial = resolution === 'DYNAMIC_DNS' ? undefined : partialWildcardFault(host);
    if (partial !== undefined) at.warn(partial, 'hosts', index);
  });
}

function validateAddresses({ addresses, resolution }: ServiceEntrySpec, at: Decoding): void {
  addresses?.forEach((address, index) => {
    if (!isIpBlock(address)) at.fault(`${quote(address)} is neither an IP address nor a block`, 'addresses', index);
    if (address.includes('/') && resolution !== undefined && resolution !== 'NONE' && resolution !== 'STATIC') {
      at.fault(`blocks are only allowed with the resolution NONE or STATIC, and not ${resolution}`, 'addresses', index);
    }
  });
}

function validatePorts({ ports }: ServiceEntrySpec, at: Decoding): void {
  const names = new Set<string>();
  const numbers = new Set<number>();
  ports?.forEach((port, index) =>
    at.in('ports', () =>
      at.in(index, () => {
        if (names.has(port.name)) at.fault(`the port name ${quote(port.name)} is used twice`, 'name');
        if (numbers.has(port.number)) at.fault(`the port \`${port.number}\` is declared twice`, 'number');
        names.add(port.name);
        numbers.add(port.number);
        if (!isIstioLabel(port.name)) at.fault(`${quote(port.name)} is not a port name`, 'name');
        if ((port.protocol ?? '') !== '' && protocolNamed(port.protocol ?? '') === undefined) {
          at.fault(`unknown protocol ${quote(port.protocol ?? '')}`, 'protocol');
        }
      }),
    ),
  );
}

function validateResolution(spec: ServiceEntrySpec, at: Decoding): void {
  const endpoints = spec.endpoints ?? [];
  const resolution = spec.resolution ?? 'NONE';
  const names = new Set(spec.ports?.map((port) => port.name));
  const each = (kind: EndpointRules['kind']): void =>
    endpoints.forEach((endpoint, index) =>
      at.in('endpoints', () => at.in(index, () => validateEndpoint(endpoint, { kind, names }, at))),
    );
  switch (resolution) {
    case 'NONE':
      if (endpoints.length > 0) at.fault('the resolution NONE takes no endpoints', 'endpoints');
      if (spec.workloadSelector !== undefined) at.warn('has no effect with the resolution NONE', 'workloadSelector');
      return;
    case 'STATIC':
      each('static');
      return;
    case 'DNS':
    case 'DNS_ROUND_ROBIN':
      if (endpoints.length === 0) validateDnsHosts(spec, at);
      if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
        at.fault('the resolution DNS_ROUND_ROBIN takes at most one endpoint', 'endpoints');
      }
      each('dns');
      return;
    case 'DYNAMIC_DNS':
      validateDynamicDns(spec, at);
  }
}

function validateDnsHosts(spec: ServiceEntrySpec, at: Decoding): void {
  spec.hosts.forEach((host, index) => {
    const fault = domainFault(host);
    if (fault !== undefined) at.fault(`${fault}; without endpoints the host itself is looked up`, 'hosts', index);
  });
}

const DYNAMIC_PROTOCOLS: ReadonlySet<string | undefined> = new Set(['http', 'tls', 'grpc', 'http2']);

function validateDynamicDns(spec: ServiceEntrySpec, at: Decoding): void {
  spec.hosts.forEach((host, index) => {
    if (!host.startsWith('*')) at.fault('the resolution DYNAMIC_DNS needs hosts with a wildcard', 'hosts', index);
  });
  if ((spec.addresses?.length ?? 0) > 0) at.fault('the resolution DYNAMIC_DNS takes no addresses', 'addresses');
  if ((spec.endpoints?.length ?? 0) > 0) at.fault('the resolution DYNAMIC_DNS takes no endpoints', 'endpoints');
  spec.ports?.forEach((port, index) => {
    if (DYNAMIC_PROTOCOLS.has(protocolNamed(port.protocol ?? ''))) return;
    at.fault('the resolution DYNAMIC_DNS supports HTTP, HTTP2, GRPC and TLS', 'ports', index);
  });
}

interface EndpointRules {
  /** What an address may be: in a WorkloadEntry anything, in a ServiceEntry what its resolution looks up. */
  readonly kind: 'any' | 'static' | 'dns';
  /** Ports of the ServiceEntry; absent for a WorkloadEntry, which does not know them. */
  readonly names?: ReadonlySet<string>;
}

export function validateWorkloadEntry(entry: WorkloadEntry, at: Decoding): void {
  validateAnnotations(entry.metadata.annotations, at);
  at.in('spec', () => validateEndpoint(entry.spec, { kind: 'any' }, at));
}

function validateEndpoint(endpoint: WorkloadEntrySpec, rules: EndpointRules, at: Decoding): void {
  validateAddress(endpoint, rules, at);
  for (const name of Object.keys(endpoint.ports ?? {})) {
    if (!isIstioLabel(name)) at.fault(`${quote(name)} is not a port name`, 'ports', name);
    else if (rules.names?.has(name) === false) at.fault(`the entry declares no port ${quote(name)}`, 'ports', name);
  }
  for (const [key, value] of Object.entries(endpoint.labels ?? {})) {
    const fault = labelFault(key, value);
    if (fault !== undefined) at.fault(fault, 'labels', key);
  }
}

function validateAddress(
  { address = '', network = '', ports }: WorkloadEntrySpec,
  { kind, names }: EndpointRules,
  at: Decoding,
): void {
  if (address === '') {
    if (network === '') at.fault('the field `address` is missing');
    else if (kind === 'dns') at.fault('the resolution of the entry needs an address, and not only a network');
    else at.warn('there is no address, only a network');
    return;
  }
  if (isIpAddress(address)) return;
  if (address.startsWith(UNIX_SCHEME) && kind !== 'dns') {
    const fault = unixSocketFault(address);
    if (fault !== undefined) at.fault(fault, 'address');
    if (Object.keys(ports ?? {}).length > 0) at.fault('a Unix socket has no ports', 'ports');
    if (names !== undefined && names.size !== 1) at.fault('a Unix socket serves exactly one port', 'address');
    return;
  }
  if (kind === 'static') at.fault(`expected an IP address, found ${quote(address)}`, 'address');
  else if (domainFault(address) !== undefined) {
    at.fault(`expected an IP address or a host name, found ${quote(address)}`, 'address');
  }
}
