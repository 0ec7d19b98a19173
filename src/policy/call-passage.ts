/**
 * A call's way from the caller's sidecar to the application behind the server's, as a value: where it ended and why.
 *
 * A call is a payload inside TLS layers, outermost first: the client sidecar's, the application's own. The server's
 * sidecar ends at most one layer, the application at most one more.
 * @module
 */
import type { ConnectionSecurity, RefusalStage } from '../core/events.ts';
import type { TlsClient } from './client-tls.ts';
import {
  certificateVerifyFailed,
  CLUSTER_NOT_FOUND,
  CODEC_ERROR,
  HANDSHAKE_FAILURE,
  NO_HEALTHY_UPSTREAM,
  WRONG_VERSION_NUMBER,
} from './envoy-texts.ts';
import { selectFilterChain, type PlainBytes } from './inbound.ts';
import {
  hopOf,
  type CallerEnd,
  type CallerSidecar,
  type CertificateFacts,
  type OutcomeQuestion,
  type ServerEnd,
  type ServerSidecar,
} from './outcome-question.ts';
import { acceptsClientNames, acceptsServerNames } from './peer-names.ts';

/** What the server's sidecar, or the application without one, gets to see. */
export interface ReachedServer {
  readonly protocol: PlainBytes;
  /** SPIFFE URI proved by mutual TLS. */
  readonly principal?: string;
  /** As the TLS inspector reports it, in lower case. */
  readonly sni?: string;
}

export interface LogLine {
  readonly status: number;
  readonly flags: string;
  readonly details: string;
}

interface Layer {
  readonly owner: 'sidecar' | 'application';
  readonly alpn: readonly string[];
  readonly sni?: string;
  readonly certificate?: CertificateFacts;
  /** Absent: nothing is verified. */
  readonly anchors?: readonly string[];
  accepts(names: readonly string[]): boolean;
}

/** What happened on the way, before it is told as its witness sees it. */
export type Passage =
  | { readonly kind: 'reached'; readonly security: ConnectionSecurity; readonly server: ReachedServer }
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly flags: string;
      readonly details: string;
      readonly reason: string;
      readonly body?: string;
      readonly local: boolean;
    }
  | {
      readonly kind: 'closed';
      /** `handshake`: before the layer's owner is connected; `established`: after. */
      readonly by: 'connect' | 'handshake' | 'established';
      /** Whose TLS layer failed; absent where no layer did. */
      readonly owner?: Layer['owner'];
      readonly stage: RefusalStage;
      readonly reason: string;
      /** Text of OpenSSL's error at the client. */
      readonly tlsError?: string;
      readonly serverLog?: LogLine;
    };

export type Closed = Extract<Passage, { kind: 'closed' }>;

const CODEC_LOG: LogLine = { status: CODEC_ERROR.status, flags: CODEC_ERROR.flags, details: CODEC_ERROR.details };

/** The whole way of a call. */
export function travel(question: OutcomeQuestion): Passage {
  const { caller, server } = question;
  return localFailure(caller, server) ?? arrive(question, server ?? {});
}

/** What the caller's own sidecar refuses or cannot do before any connection. */
function localFailure({ sidecar, speaks, ownTls }: CallerEnd, server: ServerEnd | undefined): Passage | undefined {
  if (sidecar === undefined) {
    return server === undefined
      ? { kind: 'closed', by: 'connect', stage: 'connect', reason: 'connection_refused' }
      : undefined;
  }
  if (sidecar.protocol === 'http' && (speaks === 'tcp' || ownTls !== undefined)) {
    return { kind: 'answered', ...CODEC_LOG, reason: 'codec_error', local: true };
  }
  if (sidecar.tls.mode === 'cluster_not_found') {
    return {
      kind: 'answered',
      ...CLUSTER_NOT_FOUND,
      reason: CLUSTER_NOT_FOUND.details,
      local: true,
    };
  }
  if (server !== undefined) return undefined;
  return { kind: 'answered', ...NO_HEALTHY_UPSTREAM, reason: NO_HEALTHY_UPSTREAM.details, local: true };
}

