import { describe, expect, it } from 'vitest';
import { RotationFold, renderRotationSummary } from '../../../src/telemetry/index.ts';
import { after, issued, LogBuilder, principalOf, refused, request, traffic } from './sample-events.ts';

const HOUR = 3_600_000;

describe('RotationFold', () => {
  const log = new LogBuilder()
    .at(0, issued('a', 0, '01', 'initial'), issued('b', 0, '02', 'initial'))
    .at(6 * HOUR, traffic('a', 'b', 1_000_000))
    .at(12 * HOUR, issued('a', 12 * HOUR, '03', 'rotation'))
    .at(13 * HOUR, {
      kind: 'certificate.renewal-failed',
      spiffeId: principalOf('b'),
      reason: 'the CA is down',
      attempt: 1,
      retryAt: after(14 * HOUR),
    })
    .at(24 * HOUR, { kind: 'certificate.expired', spiffeId: principalOf('b'), serial: '02' })
    .at(
      25 * HOUR,
      refused('a', 'b', { stage: 'verify-server', reason: 'expired' }),
      request('a', 'b', { status: 503, flags: 'UF,URX', details: 'upstream_reset', flow: 'a -> b' }),
      traffic('a', 'b', 500, { lost: 500, status: 503, flags: 'UF,URX' }),
    )
    .at(26 * HOUR, request('a', 'b', { status: 503, flags: 'UC' }), request('a', 'b', { status: 500 }));

  it('counts certificates, requests and losses, and explains the first loss', () => {
    expect(new RotationFold().addAll(log.events).snapshot()).toEqual({
      certificatesIssued: 3,
      certificatesRotated: 1,
      renewalFailures: 1,
      certificatesExpired: 1,
      requestsSent: 1_000_502,
      requestsLost: 501,
      firstLoss: {
        at: after(25 * HOUR),
        seq: 8,
        source: 'a',
        dest: 'b',
        requests: 500,
        reason: '503 UF,URX, expired at verify-server',
      },
    });
  });

  it('prints it', () => {
    expect(renderRotationSummary(new RotationFold().addAll(log.events).snapshot())).toBe(`
 Certificate Rotation:
  Certificates issued: 3 (2 initial, 1 rotated)
  Renewal failures: 1
  Certificates expired: 1
  Requests sent: 1,000,502
  Requests lost: 501
  First loss: 2026-01-02T01:00:00Z a -> b, 500 requests: 503 UF,URX, expired at verify-server`);
  });

  it('does not blame a cause of another time or another pair', () => {
    const later = new LogBuilder()
      .at(0, refused('a', 'b'), refused('c', 'b', { reason: 'untrusted_root' }))
      .at(2 * HOUR, traffic('a', 'b', 1, { lost: 1, status: 503, flags: 'UC' }));
    expect(new RotationFold().addAll(later.events).snapshot().firstLoss?.reason).toBe('503 UC');
  });

  it('takes the details of a failed probe where no connection was refused', () => {
    const denied = new LogBuilder().at(
      0,
      request('a', 'b', { status: 403, details: 'rbac_access_denied_matched_policy[none]', flow: 'f' }),
      traffic('a', 'b', 5, { lost: 5, status: 403 }),
    );
    expect(new RotationFold().addAll(denied.events).snapshot()).toMatchObject({
      requestsSent: 5,
      requestsLost: 5,
      firstLoss: { reason: '403, rbac_access_denied_matched_policy[none]' },
    });
  });

  it('prints no first loss where nothing was lost', () => {
    const text = renderRotationSummary(new RotationFold().addAll(log.events.slice(0, 3)).snapshot());
    expect(text).toContain('Requests lost: 0');
    expect(text).not.toContain('First loss');
  });
});
