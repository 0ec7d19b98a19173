/**
 * From what happened on the wire to what the calling application sees, in Envoy's terms.
 *
 * A caller whose sidecar speaks HTTP for it gets a status: a failure the client detects is a connect failure (`UF`,
 * retried, hence `URX`), one that only the server detects surfaces after the client's TLS 1.3 handshake is done (`UC`,
 * not retried); in TLS 1.2 both are `UF`. Where the sidecar only carries bytes, and where there is none, the caller sees
 * its connection closed: status 0.
 *
 * Node closes where Envoy sends an alert (`mutual-tls.ts`): what the peer said of it is taken from the peer.
 * @module
 */
import { assertNever, type PolicyRef } from '../core/index.ts';
import {
  certificateVerifyFailed,
  CODEC_ERROR,
  CONNECT_TIMEOUT,
  CONNECTION_REFUSED,
  CONNECTION_TERMINATION,
  connectionFailure,
  HANDSHAKE_FAILURE,
  type LocalAnswer,
  NO_HEALTHY_UPSTREAM,
  RESPONSE_TIMEOUT,
  tlsFailure,
  UPSTREAM_PROTOCOL_ERROR,
  WRONG_VERSION_NUMBER,
} from '../policy/index.ts';
import type { HttpAnswer, InboundRefusal, OutboundConnection, OutboundFailure } from '../wire/index.ts';
import type { ExchangeRecord } from './exchange-ledger.ts';
import type { Outcome, OutcomeConnection, OutcomeResult, Refusal } from './request.ts';
import type { Writable } from './writable.ts';

/** What the application behind a client sidecar sees of a failed call. */
export function seenThroughSidecar(failure: OutboundFailure, refusal: InboundRefusal | undefined): LocalAnswer {
  switch (failure.stage) {
    case 'connect':
      if (failure.reason === 'connect_timeout') return CONNECT_TIMEOUT;
      return connectionFailure(failure.reason === 'connection_refused' ? CONNECTION_REFUSED : undefined);
    case 'handshake':
      return connectionFailure(handshakeText(failure, refusal));
    case 'verify-server':
      return connectionFailure(tlsFailure(certificateVerifyFailed(failure.reason)));
    case 'reset-before-response':
    case 'reset-during-response':
      // In TLS 1.2 the client learns of the refusal before its handshake is done.
      return failure.connection?.tlsVersion === 'TLSv1.2' && refusal !== undefined
        ? connectionFailure(tlsFailure(HANDSHAKE_FAILURE))
        : CONNECTION_TERMINATION;
    case 'timeout':
      return RESPONSE_TIMEOUT;
    case 'protocol':
      return UPSTREAM_PROTOCOL_ERROR;
    case 'invalid-request':
      return { ...CODEC_ERROR, details: failure.reason, body: 'Bad Request' };
    case 'closed':
      return NO_HEALTHY_UPSTREAM;
    default:
      return assertNever(failure.stage);
  }
}

function handshakeText(failure: OutboundFailure, refusal: InboundRefusal | undefined): string | undefined {
  if (isWrongVersion(failure)) return tlsFailure(WRONG_VERSION_NUMBER);
  // No chain took it: the connection was reset, and OpenSSL has nothing to say.
  if (refusal?.stage === 'filter-chain') return undefined;
  return refusal === undefined ? tlsFailure(failure.reason) : tlsFailure(HANDSHAKE_FAILURE);
}

/** The peer's answer was not TLS. OpenSSL says so in several ways, depending on what it read. */
export function isWrongVersion({ reason }: Pick<OutboundFailure, 'reason'>): boolean {
  return reason === 'wrong_version_number' || reason === 'packet_length_too_long';
}

export interface OutcomeInput {
  readonly answer: HttpAnswer;
  readonly record: ExchangeRecord;
  /** What the server said of the connection it closed, if it refused one. */
  readonly refusal: InboundRefusal | undefined;
  /** How the caller's sidecar takes the call; absent without a sidecar. */
  readonly hop: 'http' | 'tcp' | undefined;
}

const UTF8 = new TextDecoder();

export function outcomeOf(input: OutcomeInput): Outcome {
  return input.answer.ok ? answered(input.answer, input) : failed(input.answer.failure, input);
}

function answered(answer: HttpAnswer & { readonly ok: true }, { record, refusal }: OutcomeInput): Outcome {
  const { decision, onward } = record;
  if (onward !== undefined) return throughGateway(answer, onward, record);
  const denied = record.details !== undefined || decision?.decision === 'deny';
  const misread = !record.reached && !denied;
  const details = record.details ?? decision?.trace.detail ?? (misread ? CODEC_ERROR.details : 'via_upstream');
  const outcome: Writable<Outcome> = {
    result: denied ? 'deny' : record.reached ? 'allow' : 'unreachable',
    status: answer.status,
    flags: '-',
    details,
    headers: answer.headers,
    body: UTF8.decode(answer.body),
    decidedBy: decision?.determining ?? noPolicies,
    reason: reasonOf(record, denied),
    connection: connectionOf(answer.connection, record),
  };
  if (answer.trailers !== undefined) outcome.trailers = answer.trailers;
  if (record.asked !== undefined) outcome.asked = record.asked;
  if (decision !== undefined) outcome.decision = decision;
  if (misread && refusal !== undefined) outcome.refusal = serverRefusal(refusal, record);
  return outcome;
}

