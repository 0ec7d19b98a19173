/**
 * What a server's sidecar does with an inbound connection: which filter chain its first bytes select, and what comes
 * of it.
 *
 * A chain is selected by peer-authentication mode, the port's protocol, whether the bytes are TLS, and the ALPN list of
 * the client hello (first entry that any chain names). In DISABLE mode the TLS inspector is off: TLS is bytes like any
 * other. A connection that selects no chain is closed at once, before any handshake.
 *
 * Not modelled: HBONE, the black hole of port 15006 itself, protocol-detection timeouts for clients that stay silent.
 * Source: https://istio.io/latest/docs/concepts/security/#permissive-mode and
 * https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
 * @module
 */
import type { Workload } from '../istio/kubernetes.ts';
import type { ProtocolClass } from './inbound-ports.ts';
import type { EffectiveMtlsMode } from './peer-authentication.ts';

/** What travels as plain text: HTTP/1 or the HTTP/2 preface, or anything else. */
export type PlainBytes = 'http' | 'tcp';

/** The first bytes of a connection, as the inspectors see them. */
export type FirstBytes =
  | { readonly transport: 'raw'; readonly bytes: PlainBytes }
  | { readonly transport: 'tls'; readonly alpn: readonly string[] };

export interface FilterChain {
  /** The sidecar ends TLS here and demands a client certificate. */
  readonly terminatesTls: boolean;
  readonly protocol: PlainBytes;
  /** Protocols the chain offers in ALPN, in its order of preference; empty where it does not end TLS. */
  readonly alpn: readonly string[];
}

const HTTP_ALPN: ReadonlySet<string> = new Set(['istio-http/1.0', 'istio-http/1.1', 'istio-h2']);
const TCP_ALPN: ReadonlySet<string> = new Set(['istio-peer-exchange', 'istio']);

const MTLS_HTTP: FilterChain = { terminatesTls: true, protocol: 'http', alpn: ['h2', 'http/1.1'] };
const MTLS_TCP: FilterChain = { terminatesTls: true, protocol: 'tcp', alpn: ['istio-peer-exchange', 'h2', 'http/1.1'] };
const PLAIN_HTTP: FilterChain = { terminatesTls: false, protocol: 'http', alpn: [] };
const PLAIN_TCP: FilterChain = { terminatesTls: false, protocol: 'tcp', alpn: [] };

/** Whether a client hello offers one of Istio's own protocols: the mark of a sidecar. */
export function isIstioAlpn(protocol: string): boolean {
  return HTTP_ALPN.has(protocol) || TCP_ALPN.has(protocol);
}

/** The filter chain that a connection's first bytes select, or nothing. */
export function selectFilterChain(
  mode: EffectiveMtlsMode,
  protocol: ProtocolClass,
  first: FirstBytes,
): FilterChain | undefined {
  // Ports nobody declared take the passthrough chains, which sniff.
  const declared = protocol === 'unknown' ? 'auto' : protocol;
  if (mode === 'DISABLE') return plainChain(declared, first.transport === 'raw' ? first.bytes : 'tcp');
  if (first.transport === 'raw') return mode === 'STRICT' ? undefined : plainChain(declared, first.bytes);
  return mode === 'STRICT' ? strictTlsChain(declared, first.alpn) : permissiveTlsChain(declared, first.alpn);
}

type DeclaredProtocol = Exclude<ProtocolClass, 'unknown'>;

function plainChain(protocol: DeclaredProtocol, bytes: PlainBytes): FilterChain {
  const spoken = protocol === 'auto' ? bytes : protocol;
  return spoken === 'http' ? PLAIN_HTTP : PLAIN_TCP;
}

function strictTlsChain(protocol: DeclaredProtocol, alpn: readonly string[]): FilterChain {
  if (protocol !== 'auto') return protocol === 'http' ? MTLS_HTTP : MTLS_TCP;
  return alpn.some((name) => HTTP_ALPN.has(name)) ? MTLS_HTTP : MTLS_TCP;
}

function permissiveTlsChain(protocol: DeclaredProtocol, alpn: readonly string[]): FilterChain | undefined {
  const istio = alpn.find(isIstioAlpn);
  if (protocol === 'http') return istio === undefined ? undefined : MTLS_HTTP;
  if (istio === undefined) return PLAIN_TCP;
  return protocol === 'auto' && HTTP_ALPN.has(istio) ? MTLS_HTTP : MTLS_TCP;
}

/** A whole inbound connection: its first bytes, and what follows once TLS is ended. */
export interface InboundConnection {
  /** Absent for plain text. */
  readonly tls?: { readonly alpn: readonly string[]; readonly clientCertificate: boolean };
  /** What the caller speaks, inside TLS where there is TLS. */
  readonly bytes: PlainBytes;
}

/**
 * - `http`, `tcp`: to the application, through the HTTP or the TCP filters;
 * - `no_filter_chain`: closed at once;
 * - `client_certificate_required`: the handshake is refused;
 * - `codec_error`: the HTTP codec cannot read the bytes.
 */
export interface InboundResult {
  readonly result: 'http' | 'tcp' | 'no_filter_chain' | 'client_certificate_required' | 'codec_error';
  /** TLS ends at the sidecar; false where bytes, TLS or not, are forwarded as they are. */
  readonly terminated: boolean;
}

/** What becomes of a connection, as far as chain, client certificate's presence and codec decide it. */
export function inboundResult(
  mode: EffectiveMtlsMode,
  protocol: ProtocolClass,
  { tls, bytes }: InboundConnection,
): InboundResult {
  const first: FirstBytes = tls === undefined ? { transport: 'raw', bytes } : { transport: 'tls', alpn: tls.alpn };
  const chain = selectFilterChain(mode, protocol, first);
  if (chain === undefined) return { result: 'no_filter_chain', terminated: false };
  const terminated = chain.terminatesTls;
  if (terminated && tls?.clientCertificate !== true) return { result: 'client_certificate_required', terminated };
  const readable = tls === undefined || terminated ? bytes : 'tcp';
  if (chain.protocol === 'http' && readable !== 'http') return { result: 'codec_error', terminated };
  return { result: chain.protocol, terminated };
}

/**
 * Whether the kubelet's HTTP, TCP and gRPC probes of a Pod go to the sidecar's agent (port 15020) instead of the
 * application port, so that STRICT does not fail them. Without rewriting a probe is a plaintext call from outside.
 */
export function rewritesProbes(workload: Pick<Workload, 'injected' | 'annotations'>): boolean {
  return workload.injected && workload.annotations['sidecar.istio.io/rewriteAppHTTPProbers'] !== 'false';
}
