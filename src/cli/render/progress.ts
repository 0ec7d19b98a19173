/**
 * One line on standard error that redraws itself; silent where nobody watches.
 * @module
 */

export interface ProgressLine {
  /** `ratio` from 0 to 1. */
  show(ratio: number, text: string): void;
  clear(): void;
}

const WIDTH = 24;

export function progressLine(stream: NodeJS.WriteStream): ProgressLine {
  if (!stream.isTTY) return { show: () => undefined, clear: () => undefined };
  return {
    show(ratio, text) {
      const full = Math.round(WIDTH * Math.min(1, Math.max(0, ratio)));
      stream.write(`\r\u001b[K[${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${text}`);
    },
    clear() {
      stream.write('\r\u001b[K');
    },
  };
}
