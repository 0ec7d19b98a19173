/**
 * Reports of policy tests as text: for people, for terminals that want little, and as TAP.
 * @module
 */
import type { CoverageReport } from '../../analysis/index.ts';
import type { MutantResult, MutationReport, TestReport, TestResult } from '../../policytest/index.ts';
import type { Paint } from '../../telemetry/index.ts';

const PLAIN: Paint = (_role, text) => text;

/** Failures in full, one line a file, the sum. */
export function renderDefault(report: TestReport, paint: Paint = PLAIN): string {
  const files = report.files.map((file) => fileLine(file, report, paint));
  return [...failures(report, paint), ...files, '', ...tail(report, paint)].join('\n');
}

/** Failures and the sum, without colour. */
export function renderMinimal(report: TestReport): string {
  return [...failures(report, PLAIN), ...tail(report, PLAIN)].join('\n');
}

const DOTS_A_LINE = 80;

/** A character for every test, failures in full, the sum. */
export function renderDot(report: TestReport, paint: Paint = PLAIN): string {
  const dots = report.results.map(({ status }) => {
    if (status === 'passed') return paint('ok', '.');
    return status === 'failed' ? paint('crit', 'x') : paint('warn', '-');
  });
  const lines = Array.from({ length: Math.ceil(dots.length / DOTS_A_LINE) }, (_, line) =>
    dots.slice(line * DOTS_A_LINE, (line + 1) * DOTS_A_LINE).join(''),
  );
  return [...lines, '', ...failures(report, paint), ...tail(report, paint)].join('\n');
}

/** A line for every test, below its file and name. */
export function renderTree(report: TestReport, paint: Paint = PLAIN): string {
  const lines: string[] = [];
  for (const file of report.files) {
    lines.push(paint('heading', file));
    let last = '';
    for (const result of report.results.filter((each) => each.file === file)) {
      if (result.name !== last) lines.push(`  ${result.name}`);
      last = result.name;
      lines.push(`    ${mark(result, paint)} ${result.combination}  ${result.actual || (result.skipReason ?? '')}`);
    }
  }
  return [...lines, '', ...failures(report, paint), ...tail(report, paint)].join('\n');
}

/** Test Anything Protocol, version 14. */
export function renderTap(report: TestReport): string {
  const lines = ['TAP version 14', `1..${report.results.length}`];
  report.results.forEach((result, index) => {
    const skip = result.status === 'skipped' ? ` # SKIP ${oneLine(result.skipReason ?? '')}` : '';
    const name = oneLine(result.id)
      .replaceAll('\\', '\\\\')
      .replaceAll('#', String.raw`\#`);
    lines.push(`${result.status === 'failed' ? 'not ok' : 'ok'} ${index + 1} - ${name}${skip}`);
    if (result.status !== 'failed') return;
    const quoted = (text: string): string => JSON.stringify(text);
    lines.push(
      '  ---',
      `  message: ${quoted(result.differences.join('; '))}`,
      `  at: ${quoted(`${result.file}:${result.line}:${result.column}`)}`,
      `  expected: ${quoted(result.expected)}`,
      `  actual: ${quoted(result.actual)}`,
      `  explanation: ${quoted(result.explanation.join('\n'))}`,
      `  replay: ${quoted(result.replay)}`,
      '  ...',
    );
  });
  return `${lines.join('\n')}\n`;
}

/** A test point is one line. */
function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]\s*/g, ' ');
}