function layersOf(caller: CallerEnd): readonly Layer[] {
  const { sidecar, ownTls } = caller;
  const layers: Layer[] = [];
  if (sidecar !== undefined && 'alpn' in sidecar.tls) layers.push(sidecarLayer(caller, sidecar, sidecar.tls));
  if (ownTls !== undefined) {
    const { names, anchors } = ownTls;
    layers.push({
      ...ownTls,
      owner: 'application',
      accepts: (found) => anchors === undefined || names.length === 0 || names.some((name) => found.includes(name)),
    });
  }
  return layers;
}

function sidecarLayer(caller: CallerEnd, sidecar: CallerSidecar, tls: TlsClient): Layer {
  const isHttp = hopOf(caller) === 'http';
  const sni = tls.sni ?? (isHttp ? caller.host?.replace(/:\d+$/, '') : undefined);
  return {
    owner: 'sidecar',
    alpn: tls.alpn[isHttp ? caller.speaks : 'tcp'],
    ...(sni === undefined ? {} : { sni }),
    ...(tls.credential === undefined || sidecar.certificate === undefined ? {} : { certificate: sidecar.certificate }),
    ...(tls.trust.kind === 'none' ? {} : { anchors: sidecar.anchors }),
    accepts: (names) => acceptsServerNames(tls, names, isHttp ? caller.host : undefined),
  };
}

/** Through the server's sidecar, if there is one, to the application. */
function arrive(question: OutcomeQuestion, server: ServerEnd): Passage {
  const layers = layersOf(question.caller);
  const payload: PlainBytes = question.caller.speaks === 'tcp' ? 'tcp' : 'http';
  if (server.sidecar === undefined) {
    return toApplication(server, { layers, payload, security: 'none', server: { protocol: payload } });
  }
  const { mode, protocol } = server.sidecar;
  const [outer, ...inner] = layers;
  const first =
    outer === undefined
      ? ({ transport: 'raw', bytes: payload } as const)
      : ({ transport: 'tls', alpn: outer.alpn } as const);
  const chain = selectFilterChain(mode, protocol, first);
  if (chain === undefined) return noFilterChain(outer);
  const sni = mode === 'DISABLE' ? undefined : outer?.sni?.toLowerCase();
  const known = { protocol: chain.protocol, ...(sni === undefined ? {} : { sni }) };

  if (!chain.terminatesTls || outer === undefined) {
    if (chain.protocol === 'http' && outer !== undefined) return wrongVersion(outer, CODEC_LOG);
    if (chain.protocol === 'http' && payload !== 'http')
      return { kind: 'answered', ...CODEC_LOG, reason: 'codec_error', local: false };
    return toApplication(server, { layers, payload, security: 'none', server: known });
  }
  const refused =
    clientFault(outer, server.sidecar.certificate) ?? serverFault(outer, server.sidecar, question.tlsVersion);
  if (refused !== undefined) return refused;
  if (chain.protocol === 'http' && (inner.length > 0 || payload !== 'http')) {
    return { kind: 'answered', ...CODEC_LOG, reason: 'codec_error', local: false };
  }
  const principal = outer.certificate?.names.find((name) => name.startsWith('spiffe://'));
  const identified = { ...known, ...(principal === undefined ? {} : { principal }) };
  return toApplication(server, { layers: inner, payload, security: 'mutual_tls', server: identified });
}

interface Arrival {
  readonly layers: readonly Layer[];
  readonly payload: PlainBytes;
  readonly security: ConnectionSecurity;
  readonly server: ReachedServer;
}

