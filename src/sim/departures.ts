/**
 * How a request leaves its caller: through the caller's sidecar as the configuration says, or bare, from a program
 * without one.
 * @module
 */
import { type Instant, MeshError, type PeerRef } from '../core/index.ts';
import { parseSpiffeId, type SpiffeId, workloadSpiffeId } from '../identity/index.ts';
import type { KeyAlgorithm } from '../pki/index.ts';
import {
  type ClientTls,
  type CompiledMesh,
  type ProtocolClass,
  protocolClass,
  registeredPort,
  type RegisteredService,
} from '../policy/index.ts';
import type { Address, Credential, OutboundRoute } from '../wire/index.ts';
import type { CertificateAgent } from './certificate-agent.ts';
import type { ClientTrust } from './client-trust.ts';
import { foreignCredential } from './foreign-credentials.ts';
import type { Gateway } from './gateway.ts';
import type { MeshCa } from './mesh-ca.ts';
import type { Caller, CallerCertificate } from './request.ts';
import { OUTSIDE_IP } from './outside.ts';
import type { RunningWorkload } from './running-workload.ts';
import type { Target } from './targets.ts';

export interface Departure {
  /** The caller as events name it. */
  readonly peer: PeerRef;
  readonly namespace: string;
  readonly viaSidecar: boolean;
  /** The workload whose sidecar it is. */
  readonly outboundOf?: string;
  /** Connections of this caller are not kept: each call is a program of its own. */
  readonly oneShot: boolean;
  route(target: Target, address: Address, call: CallShape): OutboundRoute;
  /** Whether the caller's sidecar takes what the application says for HTTP; absent without a sidecar. */
  hop(target: Target, speaks: 'http' | 'tcp'): 'http' | 'tcp' | undefined;
}

/** What is sent. */
export interface CallShape {
  readonly speaks: 'http/1.1' | 'h2' | 'tcp';
  /** Host or `:authority` of the request. */
  readonly host?: string;
}

/** The way of a call: what its connection is like, and the names it would use. */
export interface Way {
  readonly route: OutboundRoute;
  /** Host header an application would send. */
  readonly host: string;
  /** `namespace/workload` */
  readonly server: string;
}

/** What departures ask of their mesh. */
export interface DeparturePort {
  readonly ca: MeshCa;
  readonly key: KeyAlgorithm;
  readonly trust: ClientTrust;
  now(): Instant;
  compiled(): CompiledMesh;
  /** @throws MeshError `ERR_REQUEST_INVALID` */
  running(name: string): RunningWorkload;
  /** The gateway that the target is. */
  gateway(target: Target): Gateway | undefined;
}

/** What a client of Istio's offers, so that a caller with TLS of its own meets the same filter chain. */
export const BARE_ALPN: Readonly<Record<CallShape['speaks'], readonly string[]>> = {
  'http/1.1': ['istio-http/1.1', 'istio', 'http/1.1'],
  h2: ['istio-h2', 'istio', 'h2'],
  tcp: ['istio-peer-exchange', 'istio'],
};

/** Who a caller is, before anything is made for it. */
export type CallerKind =
  | { readonly kind: 'sidecar'; readonly running: RunningWorkload; readonly agent: CertificateAgent }
  | { readonly kind: 'plaintext'; readonly running: RunningWorkload | undefined }
  | {
      readonly kind: 'tls';
      readonly running: RunningWorkload | undefined;
      readonly certificate: CallerCertificate;
      readonly spiffeId: SpiffeId | undefined;
      readonly alpn: readonly string[] | undefined;
      readonly verify: 'mesh' | 'none';
    };

/** @throws MeshError `ERR_REQUEST_INVALID` for a workload that does not exist, or a caller that names nothing */
export function callerKind(from: Caller, running: DeparturePort['running']): CallerKind {
  if (from === 'outside') return { kind: 'plaintext', running: undefined };
  const {
    workload,
    certificate,
    spiffeId,
    alpn,
    verify = 'mesh',
  } = typeof from === 'string' ? { workload: from } : from;
  const found = workload === undefined ? undefined : running(workload);
  if (certificate !== undefined)
    return {
      kind: 'tls',
      running: found,
      certificate,
      spiffeId: spiffeId === undefined ? undefined : parseSpiffeId(spiffeId),
      alpn,
      verify,
    };
  if (spiffeId !== undefined)
    throw new MeshError('ERR_REQUEST_INVALID', 'a caller with a SPIFFE ID of its own names its certificate too');
  if (found === undefined)
    throw new MeshError('ERR_REQUEST_INVALID', 'a caller names a workload, a certificate, or both');
  return found.agent === undefined
    ? { kind: 'plaintext', running: found }
    : { kind: 'sidecar', running: found, agent: found.agent };
}

export async function departureOf(from: Caller, port: DeparturePort): Promise<Departure> {
  const caller = callerKind(from, (name) => port.running(name));
  if (caller.kind === 'sidecar') return sidecarDeparture(caller.running, caller.agent, port);
  const { running } = caller;
  if (caller.kind === 'plaintext') {
    return bareDeparture({ source: running?.name ?? 'outside', running, ip: running?.ip ?? OUTSIDE_IP, port });
  }
  const { certificate } = caller;
  const { trustDomain } = port.compiled().config.settings;
  const spiffeId =
    caller.spiffeId ??
    running?.spiffeId ??
    workloadSpiffeId({ trustDomain, namespace: 'default', serviceAccount: 'default' });
  const { ca, key } = port;
  const credential = await foreignCredential({ certificate, spiffeId, ca, at: port.now(), key });
  return bareDeparture({
    source: `outside (${certificate} certificate)`,
    running,
    ip: OUTSIDE_IP,
    port,
    tls: { credential, alpn: caller.alpn, verify: caller.verify },
  });
}

