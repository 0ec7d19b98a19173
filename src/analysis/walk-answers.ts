/**
 * Which answers can be given to the questions of a walk, after those given so far: some attributes hang on others.
 *
 * A caller without identity shows no server name; a request without token makes no claims; lines of one header, and values
 * of one claim, can only be what some text allows; a good token has an audience that its issuer's rule asks for.
 * @module
 */
import type { Traffic } from './access-program.ts';
import type { Atom } from './atom.ts';
import type { BooleanLevel, Level } from './level.ts';
import { takingClass, type TakingRule, type WalkTokens } from './token-model.ts';

interface Given {
  readonly level: number;
  readonly index: number;
}

/** Where both sides take the same tokens and ask for audiences: a token has one that a rule for its issuer asks for. */
class GoodTokens {
  readonly #levels: readonly Level[];
  readonly #taking: readonly TakingRule[];
  /** By class of the token's level; nothing where tokens are not asked for. */
  readonly #byClass: readonly (readonly TakingRule[])[] | undefined;
  readonly #tokenLevel: number;
  readonly #audiences: ReadonlySet<number>;

  /** Nothing where no audience is asked for, or nothing that a token says. */
  static restricting(levels: readonly Level[], tokens: WalkTokens): GoodTokens | undefined {
    if (tokens.kind !== 'alike' || tokens.taking.every(({ audience }) => audience === undefined)) return undefined;
    return levels.some((level) => isClaim(level)) ? new GoodTokens(levels, tokens.taking) : undefined;
  }

  private constructor(levels: readonly Level[], taking: readonly TakingRule[]) {
    this.#levels = levels;
    this.#taking = taking;
    this.#tokenLevel = levels.findIndex((level) => level.kind === 'classes' && level.name === 'token');
    const at = levels[this.#tokenLevel];
    this.#byClass = at?.kind === 'classes' ? at.classes.map((_, index) => takingClass(taking, at, index)) : undefined;
    this.#audiences = new Set(levels.flatMap((level, i) => (isAudience(level) ? [i] : [])));
  }

  mark(level: number, index: number): string {
    return level === this.#tokenLevel
      ? this.#rulesAt(index)
          .map((rule) => this.#taking.indexOf(rule))
          .join()
      : '';
  }

  key(given: readonly Given[]): string {
    const parts = given.flatMap(({ level, index }) => {
      if (level === this.#tokenLevel) return [`token ${this.mark(level, index)}`];
      return this.#audiences.has(level) ? [`${level}=${index}`] : [];
    });
    return `${parts.join()}${this.#hasClaim(given) ? '+' : ''}`;
  }

  #hasClaim(given: readonly Given[]): boolean {
    return given.some(({ level, index }) => {
      const at = this.#levels[level];
      return index === 1 && at !== undefined && isClaim(at);
    });
  }

  #rulesAt(index: number): readonly TakingRule[] {
    return this.#byClass?.[index] ?? [];
  }

  canAnswer(given: readonly Given[], level: number, yes: boolean): boolean {
    const token = given.find((each) => each.level === this.#tokenLevel);
    const rules = token === undefined ? this.#taking : this.#rulesAt(token.index);
    if (token === undefined ? !yes && !this.#hasClaim(given) : rules.length === 0) return true;
    const asked = [...given, { level, index: yes ? 1 : 0 }].filter((each) => this.#audiences.has(each.level));
    const answered = (answer: number): readonly number[] =>
      asked.filter(({ index }) => index === answer).flatMap((each) => idOf(this.#levels[each.level]));
    return rules.some((rule) => hasAudience(rule, this.#levels, { yes: answered(1), no: answered(0) }));
  }
}

/** Whether a rule can take a token with these answers about its audiences. */
export function hasAudience(
  { audience }: TakingRule,
  levels: readonly Level[],
  answered: { readonly yes: readonly number[]; readonly no: readonly number[] },
): boolean {
  if (audience === undefined) return true;
  const level = levels.find((each) => each.kind === 'boolean' && each.atom.id === audience.id);
  if (level?.kind !== 'boolean') return true;
  return level.group?.texts([...answered.yes, audience.id], answered.no) !== undefined;
}

function idOf(level: Level | undefined): readonly number[] {
  return level?.kind === 'boolean' ? [level.atom.id] : [];
}

function isAudience(level: Level): boolean {
  const { attribute } = level.kind === 'boolean' ? level.atom : {};
  return attribute?.kind === 'claim' && attribute.path.length === 1 && attribute.path[0] === 'aud';
}

/** What has been answered on the way down, as far as later answers depend on it. */
export class Answers {
  readonly #levels: readonly Level[];
  readonly #given: Given[] = [];
  /** By boolean level: the levels it is entangled with, itself included. */
  readonly #entangled: readonly ReadonlySet<number>[];
  /** By boolean level: the last one of those. */
  readonly #lastOf: readonly number[];
  readonly #lastClaim: number;
  readonly #sni: number;
  readonly #nameNeedsIdentity: boolean;
  readonly #good: GoodTokens | undefined;

  constructor(levels: readonly Level[], traffic: Traffic, tokens: WalkTokens) {
    this.#levels = levels;
    this.#good = GoodTokens.restricting(levels, tokens);
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
    const fixed = this.#given
      .filter((given) =>
        this.#isAbsence(given.level, given.index)
          ? (this.#nameOf(given.level) === 'principal' ? this.#sni : this.#lastClaim) >= level
          : (this.#lastOf[given.level] ?? -1) >= level,
      )
      .map(({ level: at, index }) => `${at}=${index}`)
      .join(',');
    const good = this.#good === undefined || this.#lastClaim < level ? '' : `;${this.#good.key(this.#given)}`;
    return fixed + good;
  }

  /** Tells answers apart on which later attributes hang: classes with another mark are other answers. */
  mark(level: number, index: number): string {
    if (this.#isAbsence(level, index)) return '-';
    return this.#good?.mark(level, index) ?? '';
  }

  /** Whether the answer says that a caller has no identity, or a request no token. */
  #isAbsence(level: number, index: number): boolean {
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
    return this.#given.some(({ level, index }) => this.#nameOf(level) === name && this.#isAbsence(level, index));
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
    if (group.texts(yes ? [...yesses, atom.id] : yesses, yes ? noes : [...noes, atom.id]) === undefined) return false;
    return this.#good === undefined || attribute.kind !== 'claim' || this.#good.canAnswer(this.#given, index, yes);
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
