/**
 * The part of Python's format mini-language that the dashboard's text is defined by: widths, thousands, and fixed
 * decimals that round half to even on the exact binary value, where JavaScript's `toFixed` rounds half away from zero.
 *
 * Source: Python 3 library reference, "Format Specification Mini-Language". Not modelled: integers above 2^53 and
 * floats that JavaScript cannot tell from integers.
 * @module
 */

/** `{value:.{digits}f}` */
export function fixed(value: number, digits: 0 | 1): string {
  if (Number.isNaN(value)) return 'nan';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return `${sign}inf`;
  // `toFixed` writes exponents from here on; such a number is whole.
  if (size >= 1e21) return `${sign}${BigInt(size)}${digits === 0 ? '' : '.0'}`;
  return sign + halfToEven(size.toFixed(digits), size, digits);
}

/** `toFixed` is exact but for ties, which it rounds up: step back to the even neighbour. */
function halfToEven(roundedUp: string, size: number, digits: number): string {
  // A tie is an odd multiple of 1 / 2^(digits + 1), and that product is exact.
  const tie = (size * 2 ** (digits + 1)) % 2 === 1;
  const last = Number(roundedUp.at(-1));
  return tie && last % 2 === 1 ? roundedUp.slice(0, -1) + String(last - 1) : roundedUp;
}

/** `{value:,}` */
export function thousands(value: number): string {
  const [whole = '', fraction] = String(value).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** `{text:<width}`; widths count code points, as Python's do. */
export function left(text: string | number, width: number): string {
  return String(text) + padding(text, width);
}

/** `{text:>width}` */
export function right(text: string | number, width: number): string {
  return padding(text, width) + String(text);
}

function padding(text: string | number, width: number): string {
  return ' '.repeat(Math.max(0, width - Array.from(String(text)).length));
}
