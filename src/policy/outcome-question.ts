/**
 * The facts of one call, for `predictOutcome`: who calls how, and what stands at the other end.
 * @module
 */
import type { ApplicationProtocol, ClientTls } from './client-tls.ts';
import type { PlainBytes } from './inbound.ts';
import type { ProtocolClass } from './inbound-ports.ts';
import type { EffectiveMtlsMode } from './peer-authentication.ts';

/** A certificate as far as the other end judges it. */
export interface CertificateFacts {
  readonly names: readonly string[];
  /** Whatever identifies the root it leads to; compared with `anchors`. */
  readonly root: string;
  /** `valid`, or the reason the chain fails apart from its root: `expired`, `not_yet_valid`, `revoked`, … */
  readonly validity: string;
}

export interface CallerSidecar {
  readonly tls: ClientTls;
  /** What the client's side takes the service port to speak. */
  readonly protocol: ProtocolClass;
  /** What `tls.credential` stands for. */
  readonly certificate?: CertificateFacts;
  /** Roots that `tls.trust` stands for. */
  readonly anchors: readonly string[];
}

/** TLS that the calling application starts itself. */
export interface ApplicationTls {
  readonly alpn: readonly string[];
  readonly sni?: string;
  readonly certificate?: CertificateFacts;
  /** Roots it trusts; absent: it verifies nothing. */
  readonly anchors?: readonly string[];
  /** Names, one of which it demands; empty: none. */
  readonly names: readonly string[];
}

export interface CallerEnd {
  readonly speaks: ApplicationProtocol;
  /** Host or `:authority` of the request. */
  readonly host?: string;
  readonly ownTls?: ApplicationTls;
  /** Absent: a caller outside the mesh. */
  readonly sidecar?: CallerSidecar;
}

export interface ServerSidecar {
  readonly mode: EffectiveMtlsMode;
  readonly protocol: ProtocolClass;
  readonly certificate?: CertificateFacts;
  readonly anchors: readonly string[];
  /** Trust domains of clients it accepts; absent: any. */
  readonly trustDomains?: readonly string[];
}

export interface ServerEnd {
  readonly sidecar?: ServerSidecar;
  /** Whether the application has the port open. @defaultValue true */
  readonly listening?: boolean;
  /** The application ends TLS itself, with this certificate. */
  readonly ownTls?: CertificateFacts;
}

export interface OutcomeQuestion {
  readonly caller: CallerEnd;
  /** Absent: the service has no endpoint. */
  readonly server?: ServerEnd;
  /** @defaultValue `TLSv1.3` */
  readonly tlsVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** Whether the caller's sidecar handles the call as HTTP; absent without a sidecar. */
export function hopOf({ sidecar, speaks, ownTls }: CallerEnd): PlainBytes | undefined {
  if (sidecar === undefined) return undefined;
  const bytes = speaks === 'tcp' || ownTls !== undefined ? 'tcp' : 'http';
  return sidecar.protocol === 'auto' || sidecar.protocol === 'unknown' ? bytes : sidecar.protocol;
}
