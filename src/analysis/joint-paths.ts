/**
 * The joint classes of paths that two sides normalise differently: every pair of (what the weaker side's patterns match,
 * what the stronger side's match) that some raw path leads to, with a short raw path each.
 *
 * Both sides read one raw path, unit by unit. How far they stay in step depends on the modes:
 *
 * - `BASE` and `MERGE_SLASHES` drop the same dot segments; the one reads a slash after a slash and the other does not.
 * - `NONE` drops nothing. Where the other side drops a piece of the path, `NONE` has read it (`DotSegments`).
 * - `DECODE_AND_MERGE_SLASHES` sees borders in escaped slashes that the other two do not see, so that either side can
 *   drop what the other keeps. Up to the last slash that both see they are independent: `u/..%2Fv%2F/../` adds `u` to the
 *   one and `v` to the other, whatever came before. So each side starts after any folder it can be in, and from there on
 *   the weaker side drops nothing.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import type { PathNormalization } from '../istio/mesh-settings.ts';
import { BucketQueue } from './bucket-queue.ts';
import { DotSegments } from './dot-segments.ts';
import type { ValuePattern } from './linear-pattern.ts';
import { alphabetOf, SegmentGuard, type Alphabet, type Letter } from './path-letters.ts';
import { PathReader } from './path-reader.ts';
import { PatternAutomaton } from './pattern-automaton.ts';

export interface PathSide {
  readonly mode: PathNormalization;
  readonly values: readonly ValuePattern[];
}

export interface JointPathClass {
  /** As a client sends it; the shortest there is, where the modes are not told apart by escaped slashes. */
  readonly raw: string;
  /** By value of the side, `1` or `0`. */
  readonly weak: string;
  /** Nothing where the stronger side refuses the path. */
  readonly strong: string | undefined;
}

/** No more joint states, and no more classes, than this. */
const STATES_MAX = 150_000;
const CLASSES_MAX = 5000;

/**
 * `weak` comes before `strong` in the order `NONE`, `BASE`, `MERGE_SLASHES`, `DECODE_AND_MERGE_SLASHES`.
 * `queried`: patterns see the path with its query.
 * @throws MeshError `ERR_ANALYSIS_LIMIT` where the patterns combine in too many ways
 */
export function jointPathClasses(weak: PathSide, strong: PathSide, queried: boolean): readonly JointPathClass[] {
  const automata = { weak: new PatternAutomaton(weak.values), strong: new PatternAutomaton(strong.values) };
  const alphabet = alphabetOf(
    { mode: weak.mode, automaton: automata.weak },
    { mode: strong.mode, automaton: automata.strong },
  );
  return new Search(setupOf(weak.mode, strong.mode, automata, alphabet), queried).run();
}

interface Setup {
  readonly modes: readonly [PathNormalization, PathNormalization];
  readonly weak: PathReader;
  readonly strong: PathReader;
  readonly alphabet: Alphabet;
  readonly guard: SegmentGuard;
  readonly merges: boolean;
  /** Absent: what one side drops the other drops, too. */
  readonly dots: DotSegments | undefined;
  /** The whole raw path, of the text that was searched and the starts it was searched from. */
  compose(text: string, weakStart: number, strongStart: number): string;
}

type Automata = Readonly<Record<'weak' | 'strong', PatternAutomaton>>;

function setupOf(
  weakMode: PathNormalization,
  strongMode: PathNormalization,
  automata: Automata,
  alphabet: Alphabet,
): Setup {
  const guard = new SegmentGuard(alphabet.special);
  const common = { modes: [weakMode, strongMode] as const, guard, merges: strongMode !== 'BASE' };
  if (weakMode !== 'NONE' && strongMode === 'DECODE_AND_MERGE_SLASHES') {
    const outer = alphabet.letters.filter(({ weak, strong }) => weak.kind === 'slash' || strong.kind !== 'slash');
    const folders = {
      weak: foldersOf(automata.weak, 'weak', weakMode !== 'BASE', outer, guard),
      strong: foldersOf(automata.strong, 'strong', true, outer, guard),
    };
    const weak = new PathReader(automata.weak, [...folders.weak.keys()]);
    const strong = new PathReader(automata.strong, [...folders.strong.keys()]);
    const raws = { weak: [...folders.weak.values()], strong: [...folders.strong.values()] };
    const letters = alphabet.letters.filter((letter) => letter.weak.kind !== 'slash' && letter.weak.kind !== 'refused');
    return {
      ...common,
      weak,
      strong,
      alphabet: { ...alphabet, letters },
      dots: new DotSegments(weak, weak.start, letters, guard),
      compose: (text, one, other) => inFolders(raws.weak[one] ?? '/', raws.strong[other] ?? '/') + text,
    };
  }
  const [weak, strong] = [automata.weak, automata.strong].map(
    (automaton) => new PathReader(automaton, [automaton.run(automaton.start, '/')]),
  ) as [PathReader, PathReader];
  const letters =
    weakMode === 'NONE' ? alphabet.letters : alphabet.letters.filter((letter) => letter.weak.kind !== 'refused');
  return {
    ...common,
    weak,
    strong,
    alphabet: { ...alphabet, letters },
    dots: weakMode === 'NONE' ? new DotSegments(weak, weak.start, letters, guard) : undefined,
    compose: (text) => `/${text}`,
  };
}

