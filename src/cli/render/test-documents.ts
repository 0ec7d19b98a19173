/**
 * Reports of policy tests for machines and services: JUnit XML, SARIF, GitHub annotations, Markdown.
 * @module
 */
import type { TestReport, TestResult } from '../../policytest/index.ts';
import { sarifLog } from './sarif.ts';
import { percent } from './test-text.ts';

/** XML 1.0 has no place for most control characters. */
function xml(text: string): string {
  return text
    .replace(/(?![\t\n\r])\p{Cc}|[\uFFFE\uFFFF]/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;');
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(6);
}

export function renderJunit(report: TestReport): string {
  const { summary, durationMs } = report;
  const suites = report.files.map((file) => {
    const own = report.results.filter((result) => result.file === file);
    const count = (status: TestResult['status']): number => own.filter((result) => result.status === status).length;
    const time = own.reduce((sum, result) => sum + result.durationMs, 0);
    return [
      `  <testsuite name="${xml(file)}" tests="${own.length}" failures="${count('failed')}" errors="0" skipped="${count('skipped')}" time="${seconds(time)}">`,
      ...own.map(junitCase),
      '  </testsuite>',
    ].join('\n');
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="meshproof" tests="${summary.total}" failures="${summary.failed}" errors="0" skipped="${summary.skipped}" time="${seconds(durationMs)}">`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}

function junitCase(result: TestResult): string {
  const { name, combination, file, line, durationMs, status, differences, explanation, replay } = result;
  const head = `    <testcase classname="${xml(file)}" name="${xml(`${name} [${combination}]`)}" file="${xml(file)}" line="${line}" time="${seconds(durationMs)}"`;
  if (status === 'passed') return `${head}/>`;
  if (status === 'skipped') return `${head}><skipped message="${xml(result.skipReason ?? '')}"/></testcase>`;
  const body = [...explanation, `replay: ${replay}`].join('\n');
  return `${head}><failure type="${xml(`expected ${result.expected}`)}" message="${xml(differences.join('; '))}">${xml(body)}</failure></testcase>`;
}

export function renderSarif(report: TestReport): string {
  const failed = report.results.filter(({ status }) => status === 'failed');
  const findings = failed.map(({ id, file, line, column, name, combination, differences, explanation }) => ({
    ruleId: 'policy-test-failed',
    level: 'error' as const,
    message: [`${name} [${combination}]: ${differences.join('; ')}`, ...explanation].join('\n'),
    file,
    line,
    column,
    fingerprint: id,
  }));
  const uncovered = (report.coverage?.items ?? [])
    .filter(({ hits }) => hits === 0)
    .map(({ key, file, line }) => ({
      ruleId: 'policy-not-covered',
      level: 'warning' as const,
      message: `no test is decided on ${key}`,
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      fingerprint: key,
    }));
  const survivors = (report.mutation?.mutants ?? [])
    .filter(({ fate }) => fate === 'survived')
    .map(({ id, file, line }) => ({
      ruleId: 'policy-mutant-survived',
      level: 'warning' as const,
      message: `no test notices: ${id}`,
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      fingerprint: id,
    }));
  const rules = [
    { id: 'policy-test-failed', title: 'A policy test failed', tags: ['policy-test'] },
    { id: 'policy-not-covered', title: 'No policy test is decided on it', tags: ['policy-test', 'coverage'] },
    { id: 'policy-mutant-survived', title: 'No policy test notices a change', tags: ['policy-test', 'mutation'] },
  ];
  return `${JSON.stringify(sarifLog(rules, [...findings, ...uncovered, ...survivors]), undefined, 2)}\n`;
}

/** GitHub shows this many annotations of one step. */
const ANNOTATIONS_MAX = 10;

/**
 * Workflow commands that annotate the lines of the test file.
 * @param place a file as GitHub knows it
 */
export function renderGithub(report: TestReport, place: (file: string) => string = (file) => file): string {
  const failed = report.results.filter(({ status }) => status === 'failed');
  const lines = failed
    .slice(0, ANNOTATIONS_MAX)
    .map(({ file, line, column, name, combination, differences, explanation }) => {
      const message = [`${combination}: ${differences.join('; ')}`, ...explanation].join('\n');
      return `::error file=${property(place(file))},line=${line},col=${column},title=${property(name)}::${data(message)}`;
    });
  const rest = failed.length - lines.length;
  if (rest > 0) lines.push(`::notice::…and ${rest} more policy tests failed: see the summary`);
  return lines.map((line) => `${line}\n`).join('');
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/** Bytes. A step summary beyond 1 MiB is refused as a whole. */
const MARKDOWN_MAX = 900_000;
/** Policies, rules and clauses without a test, and mutants nobody noticed: more than this nobody reads. */
const GAPS_MAX = 50;

/** For pull requests and step summaries. */
export function renderMarkdown(report: TestReport): string {
  const { total, passed, failed, skipped } = report.summary;
  const { coverage, mutation } = report;
  const lines = [
    `## Policy tests: ${failed > 0 ? `${failed} failed` : 'passed'}`,
    '',
    '| tests | passed | failed | skipped | coverage | mutation score |',
    '|---|---|---|---|---|---|',
    `| ${total} | ${passed} | ${failed} | ${skipped} | ${coverage === undefined ? '–' : percent(coverage.ratio)} | ${mutation === undefined || mutation.unjudged.length > 0 ? '–' : percent(mutation.score)} |`,
    '',
  ];
  const gaps = [...uncoveredLines(report), ...survivorLines(report)];
  let size = Buffer.byteLength([...lines, ...gaps].join('\n'));
  const failures = report.results.filter(({ status }) => status === 'failed');
  for (const [index, result] of failures.entries()) {
    const { file, line, name, combination, expected, actual, explanation, replay } = result;
    const block = [
      `<details><summary>${html(name)}: ${html(combination)}</summary>`,
      '',
      `\`${file}:${line}\`: expected **${html(expected)}**, got **${html(actual)}**`,
      '',
      fenced([...explanation, '', `replay: ${replay}`].join('\n')),
      '</details>',
      '',
    ].join('\n');
    size += Buffer.byteLength(block) + 1;
    if (size > MARKDOWN_MAX) {
      lines.push(`…and ${failures.length - index} more`);
      break;
    }
    lines.push(block);
  }
  return `${[...lines, ...gaps].join('\n')}\n`;
}

function uncoveredLines({ coverage }: TestReport): readonly string[] {
  const missing = (coverage?.items ?? []).filter(({ hits }) => hits === 0);
  return gapList('No test is decided on', missing, ({ key, file, line }) => ({
    text: html(key),
    ...(file === undefined ? {} : { place: `${file}:${line ?? 1}` }),
  }));
}

function survivorLines({ mutation }: TestReport): readonly string[] {
  const survivors = (mutation?.mutants ?? []).filter(({ fate }) => fate === 'survived');
  return gapList('No test notices', survivors, ({ id, file, line }) => ({
    text: html(id),
    ...(file === undefined ? {} : { place: `${file}:${line ?? 1}` }),
  }));
}

function gapList<T>(
  title: string,
  items: readonly T[],
  view: (item: T) => { readonly text: string; readonly place?: string },
): readonly string[] {
  if (items.length === 0) return [];
  const shown = items.slice(0, GAPS_MAX).map((item) => {
    const { text, place } = view(item);
    return `- ${text}${place === undefined ? '' : ` at \`${place}\``}`;
  });
  const rest = items.length - shown.length;
  return [`### ${title}`, '', ...shown, ...(rest > 0 ? [`- …and ${rest} more`] : []), ''];
}

function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('|', '&#124;');
}

function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}
