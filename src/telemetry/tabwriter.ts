/**
 * Aligned columns as Go's `text/tabwriter` sets them for istioctl and kubectl: space padded, no borders, no colour, the
 * last column not padded. Widths count code points.
 * @module
 */
import { left } from './python-format.ts';

/** Spaces between columns; istioctl's tables use 3 or 5. */
const DEFAULT_PADDING = 3;

/** One line a row, without blanks at its end. Rows may be ragged: a missing cell is empty. */
export function alignColumns(rows: readonly (readonly string[])[], padding: number = DEFAULT_PADDING): string[] {
  const lines = rows.map((row) => row.map(oneLine));
  const widths: number[] = [];
  for (const line of lines) {
    line.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, Array.from(cell).length)));
  }
  const last = widths.length - 1;
  return lines.map((line) =>
    widths
      .map((width, column) => (column === last ? (line[column] ?? '') : left(line[column] ?? '', width + padding)))
      .join('')
      .trimEnd(),
  );
}

/** A cell with a line break in it would break the table. */
function oneLine(cell: string): string {
  return cell.replaceAll(/\s*[\n\r]\s*/g, ' ');
}
