/**
 * Functions on date and time of Workflow Definition Language. `utcNow` is the mesh's clock.
 *
 * Timestamps are kept to the millisecond (the products keep 100 ns). Not modelled: time zones other than UTC and
 * cultures other than the invariant one.
 * @module
 */
import { addMs, DAY_MS, HOUR_MS, type Instant, instantOf, MINUTE_MS, SECOND_MS } from '../../core/index.ts';
import type { Json } from '../json.ts';
import { argumentError, define, integerArgument, optionalText, textArgument, type WdlSignature } from './scope.ts';

/** Ticks are 100 ns since 0001-01-01. */
const TICKS_AT_EPOCH = 621_355_968_000_000_000n;

const UNIT_MS: Readonly<Record<string, number>> = {
  second: SECOND_MS,
  minute: MINUTE_MS,
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
};

export const TIME_FUNCTIONS: readonly WdlSignature[] = [
  define('utcNow', [0, 1], (args, { now }) => formatTime(now, optionalText(args, 0))),
  define('addSeconds', [2, 3], (args) => shifted(args, SECOND_MS)),
  define('addMinutes', [2, 3], (args) => shifted(args, MINUTE_MS)),
  define('addHours', [2, 3], (args) => shifted(args, HOUR_MS)),
  define('addDays', [2, 3], (args) => shifted(args, DAY_MS)),
  define('addToTime', [3, 4], (args) => moved(time(args), args, 1, optionalText(args, 3))),
  define('subtractFromTime', [3, 4], (args) =>
    moved(time(args), [args[0] ?? null, -integerArgument(args, 1), args[2] ?? null], 1, optionalText(args, 3)),
  ),
  define('getFutureTime', [2, 3], (args, { now }) => moved(now, args, 0, optionalText(args, 2))),
  define('getPastTime', [2, 3], (args, { now }) =>
    moved(now, [-integerArgument(args, 0), args[1] ?? null], 0, optionalText(args, 2)),
  ),
  define('formatDateTime', [1, 3], (args) => formatTime(time(args), optionalText(args, 1))),
  define('startOfDay', [1, 2], (args) => formatTime(floor(time(args), DAY_MS), optionalText(args, 1))),
  define('startOfHour', [1, 2], (args) => formatTime(floor(time(args), HOUR_MS), optionalText(args, 1))),
  define('startOfMonth', [1, 2], (args) => {
    const date = new Date(time(args));
    return formatTime(instantOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)), optionalText(args, 1));
  }),
  define('dayOfMonth', [1, 1], (args) => new Date(time(args)).getUTCDate()),
  define('dayOfWeek', [1, 1], (args) => new Date(time(args)).getUTCDay()),
  define('dayOfYear', [1, 1], (args) => {
    const at = time(args);
    return Math.floor((at - Date.UTC(new Date(at).getUTCFullYear(), 0, 1)) / DAY_MS) + 1;
  }),
  define('ticks', [1, 1], (args) => Number(TICKS_AT_EPOCH + BigInt(time(args)) * 10_000n)),
];

function time(args: readonly Json[]): Instant {
  return parseTime(textArgument(args, 0));
}

/** ISO 8601 (UTC where no offset is written), or `M/d/yyyy` with an optional time. */
function parseTime(text: string): Instant {
  const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?$/.exec(text);
  const us = /^(\d{1,2})\/(\d{1,2})\/(\d{4})(?: (\d\d:\d\d:\d\d))?$/.exec(text);
  let ms = Number.NaN;
  if (iso !== null) {
    const [, date = '', clock = '00:00:00', fraction = '', zone = 'Z'] = iso;
    const whole = clock.length === 5 ? `${clock}:00` : clock;
    ms = Date.parse(`${date}T${whole}${fraction.slice(0, 4)}${zone.toUpperCase()}`);
  } else if (us !== null) {
    const [, month = '', day = '', year = '', clock = '00:00:00'] = us;
    ms = Date.parse(`${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}T${clock}Z`);
  }
  if (Number.isNaN(ms)) throw argumentError(`\`${text.slice(0, 40)}\` is not a timestamp`);
  return instantOf(ms);
}

function shifted(args: readonly Json[], unitMs: number): string {
  return formatTime(addMs(time(args), integerArgument(args, 1) * unitMs), optionalText(args, 2));
}

