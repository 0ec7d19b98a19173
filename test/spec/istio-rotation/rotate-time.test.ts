/**
 * When Istio's agent renews a workload certificate: `rotateTime` in `security/pkg/nodeagent/cache/secretcache.go`, whose
 * own tests fix the cases below. https://github.com/istio/istio
 */
import { describe, expect, it } from 'vitest';
import { addMs, DEFAULT_EPOCH, HOUR_MS, MINUTE_MS, Rng, SECOND_MS, type Instant } from '../../../src/core/index.ts';
import { backoffDelayMs, DEFAULT_ROTATION_POLICY, rootRenewalDue, rotationDelayMs } from '../../../src/pki/index.ts';

const now: Instant = DEFAULT_EPOCH;

function delayMs(
  created: number,
  expire: number,
  graceRatio: number,
  jitterRatio = 0,
  rng = new Rng('rotate'),
): number {
  return rotationDelayMs({
    created: addMs(now, created),
    expire: addMs(now, expire),
    now,
    graceRatio,
    jitterRatio,
    rng,
  });
}

describe('istio-rotation/no-jitter', () => {
  it.each([
    ['already expired', -2 * SECOND_MS, -SECOND_MS, 0.5, 0],
    ['half the life', 0, HOUR_MS, 0.5, 30 * MINUTE_MS],
    ['the last quarter', 0, HOUR_MS, 0.25, 45 * MINUTE_MS],
    ['the last three quarters', 0, HOUR_MS, 0.75, 15 * MINUTE_MS],
    ['the whole life', 0, HOUR_MS, 1, 0],
    ['nothing of it', 0, HOUR_MS, 0, HOUR_MS],
    ['created in the future', 30 * MINUTE_MS, 90 * MINUTE_MS, 0.25, 75 * MINUTE_MS],
  ])('%s', (_, created, expire, ratio, expected) => {
    expect(delayMs(created, expire, ratio)).toBe(expected);
  });
});

describe('istio-rotation/jitter', () => {
  it.each([
    ['ratio 1, between .5 and 1', 1, 0, 30 * MINUTE_MS],
    ['ratio .5, between 0 and 1', 0.5, 0, HOUR_MS],
    ['ratio 0, between 0 and .5', 0, 30 * MINUTE_MS, HOUR_MS],
  ])('%s', (_, ratio, min, max) => {
    const rng = new Rng('jitter');
    const delays = Array.from({ length: 2000 }, () => delayMs(0, HOUR_MS, ratio, 0.5, rng));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(min);
    expect(Math.max(...delays)).toBeLessThanOrEqual(max);
    // Half of them fall outside 0..1 where the ratio is at an end, and are clamped to it.
    const clamped = delays.filter((delay) => delay === (ratio === 1 ? 0 : HOUR_MS)).length;
    if (ratio === 0.5) expect(clamped).toBe(0);
    else expect(clamped / delays.length).toBeCloseTo(0.5, 1);
    expect(new Set(delays).size).toBeGreaterThan(900);
  });

  it('renews a day-long certificate after twelve hours, give or take fifteen minutes', () => {
    const rng = new Rng('day');
    const { graceRatio, jitterRatio } = DEFAULT_ROTATION_POLICY;
    const delays = Array.from({ length: 2000 }, () => delayMs(0, 24 * HOUR_MS, graceRatio, jitterRatio, rng));
    expect(Math.min(...delays)).toBeGreaterThan(12 * HOUR_MS - 14.4 * MINUTE_MS);
    expect(Math.max(...delays)).toBeLessThan(12 * HOUR_MS + 14.4 * MINUTE_MS);
    const early = delays.filter((delay) => delay < 12 * HOUR_MS).length;
    expect(early / delays.length).toBeCloseTo(0.5, 1);
  });
});

describe('istio-rotation/back-off', () => {
  it('grows from half a second by half to a minute, and is drawn from half to one and a half of that', () => {
    const rng = new Rng('back-off');
    for (const [attempt, nominal] of [
      [1, 500],
      [2, 750],
      [5, 2531.25],
      [12, 43_248.8],
      [13, 60_000],
      [1_000_000, 60_000],
    ] as const) {
      const delays = Array.from({ length: 500 }, () => backoffDelayMs(attempt, DEFAULT_ROTATION_POLICY.backoff, rng));
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(Math.floor(nominal / 2));
      expect(Math.max(...delays)).toBeLessThanOrEqual(Math.ceil(nominal * 1.5));
      expect(Math.max(...delays) - Math.min(...delays)).toBeGreaterThan(nominal * 0.8);
    }
  });
});

describe('istio-rotation/root', () => {
  it('is due when a fifth of its life is left', () => {
    const root = { notBefore: now, notAfter: addMs(now, 10 * HOUR_MS) };
    const due = (ms: number) => rootRenewalDue(root, addMs(now, ms));
    expect([0, 8 * HOUR_MS - 1, 8 * HOUR_MS, 11 * HOUR_MS].map(due)).toEqual([false, false, true, true]);
  });
});
