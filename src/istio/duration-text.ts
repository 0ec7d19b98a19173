/**
 * Durations as the fields of Istio's resources hold them: text as Go's `time.ParseDuration` reads it, with the units
 * h, m, s, ms, us and ns (and no days), in whole milliseconds and at least one of them.
 * Source: https://pkg.go.dev/time#ParseDuration
 * @module
 */
import { quote } from './config-error.ts';
import { string, type Decoder } from './decode.ts';

const NS_PER_MS = 1_000_000;
const UNITS_NS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1_000],
  ['µs', 1_000],
  ['μs', 1_000],
  ['ms', NS_PER_MS],
  ['s', 1_000 * NS_PER_MS],
  ['m', 60_000 * NS_PER_MS],
  ['h', 3_600_000 * NS_PER_MS],
]);
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const WHOLE = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
/** Go counts nanoseconds in 64 bits: about 292 years. */
const NS_MAX = 2 ** 63;

/** Nanoseconds; nothing where the text is no duration. */
function nanoseconds(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0;
  if (!WHOLE.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit = ''] of text.matchAll(PART))
    sum += Math.round(Number(amount) * (UNITS_NS.get(unit) ?? 0));
  if (sum >= NS_MAX) return undefined;
  return text.startsWith('-') ? -sum : sum;
}

function durationFault(text: string): string | undefined {
  const ns = nanoseconds(text);
  if (ns === undefined) return `${quote(text)} is not a duration such as 1h30m, 10s or 250ms`;
  const whole = ns >= NS_PER_MS && ns % NS_PER_MS === 0;
  return whole ? undefined : `expected whole milliseconds, at least 1ms, found ${quote(text)}`;
}

export const duration: Decoder<string> = (value, at) => {
  const text = string(value, at);
  if (text === undefined) return undefined;
  const fault = durationFault(text);
  return fault === undefined ? text : at.fault(fault);
};

/** As `duration`, where zero is a value too and switches the timeout off. */
export const durationOrZero: Decoder<string> = (value, at) => {
  const ns = typeof value === 'string' ? nanoseconds(value) : undefined;
  return ns !== undefined && Math.abs(ns) < NS_PER_MS ? String(value) : duration(value, at);
};