function fileLine(file: string, { results }: TestReport, paint: Paint): string {
  const own = results.filter((result) => result.file === file);
  const failed = own.filter(({ status }) => status === 'failed').length;
  const skipped = own.filter(({ status }) => status === 'skipped').length;
  const counts = [
    `${own.length} ${own.length === 1 ? 'test' : 'tests'}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  const sign = failed > 0 ? paint('crit', '✗') : paint('ok', '✓');
  return ` ${sign} ${file} (${counts.join(', ')})`;
}

function mark({ status }: TestResult, paint: Paint): string {
  if (status === 'passed') return paint('ok', '✓');
  return status === 'failed' ? paint('crit', '✗') : paint('warn', '-');
}

function failures({ results }: TestReport, paint: Paint): readonly string[] {
  return results.filter(({ status }) => status === 'failed').flatMap((result) => [...failure(result, paint), '']);
}

function failure(result: TestResult, paint: Paint): readonly string[] {
  const { file, line, column, name, combination, expected, actual, differences, explanation, replay } = result;
  const label = (text: string): string => `   ${text.padEnd(9)}`;
  const [first = '', ...more] = explanation;
  return [
    `${paint('crit', 'FAIL')} ${file}:${line}:${column} ${paint('heading', name)}`,
    `     ${combination}`,
    `${label('expected')} ${paint('ok', expected)}`,
    `${label('got')} ${paint('crit', actual)}`,
    // That the result is another one is plain from the two lines above.
    ...differences.filter((text) => !/^expected \S+, got \S+$/.test(text)).map((text) => `${label('')} ${text}`),
    `${label('why')} ${first}`,
    ...more.map((text) => `${label('')} ${text}`),
    `${label('replay')} ${replay}`,
  ];
}

function tail(report: TestReport, paint: Paint): readonly string[] {
  const { summary, durationMs, coverage, mutation } = report;
  const { total, passed, failed, skipped } = summary;
  const counts = [
    ...(failed > 0 ? [paint('crit', `${failed} failed`)] : []),
    paint('ok', `${passed} passed`),
    ...(skipped > 0 ? [paint('warn', `${skipped} skipped`)] : []),
  ];
  return [
    ...(coverage === undefined ? [] : coverageLines(coverage, paint)),
    ...(mutation === undefined ? [] : mutationLines(mutation, paint)),
    `Tests  ${counts.join(', ')} of ${total} in ${(durationMs / 1000).toFixed(2)} s`,
  ];
}

export function percent(ratio: number): string {
  return `${(Math.floor(ratio * 1000) / 10).toFixed(1)} %`;
}

const LISTED_MAX = 25;

function coverageLines({ items, covered, total, ratio }: CoverageReport, paint: Paint): readonly string[] {
  const missing = items.filter(({ hits }) => hits === 0);
  const clauses = items.filter(({ kind }) => kind === 'clause');
  const tight = clauses.filter(({ hits, refused }) => hits > 0 && refused > 0).length;
  return [
    `Coverage  ${paint(missing.length === 0 ? 'ok' : 'warn', percent(ratio))} (${covered} of ${total} policies, rules and clauses); ${tight} of ${clauses.length} clauses tested on both sides`,
    ...missing
      .slice(0, LISTED_MAX)
      .map(
        ({ key, file, line }) => `  never decided on: ${key}${file === undefined ? '' : ` at ${file}:${line ?? 1}`}`,
      ),
    ...(missing.length > LISTED_MAX ? [`  … and ${missing.length - LISTED_MAX} more`] : []),
  ];
}

function mutationLines(
  { mutants, killed, survived, equivalent, unjudged, score }: MutationReport,
  paint: Paint,
): readonly string[] {
  if (unjudged.length > 0)
    return [
      `Mutation score  ${paint('crit', 'none')}: wrong policies are noticed by tests that pass, and one fails`,
      ...unjudged.map(({ failing }) => `  fails: ${failing}`),
    ];
  const shown = mutants.filter(({ fate }) => fate === 'survived');
  return [
    `Mutation score  ${paint(survived === 0 ? 'ok' : 'warn', percent(score))} (${killed} of ${killed + survived} wrong policies noticed; ${equivalent} equivalent left out)`,
    ...shown.slice(0, LISTED_MAX).flatMap((mutant) => survivorLines(mutant)),
    ...(shown.length > LISTED_MAX ? [`  … and ${shown.length - LISTED_MAX} more`] : []),
  ];
}

function survivorLines({ id, file, line, witness, difference }: MutantResult): readonly string[] {
  const place = file === undefined ? '' : ` at ${file}:${line ?? 1}`;
  if (witness === undefined)
    return [
      `  survived: ${id}${place}`,
      `    no request a test can send shows it: ${difference ?? 'the difference is unknown'}`,
    ];
  const { request, original, mutant, detail } = witness;
  const from = typeof request.from === 'string' ? request.from : JSON.stringify(request.from);
  const extra = request.headers === undefined ? '' : ` ${JSON.stringify(request.headers)}`;
  return [
    `  survived: ${id}${place}`,
    `    a test would ask: ${from} → ${request.to} ${request.method ?? 'GET'} ${request.path ?? '/'}${extra}: ${original} (mutant: ${detail ?? mutant})`,
  ];
}
