/**
 * Figures as people read them.
 * @module
 */
import type { Aim, Unit } from './bench.ts';
import { isReached } from './bench.ts';
import type { Estimate, Growth } from './statistics.ts';

/** Three significant digits, or all of a larger number. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value
    .toPrecision(3)
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '');
}

export function formatFigure(value: number, unit: Unit): string {
  if (unit === '/s') return `${formatNumber(value)}/s`;
  return unit === 'x' ? `${formatNumber(value)} ×` : `${formatNumber(value)} ${unit}`;
}

export function formatRatio({ value, low, high }: Estimate): string {
  return `${formatNumber(value)} × [${formatNumber(low)}, ${formatNumber(high)}]`;
}

export function formatGrowth({ exponent, low, high, r2 }: Growth): string {
  const interval = Number.isFinite(low) ? ` [${low.toFixed(2)}, ${high.toFixed(2)}], r² ${r2.toFixed(3)}` : '';
  return `n^${exponent.toFixed(2)}${interval}`;
}

export function formatAim(aim: Aim): string {
  const { what, limit, atMost, unit, figure } = aim;
  const verdict = isReached(aim) ? 'reached' : 'MISSED';
  return `${what}: ${formatFigure(figure, unit)}, aim ${atMost ? '≤' : '≥'} ${formatFigure(limit, unit)}: ${verdict}`;
}
