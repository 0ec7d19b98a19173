/**
 * When a workload's certificate is renewed, and how long to wait after a failure.
 *
 * Renewal is Istio's `rotateTime`: a grace period, a share of the certificate's life, before it ends, moved by a random
 * jitter so that a fleet started together does not renew together. The life is counted from the moment the agent
 * *received* the certificate, not from its NotBefore.
 *
 * Back-off is that of Istio's `pkg/backoff` (cenkalti/backoff with 500 ms to 60 s; its multiplier 1.5 and ±50 %
 * randomisation), with which the agent asks until it has its first certificate. Two further layers of retries exist
 * in the field and are not modelled: the five attempts within 1.6 s of the agent's gRPC interceptor, which lie inside
 * one request here, and Envoy's own reconnect (500 ms to 30 s) which sets the pace of a failed *renewal*; a recovery
 * is noticed within a minute under either.
 *
 * Source: istio `security/pkg/nodeagent/cache/secretcache.go` (`rotateTime`), `pkg/backoff/exponential.go`.
 * @module
 */
import { DAY_MS, MeshError, SECOND_MS, type Instant, type Rng } from '../core/index.ts';

export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
  /** Each wait is drawn evenly from ± this share of its nominal length. */
  readonly randomizationRatio: number;
}

export interface RotationPolicy {
  /** Share of the life left at which renewal begins: `SECRET_GRACE_PERIOD_RATIO`. */
  readonly graceRatio: number;
  /** Largest change to that share, either way: `SECRET_GRACE_PERIOD_RATIO_JITTER`. */
  readonly jitterRatio: number;
  /** Life the agent asks for: `SECRET_TTL`. */
  readonly ttlMs: number;
  /** How long a request may stay unanswered: the agent's limit for fetching a secret. */
  readonly requestTimeoutMs: number;
  readonly backoff: BackoffPolicy;
}

export const DEFAULT_ROTATION_POLICY: RotationPolicy = {
  graceRatio: 0.5,
  jitterRatio: 0.01,
  ttlMs: DAY_MS,
  requestTimeoutMs: 10 * SECOND_MS,
  backoff: { initialMs: 500, maxMs: 60 * SECOND_MS, multiplier: 1.5, randomizationRatio: 0.5 },
};

export interface RotationPolicyOptions extends Partial<Omit<RotationPolicy, 'backoff'>> {
  readonly backoff?: Partial<BackoffPolicy>;
}

/**
 * A policy with Istio's defaults where nothing is said.
 * @throws MeshError `ERR_PKI_OPTION`
 */
export function rotationPolicy(options: RotationPolicyOptions = {}): RotationPolicy {
  const backoff = { ...DEFAULT_ROTATION_POLICY.backoff, ...options.backoff };
  const policy = { ...DEFAULT_ROTATION_POLICY, ...options, backoff };
  within('graceRatio', policy.graceRatio, 0, 1);
  within('jitterRatio', policy.jitterRatio, 0, 1);
  within('ttlMs', policy.ttlMs, SECOND_MS, Number.MAX_SAFE_INTEGER);
  within('requestTimeoutMs', policy.requestTimeoutMs, 1, Number.MAX_SAFE_INTEGER);
  within('backoff.initialMs', backoff.initialMs, 1, backoff.maxMs);
  within('backoff.multiplier', backoff.multiplier, 1, 100);
  within('backoff.randomizationRatio', backoff.randomizationRatio, 0, 1);
  return policy;
}

function within(name: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new MeshError('ERR_PKI_OPTION', `rotation: \`${name}\` is ${value}, not in ${min}..${max}`);
}

export interface RotationDelayOptions {
  /** When the agent received the certificate. */
  readonly created: Instant;
  /** The certificate's NotAfter. */
  readonly expire: Instant;
  readonly now: Instant;
  readonly graceRatio: number;
  readonly jitterRatio: number;
  readonly rng: Rng;
}

/** Milliseconds from `now` until the certificate is to be renewed; 0 if that moment has passed. Draws two numbers. */
export function rotationDelayMs({ created, expire, now, graceRatio, jitterRatio, rng }: RotationDelayOptions): number {
  const jitter = rng.next() * jitterRatio * (rng.chance(0.5) ? 1 : -1);
  const ratio = Math.min(1, Math.max(0, graceRatio + jitter));
  const graceMs = Math.trunc(ratio * (expire - created));
  return Math.max(0, expire - graceMs - now);
}

/** Milliseconds to wait after the given failed attempt (1 is the first). Draws one number. */
export function backoffDelayMs(attempt: number, backoff: BackoffPolicy, rng: Rng): number {
  const { initialMs, maxMs, multiplier, randomizationRatio } = backoff;
  // The exponent is bounded: beyond it every multiplier above 1 has long reached `maxMs`.
  const nominal = Math.min(maxMs, initialMs * multiplier ** Math.min(attempt - 1, 1024));
  return Math.max(1, Math.round(nominal * (1 - randomizationRatio + 2 * randomizationRatio * rng.next())));
}
