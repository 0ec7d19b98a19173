/**
 * The walk: two access programs over the same attributes, attribute by attribute, until they agree or differ.
 *
 * A state is what is left of both programs once some attributes are fixed: the sets of cubes that can still hold, each
 * as the rest of it that has not been asked. States are remembered, so that the work follows the number of different
 * rests and not the number of combinations. As soon as both sides have the same rest, nothing below can differ.
 *
 * The result is a reduced decision diagram: answers that lead to the same result are one edge, attributes that make no
 * difference are left out.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { UNMATCHED, type AccessProgram, type Cube, type Traffic } from './access-program.ts';
import type { Atom, Literal } from './atom.ts';
import type { Level, LevelFactory } from './level.ts';
import { askedOfTokens, joinTokens, type WalkTokens } from './token-model.ts';
import { Answers } from './walk-answers.ts';

/** `same`: the decision stays, and another cause makes it; asked for with `causes` only. */
export type Change = 'allowed' | 'denied' | 'same';

export interface Leaf {
  readonly kind: 'leaf';
  readonly id: number;
  readonly change: Change;
}

export interface Branch {
  readonly kind: 'branch';
  readonly id: number;
  /** Index of the level. */
  readonly level: number;
  /** Answers that lead nowhere are left out. */
  readonly edges: readonly { readonly classes: readonly number[]; readonly to: Result }[];
}

export type Result = Branch | Leaf;

export interface Walk {
  readonly levels: readonly Level[];
  readonly tokens: WalkTokens;
  /** Absent: the programs are equivalent. */
  readonly root: Result | undefined;
  /** How many states were visited. */
  readonly states: number;
}

/** The rest of a cube: one condition, then the rest of the rest. */
interface Rest {
  readonly id: number;
  readonly level: number;
  /** By class of the level: 1 where the condition holds. */
  readonly accepts: Uint8Array;
  readonly next: Rest;
}

/** What is decided in the end. */
interface Outcome {
  readonly id: number;
  readonly decision: 'allow' | 'deny';
}

interface Group {
  readonly outcome: Outcome;
  readonly rests: readonly Rest[];
}

/** What is left of a program: groups of cubes, the first that matches decides. */
interface Side {
  readonly groups: readonly Group[];
  /** What is decided whatever else the request says. */
  readonly decided: Outcome | undefined;
  readonly key: string;
}

export interface WalkOptions {
  /** @defaultValue `http` */
  readonly traffic?: Traffic;
  /**
   * `outcomes`: where the decisions differ. `causes`: where the decision is the same and its cause another.
   * @defaultValue `outcomes`
   */
  readonly compare?: 'outcomes' | 'causes';
}

/** No more states than this are visited: some seconds of work. */
const STATES_MAX = 100_000;

/**
 * Where `after` lets in what `before` refuses (`allowed`), or refuses what it let in (`denied`); or, where causes are
 * compared, where both decide alike for another reason (`same`).
 * @throws MeshError `ERR_ANALYSIS_LIMIT` where the rules combine in too many ways
 */
export function walkJointly(
  before: AccessProgram,
  after: AccessProgram,
  factory: LevelFactory,
  { traffic = 'http', compare = 'outcomes' }: WalkOptions = {},
): Walk {
  const joined = joinTokens(before, after, compare);
  const { tokens } = joined;
  const outcomes = new Outcomes(compare);
  const [one, two] = [outcomes.groups(joined.before), outcomes.groups(joined.after)];
  if (cubesKey(one) === cubesKey(two)) return { levels: [], tokens, root: undefined, states: 0 };
  const atoms = new Map<number, Atom>();
  for (const { cubes } of [...one, ...two]) {
    for (const cube of cubes) for (const { atom } of cube) atoms.set(atom.id, atom);
  }
  for (const atom of askedOfTokens(atoms.values(), tokens)) atoms.set(atom.id, atom);
  const levels = factory.levels(
    [...atoms.values()].sort((a, b) => a.id - b.id),
    tokens,
  );
  const walker = new Walker(levels, new Answers(levels, traffic, tokens), outcomes);
  const root = walker.walk(walker.side(one), walker.side(two));
  return { levels, tokens, root, states: walker.states };
}

interface CubeGroup {
  readonly outcome: Outcome;
  readonly cubes: readonly Cube[];
}

/** Tells outcomes apart: by decision alone, or by decision and cause. */
class Outcomes {
  readonly compare: 'outcomes' | 'causes';
  readonly #known = new Map<string, Outcome>();
  /** Of what nothing matches. */
  readonly unmatched: Outcome;

  constructor(compare: 'outcomes' | 'causes') {
    this.compare = compare;
    this.unmatched = this.#of('deny', UNMATCHED);
  }

  #of(decision: 'allow' | 'deny', cause: string): Outcome {
    const key = this.compare === 'outcomes' ? decision : `${decision} ${cause}`;
    let outcome = this.#known.get(key);
    if (outcome === undefined) {
      outcome = { id: this.#known.size, decision };
      this.#known.set(key, outcome);
    }
    return outcome;
  }

