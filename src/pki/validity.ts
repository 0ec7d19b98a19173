/**
 * How long certificates live: Istio's defaults, the limit, clamping, and the grace for slow clocks.
 *
 * Dates in X.509 are whole seconds. NotBefore and NotAfter are rounded down, so that no certificate outlives what was
 * asked for. NotAfter is the last second of validity, not the first of invalidity.
 * Source: istio `security/pkg/pki/ca` (`DEFAULT_WORKLOAD_CERT_TTL`, `MAX_WORKLOAD_CERT_TTL`), `security/pkg/pki/util`
 * (`ClockSkewGracePeriod`); RFC 5280 §4.1.2.5.
 * @module
 */
import {
  addMs,
  DAY_MS,
  formatDuration,
  formatInstant,
  instantOf,
  MeshError,
  MINUTE_MS,
  SECOND_MS,
  type Instant,
} from '../core/index.ts';

/** What a workload gets that asks for nothing. */
export const DEFAULT_LEAF_TTL_MS: number = DAY_MS;
/** A workload that asks for more gets nothing. */
export const MAX_LEAF_TTL_MS: number = 90 * DAY_MS;
/** A root's life. */
export const DEFAULT_ROOT_TTL_MS: number = 3650 * DAY_MS;
/** An intermediate's life: long enough that it is no event of an ordinary run. */
export const DEFAULT_INTERMEDIATE_TTL_MS: number = 730 * DAY_MS;
/** How much earlier than now a certificate is dated, for peers whose clocks are slow. */
export const CLOCK_SKEW_GRACE_MS: number = 2 * MINUTE_MS;

export interface ValidityWindow {
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/** The window of a certificate made at `at`, never past the signer's. */
export function windowOf(at: Instant, ttlMs: number, options: WindowOptions = {}): ValidityWindow {
  const { backdateMs = 0, signer } = options;
  const wanted = wholeSecond(addMs(at, ttlMs));
  const notAfter = signer !== undefined && signer.notAfter < wanted ? signer.notAfter : wanted;
  return { notBefore: wholeSecond(addMs(at, -backdateMs)), notAfter };
}

export interface WindowOptions {
  readonly backdateMs?: number;
  /** Absent where a certificate signs itself. */
  readonly signer?: ValidityWindow;
}

/**
 * The life to give a leaf: nothing, zero or less means the default, as in Istio.
 * @throws MeshError `ERR_PKI_ISSUE` above the limit
 */
export function leafTtlMs(requestedMs: number | undefined): number {
  if (requestedMs === undefined || requestedMs <= 0) return DEFAULT_LEAF_TTL_MS;
  if (requestedMs <= MAX_LEAF_TTL_MS) return requestedMs;
  throw new MeshError(
    'ERR_PKI_ISSUE',
    `requested a life of ${describeTtl(requestedMs)}, which is above the limit of ${formatDuration(MAX_LEAF_TTL_MS)}`,
  );
}

function describeTtl(ttlMs: number): string {
  return Number.isFinite(ttlMs) ? formatDuration(ttlMs) : String(ttlMs);
}

/**
 * The life to give a signing certificate.
 * @throws MeshError `ERR_PKI_OPTION`
 */
export function signingTtlMs(requestedMs: number | undefined, defaultMs: number): number {
  const ttlMs = requestedMs ?? defaultMs;
  if (ttlMs >= SECOND_MS && Number.isFinite(ttlMs)) return ttlMs;
  throw new MeshError('ERR_PKI_OPTION', `a signing certificate cannot live ${describeTtl(ttlMs)}`);
}

/** @throws MeshError `ERR_PKI_ISSUE` where the signer is not valid at `at` */
export function requireValidSigner(signer: ValidityWindow, at: Instant): void {
  if (at < signer.notBefore) {
    throw new MeshError(
      'ERR_PKI_ISSUE',
      `the signing certificate is not valid before ${formatInstant(signer.notBefore)}`,
    );
  }
  if (at > signer.notAfter) {
    throw new MeshError('ERR_PKI_ISSUE', `the signing certificate expired at ${formatInstant(signer.notAfter)}`);
  }
}

function wholeSecond(at: Instant): Instant {
  return instantOf(Math.floor(at / SECOND_MS) * SECOND_MS);
}
