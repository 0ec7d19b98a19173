/**
 * Audit of the certificates a log shows: how long they live, and whether each was renewed in time.
 *
 * A lifetime counts from the issue, not from `notBefore`, which Istio dates back a little for skewed clocks. Several
 * workloads may share an identity, and an event does not say which one asked: a renewal replaces the oldest
 * certificate of its identity that has not been replaced yet. Serial numbers stay out of the text: they are not drawn
 * from the seed.
 * @module
 */
import { formatDuration, formatInstant, type CertificateIssued, type Instant, type MeshEvent } from '../core/index.ts';
import { counted, finding, type AuditEvidence, type AuditFinding } from './audit-finding.ts';
import type { AuditFacts } from './audit-facts.ts';

export function auditLifetime({ events, lifetimeMaxMs }: AuditFacts): AuditFinding {
  const issued = events.filter((event) => event.kind === 'certificate.issued');
  const byLength = [...issued].sort((a, b) => lifetimeMs(b) - lifetimeMs(a));
  const [longest] = byLength;
  if (longest === undefined) return finding('MSH103', 'warn', 'no certificate was issued in this log');
  const tooLong = byLength.filter((event) => lifetimeMs(event) > lifetimeMaxMs);
  const limit = formatDuration(lifetimeMaxMs);
  if (tooLong.length > 0) {
    const message = `${tooLong.length} of ${counted(issued.length, 'certificate')} live longer than ${limit}`;
    return finding('MSH103', 'fail', message, tooLong.map(lifetimeEvidence));
  }
  const message = `${counted(issued.length, 'certificate')}, the longest lives ${formatDuration(lifetimeMs(longest))} of at most ${limit}`;
  return finding('MSH103', 'pass', message, [lifetimeEvidence(longest)]);
}

export function auditRotation({ events, at }: AuditFacts): AuditFinding {
  const { renewals, open } = matchRenewals(events);
  const overdue = open.filter((event) => at !== undefined && event.notAfter <= at).map(overdueEvidence);
  const late = renewals.filter(({ old, renewal }) => renewal.at >= old.notAfter).map(renewalEvidence);
  const expired = events
    .filter((event) => event.kind === 'certificate.expired')
    .map((event) => ({
      text: `${event.spiffeId} expired at ${formatInstant(event.at)}`,
      spiffeId: event.spiffeId,
      serial: event.serial,
      seq: event.seq,
    }));
  // An expiry that has an event of its own needs no second line.
  const told = new Set(expired.map((evidence) => evidence.serial));
  const failures = [...expired, ...[...late, ...overdue].filter((evidence) => !told.has(evidence.serial ?? ''))];
  if (failures.length > 0) {
    return finding('MSH104', 'fail', `${counted(failures.length, 'certificate')} not renewed before expiry`, failures);
  }
  const [closest] = [...renewals].sort((a, b) => marginMs(a) - marginMs(b));
  if (closest === undefined) {
    return finding('MSH104', 'warn', 'no renewal seen: the log ends before one was due', open.map(openEvidence));
  }
  const failed = events.filter((event) => event.kind === 'certificate.renewal-failed').length;
  const message =
    `${counted(renewals.length, 'renewal')}, the latest ${formatDuration(marginMs(closest))} before expiry` +
    (failed === 0 ? '' : `, ${counted(failed, 'failed attempt')} made good`);
  return finding('MSH104', 'pass', message, [renewalEvidence(closest)]);
}

interface Renewal {
  readonly old: CertificateIssued;
  readonly renewal: CertificateIssued;
}

function matchRenewals(events: readonly MeshEvent[]): {
  renewals: readonly Renewal[];
  open: readonly CertificateIssued[];
} {
  const renewals: Renewal[] = [];
  const openOf = new Map<string, CertificateIssued[]>();
  for (const event of events) {
    if (event.kind !== 'certificate.issued') continue;
    const open = openOf.get(event.spiffeId) ?? [];
    openOf.set(event.spiffeId, open);
    const old = event.reason === 'rotation' ? open.shift() : undefined;
    if (old !== undefined) renewals.push({ old, renewal: event });
    open.push(event);
  }
  return { renewals, open: [...openOf.values()].flat() };
}

function lifetimeMs(event: { readonly at: Instant; readonly notAfter: Instant }): number {
  return event.notAfter - event.at;
}

function marginMs({ old, renewal }: Renewal): number {
  return old.notAfter - renewal.at;
}

function evidenceOf(event: CertificateIssued, text: string): AuditEvidence {
  return {
    text: `${event.spiffeId} ${text}`,
    spiffeId: event.spiffeId,
    serial: event.serial,
    seq: event.seq,
  };
}

function lifetimeEvidence(event: CertificateIssued): AuditEvidence {
  return { ...evidenceOf(event, `lives ${formatDuration(lifetimeMs(event))}`), value: lifetimeMs(event) };
}

function overdueEvidence(event: CertificateIssued): AuditEvidence {
  return evidenceOf(event, `expired at ${formatInstant(event.notAfter)}, never renewed`);
}

function openEvidence(event: CertificateIssued): AuditEvidence {
  return evidenceOf(event, `is valid until ${formatInstant(event.notAfter)}`);
}

function renewalEvidence({ old, renewal }: Renewal): AuditEvidence {
  const margin = old.notAfter - renewal.at;
  const when = margin > 0 ? `${formatDuration(margin)} before expiry` : `${formatDuration(-margin)} after expiry`;
  return { ...evidenceOf(old, `renewed ${when}`), value: margin, seq: renewal.seq };
}
