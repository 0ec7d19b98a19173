/**
 * What one side has read when the other is back where it was: pieces of a raw path that the stronger mode drops, such as
 * `./` and `x/../`, while the weaker mode reads every character of them.
 *
 * The pieces are the words of `N = ε | N . / | N s / N .. /`, where `s` is any segment but dots and `/` anything the
 * stronger mode takes for a slash: a context-free language, over which the states that the weaker side can reach are
 * found by saturation, each with a shortest piece. Pieces are settled in the order of their length, and every piece is
 * longer than those it is made of, so that the first one to reach a state is a shortest one (Knuth 1977).
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { BucketQueue } from './bucket-queue.ts';
import { SegmentGuard, type Letter } from './path-letters.ts';

/** States with a shortest piece of raw path that leads there. */
export type Reached = ReadonlyMap<number, string>;

export interface WeakSide {
  read(state: number, text: string): number;
}

interface Piece {
  readonly kind: 'path' | 'pop';
  readonly from: number;
  readonly to: number;
  readonly raw: string;
}

const PIECES_MAX = 100_000;
const NOTHING: Reached = new Map();

export class DotSegments {
  readonly #side: WeakSide;
  readonly #letters: readonly Letter[];
  readonly #dots: readonly Letter[];
  readonly #slashes: readonly Letter[];
  readonly #guard: SegmentGuard;
  /** From a state, through words of `N`. */
  readonly #paths = new Map<number, Map<number, string>>();
  /** From a state, through one segment, what is dropped below it, and the dots that drop it. */
  readonly #pops = new Map<number, Map<number, string>>();
  /** The same where the path ends after the dots. */
  readonly #popEnds = new Map<number, Map<number, string>>();
  /** By state after a segment: the states before it. */
  readonly #callers = new Map<number, Map<number, string>>();
  /** By state: those whose words lead there. */
  readonly #leadingTo = new Map<number, number[]>();
  readonly #queue = new BucketQueue<Piece>();
  #pieces = 0;

  /** @throws MeshError `ERR_ANALYSIS_LIMIT` */
  constructor(side: WeakSide, start: number, letters: readonly Letter[], guard: SegmentGuard) {
    this.#side = side;
    this.#letters = letters;
    this.#guard = guard;
    this.#dots = letters.filter(({ strong }) => strong.kind === 'dot');
    this.#slashes = letters.filter(({ strong }) => strong.kind === 'slash');
    this.#explore(start);
    for (let piece = this.#queue.pop(); piece !== undefined; piece = this.#queue.pop()) {
      if (piece.kind === 'path') this.#settlePath(piece);
      else this.#settlePop(piece);
      if (this.#pieces > PIECES_MAX) {
        throw new MeshError('ERR_ANALYSIS_LIMIT', 'path patterns and dot segments combine in too many ways');
      }
    }
  }

  /** One more dropped piece, at the start of a segment. */
  dropped(state: number): Reached {
    return merged(this.#chain(state, [this.#dots, this.#slashes]), this.#pops.get(state) ?? NOTHING);
  }

  /** The last piece, dropped at the end of the path; `.` and `..` alone where `bare` allows them. */
  droppedAtEnd(state: number, bare: boolean): Reached {
    const pops = this.#popEnds.get(state) ?? NOTHING;
    return bare ? merged(this.#chain(state, [this.#dots]), pops) : pops;
  }

  /** `../`, which leads out of what has been read. */
  up(state: number): Reached {
    return this.#chain(state, [this.#dots, this.#dots, this.#slashes]);
  }

  upAtEnd(state: number): Reached {
    return this.#chain(state, [this.#dots, this.#dots]);
  }

  #chain(state: number, units: readonly (readonly Letter[])[]): Reached {
    let reached = new Map([[state, '']]);
    for (const letters of units) {
      const next = new Map<number, string>();
      for (const [from, raw] of reached) {
        for (const letter of letters) put(next, this.#side.read(from, letter.weak.text), raw + letter.raw);
      }
      reached = next;
    }
    return reached;
  }

  /** Every state that may stand at the start of a segment. */
  #explore(start: number): void {
    const open = [start];
    const seen = new Set(open);
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      const segments = this.#segments(state);
      this.#queue.push(0, { kind: 'path', from: state, to: state, raw: '' });
      for (const [to, raw] of segments) group(this.#callers, to).set(state, raw);
      const next = [segments, this.#chain(state, [this.#dots, this.#slashes]), this.up(state)];
      for (const to of next.flatMap((reached) => [...reached.keys()])) {
        if (seen.has(to)) continue;
        seen.add(to);
        open.push(to);
      }
    }
  }

  /** After one segment that is not dots, and the slash behind it. */
  #segments(start: number): Reached {
    const found = new Map<number, string>();
    const seen = new Set<number>();
    const queue = new BucketQueue<{ readonly state: number; readonly place: number; readonly raw: string }>();
    queue.push(0, { state: start, place: SegmentGuard.START, raw: '' });
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      const key = at.state * this.#guard.size + at.place;
      if (seen.has(key)) continue;
      seen.add(key);
      for (const letter of this.#letters) {
        const place = letter.strong.kind === 'refused' ? -1 : this.#guard.next(at.place, letter);
        if (place < 0) continue;
        const [state, raw] = [this.#side.read(at.state, letter.weak.text), at.raw + letter.raw];
        if (letter.strong.kind === 'slash') put(found, state, raw);
        else queue.push(raw.length, { state, place, raw });
      }
    }
    return found;
  }

  #settlePath({ from, to, raw }: Piece): void {
    const paths = group(this.#paths, from);
    if (paths.has(to)) return;
    paths.set(to, raw);
    this.#pieces++;
    const leading = this.#leadingTo.get(to);
    if (leading === undefined) this.#leadingTo.set(to, [from]);
    else leading.push(from);
    for (const [caller, segment] of this.#callers.get(from) ?? NOTHING) this.#close(caller, segment + raw, to);
    for (const [next, piece] of this.dropped(to)) this.#push('path', from, next, raw + piece);
  }

  /** The dots that drop what began at `caller`. */
  #close(caller: number, raw: string, at: number): void {
    const ends = group(this.#popEnds, caller);
    for (const [to, dots] of this.upAtEnd(at)) put(ends, to, raw + dots);
    for (const [to, dots] of this.up(at)) this.#push('pop', caller, to, raw + dots);
  }

  #settlePop({ from, to, raw }: Piece): void {
    const pops = group(this.#pops, from);
    if (pops.has(to)) return;
    pops.set(to, raw);
    this.#pieces++;
    for (const start of this.#leadingTo.get(from) ?? []) {
      this.#push('path', start, to, (this.#paths.get(start)?.get(from) ?? '') + raw);
    }
  }

  #push(kind: Piece['kind'], from: number, to: number, raw: string): void {
    const known = (kind === 'path' ? this.#paths : this.#pops).get(from)?.has(to) === true;
    if (!known) this.#queue.push(raw.length, { kind, from, to, raw });
  }
}

function group(map: Map<number, Map<number, string>>, key: number): Map<number, string> {
  let found = map.get(key);
  if (found === undefined) {
    found = new Map();
    map.set(key, found);
  }
  return found;
}

/** Keeps the shorter text. */
function put(map: Map<number, string>, key: number, raw: string): void {
  const known = map.get(key);
  if (known === undefined || raw.length < known.length) map.set(key, raw);
}

function merged(one: Reached, other: Reached): Reached {
  const all = new Map(one);
  for (const [key, raw] of other) put(all, key, raw);
  return all;
}