/** What happened behind the gateway, over the caller's own connection. */
function throughGateway(
  { status, headers, body, connection }: HttpAnswer & { readonly ok: true },
  onward: Outcome,
  record: ExchangeRecord,
): Outcome {
  return { ...onward, status, headers, body: UTF8.decode(body), connection: connectionOf(connection, record) };
}

function reasonOf(record: ExchangeRecord, denied: boolean): string {
  if (record.details !== undefined) return record.details;
  if (record.decision !== undefined) return record.decision.reason;
  if (denied) return 'denied';
  return record.reached ? 'no sidecar in front of the application' : 'the server did not understand the bytes';
}

/**
 * A handshake whose bytes went through to an application that does not speak TLS: it says something else, and closes.
 * Which of the two the client reads first is an accident of wall time.
 */
export function plainAnswer(failure: OutboundFailure, record: ExchangeRecord | undefined): OutboundFailure {
  const isClosed = failure.reason === 'connection_reset' || failure.reason === 'connection_closed';
  return failure.stage === 'handshake' && isClosed && record?.reached === true
    ? { ...failure, reason: 'wrong_version_number' }
    : failure;
}

function failed(found: OutboundFailure, { record, refusal, hop }: OutcomeInput): Outcome {
  const { decision } = record;
  const failure = plainAnswer(found, record);
  if (decision?.decision === 'deny' && failure.stage !== 'handshake') return deniedRaw(failure, record, hop);
  const seen = hop === 'http' ? seenThroughSidecar(failure, refusal) : closed(failure, hop);
  const evidence = evidenceOf(failure, refusal, record);
  return {
    result: resultOf(failure, evidence, refusal),
    status: seen.status,
    flags: seen.flags,
    details: seen.details,
    body: seen.body,
    headers: {},
    decidedBy: noPolicies,
    reason: `${evidence.reason}: ${evidence.detail}`,
    connection: failure.connection === undefined ? NO_CONNECTION : connectionOf(failure.connection, record),
    refusal: evidence,
  };
}

/** A raw connection that the server's policies closed: an HTTP sidecar knows no more than that it was closed. */
function deniedRaw(failure: OutboundFailure, record: ExchangeRecord, hop: OutcomeInput['hop']): Outcome {
  const { decision, asked } = record;
  const seen = hop === 'http' ? CONNECTION_TERMINATION : CLOSED;
  return {
    result: 'deny',
    ...seen,
    headers: {},
    decidedBy: decision?.determining ?? [],
    reason: decision?.reason ?? 'denied',
    ...(asked === undefined ? {} : { asked }),
    ...(decision === undefined ? {} : { decision }),
    connection: failure.connection === undefined ? NO_CONNECTION : connectionOf(failure.connection, record),
  };
}

const CLOSED: LocalAnswer = { status: 0, flags: '-', details: '-', body: '' };

/** What a caller sees for which nobody speaks HTTP. */
export function closed(failure: OutboundFailure, hop: 'tcp' | undefined): LocalAnswer {
  if (hop === undefined) return { ...CLOSED, details: failure.reason };
  const early = failure.stage === 'connect' || failure.stage === 'handshake' || failure.stage === 'verify-server';
  return early ? { ...CLOSED, flags: 'UF,URX' } : CLOSED;
}

const noPolicies: readonly PolicyRef[] = [];
export const NO_CONNECTION: OutcomeConnection = { security: 'none', resumed: false };

function resultOf(failure: OutboundFailure, evidence: Refusal, refusal: InboundRefusal | undefined): OutcomeResult {
  if (failure.stage === 'timeout') return 'timeout';
  // A connection that broke had been accepted.
  if (refusal?.stage === 'record') return 'unreachable';
  const early = evidence.stage === 'handshake' || evidence.stage === 'verify-server';
  return refusal !== undefined || early ? 'handshake-failure' : 'unreachable';
}

export function evidenceOf(
  failure: OutboundFailure,
  refusal: InboundRefusal | undefined,
  record: ExchangeRecord,
): Refusal {
  // TLS that met something else: the client's finding, whatever the server made of the bytes.
  return refusal === undefined || isWrongVersion(failure) || failure.stage === 'verify-server'
    ? clientRefusal(failure)
    : serverRefusal(refusal, record);
}

function serverRefusal(refusal: InboundRefusal, record: ExchangeRecord): Refusal {
  return {
    stage: refusal.stage === 'codec' ? 'handshake' : refusal.stage,
    reason: refusal.reason,
    detail: refusal.detail ?? 'the server closed the connection',
    side: 'server',
    applicationBytes: refusal.applicationBytes + record.applicationBytes,
  };
}

function clientRefusal(failure: OutboundFailure): Refusal {
  const stage = failure.stage === 'handshake' || failure.stage === 'verify-server' ? failure.stage : 'connect';
  const reason = isWrongVersion(failure) ? 'wrong_version_number' : failure.reason;
  return { stage, reason, detail: failure.detail, side: 'client', applicationBytes: 0 };
}

export function connectionOf(connection: OutboundConnection, record: ExchangeRecord): OutcomeConnection {
  const { security, principal, tlsVersion, resumed } = connection;
  const client = record.connection?.principal;
  const seen = record.connection?.security ?? security;
  const told: Writable<OutcomeConnection> = {
    // TLS that the server's sidecar did not see as such was ended by the application, which asks for no certificate.
    security: security === 'none' ? 'none' : seen === 'none' ? 'tls' : seen,
    resumed,
  };
  if (principal !== undefined) told.serverPrincipal = principal;
  if (client !== undefined) told.clientPrincipal = client;
  if (tlsVersion !== undefined) told.tlsVersion = tlsVersion;
  return told;
}
