/**
 * The raw path cut into units that two modes of normalisation read on their own: characters and escapes.
 *
 * Every mode reads a raw path unit by unit, as a slash, as a dot or as text; what a unit is read as never depends on
 * its neighbours. Of the units that both modes and all patterns treat alike one is enough.
 * @module
 */
import type { PathNormalization } from '../istio/mesh-settings.ts';
import { normalizePath } from '../policy/path-normalization.ts';
import type { PatternAutomaton } from './pattern-automaton.ts';
import { PREFERRED_CHARACTERS } from './universe.ts';

export interface Reading {
  /** `refused`: no path that holds the unit can be normalised. */
  readonly kind: 'slash' | 'dot' | 'text' | 'refused';
  readonly text: string;
}

/** One unit, and what the weaker and the stronger mode take it for. */
export interface Letter {
  readonly raw: string;
  readonly weak: Reading;
  readonly strong: Reading;
}

/** What normalisation makes of a unit. Nothing is a slash or a dot to mode `NONE`, which leaves paths alone. */
export function readingOf(unit: string, mode: PathNormalization): Reading {
  if (mode === 'NONE') return { kind: 'text', text: unit };
  const around = normalizePath(`/x${unit}x`, mode);
  if (around === undefined) return { kind: 'refused', text: '' };
  const text = around.slice(2, -1);
  return { kind: text === '/' ? 'slash' : text === '.' ? 'dot' : 'text', text };
}

const HEX: readonly string[] = Array.from('0123456789ABCDEFabcdef');
/** The characters a request line can hold, but for those that end a path. */
const SINGLES: readonly string[] = PREFERRED_CHARACTERS.map((code) => String.fromCharCode(code)).filter((char) =>
  /[!-"$->@-~]/.test(char),
);
const ESCAPES: readonly string[] = HEX.flatMap((first) => HEX.map((second) => `%${first}${second}`));

export interface Alphabet {
  readonly letters: readonly Letter[];
  /** Units of a query, which everyone reads as it is; the question mark included. */
  readonly query: readonly string[];
  /**
   * Escapes that are read as something else by some mode: a percent sign must not be followed by plain characters that
   * make one of these, the escape is a letter of its own.
   */
  readonly special: ReadonlySet<string>;
}

interface Side {
  readonly mode: PathNormalization;
  readonly automaton: PatternAutomaton;
}

/** All letters that two sides tell apart, the plainest first. */
export function alphabetOf(weak: Side, strong: Side): Alphabet {
  const read = (raw: string): Letter => ({
    raw,
    weak: readingOf(raw, weak.mode),
    strong: readingOf(raw, strong.mode),
  });
  const isLiteral = ({ raw, weak: one, strong: other }: Letter): boolean => one.text === raw && other.text === raw;
  const escapes = ESCAPES.map(read).filter((letter) => !isLiteral(letter));
  const letters = new Map<string, Letter>();
  const looks = { weak: looksTo(weak.automaton), strong: looksTo(strong.automaton) };
  for (const letter of [...SINGLES.map(read), ...escapes]) {
    const signature = [
      letter.weak.kind,
      looks.weak(letter.weak.text),
      letter.strong.kind,
      looks.strong(letter.strong.text),
      // Part of an escape, perhaps.
      letter.raw === '%' || HEX.includes(letter.raw) ? letter.raw : '',
    ].join(' ');
    if (!letters.has(signature)) letters.set(signature, letter);
  }
  const query = new Map<string, string>();
  for (const char of ['?', ...SINGLES]) {
    const signature = `${looks.weak(char)} ${looks.strong(char)}`;
    if (!query.has(signature)) query.set(signature, char);
  }
  return {
    letters: [...letters.values()],
    query: [...query.values()],
    special: new Set(escapes.map(({ raw }) => raw)),
  };
}

function looksTo(automaton: PatternAutomaton): (text: string) => string {
  const known = new Map<string, string>();
  return (text) =>
    Array.from(text, (char) => {
      const look = known.get(char) ?? automaton.alike(char.charCodeAt(0));
      known.set(char, look);
      return look;
    }).join();
}

/**
 * Where a reader is within a segment of the stronger mode, as far as it matters: at its start, after dots only, inside;
 * there also how much of an escape the last plain characters may be.
 */
export class SegmentGuard {
  static readonly START = 0;
  static readonly DOT = 1;
  static readonly DOTS = 2;
  readonly #special: ReadonlySet<string>;
  readonly #open: readonly string[];
  /** Places are numbers below this. */
  readonly size: number;

  constructor(special: ReadonlySet<string>) {
    this.#special = special;
    this.#open = ['', '%', ...new Set([...special].map((escape) => escape.slice(0, 2)))];
    this.size = INSIDE + this.#open.length;
  }

  /** Whether the segment read so far is nothing but one or two dots. */
  static isDots(place: number): boolean {
    return place === SegmentGuard.DOT || place === SegmentGuard.DOTS;
  }

  /** -1 where the unit cannot stand here; a segment of dots only cannot end here either. */
  next(place: number, { raw, strong }: Letter): number {
    if (strong.kind === 'slash') return SegmentGuard.isDots(place) ? -1 : SegmentGuard.START;
    if (strong.kind === 'dot') return place < SegmentGuard.DOTS ? place + 1 : INSIDE;
    if (raw.length > 1) return INSIDE;
    if (raw === '%') return INSIDE + 1;
    const open = this.#open[place - INSIDE] ?? '';
    if (open === '') return INSIDE;
    if (open.length === 2) return this.#special.has(open + raw) ? -1 : INSIDE;
    return INSIDE + Math.max(0, this.#open.indexOf(open + raw));
  }
}

const INSIDE = 3;
