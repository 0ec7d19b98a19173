/**
 * An attack as a class reads it: objective, steps, evidence, verdict.
 * @module
 */
import type { AttackReport } from '../../attack/index.ts';
import type { Paint } from '../../telemetry/index.ts';
import { renderTable } from './table.ts';

const PLAIN: Paint = (_role, text) => text;

export function renderAttack(report: AttackReport, paint: Paint = PLAIN): string {
  const { title, attack, tries, twin, protection, victim, steps, captured, application, evidence } = report;
  const lines = [
    paint('heading', `${title} (${attack}${twin ? ', broken twin' : ''})`),
    `  objective   the attacker ${tries}`,
    `  victim      ${victim.from} -> ${victim.to}  ${victim.method} ${victim.path}`,
    `  ${twin ? 'broken     ' : 'protection '} ${protection}`,
    '  steps',
    ...steps.map((step, i) => `    ${i + 1}. ${step}`),
    '  evidence',
  ];
  const { connections, bytesUp, bytesDown, plaintextBytes, secretFound, excerpt } = captured;
  const rows = [
    ['captured', `${counted(connections, 'connection')}, ${bytesUp} bytes up, ${bytesDown} down`],
    ['readable', `${plaintextBytes} bytes; the secret ${secretFound ? 'IS' : 'is not'} in what the attacker has`],
    ...(excerpt === '' ? [] : [['it begins', excerpt]]),
    ['application', `${counted(application.requests, 'request')}, ${application.bytes} bytes because of the attack`],
    ...evidence.map(({ what, seen }) => [what, seen]),
  ];
  const width = Math.max(...rows.map(([what = '']) => what.length));
  for (const [what = '', seen = ''] of rows) lines.push(`    ${what.padEnd(width)}  ${seen}`);
  lines.push(`  verdict     ${verdictOf(report, paint)}`);
  return `${lines.join('\n')}\n`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function verdictOf({ verdict, twin, refusal }: AttackReport, paint: Paint): string {
  const isGood = (verdict === 'succeeded') === twin;
  const word = paint(isGood ? 'ok' : 'crit', verdict.toUpperCase());
  if (refusal === undefined) return verdict === 'refused' ? `${word}: nothing to be had` : word;
  return `${word} at ${refusal.stage} by the ${refusal.side}: ${refusal.reason} (${refusal.detail})`;
}

/** One line an attack, at the end of `--all`. */
export function renderSummary(reports: readonly AttackReport[]): string {
  return renderTable(
    ['ATTACK', 'AGAINST', 'VERDICT', 'STAGE', 'REASON', 'SECRET', 'APP BYTES'],
    reports.map(({ attack, twin, verdict, refusal, captured, application }) => [
      attack,
      twin ? 'twin' : 'mesh',
      verdict,
      refusal?.stage ?? '-',
      refusal?.reason ?? '-',
      captured.secretFound ? 'read' : 'safe',
      String(application.bytes),
    ]),
  );
}
