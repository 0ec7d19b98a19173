/**
 * Virtual time: instants, durations and their text forms.
 *
 * An `Instant` is milliseconds since the Unix epoch on the mesh's own clock; a duration is a plain number of
 * milliseconds whose name ends in `Ms`. Durations are written as Go writes them (`24h`, `1h30m`, `250ms`), with `d`
 * for days besides. Instants are written as RFC 3339 in UTC.
 * @module
 */
import { MeshError } from './errors.ts';

declare const instantBrand: unique symbol;

/** Milliseconds since 1970-01-01T00:00:00Z on the virtual clock. */
export type Instant = number & { readonly [instantBrand]: true };

export const SECOND_MS = 1_000;
export const MINUTE_MS: number = 60 * SECOND_MS;
export const HOUR_MS: number = 60 * MINUTE_MS;
export const DAY_MS: number = 24 * HOUR_MS;

/** The instant at which a mesh starts unless it is told otherwise: a constant, so that runs repeat. */
export const DEFAULT_EPOCH: Instant = Date.UTC(2026, 0, 1) as Instant;

/** `at` moved by `durationMs` (negative moves back). */
export function addMs(at: Instant, durationMs: number): Instant {
  return (at + durationMs) as Instant;
}

/** Milliseconds since the Unix epoch as an instant. */
export function instantOf(epochMs: number): Instant {
  return epochMs as Instant;
}

/**
 * Reads an RFC 3339 date-time.
 * @throws MeshError `ERR_TIME_SYNTAX`
 */
export function parseInstant(text: string): Instant {
  const ms = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new MeshError('ERR_TIME_SYNTAX', `\`${text}\` is not an RFC 3339 time such as 2026-01-01T00:00:00Z`);
  }
  return ms as Instant;
}

/** RFC 3339 in UTC; whole seconds are written without a fraction. */
export function formatInstant(at: Instant): string {
  return new Date(at).toISOString().replace('.000Z', 'Z');
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', SECOND_MS],
  ['m', MINUTE_MS],
  ['h', HOUR_MS],
  ['d', DAY_MS],
]);

/**
 * Reads a duration such as `24h`, `1h30m`, `-5m`, `250ms` or `7d`. `0` needs no unit.
 * @returns milliseconds
 * @throws MeshError `ERR_TIME_SYNTAX`
 */
export function parseDuration(text: string): number {
  const body = text.replace(/^[+-]/, '');
  if (body === '0') return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+$/.test(body)) {
    throw new MeshError('ERR_TIME_SYNTAX', `\`${text}\` is not a duration such as 24h, 1h30m or 250ms`);
  }
  let ms = 0;
  for (const [, amount, unit] of body.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)) {
    ms += Number(amount) * (UNITS.get(unit ?? '') ?? 0);
  }
  return text.startsWith('-') ? -ms : ms;
}

/** Writes a duration as Go does, without zero parts: `24h`, `12h14m`, `1m30s`, `250ms`, `0s`. */
export function formatDuration(durationMs: number): string {
  const sign = durationMs < 0 ? '-' : '';
  let rest = Math.abs(durationMs);
  if (rest === 0) return '0s';
  if (rest < SECOND_MS) return `${sign}${trimmed(rest)}ms`;
  const hours = Math.floor(rest / HOUR_MS);
  rest -= hours * HOUR_MS;
  const minutes = Math.floor(rest / MINUTE_MS);
  rest -= minutes * MINUTE_MS;
  const seconds = rest / SECOND_MS;
  return `${sign}${hours ? `${hours}h` : ''}${minutes ? `${minutes}m` : ''}${seconds ? `${trimmed(seconds)}s` : ''}`;
}

function trimmed(value: number): string {
  return String(Number(value.toFixed(3)));
}