  /** Stages that follow each other and decide the same are one group. */
  groups(program: AccessProgram): readonly CubeGroup[] {
    const groups: { readonly outcome: Outcome; readonly cubes: Cube[] }[] = [];
    for (const { decision, cause, cubes } of program) {
      const outcome = this.#of(decision, cause);
      const last = groups.at(-1);
      if (last?.outcome === outcome) last.cubes.push(...cubes);
      else groups.push({ outcome, cubes: [...cubes] });
    }
    return groups;
  }
}

/** Equal keys: the same cubes decide the same, in whatever order they stand. */
function cubesKey(groups: readonly CubeGroup[]): string {
  return groups
    .map(({ outcome, cubes }) => {
      const keys = cubes.map((cube) =>
        cube
          .map(({ atom, negated }) => (negated ? -1 - atom.id : atom.id))
          .sort((a, b) => a - b)
          .join('&'),
      );
      return `${outcome.id}:${keys.length === 0 ? 'none' : ''}${[...new Set(keys)].sort().join('|')}`;
    })
    .join(';');
}

class Walker {
  readonly #levels: readonly Level[];
  readonly #levelOf = new Map<string, number>();
  readonly #rests = new Map<string, Rest>();
  readonly #accepts = new Map<string, Uint8Array>();
  readonly #results = new Map<string, Result>();
  readonly #memo = new Map<string, Result | undefined>();
  readonly #always: Rest;
  readonly #answers: Answers;
  readonly #outcomes: Outcomes;
  readonly #leaves = new Map<string, Leaf>();

  constructor(levels: readonly Level[], answers: Answers, outcomes: Outcomes) {
    this.#levels = levels;
    this.#outcomes = outcomes;
    levels.forEach((level, index) => this.#levelOf.set(levelKey(level), index));
    const always = { id: 0, level: levels.length, accepts: new Uint8Array(0) };
    this.#always = Object.assign(always, { next: always as Rest });
    this.#answers = answers;
  }

  get states(): number {
    return this.#memo.size;
  }

  side(groups: readonly CubeGroup[]): Side {
    return this.#side(groups.map(({ outcome, cubes }) => ({ outcome, rests: this.#restsOf(cubes) })));
  }

  #restsOf(cubes: readonly Cube[]): readonly Rest[] {
    return cubes.map((cube) => this.#rest(cube)).filter((rest) => rest !== undefined);
  }

  /** The cube as a chain, in the order of levels; nothing where it can never hold. */
  #rest(cube: Cube): Rest | undefined {
    const byLevel = new Map<number, Literal[]>();
    for (const literal of cube) {
      const level = this.#levelOf.get(literalKey(literal)) ?? 0;
      const list = byLevel.get(level);
      if (list === undefined) byLevel.set(level, [literal]);
      else list.push(literal);
    }
    let rest = this.#always;
    for (const level of [...byLevel.keys()].sort((a, b) => b - a)) {
      const conditions = (byLevel.get(level) ?? [])
        .map(({ atom, negated }) => `${negated ? '!' : ''}${atom.id}`)
        .sort()
        .join('&');
      const accepts = this.#acceptsOf(level, byLevel.get(level) ?? [], conditions);
      if (!accepts.includes(1)) return undefined;
      if (!accepts.includes(0)) continue;
      const key = `${level}:${accepts.join('')}>${rest.id}`;
      let made = this.#rests.get(key);
      if (made === undefined) {
        made = { id: this.#rests.size + 1, level, accepts, next: rest };
        this.#rests.set(key, made);
      }
      rest = made;
    }
    return rest;
  }

  #acceptsOf(index: number, literals: readonly Literal[], key: string): Uint8Array {
    const cached = this.#accepts.get(`${index} ${key}`);
    if (cached !== undefined) return cached;
    const level = this.#levels[index];
    let accepts = Uint8Array.of(1, 1);
    if (level?.kind === 'classes') {
      const at = new Map(level.values.map((value, i) => [value.key, i]));
      const sets = literals.map(({ atom, negated }) => ({
        values: atom.values.map((value) => at.get(value.key) ?? -1),
        negated,
      }));
      accepts = Uint8Array.from(level.classes, ({ hits }) =>
        sets.every(({ values, negated }) => values.some((value) => hits[value] === 1) !== negated) ? 1 : 0,
      );
    } else {
      for (const { negated } of literals) accepts[negated ? 1 : 0] = 0;
    }
    this.#accepts.set(`${index} ${key}`, accepts);
    return accepts;
  }