/** By state, the shortest raw path that ends in a slash and leads there. */
function foldersOf(
  automaton: PatternAutomaton,
  side: 'weak' | 'strong',
  merges: boolean,
  letters: readonly Letter[],
  guard: SegmentGuard,
): ReadonlyMap<number, string> {
  const folders = new Map<number, string>();
  const seen = new Set<number>();
  const queue = new BucketQueue<{ readonly state: number; readonly place: number; readonly raw: string }>();
  queue.push(1, { state: automaton.run(automaton.start, '/'), place: SegmentGuard.START, raw: '/' });
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const key = at.state * guard.size + at.place;
    if (seen.has(key)) continue;
    seen.add(key);
    if (at.place === SegmentGuard.START) folders.set(at.state, at.raw);
    for (const letter of letters) {
      const place = letter[side].kind === 'refused' ? -1 : guard.next(at.place, letter);
      if (place < 0 || (merges && letter[side].kind === 'slash' && at.place === SegmentGuard.START)) continue;
      const raw = at.raw + letter.raw;
      queue.push(raw.length, { state: automaton.run(at.state, letter[side].text), place, raw });
    }
  }
  return folders;
}

/**
 * A raw path after which the weaker side is in one folder and the stronger in another. What is between two slashes that
 * both see, the weaker side drops as one segment.
 */
function inFolders(weak: string, strong: string): string {
  const [one, other] = [weak, strong].map((folder) => folder.split('/').slice(1, -1)) as [string[], string[]];
  let common = 0;
  while (common < one.length && common < other.length && one[common] === other[common]) common++;
  const up = one.length - common;
  const down = other.slice(common);
  if (up === 0 && down.length === 0) return weak;
  return `${weak}${'..%2F'.repeat(up)}${down.map((segment) => `${segment}%2F`).join('')}/../`;
}

interface Node {
  readonly weak: number;
  readonly strong: number;
  readonly place: number;
  readonly raw: string;
}

/** In place of a state of the stronger side. */
const REFUSED = 2 ** 20;
const WIDTH = 2 ** 21;

interface Found {
  raw: string;
  readonly weak: string;
  readonly strong: string | undefined;
}

class Search {
  readonly #setup: Setup;
  readonly #queried: boolean;
  readonly #queue = new BucketQueue<Node>();
  readonly #seen = new Set<number>();
  readonly #found = new Map<string, Found>();
  // Places beside those within a segment.
  /** At the start of the stronger side's path, where nothing has been read. */
  readonly #first: number;
  /** There again, after dropped pieces: `..` leads nowhere else. */
  readonly #root: number;
  readonly #query: number;
  readonly #refused: number;

