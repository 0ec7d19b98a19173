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
import type { AccessProgram, Cube, Traffic } from './access-program.ts';
import type { Atom, Literal } from './atom.ts';
import type { BooleanLevel, Level, LevelFactory } from './level.ts';

export type Change = 'allowed' | 'denied';

export interface Branch {
  readonly kind: 'branch';
  readonly id: number;
  /** Index of the level. */
  readonly level: number;
  /** Answers that lead nowhere are left out. */
  readonly edges: readonly { readonly classes: readonly number[]; readonly to: Result }[];
}

export type Result = Branch | { readonly kind: 'leaf'; readonly id: number; readonly change: Change };

export interface Walk {
  readonly levels: readonly Level[];
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

interface Side {
  readonly deny: readonly Rest[];
  readonly allow: readonly Rest[];
  readonly key: string;
}

const DENIED = 'D';
const ALLOWED = 'A';
const LEAVES: Readonly<Record<Change, Result>> = {
  allowed: { kind: 'leaf', id: -1, change: 'allowed' },
  denied: { kind: 'leaf', id: -2, change: 'denied' },
};

/** No more states than this are visited: some seconds of work. */
const STATES_MAX = 100_000;

/**
 * Where `after` lets in what `before` refuses (`allowed`), or refuses what it let in (`denied`).
 * @throws MeshError `ERR_ANALYSIS_LIMIT` where the rules combine in too many ways
 */
export function walkJointly(
  before: AccessProgram,
  after: AccessProgram,
  factory: LevelFactory,
  traffic: Traffic = 'http',
): Walk {
  if (cubesKey(before.deny) === cubesKey(after.deny) && cubesKey(before.allow) === cubesKey(after.allow)) {
    return { levels: [], root: undefined, states: 0 };
  }
  const atoms = new Map<number, Atom>();
  for (const cube of [before, after].flatMap(({ deny, allow }) => [...deny, ...allow])) {
    for (const { atom } of cube) atoms.set(atom.id, atom);
  }
  const levels = factory.levels([...atoms.values()].sort((a, b) => a.id - b.id));
  const walker = new Walker(levels, traffic);
  const root = walker.walk(walker.side(before), walker.side(after));
  return { levels, root, states: walker.states };
}

/** Equal keys: the same cubes, in whatever order. */
function cubesKey(cubes: readonly Cube[]): string {
  const keys = cubes.map((cube) =>
    cube
      .map(({ atom, negated }) => (negated ? -1 - atom.id : atom.id))
      .sort((a, b) => a - b)
      .join('&'),
  );
  return `${keys.length === 0 ? 'none' : ''}${[...new Set(keys)].sort().join('|')}`;
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

  constructor(levels: readonly Level[], traffic: Traffic) {
    this.#levels = levels;
    levels.forEach((level, index) => this.#levelOf.set(levelKey(level), index));
    const always = { id: 0, level: levels.length, accepts: new Uint8Array(0) };
    this.#always = Object.assign(always, { next: always as Rest });
    this.#answers = new Answers(levels, traffic);
  }

  get states(): number {
    return this.#memo.size;
  }

  side(program: AccessProgram): Side {
    return this.#side(this.#restsOf(program.deny), this.#restsOf(program.allow));
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

  #side(deny: readonly Rest[], allow: readonly Rest[]): Side {
    if (allow.length === 0 || deny.includes(this.#always)) return { deny: [], allow: [], key: DENIED };
    const open = allow.includes(this.#always);
    if (open && deny.length === 0) return { deny: [], allow: [], key: ALLOWED };
    const sides = { deny: sorted(deny), allow: open ? [this.#always] : sorted(allow) };
    const ids = (rests: readonly Rest[]): string => rests.map((rest) => rest.id).join(',');
    return { ...sides, key: `${ids(sides.deny)}|${ids(sides.allow)}` };
  }

  walk(before: Side, after: Side): Result | undefined {
    if (before.key === after.key) return undefined;
    if (before.key === DENIED && after.key === ALLOWED) return LEAVES.allowed;
    if (before.key === ALLOWED && after.key === DENIED) return LEAVES.denied;
    const sets = [before.deny, before.allow, after.deny, after.allow];
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
      const key = `${signature}${this.#answers.isAbsence(level, index) ? '-' : ''}`;
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
    if (side.key === DENIED || side.key === ALLOWED) return side;
    const step = (rests: readonly Rest[]): readonly Rest[] => {
      const left: Rest[] = [];
      for (const rest of rests) {
        if (rest.level !== level) left.push(rest);
        else if (rest.accepts[index] === 1) left.push(rest.next);
      }
      return left;
    };
    return this.#side(step(side.deny), step(side.allow));
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
  return attribute.kind === 'text' || attribute.kind === 'address' ? attribute.name : `atom ${atom.id}`;
}

/** What has been answered on the way down, as far as later answers depend on it. */
class Answers {
  readonly #levels: readonly Level[];
  readonly #given: { readonly level: number; readonly index: number }[] = [];
  /** By boolean level: the levels it is entangled with, itself included. */
  readonly #entangled: readonly ReadonlySet<number>[];
  /** By boolean level: the last one of those. */
  readonly #lastOf: readonly number[];
  readonly #lastClaim: number;
  readonly #sni: number;
  readonly #nameNeedsIdentity: boolean;

  constructor(levels: readonly Level[], traffic: Traffic) {
    this.#levels = levels;
    // TLS that is forwarded unopened shows a server name and no identity; a plaintext request shows neither.
    this.#nameNeedsIdentity = traffic === 'http';
    this.#entangled = entanglements(levels);
    this.#lastOf = this.#entangled.map((set) => Math.max(...set));
    this.#lastClaim = levels.findLastIndex((level) => isClaim(level));
    this.#sni = levels.findIndex((level) => level.kind === 'classes' && level.name === 'sni');
  }

  push(level: number, index: number): void {
    this.#given.push({ level, index });
  }

  pop(): void {
    this.#given.pop();
  }

  /** Equal keys, equal possibilities from `level` on. */
  key(level: number): string {
    return this.#given
      .filter((given) =>
        this.isAbsence(given.level, given.index)
          ? (this.#nameOf(given.level) === 'principal' ? this.#sni : this.#lastClaim) >= level
          : (this.#lastOf[given.level] ?? -1) >= level,
      )
      .map(({ level: at, index }) => `${at}=${index}`)
      .join(',');
  }

  /** Whether the answer says that a caller has no identity, or a request no token: later attributes hang on them. */
  isAbsence(level: number, index: number): boolean {
    const name = this.#nameOf(level);
    if (name !== 'principal' && name !== 'token') return false;
    const at = this.#levels[level];
    return at?.kind === 'classes' && at.classes[index]?.witness === undefined;
  }

  #nameOf(level: number): string {
    const at = this.#levels[level];
    return at?.kind === 'classes' ? at.name : '';
  }

  #isWithout(name: 'principal' | 'token'): boolean {
    return this.#given.some(({ level, index }) => this.#nameOf(level) === name && this.isAbsence(level, index));
  }

  /** The answers that can be given at a level after those given so far. */
  possible(index: number): readonly number[] {
    const level = this.#levels[index];
    if (level === undefined) return [];
    if (level.kind === 'boolean') return [0, 1].filter((answer) => this.#canAnswer(level, index, answer === 1));
    const all = level.classes.map((_, i) => i);
    if (this.#nameNeedsIdentity && level.name === 'sni' && this.#isWithout('principal')) {
      return all.filter((i) => level.classes[i]?.witness === undefined);
    }
    return all;
  }

  #canAnswer({ atom, group }: BooleanLevel, index: number, yes: boolean): boolean {
    if (group === undefined) return true;
    const { attribute } = atom;
    if (attribute.kind === 'claim' && yes && this.#isWithout('token')) return false;
    const entangled = this.#entangled[index];
    const given = this.#given.filter(({ level }) => entangled?.has(level) === true);
    const answered = (answer: number): readonly number[] =>
      given
        .filter((each) => each.index === answer)
        .flatMap((each) => {
          const level = this.#levels[each.level];
          return level?.kind === 'boolean' && level.atom.attributeKey === atom.attributeKey ? [level.atom.id] : [];
        });
    if (yes && given.some((each) => each.index === 1 && areNested(this.#levels[each.level], atom))) return false;
    const [yesses, noes] = [answered(1), answered(0)];
    return group.texts(yes ? [...yesses, atom.id] : yesses, yes ? noes : [...noes, atom.id]) !== undefined;
  }
}

function isClaim(level: Level): boolean {
  return level.kind === 'boolean' && level.atom.attribute.kind === 'claim';
}

/** A claim that is a text has no claims inside it. */
function areNested(level: Level | undefined, atom: Atom): boolean {
  if (level?.kind !== 'boolean') return false;
  const [a, b] = [level.atom.attribute, atom.attribute];
  if (a.kind !== 'claim' || b.kind !== 'claim' || a.path.length === b.path.length) return false;
  const [short, long] = a.path.length < b.path.length ? [a.path, b.path] : [b.path, a.path];
  return short.every((name, i) => long[i] === name);
}

/** Which boolean levels hang together, directly or through others. */
function entanglements(levels: readonly Level[]): readonly ReadonlySet<number>[] {
  const sets = levels.map((level, i) => (level.kind === 'boolean' ? new Set([i]) : new Set<number>()));
  levels.forEach((level, i) => {
    if (level.kind !== 'boolean' || level.group === undefined) return;
    for (let j = 0; j < i; j++) {
      const other = levels[j];
      if (other?.kind !== 'boolean' || !areEntangled(level, other)) continue;
      const [mine, theirs] = [sets[i], sets[j]];
      if (mine === undefined || theirs === undefined || mine === theirs) continue;
      for (const member of theirs) {
        mine.add(member);
        sets[member] = mine;
      }
    }
  });
  return sets;
}

function areEntangled(a: BooleanLevel, b: BooleanLevel): boolean {
  if (areNested(a, b.atom)) return true;
  return a.group !== undefined && a.group === b.group && a.group.overlap(a.atom.id, b.atom.id);
}
