/**
 * The finite classes of one attribute: two values are in one class when every pattern in question treats them alike.
 * Each class comes with a witness, the shortest one there is.
 *
 * Texts: all patterns run side by side as one automaton, in step with the automaton of the attribute's universe. A
 * breadth-first search over their joint states meets every class that is not empty, and meets it first by a shortest
 * text. Characters that no active pattern names are tried once per way in which the sets and the universe tell them
 * apart.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { CHAR_SETS, type CharSetName, type LinearPattern, type ValuePattern } from './linear-pattern.ts';
import { PREFERRED_CHARACTERS, type Universe } from './universe.ts';

export interface ValueClass<Witness> {
  readonly witness: Witness;
  /** By index of the value: 1 where it matches. */
  readonly hits: Uint8Array;
  /** Only values of an unusual shape are in the class. */
  readonly unusual: boolean;
}

export interface ClassTable<Witness> {
  readonly values: readonly string[];
  readonly classes: readonly ValueClass<Witness>[];
}

/** No more joint states than this are visited, unless said otherwise. */
const STATES_MAX = 100_000;

const CHARACTERS_MAX = 0x1_0000;
/** As many arguments as any call may have. */
const ARGUMENTS_MAX = 1000;

/** @throws MeshError `ERR_ANALYSIS_LIMIT` where the patterns combine in too many ways */
export function textClasses(
  universe: Universe,
  values: readonly ValuePattern[],
  statesMax: number = STATES_MAX,
): ClassTable<string> {
  return new Search(universe, values).run(statesMax);
}

interface Found {
  witness: string;
  readonly hits: Uint8Array;
  preferred: boolean;
}

interface JointState {
  readonly positions: readonly number[];
  readonly universe: number;
  readonly parent: JointState | undefined;
  readonly code: number;
}

class Search {
  readonly #universe: Universe;
  readonly #values: readonly ValuePattern[];
  // One entry per position: what has to come next there.
  readonly #code: number[] = [];
  readonly #folded: number[] = [];
  readonly #set: (CharSetName | undefined)[] = [];
  readonly #loop: boolean[] = [];
  /** The value that is matched at a position, or -1. */
  readonly #accepts: number[] = [];
  readonly #starts: number[] = [];
  readonly #others: readonly (readonly number[])[];
  #marks: Int32Array = new Int32Array(0);
  #generation = 0;

  constructor(universe: Universe, values: readonly ValuePattern[]) {
    this.#universe = universe;
    this.#values = values;
    values.forEach((value, i) => {
      for (const pattern of value.patterns) this.#add(pattern, i);
    });
    this.#marks = new Int32Array(this.#code.length);
    this.#others = otherCharacters(universe, new Set(this.#set.filter((set) => set !== undefined)));
  }

