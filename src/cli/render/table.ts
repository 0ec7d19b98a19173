/**
 * Tables as istioctl and kubectl print them: upper-case headers, columns padded with blanks, no borders, no colour.
 * @module
 */

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
  { padding = 3 }: TableOptions = {},
): string {
  const lines = [headers, ...rows].map((cells) => cells.map(oneLine));
  const widths = headers.map((_, column) => Math.max(...lines.map((cells) => lengthOf(cells[column] ?? ''))) + padding);
  return lines
    .map(
      (cells) =>
        `${widths
          .map((width, column) => pad(cells[column] ?? '', width))
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}

/** A cell with a line break in it would break the table. */
function oneLine(cell: string): string {
  return cell.replaceAll(/\s*[\n\r]\s*/g, ' ');
}

/** In code points: names of the field are ASCII, but a value from a manifest may be anything. */
function lengthOf(cell: string): number {
  return Array.from(cell).length;
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - lengthOf(cell)));
}
