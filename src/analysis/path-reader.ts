/**
 * One side's patterns along a raw path. A reader may start in several states at once, when the text before is any of a
 * list; it then stands for one state each.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import type { PatternAutomaton } from './pattern-automaton.ts';

const STATES_MAX = 50_000;

export class PathReader {
  readonly start: number;
  readonly #automaton: PatternAutomaton;
  readonly #states: (readonly number[])[] = [];
  readonly #steps: Map<string, number>[] = [];
  readonly #byKey = new Map<string, number>();
  readonly #hits = new Map<number, ReadonlyMap<string, readonly number[]>>();

  constructor(automaton: PatternAutomaton, starts: readonly number[]) {
    this.#automaton = automaton;
    this.start = this.#intern(starts);
  }

  /** @throws MeshError `ERR_ANALYSIS_LIMIT` where the patterns combine in too many ways */
  read(state: number, text: string): number {
    const steps = this.#steps[state];
    let to = steps?.get(text);
    if (to === undefined) {
      to = this.#intern((this.#states[state] ?? []).map((each) => this.#automaton.run(each, text)));
      steps?.set(text, to);
    }
    return to;
  }

  /** What a path that ends here matches (by value, `1` or `0`), and the starts from which it does. */
  hits(state: number): ReadonlyMap<string, readonly number[]> {
    let known = this.#hits.get(state);
    if (known === undefined) {
      const groups = new Map<string, number[]>();
      (this.#states[state] ?? []).forEach((each, start) => {
        const hits = this.#automaton.hits(each);
        const group = groups.get(hits);
        if (group === undefined) groups.set(hits, [start]);
        else group.push(start);
      });
      known = groups;
      this.#hits.set(state, known);
    }
    return known;
  }

  #intern(states: readonly number[]): number {
    const key = states.join();
    let state = this.#byKey.get(key);
    if (state === undefined) {
      state = this.#states.length;
      if (state > STATES_MAX) {
        throw new MeshError('ERR_ANALYSIS_LIMIT', 'the patterns over paths combine in too many ways');
      }
      this.#states.push(states);
      this.#steps.push(new Map());
      this.#byKey.set(key, state);
    }
    return state;
  }
}