function sidecarDeparture(running: RunningWorkload, agent: CertificateAgent, port: DeparturePort): Departure {
  const { workload, name, ip } = running;
  return {
    peer: { workload: { namespace: workload.namespace, name: workload.name } },
    namespace: workload.namespace,
    viaSidecar: true,
    outboundOf: name,
    oneShot: false,
    hop: (target, speaks) => hopThrough(target, speaks),
    route(target, address, { speaks, host }) {
      const { service, servicePort, endpoint } = target;
      const tls = port.compiled().clientTls({ from: workload, service, port: servicePort, endpoint });
      const link = { source: name, destination: nameOf(target), port: endpoint.port };
      const isHttp = hopThrough(target, speaks === 'tcp' ? 'tcp' : 'http') === 'http';
      const http = isHttp ? upstreamProtocol(target, speaks) : 'http/1.1';
      const key = `${name}>${service.host}:${servicePort}>${address.port}|${isHttp ? http : 'tcp'}`;
      const plain = { link, address, virtualSourceIp: ip, http } as const;
      if (!isTls(tls)) return { key: `${key}|plaintext`, ...plain };
      const named = isHttp ? host?.replace(/:\d+$/, '') : undefined;
      const sni = tls.sni ?? named;
      return {
        // A certificate that is held against the request's host is good for that host alone.
        key: `${key}|${tls.mode}|${sni ?? ''}|${tls.matchesHost ? (host ?? '') : ''}`,
        ...plain,
        tls: {
          ...(sni === undefined ? {} : { sni }),
          alpn: tls.alpn[isHttp ? http : 'tcp'],
          identity: () => port.trust.credential(tls, agent),
          verifyServer: (chain) => port.trust.verdict(tls, chain, agent, isHttp ? host : undefined),
        },
      };
    },
  };
}

/** How a client's sidecar takes a port: as the Service declares it, or by the first bytes. */
export function hopThrough({ service, servicePort }: Target, speaks: 'http' | 'tcp'): 'http' | 'tcp' {
  const declared = clientProtocol(service, servicePort);
  return declared === 'http' || declared === 'tcp' ? declared : speaks;
}

export function clientProtocol(service: RegisteredService, servicePort: number): ProtocolClass {
  const port = registeredPort(service, servicePort);
  return port === undefined ? 'auto' : protocolClass(port.protocol);
}

/** Ports declared HTTP/2 or gRPC get HTTP/2 whatever the application speaks; sniffed ports what it speaks. */
export function upstreamProtocol({ service, servicePort }: Target, speaks: CallShape['speaks']): 'http/1.1' | 'h2' {
  if (isHttp2Port(service, servicePort)) return 'h2';
  return clientProtocol(service, servicePort) === 'auto' && speaks === 'h2' ? 'h2' : 'http/1.1';
}

export function isHttp2Port(service: RegisteredService, servicePort: number): boolean {
  const protocol = registeredPort(service, servicePort)?.protocol;
  return protocol === 'http2' || protocol === 'grpc' || protocol === 'grpc-web';
}

interface BareCaller {
  /** How the link names it. */
  readonly source: string;
  readonly running: RunningWorkload | undefined;
  readonly ip: string;
  readonly port: DeparturePort;
  readonly tls?: {
    readonly credential: Credential | undefined;
    readonly alpn: readonly string[] | undefined;
    readonly verify: 'mesh' | 'none';
  };
}

/** A program without a sidecar: plaintext, or TLS with what it holds, trusting the mesh's root and any name under it. */
function bareDeparture({ source, running, ip, port, tls }: BareCaller): Departure {
  const workload = tls === undefined ? running?.workload : undefined;
  return {
    peer: workload === undefined ? {} : { workload: { namespace: workload.namespace, name: workload.name } },
    namespace: running?.workload.namespace ?? 'default',
    viaSidecar: false,
    oneShot: true,
    hop: () => undefined,
    route: (target, address, { speaks }) => ({
      http: speaks === 'h2' ? 'h2' : 'http/1.1',
      key: `${source}>${nameOf(target)}:${target.endpoint.port}`,
      link: { source, destination: nameOf(target), port: target.endpoint.port },
      address,
      virtualSourceIp: ip,
      ...(tls === undefined
        ? {}
        : {
            tls: {
              sni: `outbound_.${target.servicePort}_._.${target.service.host}`,
              alpn: tls.alpn ?? BARE_ALPN[speaks],
              identity: () => tls.credential,
              verifyServer: (chain) => {
                if (tls.verify === 'none') return { ok: true, validUntil: port.now() };
                // Who comes from outside knows the gateway's public certificate.
                const gateway = port.gateway(target);
                return gateway === undefined
                  ? port.ca.verifyServer(chain, port.now(), [])
                  : gateway.verifyServer(chain, port.now());
              },
            },
          }),
    }),
  };
}

export function isTls(tls: ClientTls): tls is Exclude<ClientTls, { readonly mode: 'plaintext' | 'cluster_not_found' }> {
  return tls.mode !== 'plaintext' && tls.mode !== 'cluster_not_found';
}

function nameOf({ workload }: Target): string {
  return `${workload.namespace}/${workload.name}`;
}
