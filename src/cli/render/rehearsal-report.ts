/**
 * A rehearsal and a forecast as text.
 * @module
 */
import { formatDuration, SECOND_MS } from '../../core/index.ts';
import type {
  EndEvidence,
  Forecast,
  HerdForecast,
  HerdHistogram,
  LossEvidence,
  Outage,
  Rehearsal,
  RootEvidence,
  Tolerance,
} from '../../mesh/index.ts';
import type { Paint } from '../../telemetry/index.ts';
import { renderTable } from './table.ts';

const PLAIN: Paint = (_, text) => text;
/** Outages are listed up to this many. */
const OUTAGES_MAX = 12;

export function renderRehearsal(rehearsal: Rehearsal, paint: Paint = PLAIN): string {
  const { plan, seed, start, end, ok, firstLoss } = rehearsal;
  const verdict = ok
    ? paint('ok', 'no request was lost')
    : paint(
        'crit',
        `refuted: ${count(rehearsal.probesLost)} of ${count(rehearsal.probesSent)} real requests were lost`,
      );
  return [
    paint('heading', `Rehearsal: ${plan}`),
    `  ${start} to ${end}, seed ${seed}`,
    ...rehearsal.steps.map(({ after, at, what }) => `  ${at}  +${after.padEnd(14)} ${what}`),
    '',
    `  ${verdict}`,
    `  Real requests: ${count(rehearsal.probesSent)} sent, ${count(rehearsal.probesLost)} lost, over ${count(rehearsal.handshakes)} mutual TLS handshakes`,
    `  Volume they stand for: ${count(rehearsal.requestsSent)} sent, ${count(rehearsal.requestsLost)} lost`,
    `  Certificates rotated: ${count(rehearsal.certificatesRotated)}, renewals failed: ${count(rehearsal.renewalFailures)}`,
    ...outageLines(rehearsal.outages),
    ...(firstLoss === undefined ? [] : ['', ...lossLines(firstLoss, paint)]),
    '',
  ].join('\n');
}

function outageLines(outages: readonly Outage[]): readonly string[] {
  if (outages.length === 0) return [];
  const rows = outages
    .slice(0, OUTAGES_MAX)
    .map(({ flow, from, until, ms }) => [flow, from, until ?? 'the end', roundTo(ms)]);
  const more = outages.length > OUTAGES_MAX ? [`  and ${outages.length - OUTAGES_MAX} more`] : [];
  return ['', ...indented(renderTable(['FLOW DOWN', 'FROM', 'UNTIL', 'FOR'], rows)), ...more];
}

function lossLines(loss: LossEvidence, paint: Paint): readonly string[] {
  const { refusal, missingRoot } = loss;
  const status = `${loss.status}${loss.flags === '-' ? '' : ` ${loss.flags}`}`;
  const who =
    refusal === undefined ? loss.result : `the ${refusal.side} refused: ${refusal.reason} at ${refusal.stage}`;
  return [
    paint('heading', `First request lost: ${loss.at} (${roundTo(loss.afterMs)} after the start)`),
    `  ${loss.flow}: ${status}, ${who}`,
    `  ${loss.detail}`,
    ...(missingRoot === undefined
      ? []
      : [
          paint(
            'crit',
            `  missing: ${missingRoot.name} (serial ${missingRoot.serial}) in the bundle of the ${refusal?.side ?? 'other side'}`,
          ),
        ]),
    '',
    ...endLines('client', loss.client),
    ...endLines('server', loss.server),
  ];
}

function endLines(role: string, { workload, clock, certificate, trusts }: EndEvidence): readonly string[] {
  const held =
    certificate === undefined
      ? ['    no certificate']
      : [
          `    serial    ${certificate.serial}`,
          `    issuer    ${certificate.issuer}${certificate.issuerSerial === undefined ? '' : ` (serial ${certificate.issuerSerial})`}`,
          `    root      ${certificate.root === undefined ? 'unknown' : rootText(certificate.root)}`,
          `    valid     ${certificate.notBefore} to ${certificate.notAfter}`,
        ];
  return [
    `  ${role} ${workload}`,
    ...(certificate === undefined ? [] : [`    identity  ${certificate.spiffeId}`]),
    ...held,
    `    trusts    ${trusts.length === 0 ? 'nothing' : trusts.map(rootText).join('; ')}`,
    `    clock     ${clock}`,
  ];
}

function rootText({ name, serial }: RootEvidence): string {
  return `${name} (serial ${serial})`;
}

export function renderForecast(forecast: Forecast, paint: Paint = PLAIN): string {
  const { seed, start, calendar, herd, caOutage, clock } = forecast;
  const rows = calendar.map(({ notAfter, subject, kind, renewAt, serial }) => [
    notAfter,
    subject,
    kind,
    renewAt ?? '-',
    serial,
  ]);
  return [
    paint('heading', `Forecast from ${start}, seed ${seed}`),
    '',
    ...indented(renderTable(['EXPIRES', 'WHAT', 'KIND', 'RENEWS', 'SERIAL'], rows)),
    '',
    paint('heading', 'Renewals that come together:'),
    ...herdLines(herd),
    '',
    paint('heading', 'Longest outage of the certificate authority, from the worst instant on:'),
    ...toleranceLines(caOutage),
    '',
    paint('heading', `Largest error of the clock of ${clock.workload}:`),
    ...toleranceLines(clock.ahead, ' ahead'),
    ...toleranceLines(clock.behind, ' behind'),
    '',
  ].join('\n');
}

function toleranceLines({ survivesMs, failsMs, firstLoss, rehearsals }: Tolerance, word = ''): readonly string[] {
  const found = `found in ${rehearsals} rehearsals`;
  if (failsMs === undefined || firstLoss === undefined) {
    return [`  ${formatDuration(survivesMs)}${word} loses nothing; more was not tried (${found})`];
  }
  const why = firstLoss.refusal?.reason ?? firstLoss.result;
  return [
    `  ${formatDuration(survivesMs)}${word} loses nothing; ${formatDuration(failsMs)}${word} does (${found})`,
    `    ${firstLoss.at} ${firstLoss.flow}: ${why}`,
  ];
}

const BAR_MAX = 40;

function herdLines({ workloads, bucketMs, withJitter, withoutJitter }: HerdForecast): readonly string[] {
  const within = formatDuration(bucketMs);
  return [
    `  ${workloads} workloads that start together; renewals within ${within}: at most ${withJitter.peak} with jitter, ${withoutJitter.peak} without`,
    ...histogramLines('with jitter', withJitter, withoutJitter.peak),
    ...histogramLines('without', withoutJitter, withoutJitter.peak),
  ];
}

function histogramLines(title: string, { buckets }: HerdHistogram, most: number): readonly string[] {
  return [
    `  ${title}`,
    ...buckets.map(({ afterMs, renewals }) => {
      const bar = '#'.repeat(Math.max(1, Math.round((BAR_MAX * renewals) / Math.max(1, most))));
      return `    +${formatDuration(afterMs).padEnd(9)} ${String(renewals).padStart(5)} ${bar}`;
    }),
  ];
}

function indented(table: string): readonly string[] {
  return table
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`);
}

function roundTo(ms: number): string {
  return formatDuration(Math.round(ms / SECOND_MS) * SECOND_MS);
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}