  constructor(setup: Setup, queried: boolean) {
    const { size } = setup.guard;
    this.#setup = setup;
    this.#queried = queried;
    [this.#first, this.#root, this.#query, this.#refused] = [size, size + 1, size + 2, size + 3];
  }

  run(): readonly JointPathClass[] {
    const { weak, strong, guard } = this.#setup;
    this.#queue.push(0, { weak: weak.start, strong: strong.start, place: this.#first, raw: '' });
    for (let node = this.#queue.pop(); node !== undefined; node = this.#queue.pop()) {
      const key = (node.weak * WIDTH + node.strong) * (guard.size + 4) + node.place;
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      this.#expand(node);
      if (this.#seen.size > STATES_MAX || this.#found.size > CLASSES_MAX) this.#giveUp();
    }
    return [...this.#found.values()];
  }

  #giveUp(): never {
    const [one, other] = this.#setup.modes;
    throw new MeshError(
      'ERR_ANALYSIS_LIMIT',
      `path patterns under normalization ${one} on one side and ${other} on the other combine in too many ways`,
    );
  }

  #expand(node: Node): void {
    const { place } = node;
    if (place === this.#query) {
      this.#collect(node);
      this.#readOn(node, this.#setup.alphabet.query, this.#query);
    } else if (place === this.#refused) {
      this.#end(node);
      const { letters } = this.#setup.alphabet;
      const raws = letters.map(({ raw }) => raw);
      this.#readOn(node, this.#queried ? [...raws, '?'] : raws, this.#refused);
    } else {
      const inside = place === this.#first || place === this.#root ? SegmentGuard.START : place;
      for (const letter of this.#setup.alphabet.letters) this.#read(node, inside, letter);
      if (!SegmentGuard.isDots(place)) this.#end(node);
      if (inside === SegmentGuard.START) this.#drop(node);
    }
  }

  /** Of a query, and of what follows a refused unit, both sides see the raw text. */
  #readOn({ weak, strong, raw }: Node, units: readonly string[], place: number): void {
    for (const unit of units) {
      this.#enter({
        weak: this.#setup.weak.read(weak, unit),
        strong: strong === REFUSED ? REFUSED : this.#setup.strong.read(strong, unit),
        place,
        raw: raw + unit,
      });
    }
  }

  #read({ weak, strong, raw: before }: Node, inside: number, letter: Letter): void {
    const raw = before + letter.raw;
    const next = this.#setup.weak.read(weak, letter.weak.text);
    if (letter.strong.kind === 'refused') {
      this.#enter({ weak: next, strong: REFUSED, place: this.#refused, raw });
      return;
    }
    const place = this.#setup.guard.next(inside, letter);
    if (place < 0) return;
    const again = this.#setup.merges && letter.strong.kind === 'slash' && inside === SegmentGuard.START;
    this.#enter({
      weak: next,
      strong: again ? strong : this.#setup.strong.read(strong, letter.strong.text),
      place,
      raw,
    });
  }

  /** Pieces that the stronger side drops. */
  #drop({ weak, strong, place, raw }: Node): void {
    const { dots, modes } = this.#setup;
    if (dots === undefined) return;
    const [isFirst, isInside] = [place === this.#first, place === SegmentGuard.START];
    const root = isInside ? SegmentGuard.START : this.#root;
    for (const [to, piece] of dots.dropped(weak)) this.#enter({ weak: to, strong, place: root, raw: raw + piece });
    // A last segment of dots alone is one to the other side, too, unless that is `NONE`.
    const bare = modes[0] === 'NONE' || !isFirst;
    for (const [to, piece] of dots.droppedAtEnd(weak, bare)) this.#end({ weak: to, strong, place, raw: raw + piece });
    if (isInside) return;
    for (const [to, piece] of dots.up(weak)) this.#enter({ weak: to, strong, place: root, raw: raw + piece });
    if (!bare) return;
    for (const [to, piece] of dots.upAtEnd(weak)) this.#end({ weak: to, strong, place, raw: raw + piece });
  }

  #enter(node: Node): void {
    this.#queue.push(node.raw.length, node);
  }

  /** The path may end here, and a query begin. */
  #end(node: Node): void {
    this.#collect(node);
    if (this.#queried && node.place !== this.#refused) this.#readOn(node, ['?'], this.#query);
  }

  #collect({ weak, strong, raw }: Node): void {
    const strongHits: ReadonlyMap<string | undefined, readonly number[]> =
      strong === REFUSED ? new Map([[undefined, [0]]]) : this.#setup.strong.hits(strong);
    for (const [weakHits, weakStarts] of this.#setup.weak.hits(weak)) {
      for (const [hits, strongStarts] of strongHits) {
        const key = `${weakHits} ${hits ?? ''}`;
        const known = this.#found.get(key);
        if (known !== undefined && known.raw.length <= raw.length + 1) continue;
        const whole = this.#setup.compose(raw, weakStarts[0] ?? 0, strongStarts[0] ?? 0);
        if (known === undefined) this.#found.set(key, { raw: whole, weak: weakHits, strong: hits });
        else if (whole.length < known.raw.length) known.raw = whole;
      }
    }
  }
}
