/**
 * Whether one text is in the language of a value: for choosing a familiar witness of a class, and for tests.
 * @module
 */
import { CHAR_SETS, type LinearPattern, type ValuePattern } from './linear-pattern.ts';

/** By value: 1 where it matches. */
export function hitsOf(values: readonly ValuePattern[], text: string): Uint8Array {
  return Uint8Array.from(values, (value) => (value.patterns.some((pattern) => matchesPattern(pattern, text)) ? 1 : 0));
}

export function matchesPattern(pattern: LinearPattern, text: string): boolean {
  let active = new Set<number>();
  const enter = (from: number, into: Set<number>): void => {
    for (let at = from; ; at++) {
      into.add(at);
      const item = pattern[at];
      if (item === undefined || 'code' in item || !item.loop) return;
    }
  };
  enter(0, active);
  for (let i = 0; i < text.length && active.size > 0; i++) {
    const code = text.charCodeAt(i);
    const next = new Set<number>();
    for (const at of active) {
      const item = pattern[at];
      if (item === undefined) continue;
      if ('code' in item) {
        if (item.code === code || (item.folded && isOtherCase(item.code, code))) enter(at + 1, next);
      } else if (CHAR_SETS[item.set](code)) enter(item.loop ? at : at + 1, next);
    }
    active = next;
  }
  return active.has(pattern.length);
}

function isOtherCase(a: number, b: number): boolean {
  const lower = a | 0x20;
  return lower >= 0x61 && lower <= 0x7a && (b | 0x20) === lower;
}