  /** Without what can decide nothing any more. */
  #side(groups: readonly Group[]): Side {
    const left: Group[] = [];
    // Behind a group that matches everything nothing is asked; what nothing matches is one more outcome.
    let end = this.#outcomes.unmatched;
    for (const { outcome, rests } of groups) {
      if (rests.includes(this.#always)) {
        end = outcome;
        break;
      }
      const last = left.at(-1);
      if (rests.length === 0) continue;
      if (last?.outcome === outcome) left[left.length - 1] = { outcome, rests: [...last.rests, ...rests] };
      else left.push({ outcome, rests });
    }
    while (left.at(-1)?.outcome === end) left.pop();
    if (left.length === 0) return { groups: left, decided: end, key: `=${end.id}` };
    const kept = left.map(({ outcome, rests }) => ({ outcome, rests: sorted(rests) }));
    const key = kept.map(({ outcome, rests }) => `${outcome.id}:${rests.map(({ id }) => id).join(',')}`).join('|');
    if (end !== this.#outcomes.unmatched) kept.push({ outcome: end, rests: [this.#always] });
    return { groups: kept, decided: undefined, key: `${key}|=${end.id}` };
  }

  /** The leaf of two decisions, where it is one that is asked for. */
  #leaf(before: Outcome, after: Outcome): Leaf | undefined {
    const change = before.decision === after.decision ? 'same' : after.decision === 'allow' ? 'allowed' : 'denied';
    if ((change === 'same') !== (this.#outcomes.compare === 'causes')) return undefined;
    const key = `${before.id}/${after.id}`;
    let leaf = this.#leaves.get(key);
    if (leaf === undefined) {
      leaf = { kind: 'leaf', id: -1 - this.#leaves.size, change };
      this.#leaves.set(key, leaf);
    }
    return leaf;
  }

  walk(before: Side, after: Side): Result | undefined {
    if (before.key === after.key) return undefined;
    if (before.decided !== undefined && after.decided !== undefined) return this.#leaf(before.decided, after.decided);
    const sets = [...before.groups, ...after.groups].map(({ rests }) => rests);
    let level = this.#levels.length;
    for (const rests of sets) for (const rest of rests) if (rest.level < level) level = rest.level;
    const key = `${before.key}/${after.key}/${this.#answers.key(level)}`;
    if (this.#memo.has(key)) return this.#memo.get(key);
    const asked = [...new Set(sets.flat())].filter((rest) => rest.level === level);
    const result = this.#branch(level, asked, { before, after });
    this.#memo.set(key, result);
    if (this.#memo.size > STATES_MAX) {
      throw new MeshError(
        'ERR_ANALYSIS_LIMIT',
        `rules over ${this.#levels.length} conditions at once combine in more than ${STATES_MAX.toLocaleString('en')} ways`,
      );
    }
    return result;
  }

  #branch(level: number, asked: readonly Rest[], sides: { before: Side; after: Side }): Result | undefined {
    const groups = new Map<string, number[]>();
    for (const index of this.#answers.possible(level)) {
      const signature = asked.map((rest) => rest.accepts[index]).join('');
      // What is fixed besides the cubes' own conditions sets absent attributes apart.
      const key = `${signature} ${this.#answers.mark(level, index)}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [index]);
      else group.push(index);
    }
    const edges = new Map<Result | undefined, number[]>();
    for (const classes of groups.values()) {
      const [index = 0] = classes;
      this.#answers.push(level, index);
      const to = this.walk(this.#after(sides.before, level, index), this.#after(sides.after, level, index));
      this.#answers.pop();
      const known = edges.get(to);
      if (known === undefined) edges.set(to, [...classes]);
      else known.push(...classes);
    }
    return this.#reduced(level, edges);
  }

  /** What is left of a side after one answer. */
  #after(side: Side, level: number, index: number): Side {
    if (side.decided !== undefined) return side;
    const step = (rests: readonly Rest[]): readonly Rest[] => {
      const left: Rest[] = [];
      for (const rest of rests) {
        if (rest.level !== level) left.push(rest);
        else if (rest.accepts[index] === 1) left.push(rest.next);
      }
      return left;
    };
    return this.#side(side.groups.map(({ outcome, rests }) => ({ outcome, rests: step(rests) })));
  }

  #reduced(level: number, edges: ReadonlyMap<Result | undefined, readonly number[]>): Result | undefined {
    const [only] = edges.keys();
    if (edges.size <= 1) return only;
    const kept = [...edges].flatMap(([to, classes]) =>
      to === undefined ? [] : [{ classes: [...classes].sort((a, b) => a - b), to }],
    );
    const key = `${level}:${kept.map(({ classes, to }) => `${classes.join(',')}>${to.id}`).join(';')}`;
    let result = this.#results.get(key);
    if (result === undefined) {
      result = { kind: 'branch', id: this.#results.size, level, edges: kept };
      this.#results.set(key, result);
    }
    return result;
  }
}

function sorted(rests: readonly Rest[]): readonly Rest[] {
  const unique = rests.length > 1 ? [...new Set(rests)] : rests;
  return unique.length > 1 ? [...unique].sort((a, b) => a.id - b.id) : unique;
}

function levelKey(level: Level): string {
  return level.kind === 'classes' ? level.name : `atom ${level.atom.id}`;
}

function literalKey({ atom }: Literal): string {
  const { attribute } = atom;
  return 'name' in attribute && attribute.kind !== 'header' ? attribute.name : `atom ${atom.id}`;
}