/** `at` moved by `args[index]` units of `args[index + 1]`. */
function moved(at: Instant, args: readonly Json[], index: number, format: string | undefined): string {
  const amount = integerArgument(args, index);
  const unit = textArgument(args, index + 1).toLowerCase();
  if (unit === 'month' || unit === 'year') {
    return formatTime(addMonths(at, unit === 'year' ? 12 * amount : amount), format);
  }
  const unitMs = Object.hasOwn(UNIT_MS, unit) ? UNIT_MS[unit] : undefined;
  if (unitMs === undefined) {
    throw argumentError(`\`${unit}\` is not a unit of time: one of Second, Minute, Hour, Day, Week, Month, Year`);
  }
  return formatTime(addMs(at, amount * unitMs), format);
}

/** The same day of another month, or that month's last. */
function addMonths(at: Instant, months: number): Instant {
  const date = new Date(at);
  const first = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1);
  const days = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months + 1, 0)).getUTCDate();
  return instantOf(first + (Math.min(date.getUTCDate(), days) - 1) * DAY_MS + (at - floor(at, DAY_MS)));
}

function floor(at: Instant, unitMs: number): Instant {
  return instantOf(Math.floor(at / unitMs) * unitMs);
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** .NET's standard formats, invariant culture. */
const STANDARD: Readonly<Record<string, string>> = {
  d: 'MM/dd/yyyy',
  D: 'dddd, MMMM d, yyyy',
  g: 'MM/dd/yyyy HH:mm',
  G: 'MM/dd/yyyy HH:mm:ss',
  m: 'MMMM dd',
  M: 'MMMM dd',
  o: "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'",
  O: "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'",
  r: "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
  R: "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
  s: "yyyy-MM-dd'T'HH:mm:ss",
  t: 'HH:mm',
  T: 'HH:mm:ss',
  u: "yyyy-MM-dd HH:mm:ss'Z'",
  y: 'yyyy MMMM',
  Y: 'yyyy MMMM',
};

const TOKEN = /'([^']*)'|\\(.)|d{1,4}|M{1,4}|y{1,4}|H{1,2}|h{1,2}|m{1,2}|s{1,2}|f{1,7}|t{1,2}|z{1,3}|K|[^]/g;

function formatTime(at: Instant, format = 'o'): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1 || date.getUTCFullYear() > 9999) {
    throw argumentError('the time is outside the years 1 to 9999');
  }
  if (format === '') return formatTime(at);
  const pattern = format.length > 1 ? format : Object.hasOwn(STANDARD, format) ? STANDARD[format] : undefined;
  if (pattern === undefined) throw argumentError(`\`${format}\` is not a format of times`);
  return pattern.replaceAll(TOKEN, (token: string, quoted?: string, escaped?: string) => {
    return quoted ?? escaped ?? formatToken(date, token);
  });
}

function formatToken(date: Date, token: string): string {
  const padded = (value: number, width: number): string => String(value).padStart(width, '0');
  const hour12 = date.getUTCHours() % 12 === 0 ? 12 : date.getUTCHours() % 12;
  const dayName = DAYS[date.getUTCDay()] ?? '';
  const monthName = MONTHS[date.getUTCMonth()] ?? '';
  switch (token.charAt(0)) {
    case 'd':
      if (token.length > 2) return token.length === 4 ? dayName : dayName.slice(0, 3);
      return padded(date.getUTCDate(), token.length);
    case 'M':
      if (token.length > 2) return token.length === 4 ? monthName : monthName.slice(0, 3);
      return padded(date.getUTCMonth() + 1, token.length);
    case 'y':
      if (token.length > 2) return padded(date.getUTCFullYear(), token.length);
      return padded(date.getUTCFullYear() % 100, token.length);
    case 'H':
      return padded(date.getUTCHours(), token.length);
    case 'h':
      return padded(hour12, token.length);
    case 'm':
      return padded(date.getUTCMinutes(), token.length);
    case 's':
      return padded(date.getUTCSeconds(), token.length);
    case 'f':
      return `${padded(date.getUTCMilliseconds(), 3)}0000`.slice(0, token.length);
    case 't':
      return (date.getUTCHours() < 12 ? 'AM' : 'PM').slice(0, token.length);
    case 'z':
      return token.length === 3 ? '+00:00' : `+${padded(0, token.length)}`;
    case 'K':
      return 'Z';
    default:
      return token;
  }
}
