/**
 * Regions: the paths of a decision diagram, each a product of attribute classes, and how they read.
 * @module
 */
import type { Atom } from './atom.ts';
import { NUL } from './linear-pattern.ts';
import type { Change, Result, Walk } from './joint-walk.ts';
import type { ClassLevel, Level } from './level.ts';

export interface Constraint {
  readonly level: Level;
  /** Index of the level. */
  readonly at: number;
  readonly classes: readonly number[];
}

export interface Region {
  readonly change: Change;
  readonly constraints: readonly Constraint[];
}

/**
 * The regions of a walk, at most `max` of each change: where some are left out, none of another change is, and what is
 * newly allowed is never hidden behind what is newly denied.
 */
export function regionsOf(walk: Walk, max: number): { readonly regions: readonly Region[]; readonly cut: boolean } {
  const found = CHANGES.map((change) => regionsWith(walk, change, max));
  return { regions: found.flatMap(({ regions }) => regions), cut: found.some(({ cut }) => cut) };
}

const CHANGES: readonly Change[] = ['allowed', 'denied', 'same'];

function regionsWith(
  walk: Walk,
  change: Change,
  max: number,
): { readonly regions: readonly Region[]; readonly cut: boolean } {
  const regions: Region[] = [];
  const reaches = new Map<Result, boolean>();
  const leads = (result: Result): boolean => {
    if (result.kind === 'leaf') return result.change === change;
    let known = reaches.get(result);
    if (known === undefined) {
      known = result.edges.some(({ to }) => leads(to));
      reaches.set(result, known);
    }
    return known;
  };
  let cut = false;
  const visit = (result: Result, trail: readonly Constraint[]): void => {
    if (!leads(result)) return;
    if (regions.length >= max) {
      cut = true;
      return;
    }
    if (result.kind === 'leaf') {
      regions.push({ change, constraints: trail });
      return;
    }
    const level = walk.levels[result.level];
    if (level === undefined) return;
    for (const { classes, to } of result.edges) visit(to, [...trail, { level, at: result.level, classes }]);
  };
  if (walk.root !== undefined) visit(walk.root, []);
  return { regions, cut };
}

/** A region in words, attribute by attribute; attributes that make no difference are left out. */
export type RegionText = Readonly<Record<string, string>>;

export function describeRegion(region: Region): RegionText {
  const text: Record<string, string> = {};
  for (const { level, classes } of region.constraints) {
    if (level.kind === 'classes') text[NAMES[level.name] ?? level.name] = describeClasses(level, classes);
    else {
      const [name, words] = describeAnswer(level.atom, classes.includes(1));
      text[name] = text[name] === undefined ? words : `${text[name]} and ${words}`;
    }
  }
  return text;
}

/** `any caller` where nothing is said. */
export function formatRegion(text: RegionText): string {
  const parts = Object.entries(text).map(([name, words]) => (name === 'caller' ? words : `${name} ${words}`));
  const who = text['caller'] === undefined ? ['any caller'] : [];
  return [...who, ...parts].join(', ');
}

const NAMES: Readonly<Record<string, string>> = {
  principal: 'caller',
  own: 'caller',
  sni: 'SNI',
  token: 'request principal',
  'token.location': 'token in',
  'token.signer': 'token signed by',
  'source.ip': 'source IP',
  'remote.ip': 'remote IP',
  'destination.ip': 'destination IP',
};

const NOTHING: Readonly<Record<string, string>> = {
  principal: 'plaintext callers',
  sni: 'none',
  token: 'none',
  'token.signer': 'nobody (forged or expired)',
};

function describeAnswer({ attribute, values }: Atom, yes: boolean): readonly [string, string] {
  const list = values.map((value) => `\`${value.label}\``).join(' or ');
  if (attribute.kind === 'verdict') {
    return ['external authorizer', `\`${attribute.provider}\` ${yes ? 'refuses' : 'allows'}`];
  }
  const name = attribute.kind === 'header' ? `header \`${attribute.name}\`` : claimName(attribute);
  return [name, yes ? list : `not ${list}`];
}

function claimName(attribute: Atom['attribute']): string {
  return attribute.kind === 'claim' ? `claim \`${attribute.path.join('.')}\`` : attribute.kind;
}

/** A set of classes through the patterns that make it up: the shortest of "these", "any but these", "these but those". */
function describeClasses(level: ClassLevel, classes: readonly number[]): string {
  const inside = new Set(classes);
  const parts: string[] = [];
  const absent = level.classes.findIndex((each) => each.witness === undefined);
  if (absent >= 0 && inside.has(absent)) {
    parts.push(NOTHING[level.name] ?? 'none');
    inside.delete(absent);
  }
  const present = new Set(level.classes.keys());
  present.delete(absent);
  const listed = level.name === 'token.signer';
  if (inside.size === present.size && inside.size > 0 && !listed) {
    return parts.length === 0 ? (level.name === 'principal' ? ANY_IDENTITY : 'any') : 'any';
  }
  if (inside.size > 0) parts.push(describePresent(level, inside, present));
  return parts.join(' or ');
}

