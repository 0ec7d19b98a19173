/**
 * Envoy's own words: statuses, response flags, response code details and bodies of the answers a sidecar writes itself.
 * The model and the wire both take them from here.
 *
 * Texts of OpenSSL are BoringSSL's, whatever library runs underneath.
 * Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
 * @module
 */
import type { Decision } from './decision.ts';

/** An answer of the caller's own sidecar. */
export interface LocalAnswer {
  readonly status: number;
  readonly flags: string;
  readonly details: string;
  readonly body: string;
}

const UPSTREAM_ERROR = 'upstream connect error or disconnect/reset before headers.';
const BEFORE_RESPONSE = 'upstream_reset_before_response_started';

const RBAC_DENIED = 'RBAC: access denied';

/** The body of a refusal by policy: RBAC's words, and none where an external authorizer or the path was at fault. */
export function denialBody({ trace }: Pick<Decision, 'trace'>): string {
  return trace.detail?.startsWith('rbac_access_denied') === true ? RBAC_DENIED : '';
}

/** The server closed a connection that was ready. */
export const CONNECTION_TERMINATION: LocalAnswer = Object.freeze({
  status: 503,
  flags: 'UC',
  details: `${BEFORE_RESPONSE}{connection_termination}`,
  body: `${UPSTREAM_ERROR} reset reason: connection termination`,
});

/** No connection became ready, and the retries brought none either. */
export function connectionFailure(cause?: string): LocalAnswer {
  return {
    status: 503,
    flags: 'UF,URX',
    details: `${BEFORE_RESPONSE}{remote_connection_failure${cause === undefined ? '' : `|${cause}`}}`,
    body: `${UPSTREAM_ERROR} retried and the latest reset reason: remote connection failure`,
  };
}

export const CONNECTION_REFUSED = 'delayed_connect_error:_Connection_refused';

export function tlsFailure(error: string): string {
  return `TLS_error:|${error}:TLS_error_end`;
}

export const WRONG_VERSION_NUMBER = '268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER';
export const HANDSHAKE_FAILURE = '268436496:SSL_routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE';

const VERIFY_TEXTS: Readonly<Record<string, string>> = {
  untrusted_root: 'unable_to_get_local_issuer_certificate',
  san_mismatch: 'SAN_matcher',
};

/** What the client has against the server's certificate. */
export function certificateVerifyFailed(reason: string): string {
  return `268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_${VERIFY_TEXTS[reason] ?? reason}`;
}

export const NO_HEALTHY_UPSTREAM: LocalAnswer = Object.freeze({
  status: 503,
  flags: 'UH',
  details: 'no_healthy_upstream',
  body: 'no healthy upstream',
});

export const CLUSTER_NOT_FOUND: LocalAnswer = Object.freeze({
  status: 503,
  flags: 'NC',
  details: 'cluster_not_found',
  body: '',
});

/** No route of a gateway takes the request. */
export const NO_ROUTE: LocalAnswer = Object.freeze({
  status: 404,
  flags: 'NR',
  details: 'route_not_found',
  body: '',
});

/** REGISTRY_ONLY and a host nobody knows. */
export const BLACK_HOLE: LocalAnswer = Object.freeze({
  status: 502,
  flags: '-',
  details: 'direct_response',
  body: '',
});

export const RESPONSE_TIMEOUT: LocalAnswer = Object.freeze({
  status: 504,
  flags: 'UT',
  details: 'response_timeout',
  body: 'upstream request timeout',
});

/** Nobody answered within the connect timeout. */
export const CONNECT_TIMEOUT: LocalAnswer = Object.freeze({
  status: 503,
  flags: 'UF,URX',
  details: `${BEFORE_RESPONSE}{connection_timeout}`,
  body: `${UPSTREAM_ERROR} reset reason: connection timeout`,
});

export const CODEC_ERROR: LocalAnswer = Object.freeze({
  status: 400,
  flags: 'DPE',
  details: 'http1.codec_error',
  body: '',
});

/** The server answered with something that is not HTTP. */
export const UPSTREAM_PROTOCOL_ERROR: LocalAnswer = Object.freeze({
  status: 502,
  flags: 'UPE',
  details: `${BEFORE_RESPONSE}{protocol_error}`,
  body: `${UPSTREAM_ERROR} reset reason: protocol error`,
});
