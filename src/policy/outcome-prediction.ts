/**
 * What the calling application sees of a call, predicted from configuration and facts alone: the model twin of the real
 * wire. Transport only: authorization and tokens are judged once `reached` is true, and `deniedOutcome` says how a
 * refusal travels back.
 *
 * TLS 1.3 shapes the flags: what the client finds wrong happens before it is connected (`UF`, retried: `UF,URX`); what
 * only the server finds wrong arrives after (`UC`, not retried). In TLS 1.2 both are `UF`.
 *
 * Not modelled: races in which a reset overtakes a request, outlier ejection, gRPC status mapping.
 * Source: Envoy's access-log response flags and Istio's default retry policy.
 * @module
 */
import type { ConnectionSecurity, RefusalStage } from '../core/events.ts';
import { travel, type Closed, type LogLine, type Passage, type ReachedServer } from './call-passage.ts';
import {
  CONNECTION_REFUSED,
  CONNECTION_TERMINATION,
  connectionFailure,
  type LocalAnswer,
  tlsFailure,
} from './envoy-texts.ts';
import { hopOf, type CallerEnd, type OutcomeQuestion } from './outcome-question.ts';

export interface PredictedOutcome extends LogLine {
  /** HTTP status the application sees: 200 stands for its peer's answer, 0 for none at all (TCP callers included). */
  readonly status: number;
  /** Envoy response flags in the caller's sidecar; `-` for none, or where there is no sidecar. */
  readonly flags: string;
  /** `RESPONSE_CODE_DETAILS` there. */
  readonly details: string;
  /** What the application notices: an HTTP response, an open TCP connection, a reset or close, a failed handshake of its own. */
  readonly ending: 'response' | 'open' | 'reset' | 'closed' | 'tls_error';
  /** Text of a response that a sidecar wrote itself. */
  readonly body?: string;
  /** Of the connection between the two sides. */
  readonly security: ConnectionSecurity;
  /** The application behind was handed the call (unless a policy of the server's sidecar refuses it). */
  readonly reached: boolean;
  readonly server?: ReachedServer;
  readonly refusal?: { readonly stage: RefusalStage; readonly reason: string };
  /** What the server's sidecar logs where it does not see a request. */
  readonly serverLog?: LogLine;
}

export function predictOutcome(question: OutcomeQuestion): PredictedOutcome {
  return seen(question, travel(question));
}

/** How a refusal by the server's policies reaches the application: `reached` is the outcome without it. */
export function deniedOutcome(
  question: OutcomeQuestion,
  reached: PredictedOutcome,
  denial: { readonly status: number; readonly body: string },
): PredictedOutcome {
  const { server, security } = reached;
  if (server?.protocol === 'http') {
    const details = question.caller.sidecar === undefined ? '-' : 'via_upstream';
    return { ...denial, flags: '-', details, ending: 'response', security, reached: false, refusal: DENIED, server };
  }
  const outcome = seen(question, {
    kind: 'closed',
    by: 'established',
    stage: 'authorize',
    reason: 'rbac_access_denied',
  });
  return { ...outcome, security };
}

const DENIED = { stage: 'authorize', reason: 'rbac_access_denied' } as const;

/** Tells a passage as the calling application and its sidecar see it. */
function seen({ caller }: OutcomeQuestion, passage: Passage): PredictedOutcome {
  if (passage.kind === 'answered') return seenAnswer(caller, passage);
  if (passage.kind === 'closed') return seenClosed(caller, passage);
  const { security, server } = passage;
  const details = hopOf(caller) === 'http' ? 'via_upstream' : '-';
  const end =
    caller.speaks === 'tcp' ? ({ status: 0, ending: 'open' } as const) : ({ status: 200, ending: 'response' } as const);
  return { ...end, flags: '-', details, security, reached: true, server };
}

function seenAnswer(caller: CallerEnd, answer: Extract<Passage, { kind: 'answered' }>): PredictedOutcome {
  const { status, reason, local, body } = answer;
  const stage: RefusalStage = reason === 'codec_error' || reason === 'tls_expected' ? 'handshake' : 'connect';
  const base = { security: 'none', reached: false, refusal: { stage, reason } } as const;
  const serverLog = local ? {} : { serverLog: { status, flags: answer.flags, details: answer.details } };
  const hop = hopOf(caller);
  if (local) {
    // A TCP proxy without upstream has nothing to say: it closes.
    if (hop === 'tcp') return { ...base, status: 0, flags: answer.flags, details: '-', ending: 'closed' };
    const ending = caller.speaks === 'tcp' || caller.ownTls !== undefined ? 'closed' : 'response';
    return {
      ...base,
      status: ending === 'response' ? status : 0,
      flags: answer.flags,
      details: answer.details,
      ending,
      ...(body === undefined ? {} : { body }),
    };
  }
  if (caller.speaks === 'tcp') return { ...base, status: 0, flags: '-', details: '-', ending: 'closed', ...serverLog };
  return {
    ...base,
    status,
    flags: '-',
    details: hop === 'http' ? 'via_upstream' : '-',
    ending: 'response',
    ...serverLog,
  };
}

function seenClosed(caller: CallerEnd, closed: Closed): PredictedOutcome {
  const { stage, reason, serverLog, by } = closed;
  const base = {
    security: 'none',
    reached: false,
    refusal: { stage, reason },
    ...(serverLog === undefined ? {} : { serverLog }),
  } as const;
  const hop = hopOf(caller);
  // A handshake of the application's own fails before its eyes, through a sidecar's tunnel as well as without one.
  if (closed.owner === 'application') return { ...base, status: 0, flags: '-', details: '-', ending: 'tls_error' };
  if (hop === 'http') return { ...base, ...badGateway(closed), ending: 'response' };
  if (hop === 'tcp') {
    const connected = by === 'established';
    return { ...base, status: 0, flags: connected ? '-' : 'UF,URX', details: '-', ending: 'closed' };
  }
  return {
    ...base,
    status: 0,
    flags: '-',
    details: '-',
    ending: by === 'connect' || caller.speaks !== 'tcp' ? 'reset' : 'closed',
  };
}

/** The 503 of the caller's own sidecar. */
function badGateway({ by, tlsError, reason }: Closed): LocalAnswer {
  if (by === 'established') return CONNECTION_TERMINATION;
  if (tlsError !== undefined) return connectionFailure(tlsFailure(tlsError));
  return connectionFailure(reason === 'connection_refused' ? CONNECTION_REFUSED : undefined);
}