/** Every caller but those in plaintext. */
export const ANY_IDENTITY = 'any caller with an identity';

interface Term {
  readonly label: string;
  readonly covers: ReadonlySet<number>;
}

function describePresent(level: ClassLevel, inside: ReadonlySet<number>, present: ReadonlySet<number>): string {
  const terms: readonly Term[] = level.values.map((value, i) => ({
    label: value.label,
    covers: new Set([...present].filter((index) => level.classes[index]?.hits[i] === 1)),
  }));
  const direct = cover(terms, inside);
  if (direct.left.size === 0) return direct.labels.join(' or ');
  const outside = difference(present, inside);
  const inverse = cover(terms, outside);
  const any = level.name === 'principal' || level.name === 'own' ? 'any identity' : 'any';
  if (inverse.left.size === 0) return `${any} except ${inverse.labels.join(' or ')}`;
  const [only] = outside;
  if (outside.size === 1 && only !== undefined) {
    const text = describeClass(level, terms, only);
    if (!text.includes(SUCH_AS)) return `${any} except ${text}`;
  }
  return describeMixed(level, terms, { inside, outside, direct });
}

interface Cover {
  readonly labels: readonly string[];
  readonly left: ReadonlySet<number>;
}

function describeMixed(
  level: ClassLevel,
  terms: readonly Term[],
  sets: { readonly inside: ReadonlySet<number>; readonly outside: ReadonlySet<number>; readonly direct: Cover },
): string {
  const parts = [...sets.direct.labels];
  let left = sets.direct.left;
  while (left.size > 0) {
    const best = terms
      .map((term) => ({ term, gain: [...left].filter((index) => term.covers.has(index)).length }))
      .filter(({ gain }) => gain > 0)
      .sort((a, b) => b.gain - a.gain || a.term.covers.size - b.term.covers.size)[0];
    const within = best?.term.covers ?? new Set(sets.outside);
    // What is taken away may reach beyond what it is taken from.
    const inside = terms.map(({ label, covers }) => ({ label, covers: intersection(covers, within) }));
    const but = cover(inside, intersection(within, sets.outside));
    if (best === undefined || but.left.size > 0) {
      const [one = 0] = left;
      parts.push(
        best === undefined
          ? `others such as \`${level.classes[one]?.witness ?? ''}\``
          : describeClass(level, terms, one),
      );
      left = difference(left, new Set(best === undefined ? left : [one]));
    } else {
      parts.push(`${best.term.label} except ${but.labels.join(' or ')}`);
      left = difference(left, best.term.covers);
    }
  }
  return parts.join(' or ');
}

const SUCH_AS = ' such as ';

/** More patterns that do not match are no help. */
const WITHOUT_MAX = 2;

/** One class through the patterns it satisfies and those it does not. */
function describeClass(level: ClassLevel, terms: readonly Term[], index: number): string {
  const held = terms.filter(({ covers }) => covers.has(index));
  const telling = held.filter(({ covers }, i) =>
    held.every((other, j) => i === j || !isSubset(other.covers, covers) || (isSubset(covers, other.covers) && i < j)),
  );
  const labels = telling.map(({ label }) => label).join(' and ');
  const [first, ...others] = telling;
  const left = others.reduce((both, { covers }) => intersection(both, covers), first?.covers ?? new Set<number>());
  if (left.size === 1) return labels;
  const without = terms.filter(({ covers }) => !covers.has(index) && intersection(covers, left).size > 0);
  const rest = without.reduce((set, { covers }) => difference(set, covers), left);
  if (labels !== '' && rest.size === 1 && without.length <= WITHOUT_MAX) {
    return `${labels} without ${without.map(({ label }) => label).join(' or ')}`;
  }
  return `${labels}${SUCH_AS}\`${(level.classes[index]?.witness ?? '').replaceAll(NUL, '/')}\``;
}

/** Patterns that lie within `wanted`, the widest first, and what none of them covers. */
function cover(terms: readonly Term[], wanted: ReadonlySet<number>): Cover {
  const usable = terms.filter(({ covers }) => covers.size > 0 && isSubset(covers, wanted));
  usable.sort((a, b) => b.covers.size - a.covers.size);
  const labels: string[] = [];
  let left = wanted;
  for (const { label, covers } of usable) {
    const rest = difference(left, covers);
    if (rest.size === left.size) continue;
    labels.push(label);
    left = rest;
  }
  return { labels, left };
}

function isSubset(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  for (const each of a) if (!b.has(each)) return false;
  return true;
}

function difference(a: ReadonlySet<number>, b: ReadonlySet<number>): ReadonlySet<number> {
  return new Set([...a].filter((each) => !b.has(each)));
}

function intersection(a: ReadonlySet<number>, b: ReadonlySet<number>): ReadonlySet<number> {
  return new Set([...a].filter((each) => b.has(each)));
}
