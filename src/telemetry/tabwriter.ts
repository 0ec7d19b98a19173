/**
 * Aligned columns as Go's `text/tabwriter` sets them for istioctl and kubectl: space padded, no borders, no colour, the
 * last column not padded. Widths count code points.
 * @module
 */
import { left } from './python-format.ts';

/** Spaces between columns; istioctl's tables use 3 or 5. */
const DEFAULT_PADDING = 3;

/** One line a row. Rows may be ragged: a missing cell is empty. */
export function alignColumns(rows: readonly (readonly string[])[], padding: number = DEFAULT_PADDING): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => Array.from(row[column] ?? '').length)),
  );
  return rows.map((row) =>
    widths
      .map((width, column) => (column === columns - 1 ? (row[column] ?? '') : left(row[column] ?? '', width + padding)))
      .join('')
      .trimEnd(),
  );
}
