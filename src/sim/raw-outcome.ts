/**
 * From what happened on a raw connection to what the calling application sees.
 * @module
 */
import { assertNever } from '../core/index.ts';
import { CODEC_ERROR } from '../policy/index.ts';
import type { ApplicationTlsAnswer, InboundRefusal, OutboundConnection, OutboundFailure } from '../wire/index.ts';
import type { Heard } from './conversation.ts';
import { ExchangeRecord } from './exchange-ledger.ts';
import { closed, connectionOf, evidenceOf, NO_CONNECTION } from './outcome.ts';
import type { Outcome, Refusal } from './request.ts';

export type RawResult =
  /** The caller's own sidecar took the bytes for HTTP. */
  | { readonly kind: 'codec'; readonly heard: Heard }
  | {
      readonly kind: 'failed';
      readonly failure: OutboundFailure;
      readonly refusal: InboundRefusal | undefined;
      readonly hop: 'tcp' | undefined;
    }
  /** The application's own handshake failed. */
  | (Connected & { readonly kind: 'tls'; readonly failed: ApplicationTlsAnswer & { readonly ok: false } })
  | (Connected & { readonly kind: 'spoken'; readonly heard: Heard; readonly ownTls: boolean });

interface Connected {
  readonly facts: OutboundConnection;
  readonly record: ExchangeRecord;
  readonly refusal: InboundRefusal | undefined;
}

const BLANK = { status: 0, flags: '-', details: '-', body: '', headers: {}, decidedBy: [] } as const;

export function rawOutcome(result: RawResult): Outcome {
  switch (result.kind) {
    case 'codec':
      return codecOutcome(result.heard);
    case 'failed':
      return failedOutcome(result);
    case 'tls':
      return tlsOutcome(result);
    case 'spoken':
      return spokenOutcome(result);
    default:
      return assertNever(result);
  }
}

function codecOutcome(heard: Heard): Outcome {
  return {
    ...BLANK,
    result: 'handshake-failure',
    flags: CODEC_ERROR.flags,
    details: CODEC_ERROR.details,
    body: heard.bytes.toString('utf8'),
    reason: "codec_error: the caller's sidecar takes the port for HTTP",
    connection: NO_CONNECTION,
    refusal: {
      stage: 'handshake',
      reason: 'codec_error',
      detail: "the caller's sidecar takes the port for HTTP",
      side: 'client',
      applicationBytes: 0,
    },
  };
}

function failedOutcome({ failure, refusal, hop }: RawResult & { kind: 'failed' }): Outcome {
  const evidence = evidenceOf(failure, refusal, new ExchangeRecord());
  const early = evidence.stage === 'connect' && refusal === undefined;
  return {
    ...BLANK,
    ...closed(failure, hop),
    result: early ? 'unreachable' : 'handshake-failure',
    reason: `${evidence.reason}: ${evidence.detail}`,
    connection: NO_CONNECTION,
    refusal: evidence,
  };
}

function tlsOutcome({ facts, record, refusal, failed }: RawResult & { kind: 'tls' }): Outcome {
  const denied = deniedBy(record);
  const evidence: Refusal =
    refusal === undefined
      ? {
          stage: failed.stage === 'verify' ? 'verify-server' : 'handshake',
          reason: failed.reason,
          detail: failed.detail,
          side: 'client',
          applicationBytes: record.applicationBytes,
        }
      : evidenceOf({ stage: 'reset-before-response', reason: failed.reason, detail: failed.detail }, refusal, record);
  return {
    ...BLANK,
    result: denied === undefined ? 'handshake-failure' : 'deny',
    reason: `${evidence.reason}: ${evidence.detail}`,
    connection: connectionOf(facts, record),
    ...(denied ?? { refusal: evidence }),
  };
}

function spokenOutcome({ facts, record, refusal, heard, ownTls }: RawResult & { kind: 'spoken' }): Outcome {
  const denied = deniedBy(record);
  const connection = connectionOf(facts, record);
  const body = heard.bytes.toString('utf8');
  if (denied !== undefined) {
    const reason = record.decision?.reason ?? 'denied';
    const details = record.decision?.trace.detail ?? '-';
    return { ...BLANK, body, result: 'deny', details, reason, connection, ...denied };
  }
  if (record.reached) {
    const { decision, asked } = record;
    return {
      ...BLANK,
      body,
      result: 'allow',
      reason: decision?.reason ?? 'no sidecar in front of the application',
      decidedBy: decision?.determining ?? [],
      ...(asked === undefined ? {} : { asked }),
      ...(decision === undefined ? {} : { decision }),
      // The application's own layer is one more where there was none.
      connection: ownTls && connection.security === 'none' ? { ...connection, security: 'tls' } : connection,
    };
  }
  const failure: OutboundFailure = {
    stage: record.details === undefined ? 'reset-before-response' : 'connect',
    reason: record.details ?? 'connection_closed',
    detail: 'the server closed the connection',
  };
  const evidence = evidenceOf(failure, refusal, record);
  return {
    ...BLANK,
    body,
    result: refusal === undefined ? 'unreachable' : 'handshake-failure',
    reason: `${evidence.reason}: ${evidence.detail}`,
    connection,
    refusal: evidence,
  };
}

function deniedBy({ decision, asked }: ExchangeRecord): Partial<Outcome> | undefined {
  if (decision?.decision !== 'deny') return undefined;
  return { decidedBy: decision.determining, decision, ...(asked === undefined ? {} : { asked }) };
}
