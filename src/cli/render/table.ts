/**
 * Tables as istioctl and kubectl print them: upper-case headers, columns padded with blanks, no borders, no colour.
 * @module
 */
import { alignColumns } from '../../telemetry/tabwriter.ts';

export interface TableOptions {
  /** Blanks between the widest cell of a column and the next column: 3 as kubectl, 5 as istioctl's older tables. @defaultValue 3 */
  readonly padding?: number;
}

/**
 * @param rows cells in the order of `headers`; missing ones are empty
 * @returns lines, each with its line end; no line has blanks at its end
 */
export function renderTable(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  { padding }: TableOptions = {},
): string {
  return alignColumns([headers, ...rows], padding)
    .map((line) => `${line}\n`)
    .join('');
}
