/**
 * From what happened on the wire to what the calling application sees, in Envoy's terms.
 *
 * A caller with a sidecar gets a status from its own sidecar: a failure the client detects is a connect failure
 * (`UF`, retried, hence `URX`), one that only the server detects surfaces after the client's TLS 1.3 handshake is done
 * (`UC`, not retried). A caller without a sidecar sees its connection closed: status 0.
 * Source: Envoy response flags, https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
 * @module
 */
import { assertNever, type PolicyRef } from '../core/index.ts';
import type { HttpAnswer, InboundRefusal, OutboundConnection, OutboundFailure } from '../wire/index.ts';
import type { ExchangeRecord } from './exchange-ledger.ts';
import type { Outcome, OutcomeConnection, OutcomeResult, Refusal } from './request.ts';

interface Seen {
  readonly status: number;
  readonly flags: string;
  readonly details: string;
  readonly body: string;
}

const UPSTREAM_ERROR = 'upstream connect error or disconnect/reset before headers.';
const BEFORE_RESPONSE = 'upstream_reset_before_response_started';

/** What the application behind a client sidecar sees of a failed call. */
function seenThroughSidecar(failure: OutboundFailure): Seen {
  switch (failure.stage) {
    case 'connect':
      return failure.reason === 'connect_timeout'
        ? CONNECT_TIMEOUT
        : connectFailure('delayed_connect_error:_Connection_refused');
    case 'handshake':
      return connectFailure(
        failure.reason === 'wrong_version_number'
          ? 'TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end'
          : `TLS_error:_${failure.reason}`,
      );
    case 'verify-server':
      return connectFailure(
        'TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end',
      );
    case 'reset-before-response':
    case 'reset-during-response':
      return {
        status: 503,
        flags: 'UC',
        details: `${BEFORE_RESPONSE}{connection_termination}`,
        body: `${UPSTREAM_ERROR} reset reason: connection termination`,
      };
    case 'timeout':
      return { status: 504, flags: 'UT', details: 'response_timeout', body: 'upstream request timeout' };
    case 'protocol':
      return {
        status: 502,
        flags: 'UPE',
        details: 'http1.codec_error',
        body: `${UPSTREAM_ERROR} reset reason: protocol error`,
      };
    case 'invalid-request':
      return { status: 400, flags: 'DPE', details: failure.reason, body: 'Bad Request' };
    case 'closed':
      return { status: 503, flags: 'UH', details: 'no_healthy_upstream', body: 'no healthy upstream' };
    default:
      return assertNever(failure.stage);
  }
}

function connectFailure(cause: string): Seen {
  return {
    status: 503,
    flags: 'UF,URX',
    details: `${BEFORE_RESPONSE}{remote_connection_failure|${cause}}`,
    body: `${UPSTREAM_ERROR} reset reason: remote connection failure`,
  };
}

/** Nobody answered within the connect timeout. */
const CONNECT_TIMEOUT: Seen = {
  status: 503,
  flags: 'UF,URX',
  details: `${BEFORE_RESPONSE}{connection_timeout}`,
  body: `${UPSTREAM_ERROR} reset reason: connection timeout`,
};

export interface OutcomeInput {
  readonly answer: HttpAnswer;
  readonly record: ExchangeRecord;
  /** What the server said of the connection it closed, if it refused one. */
  readonly refusal: InboundRefusal | undefined;
  readonly viaSidecar: boolean;
}

const UTF8 = new TextDecoder();

export function outcomeOf(input: OutcomeInput): Outcome {
  return input.answer.ok ? answered(input.answer, input.record) : failed(input.answer.failure, input);
}

function answered(answer: HttpAnswer & { readonly ok: true }, record: ExchangeRecord): Outcome {
  const { decision } = record;
  const denied = record.details !== undefined || decision?.decision === 'deny';
  const details = record.details ?? decision?.trace.detail ?? (record.reached ? 'via_upstream' : 'http1.codec_error');
  return {
    result: denied ? 'deny' : record.reached ? 'allow' : 'unreachable',
    status: answer.status,
    flags: record.reached || denied ? '-' : 'DPE',
    details,
    headers: answer.headers,
    body: UTF8.decode(answer.body),
    decidedBy: decision?.determining ?? [],
    reason: reasonOf(record, denied),
    ...(record.asked === undefined ? {} : { asked: record.asked }),
    ...(decision === undefined ? {} : { decision }),
    connection: connectionOf(answer.connection, record),
  };
}

function reasonOf(record: ExchangeRecord, denied: boolean): string {
  if (record.details !== undefined) return record.details;
  if (record.decision !== undefined) return record.decision.reason;
  if (denied) return 'denied';
  return record.reached ? 'no sidecar in front of the application' : 'the server did not understand the bytes';
}

function failed(failure: OutboundFailure, { record, refusal, viaSidecar }: OutcomeInput): Outcome {
  const seen = viaSidecar ? seenThroughSidecar(failure) : { status: 0, flags: '-', details: failure.reason, body: '' };
  const evidence = refusal === undefined ? clientRefusal(failure) : serverRefusal(refusal, record);
  return {
    result: resultOf(failure, refusal),
    ...seen,
    headers: {},
    decidedBy: noPolicies,
    reason: `${evidence.reason}: ${evidence.detail}`,
    connection: failure.connection === undefined ? NO_CONNECTION : connectionOf(failure.connection, record),
    refusal: evidence,
  };
}

const noPolicies: readonly PolicyRef[] = [];
const NO_CONNECTION: OutcomeConnection = { security: 'none', resumed: false };

function resultOf(failure: OutboundFailure, refusal: InboundRefusal | undefined): OutcomeResult {
  if (failure.stage === 'timeout') return 'timeout';
  // A connection that broke had been accepted.
  if (refusal?.stage === 'record') return 'unreachable';
  if (refusal !== undefined || failure.stage === 'handshake' || failure.stage === 'verify-server')
    return 'handshake-failure';
  return 'unreachable';
}

function serverRefusal(refusal: InboundRefusal, record: ExchangeRecord): Refusal {
  return {
    stage: refusal.stage === 'codec' ? 'filter-chain' : refusal.stage,
    reason: refusal.reason,
    detail: refusal.detail ?? 'the server closed the connection',
    side: 'server',
    applicationBytes: refusal.applicationBytes + record.applicationBytes,
  };
}

function clientRefusal(failure: OutboundFailure): Refusal {
  const stage = failure.stage === 'handshake' || failure.stage === 'verify-server' ? failure.stage : 'connect';
  return { stage, reason: failure.reason, detail: failure.detail, side: 'client', applicationBytes: 0 };
}

function connectionOf(connection: OutboundConnection, record: ExchangeRecord): OutcomeConnection {
  const { security, principal, tlsVersion, resumed } = connection;
  const client = record.connection?.principal;
  return {
    security: security === 'none' ? 'none' : (record.connection?.security ?? security),
    ...(principal === undefined ? {} : { serverPrincipal: principal }),
    ...(client === undefined ? {} : { clientPrincipal: client }),
    ...(tlsVersion === undefined ? {} : { tlsVersion }),
    resumed,
  };
}
