/**
 * A gateway as the model sees it: how it takes connections, and what becomes of what it passes on.
 * @module
 */
import type { Instant } from '../core/index.ts';
import type { PathNormalization } from '../istio/index.ts';
import { type CallerEnd, type CertificateFacts, normalizePath, queryOf, type ServerEnd } from '../policy/index.ts';
import { isTls } from './departures.ts';
import type { Gateway } from './gateway.ts';
import { noRoute } from './gateways.ts';
import { chainFacts, rootAnchors } from './predicted-certificate.ts';
import type { MeshRequest, Outcome } from './request.ts';

export interface GatewayAhead {
  readonly gateway: Gateway;
  /** What becomes of a request that it passes on. */
  onward(request: Omit<MeshRequest, 'from'>): Outcome;
}

/** Who comes from outside with TLS of its own trusts the gateway's certificate, if it verifies anything. */
export function knowsEdge(caller: CallerEnd, gateway: Gateway, at: Instant): CallerEnd {
  const { ownTls } = caller;
  const facts = edgeFacts(gateway, at);
  if (ownTls?.anchors === undefined || facts === undefined) return caller;
  return { ...caller, ownTls: { ...ownTls, anchors: [facts.root] } };
}

/** The gateway's port in terms of sidecars and applications: it is like one of them in each of its modes. */
export function edgeServer(gateway: Gateway, caller: CallerEnd, at: Instant): ServerEnd {
  const certificate = edgeFacts(gateway, at);
  if (certificate === undefined) return { sidecar: { mode: 'DISABLE', protocol: 'http', anchors: [] } };
  const secure = caller.ownTls !== undefined || (caller.sidecar !== undefined && isTls(caller.sidecar.tls));
  if (secure && gateway.mode === 'SIMPLE') return { ownTls: certificate };
  const anchors = (gateway.clientRoots ?? []).flatMap(rootAnchors);
  return { sidecar: { mode: 'STRICT', protocol: 'http', certificate, anchors } };
}

function edgeFacts({ credential }: Gateway, at: Instant): CertificateFacts | undefined {
  return credential && chainFacts(credential.chain, at);
}

export function passedOn(ahead: GatewayAhead, request: MeshRequest, mode: PathNormalization): Outcome {
  const asked = request.path ?? '/';
  const path = (normalizePath(asked, mode) ?? asked) + queryOf(asked);
  const to = ahead.gateway.route(request.host, path);
  return to === undefined ? noRoute() : ahead.onward({ ...request, path, to });
}
