/**
 * Whether one text is in the language of a value: for choosing a familiar witness of a class, and for tests.
 * @module
 */
import { CHAR_SETS, type LinearPattern, type ValuePattern } from './linear-pattern.ts';

/** By value: 1 where it matches. */
export function hitsOf(values: readonly ValuePattern[], text: string): Uint8Array {
  return Uint8Array.from(values, (value) => (value.patterns.some((pattern) => matchesPattern(pattern, text)) ? 1 : 0));
}

/** A loop first takes nothing, then one character more at a time: no pattern has more than a few of them. */
export function matchesPattern(pattern: LinearPattern, text: string, at = 0, from = 0): boolean {
  for (let i = at, j = from; ; i++) {
    const item = pattern[i];
    if (item === undefined) return j === text.length;
    if ('code' in item) {
      if (j >= text.length || !matchesLiteral(item, text.charCodeAt(j))) return false;
      j++;
    } else if (!item.loop) {
      if (j >= text.length || !CHAR_SETS[item.set](text.charCodeAt(j))) return false;
      j++;
    } else {
      if (i + 1 === pattern.length && item.set === 'any') return true;
      for (let end = j; ; end++) {
        if (matchesPattern(pattern, text, i + 1, end)) return true;
        if (end >= text.length || !CHAR_SETS[item.set](text.charCodeAt(end))) return false;
      }
    }
  }
}

function matchesLiteral(item: { readonly code: number; readonly folded: boolean }, code: number): boolean {
  return item.code === code || (item.folded && isOtherCase(item.code, code));
}

function isOtherCase(a: number, b: number): boolean {
  const lower = a | 0x20;
  return lower >= 0x61 && lower <= 0x7a && (b | 0x20) === lower;
}