  #add(pattern: LinearPattern, value: number): void {
    this.#starts.push(this.#code.length);
    for (const item of pattern) {
      const isLiteral = 'code' in item;
      const code = isLiteral ? item.code : -1;
      this.#push(code, isLiteral && item.folded ? otherCase(code) : -1, -1);
      if (isLiteral) continue;
      this.#set[this.#set.length - 1] = item.set;
      this.#loop[this.#loop.length - 1] = item.loop;
    }
    this.#push(-1, -1, value);
  }

  #push(code: number, folded: number, accepts: number): void {
    this.#code.push(code);
    this.#folded.push(folded);
    this.#set.push(undefined);
    this.#loop.push(false);
    this.#accepts.push(accepts);
  }

  run(statesMax: number): ClassTable<string> {
    const found = new Map<string, Found>();
    const seen = new Set<string>();
    let frontier: JointState[] = [];
    const enter = (state: JointState): void => {
      const key = this.#keyOf(state);
      if (seen.has(key)) return;
      seen.add(key);
      frontier.push(state);
      this.#collect(state, found);
    };
    this.#generation++;
    const positions: number[] = [];
    for (const start of this.#starts) this.#activate(start, positions);
    enter({ positions: inOrder(positions), universe: this.#universe.start, parent: undefined, code: -1 });
    while (frontier.length > 0) {
      const level = frontier;
      frontier = [];
      for (const state of level) this.#expand(state, enter);
      if (seen.size > statesMax) {
        throw new MeshError(
          'ERR_ANALYSIS_LIMIT',
          `the ${this.#values.length} patterns over one attribute (${this.#universe.name}) combine in too many ways`,
        );
      }
    }
    const classes = [...found.values()].map(({ witness, hits, preferred }) => ({ witness, hits, unusual: !preferred }));
    return { values: this.#values.map((value) => value.key), classes };
  }

  #keyOf({ universe, positions }: JointState): string {
    // One character a number, where that many characters exist: built much faster than decimals.
    return this.#code.length <= CHARACTERS_MAX && positions.length <= ARGUMENTS_MAX
      ? String.fromCharCode(universe, ...positions)
      : `${universe};${positions.join(',')}`;
  }

  #expand(state: JointState, enter: (state: JointState) => void): void {
    const literals = new Set<number>();
    for (const position of state.positions) {
      const code = this.#code[position] ?? -1;
      if (code >= 0) literals.add(code);
      const folded = this.#folded[position] ?? -1;
      if (folded >= 0) literals.add(folded);
    }
    for (const code of literals) this.#step(state, code, enter);
    for (const alike of this.#others) {
      const code = alike.find((each) => !literals.has(each));
      if (code !== undefined) this.#step(state, code, enter);
    }
  }

  #step(state: JointState, code: number, enter: (state: JointState) => void): void {
    const kind = this.#universe.kind(code);
    if (kind < 0) return;
    const universe = this.#universe.next(state.universe, kind);
    if (universe < 0) return;
    this.#generation++;
    const positions: number[] = [];
    for (const position of state.positions) {
      const set = this.#set[position];
      if (set === undefined) {
        if (this.#code[position] === code || this.#folded[position] === code) this.#activate(position + 1, positions);
      } else if (CHAR_SETS[set](code)) {
        this.#activate(this.#loop[position] === true ? position : position + 1, positions);
      }
    }
    enter({ positions: inOrder(positions), universe, parent: state, code });
  }

  /** A loop may be left at once. */
  #activate(from: number, positions: number[]): void {
    for (let position = from; this.#marks[position] !== this.#generation; position++) {
      this.#marks[position] = this.#generation;
      positions.push(position);
      if (this.#loop[position] !== true) return;
    }
  }

  #collect(state: JointState, found: Map<string, Found>): void {
    const tier = this.#universe.accepts(state.universe);
    if (tier === 0) return;
    const hits = new Uint8Array(this.#values.length);
    for (const position of state.positions) {
      const value = this.#accepts[position] ?? -1;
      if (value >= 0) hits[value] = 1;
    }
    const key = hits.join('');
    const known = found.get(key);
    if (known === undefined) found.set(key, { witness: textOf(state), hits, preferred: tier === 2 });
    else if (tier === 2 && !known.preferred) {
      known.witness = textOf(state);
      known.preferred = true;
    }
  }
}

function textOf(end: JointState): string {
  const codes: number[] = [];
  for (let state: JointState | undefined = end; state?.parent !== undefined; state = state.parent)
    codes.push(state.code);
  return String.fromCharCode(...codes.reverse());
}

/** They mostly are. */
function inOrder(positions: number[]): readonly number[] {
  for (let i = 1; i < positions.length; i++) {
    if ((positions[i] ?? 0) < (positions[i - 1] ?? 0)) return positions.sort((a, b) => a - b);
  }
  return positions;
}

function otherCase(code: number): number {
  if (code >= 0x61 && code <= 0x7a) return code - 0x20;
  return code >= 0x41 && code <= 0x5a ? code + 0x20 : -1;
}

const OTHERS = new Map<string, readonly (readonly number[])[]>();

/** Characters grouped by how the sets and the universe treat them. */
function otherCharacters(universe: Universe, sets: ReadonlySet<CharSetName>): readonly (readonly number[])[] {
  const names = [...sets].sort();
  const key = `${universe.name};${names.join(',')}`;
  const known = OTHERS.get(key);
  if (known !== undefined) return known;
  const groups = new Map<string, number[]>();
  for (const code of PREFERRED_CHARACTERS) {
    const kind = universe.kind(code);
    if (kind < 0) continue;
    const signature = `${kind};${names.map((name) => Number(CHAR_SETS[name](code))).join('')}`;
    const group = groups.get(signature);
    if (group === undefined) groups.set(signature, [code]);
    else group.push(code);
  }
  const others = [...groups.values()];
  OTHERS.set(key, others);
  return others;
}
