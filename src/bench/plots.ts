/**
 * Plots as SVG text: bars for competitors, curves on two logarithmic axes for growth.
 * @module
 */
import type { Curve, Table } from './bench.ts';
import { formatFigure, formatGrowth, formatNumber } from './figures.ts';
import { ascending, quantile } from './statistics.ts';

const COLOURS = ['#3572b0', '#c8682a', '#3a8f52', '#8a55b0', '#b03a5b', '#6a7480'];
const WIDTH = 720;

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** One bar a competitor, with a whisker from the 5th to the 95th percentile of its rounds. Logarithmic where one dwarfs another. */
export function barPlot({ title, measurements }: Table): string {
  const [label, bar, row] = [230, 380, 26];
  const drawn = measurements.filter((one) => one.median > 0);
  const largest = Math.max(...drawn.map((one) => one.median));
  const smallest = Math.min(...drawn.map((one) => one.median));
  const isLog = largest / smallest > 50;
  const at = (value: number): number => {
    if (!isLog) return (bar * value) / largest / 1.15;
    const span = Math.log(largest / smallest) + 1;
    return Math.max(2, (bar * (Math.log(value / smallest) + 1)) / span / 1.15);
  };
  const rows = drawn.map((one, i) => {
    const y = i * row;
    const sorted = ascending(one.rounds);
    const [low, high] = [at(quantile(sorted, 0.05)), Math.min(bar, at(quantile(sorted, 0.95)))];
    return [
      `<text x="${label - 8}" y="${y + 17}" text-anchor="end">${escapeXml(one.name)}</text>`,
      `<rect x="${label}" y="${y + 4}" width="${px(at(one.median))}" height="${row - 8}" fill="${colour(i)}"/>`,
      `<line x1="${px(label + low)}" x2="${px(label + high)}" y1="${y + 13}" y2="${y + 13}" stroke="currentColor"/>`,
      `<text x="${px(label + Math.max(high, at(one.median)) + 8)}" y="${y + 17}">${escapeXml(formatFigure(one.median, one.unit))}</text>`,
    ].join('');
  });
  const height = drawn.length * row + (isLog ? 20 : 4);
  const scale = isLog ? `<text x="${label}" y="${height - 4}">logarithmic scale</text>` : '';
  return svg(title, height, rows.join('') + scale);
}

/** Lines through measured points, both axes logarithmic: a straight line is a power of the size. */
export function curvePlot({ title, xLabel, yLabel, series }: Curve): string {
  const [left, top, width, height] = [80, 12, 560, 240];
  const points = series.flatMap((one) => one.points).filter(({ x, y }) => x > 0 && y > 0);
  const [xs, ys] = [axis(points.map(({ x }) => x)), axis(points.map(({ y }) => y))];
  const atX = (x: number): number => left + width * xs.share(x);
  const atY = (y: number): number => top + height * (1 - ys.share(y));
  const grid = [
    ...ys.ticks.map(
      (tick) =>
        `<line x1="${left}" x2="${left + width}" y1="${px(atY(tick))}" y2="${px(atY(tick))}" stroke="currentColor" opacity=".15"/><text x="${left - 6}" y="${px(atY(tick) + 4)}" text-anchor="end">${formatNumber(tick)}</text>`,
    ),
    ...xs.ticks.map(
      (tick) => `<text x="${px(atX(tick))}" y="${top + height + 18}" text-anchor="middle">${formatNumber(tick)}</text>`,
    ),
  ];
  const lines = series.map(({ points: own }, i) => {
    const drawn = own.filter(({ x, y }) => x > 0 && y > 0);
    const way = drawn.map(({ x, y }) => `${px(atX(x))},${px(atY(y))}`).join(' ');
    const dots = drawn.map(({ x, y }) => `<circle cx="${px(atX(x))}" cy="${px(atY(y))}" r="3" fill="${colour(i)}"/>`);
    return `<polyline points="${way}" fill="none" stroke="${colour(i)}" stroke-width="2"/>${dots.join('')}`;
  });
  const legend = series.map(({ name, growth }, i) => {
    const text = growth === undefined ? name : `${name}: ${formatGrowth(growth)}`;
    const y = top + height + 44 + 18 * i;
    return `<rect x="${left}" y="${y - 10}" width="10" height="10" fill="${colour(i)}"/><text x="${left + 16}" y="${y}">${escapeXml(text)}</text>`;
  });
  const labels = `<text x="${left + width}" y="${top + height + 34}" text-anchor="end">${escapeXml(`${yLabel} by ${xLabel}`)}</text>`;
  return svg(title, top + height + 50 + 18 * series.length, [...grid, ...lines, labels, ...legend].join(''));
}

interface Axis {
  readonly ticks: readonly number[];
  /** Where a value lies, 0 to 1. */
  share(value: number): number;
}

/** A logarithmic axis from a power of ten to a power of ten. */
function axis(values: readonly number[]): Axis {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
    share: (value) => (Math.log10(value) - low) / (high - low),
  };
}

function svg(title: string, height: number, body: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" role="img" aria-label="${escapeXml(title)}">${body}</svg>`;
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? 'grey';
}

function px(value: number): string {
  return value.toFixed(1);
}
