/**
 * The patterns of a list of values as one deterministic automaton, whose states are numbers and are made when they are
 * first met. For searches that read one text in several ways at once.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { CHAR_SETS, type CharSetName, type PatternItem, type ValuePattern } from './linear-pattern.ts';

const STATES_MAX = 50_000;

interface Position {
  /** Nothing at the end of a pattern. */
  readonly item: PatternItem | undefined;
  readonly value: number;
}

export class PatternAutomaton {
  readonly start: number;
  readonly #count: number;
  readonly #positions: Position[] = [];
  readonly #states: (readonly number[])[] = [];
  readonly #steps: Map<number, number>[] = [];
  readonly #byKey = new Map<string, number>();
  readonly #hits = new Map<number, string>();

  constructor(values: readonly ValuePattern[]) {
    this.#count = values.length;
    const starts: number[] = [];
    values.forEach(({ patterns }, value) => {
      for (const pattern of patterns) {
        starts.push(this.#positions.length);
        for (const item of pattern) this.#positions.push({ item, value });
        this.#positions.push({ item: undefined, value });
      }
    });
    this.start = this.#intern(new Set(starts.flatMap((at) => this.#from(at))));
  }

  /** @throws MeshError `ERR_ANALYSIS_LIMIT` where the patterns combine in too many ways */
  step(state: number, code: number): number {
    const steps = this.#steps[state];
    const known = steps?.get(code);
    if (known !== undefined) return known;
    const next = new Set<number>();
    for (const at of this.#states[state] ?? []) {
      const item = this.#positions[at]?.item;
      if (item === undefined || !takes(item, code)) continue;
      for (const each of this.#from('set' in item && item.loop ? at : at + 1)) next.add(each);
    }
    const to = this.#intern(next);
    steps?.set(code, to);
    return to;
  }

  run(state: number, text: string): number {
    let at = state;
    for (let i = 0; i < text.length; i++) at = this.step(at, text.charCodeAt(i));
    return at;
  }

  /** By value, `1` where a text that ends here matches. */
  hits(state: number): string {
    let known = this.#hits.get(state);
    if (known === undefined) {
      const hits = new Uint8Array(this.#count);
      for (const at of this.#states[state] ?? []) {
        const position = this.#positions[at];
        if (position !== undefined && position.item === undefined) hits[position.value] = 1;
      }
      known = hits.join('');
      this.#hits.set(state, known);
    }
    return known;
  }

  /** What tells characters apart for these patterns: equal answers, equal steps everywhere. */
  alike(code: number): string {
    let sets = '';
    const named = new Set<CharSetName>();
    for (const { item } of this.#positions) {
      if (item === undefined) continue;
      if ('set' in item) named.add(item.set);
      else if (takes(item, code)) return String(code);
    }
    for (const name of [...named].sort()) sets += CHAR_SETS[name](code) ? '+' : '-';
    return sets;
  }

  /** A loop may be left at once. */
  #from(at: number): readonly number[] {
    const reached = [at];
    for (let i = at; ; i++) {
      const item = this.#positions[i]?.item;
      if (item === undefined || 'code' in item || !item.loop) return reached;
      reached.push(i + 1);
    }
  }

  #intern(positions: ReadonlySet<number>): number {
    const sorted = [...positions].sort((a, b) => a - b);
    const key = sorted.join();
    let state = this.#byKey.get(key);
    if (state === undefined) {
      state = this.#states.length;
      if (state > STATES_MAX) {
        throw new MeshError('ERR_ANALYSIS_LIMIT', `the ${this.#count} patterns over paths combine in too many ways`);
      }
      this.#states.push(sorted);
      this.#steps.push(new Map());
      this.#byKey.set(key, state);
    }
    return state;
  }
}

function takes(item: PatternItem, code: number): boolean {
  if ('set' in item) return CHAR_SETS[item.set](code);
  return (
    item.code === code ||
    (item.folded && (item.code | 0x20) === (code | 0x20) && /[a-z]/i.test(String.fromCharCode(code)))
  );
}
