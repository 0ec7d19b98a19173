/**
 * Results as one self-contained page: tables, and plots as inline SVG. It loads nothing and runs no script, and its
 * content security policy says so.
 * @module
 */
import { type Aim, type BenchResult, isReached, type Measurement, type Table } from './bench.ts';
import { formatAim, formatFigure, formatNumber, formatRatio } from './figures.ts';
import { machineLine } from './render-text.ts';
import { barPlot, curvePlot, escapeXml } from './plots.ts';

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430; background: #fff }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .2rem .8rem; border-bottom: 1px solid #d9dee5 }
th:first-child, td:first-child { text-align: left }
.machine, .note { color: #56606e } .missed { color: #a02020 } .reached { color: #1d6b35 }
svg { max-width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: currentColor }
@media (prefers-color-scheme: dark) { body { color: #dde3ea; background: #14181d } th, td { border-color: #333b45 }
.machine, .note { color: #9aa5b1 } .missed { color: #ff8f8f } .reached { color: #8fdca6 } }
`;

export function renderHtml(results: readonly BenchResult[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>meshproof bench</title>
<style>${STYLE}</style>
</head>
<body>
<h1>meshproof bench</h1>
${results.map(section).join('\n')}
</body>
</html>
`;
}

function section({ name, question, size, seconds, machine, tables, curves, aims, skipped }: BenchResult): string {
  return [
    `<section>`,
    `<h2>${escapeXml(name)}</h2>`,
    `<p>${escapeXml(question)}</p>`,
    `<p class="machine">${escapeXml(`${machineLine(machine)}; ${size} size, ${seconds} s`)}</p>`,
    ...tables.map(tableSection),
    ...curves.map((curve) => `<h3>${escapeXml(curve.title)}</h3>\n${curvePlot(curve)}`),
    aims.length === 0 ? '' : `<h3>Aims</h3>\n<ul>${aims.map(aimItem).join('')}</ul>`,
    skipped.length === 0
      ? ''
      : `<ul>${skipped.map(({ what, why }) => `<li>skipped: ${escapeXml(`${what}: ${why}`)}</li>`).join('')}</ul>`,
    `</section>`,
  ].join('\n');
}

function aimItem(aim: Aim): string {
  return `<li class="${isReached(aim) ? 'reached' : 'missed'}">${escapeXml(formatAim(aim))}</li>`;
}

function tableSection(table: Table): string {
  const extra = [...new Set(table.measurements.flatMap(({ also }) => Object.keys(also)))];
  const head = ['', 'median', table.reference === undefined ? '' : `over ${table.reference}`, ...extra, 'rounds'];
  const row = (one: Measurement): readonly string[] => [
    one.name,
    formatFigure(one.median, one.unit),
    one.ratio === undefined ? '' : formatRatio(one.ratio),
    ...extra.map((name) => (one.also[name] === undefined ? '' : formatNumber(one.also[name]))),
    String(one.rounds.length),
  ];
  const cells = (tag: 'td' | 'th', values: readonly string[]): string =>
    `<tr>${values.map((value) => `<${tag}>${escapeXml(value)}</${tag}>`).join('')}</tr>`;
  return [
    `<h3>${escapeXml(table.title)}</h3>`,
    barPlot(table),
    `<table><thead>${cells('th', head)}</thead><tbody>${table.measurements.map((one) => cells('td', row(one))).join('')}</tbody></table>`,
    table.note === undefined ? '' : `<p class="note">${escapeXml(table.note)}</p>`,
  ].join('\n');
}