function toApplication(end: ServerEnd, { layers, payload, security, server }: Arrival): Passage {
  if (end.listening === false) {
    if (end.sidecar === undefined)
      return { kind: 'closed', by: 'connect', stage: 'connect', reason: 'connection_refused' };
    if (server.protocol === 'tcp')
      return { kind: 'closed', by: 'established', stage: 'connect', reason: 'connection_refused' };
    return {
      kind: 'answered',
      status: 503,
      flags: 'UF',
      details: 'via_upstream',
      reason: 'connection_refused',
      local: false,
    };
  }
  const [outer, next] = layers;
  if (outer === undefined) {
    if (end.ownTls === undefined) return { kind: 'reached', security, server };
    if (payload === 'tcp') return { kind: 'closed', by: 'established', stage: 'handshake', reason: 'tls_expected' };
    return { kind: 'answered', status: 400, flags: '-', details: 'via_upstream', reason: 'tls_expected', local: false };
  }
  if (end.ownTls === undefined) return wrongVersion(outer);
  const refused = clientFault(outer, end.ownTls);
  if (refused !== undefined) return refused;
  if (next !== undefined) return wrongVersion(next);
  return { kind: 'reached', security: security === 'none' ? 'tls' : security, server };
}

/** What the client finds wrong with the server's certificate. */
function clientFault(layer: Layer, certificate: CertificateFacts | undefined): Closed | undefined {
  const failed = (reason: string, text: string): Closed => ({
    kind: 'closed',
    by: 'handshake',
    owner: layer.owner,
    stage: certificate === undefined ? 'handshake' : 'verify-server',
    reason,
    tlsError: text,
  });
  if (certificate === undefined) return failed('no_server_certificate', HANDSHAKE_FAILURE);
  if (layer.anchors === undefined) return undefined;
  if (!layer.anchors.includes(certificate.root))
    return failed('untrusted_root', certificateVerifyFailed('untrusted_root'));
  if (certificate.validity !== 'valid')
    return failed(certificate.validity, certificateVerifyFailed(certificate.validity));
  return layer.accepts(certificate.names) ? undefined : failed('san_mismatch', certificateVerifyFailed('san_mismatch'));
}

/** What only the server finds wrong, and how late the client learns of it. */
function serverFault(
  layer: Layer,
  server: ServerSidecar,
  tlsVersion: OutcomeQuestion['tlsVersion'],
): Closed | undefined {
  const reason = clientCertificateFault(layer.certificate, server);
  if (reason === undefined) return undefined;
  const closed = {
    kind: 'closed',
    owner: layer.owner,
    stage: 'verify-client',
    reason,
  } as const;
  if (tlsVersion !== 'TLSv1.2') return { ...closed, by: 'established' };
  return {
    ...closed,
    by: 'handshake',
    tlsError: HANDSHAKE_FAILURE,
  };
}

function clientCertificateFault(certificate: CertificateFacts | undefined, server: ServerSidecar): string | undefined {
  if (certificate === undefined) return 'no_client_certificate';
  if (!server.anchors.includes(certificate.root)) return 'untrusted_root';
  if (certificate.validity !== 'valid') return certificate.validity;
  if (server.trustDomains === undefined || acceptsClientNames(server.trustDomains, certificate.names)) return undefined;
  return 'trust_domain_not_accepted';
}

function noFilterChain(outer: Layer | undefined): Closed {
  return {
    kind: 'closed',
    by: outer === undefined ? 'established' : 'handshake',
    ...(outer === undefined ? {} : { owner: outer.owner }),
    stage: 'filter-chain',
    reason: 'filter_chain_not_found',
    serverLog: { status: 0, flags: 'NR', details: 'filter_chain_not_found' },
  };
}

/** TLS met something that does not speak it. */
function wrongVersion(layer: Layer, serverLog?: LogLine): Closed {
  return {
    kind: 'closed',
    by: 'handshake',
    owner: layer.owner,
    stage: 'handshake',
    reason: 'wrong_version_number',
    tlsError: WRONG_VERSION_NUMBER,
    ...(serverLog === undefined ? {} : { serverLog }),
  };
}
