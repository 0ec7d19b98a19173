/**
 * A report of policy tests as one HTML page: no script, nothing fetched, readable with a keyboard and without colours.
 * @module
 */
import type { TestReport, TestResult } from '../../policytest/index.ts';
import { percent } from './test-text.ts';

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}
pre{background:#f6f8fa;padding:.7rem;overflow:auto;white-space:pre-wrap}summary{cursor:pointer}
.failed{color:#b3261e;font-weight:600}.passed{color:#1a7f37}.skipped{color:#7a5200}
@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}th,td{border-color:#30363d}.failed{color:#ff7b72}.passed{color:#56d364}.skipped{color:#e3b341}}`;

export function renderHtml(report: TestReport): string {
  const { total, passed, failed, skipped } = report.summary;
  const { coverage, mutation } = report;
  const facts = [
    `${total} tests, ${passed} passed, ${failed} failed, ${skipped} skipped`,
    ...(coverage === undefined ? [] : [`coverage ${percent(coverage.ratio)}`]),
    ...(mutation === undefined || mutation.unjudged.length > 0 ? [] : [`mutation score ${percent(mutation.score)}`]),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Policy tests</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>${STYLE}</style></head><body>
<h1>Policy tests</h1>
<p>${facts.map(text).join('; ')}</p>
${report.files.map((file) => fileSection(file, report.results)).join('\n')}
${coverageSection(report)}${mutationSection(report)}
</body></html>
`;
}

function fileSection(file: string, results: readonly TestResult[]): string {
  const own = results.filter((result) => result.file === file);
  return `<section><h2>${text(file)}</h2><table><thead><tr><th scope="col">result</th><th scope="col">test</th><th scope="col">call</th><th scope="col">outcome</th></tr></thead><tbody>
${own.map(row).join('\n')}
</tbody></table></section>`;
}

function row(result: TestResult): string {
  const { status, name, combination, actual, expected, explanation, replay, skipReason } = result;
  const outcome =
    status === 'failed'
      ? `<details open><summary>expected ${text(expected)}, got ${text(actual)}</summary><pre>${text([...result.differences, '', ...explanation, '', replay].join('\n'))}</pre></details>`
      : text(status === 'skipped' ? (skipReason ?? '') : actual);
  return `<tr><td class="${status}">${status}</td><td>${text(name)}</td><td>${text(combination)}</td><td>${outcome}</td></tr>`;
}

function coverageSection({ coverage }: TestReport): string {
  if (coverage === undefined) return '';
  const rows = coverage.items.map(
    ({ key, file, line, hits, refused, kind }) =>
      `<tr><td class="${hits > 0 ? 'passed' : 'failed'}">${hits > 0 ? 'covered' : 'not covered'}</td><td>${text(key)}</td><td>${text(file === undefined ? '' : `${file}:${line ?? 1}`)}</td><td>${hits}</td><td>${kind === 'clause' ? refused : ''}</td></tr>`,
  );
  return `<section><h2>Coverage</h2><table><thead><tr><th scope="col">state</th><th scope="col">item</th><th scope="col">place</th><th scope="col">decided</th><th scope="col">refused alone</th></tr></thead><tbody>${rows.join('\n')}</tbody></table></section>`;
}

function mutationSection({ mutation }: TestReport): string {
  if (mutation === undefined) return '';
  const rows = mutation.mutants.map(
    ({ id, fate, killedBy, witness }) =>
      `<tr><td class="${fate === 'survived' ? 'failed' : 'passed'}">${fate}</td><td>${text(id)}</td><td>${text(killedBy ?? (witness === undefined ? '' : JSON.stringify(witness.request)))}</td></tr>`,
  );
  return `<section><h2>Mutants</h2><table><thead><tr><th scope="col">fate</th><th scope="col">mutant</th><th scope="col">noticed by, or witness</th></tr></thead><tbody>${rows.join('\n')}</tbody></table></section>`;
}

function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
