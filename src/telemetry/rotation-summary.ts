/**
 * What certificate rotation cost: certificates issued and renewed, renewals that failed, and requests lost meanwhile.
 *
 * A request is lost when the mesh refused it or could not deliver it; an application's own 5xx is no loss. The reason
 * of the first loss is taken from the refused connection or the failed probe of the same caller and service that the
 * log shows in the interval before.
 * @module
 */
import {
  addMs,
  formatInstant,
  type ConnectionRefused,
  type Instant,
  type MeshEvent,
  type PeerRef,
  type RequestCompleted,
  type ServiceRef,
  type TrafficRecorded,
} from '../core/index.ts';
import { calleeOf, callerOf, keyOf, lostByMesh } from './outcome.ts';
import { thousands } from './python-format.ts';
import { observe } from './tally.ts';

export interface FirstLoss {
  readonly at: Instant;
  readonly seq: number;
  readonly source: string;
  readonly dest: string;
  readonly requests: number;
  /** Status, flags and, where the log shows it, the cause: `503 UC, expired at verify-client`. */
  readonly reason: string;
}

export interface RotationSummary {
  /** All certificates, first ones and renewals. */
  readonly certificatesIssued: number;
  readonly certificatesRotated: number;
  readonly renewalFailures: number;
  readonly certificatesExpired: number;
  readonly requestsSent: number;
  readonly requestsLost: number;
  readonly firstLoss?: FirstLoss;
}

interface Cause {
  readonly at: Instant;
  readonly text: string;
}

type Ends = { readonly source: PeerRef; readonly destination: PeerRef; readonly service?: ServiceRef };

export class RotationFold {
  #issued = 0;
  #rotated = 0;
  #renewalFailures = 0;
  #expired = 0;
  #sent = 0;
  #lost = 0;
  #firstLoss: FirstLoss | undefined;
  /** The latest known cause of trouble for each caller and service. */
  readonly #causes = new Map<string, Cause>();

  add(event: MeshEvent): this {
    this.#sent += observe(event)?.requests ?? 0;
    if (event.kind === 'certificate.issued') {
      this.#issued++;
      if (event.reason === 'rotation') this.#rotated++;
    } else if (event.kind === 'certificate.renewal-failed') this.#renewalFailures++;
    else if (event.kind === 'certificate.expired') this.#expired++;
    else if (event.kind === 'connection.refused') this.#noteCause(event, refusalText(event));
    else if (event.kind === 'request.completed') this.#addRequest(event);
    else if (event.kind === 'traffic.recorded') this.#noteLoss(event, event.lost);
    return this;
  }

  addAll(events: Iterable<MeshEvent>): this {
    for (const event of events) this.add(event);
    return this;
  }

  snapshot(): RotationSummary {
    return {
      certificatesIssued: this.#issued,
      certificatesRotated: this.#rotated,
      renewalFailures: this.#renewalFailures,
      certificatesExpired: this.#expired,
      requestsSent: this.#sent,
      requestsLost: this.#lost,
      ...(this.#firstLoss === undefined ? {} : { firstLoss: this.#firstLoss }),
    };
  }

  #addRequest(event: RequestCompleted): void {
    if (!lostByMesh(event)) return;
    const key = pairOf(event);
    // A refused connection says more than the status the caller's sidecar made of it.
    const known = this.#causes.get(key);
    if (event.details !== undefined && known?.at !== event.at) this.#noteCause(event, event.details);
    if (event.flow === undefined) this.#noteLoss(event, 1);
  }

  #noteCause(event: Ends & { readonly at: Instant }, text: string): void {
    this.#causes.set(pairOf(event), { at: event.at, text });
  }

  #noteLoss(event: TrafficRecorded | RequestCompleted, requests: number): void {
    this.#lost += requests;
    if (requests === 0 || this.#firstLoss !== undefined) return;
    const since = addMs(event.at, event.kind === 'traffic.recorded' ? -event.intervalMs : 0);
    const cause = this.#causes.get(pairOf(event));
    const status = `${event.status}${event.flags === '-' ? '' : ` ${event.flags}`}`;
    this.#firstLoss = {
      at: event.at,
      seq: event.seq,
      source: callerOf(event.source).name,
      dest: calleeOf(event).name,
      requests,
      reason: cause !== undefined && cause.at >= since ? `${status}, ${cause.text}` : status,
    };
  }
}

/** The summary for people, without a final line break. */
export function renderRotationSummary(summary: RotationSummary): string {
  const { firstLoss } = summary;
  const initial = summary.certificatesIssued - summary.certificatesRotated;
  return [
    '',
    ' Certificate Rotation:',
    `  Certificates issued: ${thousands(summary.certificatesIssued)} (${thousands(initial)} initial, ${thousands(summary.certificatesRotated)} rotated)`,
    `  Renewal failures: ${thousands(summary.renewalFailures)}`,
    `  Certificates expired: ${thousands(summary.certificatesExpired)}`,
    `  Requests sent: ${thousands(summary.requestsSent)}`,
    `  Requests lost: ${thousands(summary.requestsLost)}`,
    ...(firstLoss === undefined
      ? []
      : [
          `  First loss: ${formatInstant(firstLoss.at)} ${firstLoss.source} -> ${firstLoss.dest}, ` +
            `${thousands(firstLoss.requests)} requests: ${firstLoss.reason}`,
        ]),
  ].join('\n');
}

function pairOf(event: Ends): string {
  return `${keyOf(callerOf(event.source))} ${keyOf(calleeOf(event))}`;
}

function refusalText(event: ConnectionRefused): string {
  return `${event.reason} at ${event.stage}`;
}
