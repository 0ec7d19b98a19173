/**
 * Levels: the attributes in the order in which the walk asks for them, each with its finite set of answers.
 *
 * A header or claim may have several values at once. There each atom is a level of its own ("some line matches"), and
 * `MultiValued` tells which answers go together: every line that is there satisfies some atoms and no other, so a set
 * of answers is possible exactly when each yes has a text that no no-atom matches.
 * @module
 */
import { invariant } from '../core/invariant.ts';
import { MeshError } from '../core/errors.ts';
import { addressClasses } from './address-classes.ts';
import { trustDomainKey, type Atom, type AddressAttribute, type SingleAttribute } from './atom.ts';
import { textClasses, type ClassTable } from './class-table.ts';
import type { ValuePattern } from './linear-pattern.ts';
import { labelledByMode, pathClasses } from './path-classes.ts';
import {
  CLAIM_TEXTS,
  HEADER_TEXTS,
  HOST_TEXTS,
  ISTIO_IDENTITIES,
  METHOD_TEXTS,
  SNI_TEXTS,
  SPIFFE_IDENTITIES,
  TOKEN_TEXTS,
  type Universe,
} from './universe.ts';

export interface LevelClass {
  /** Absent: the attribute is absent. */
  readonly witness?: string;
  readonly hits: Uint8Array;
  readonly unusual: boolean;
}

/** One attribute with at most one value. */
export interface ClassLevel {
  readonly kind: 'classes';
  readonly name: SingleAttribute | AddressAttribute;
  readonly values: readonly ValuePattern[];
  readonly classes: readonly LevelClass[];
}

/** A yes or no: an atom of a header or claim, or whether an external authorizer refuses. Class 1 is yes. */
export interface BooleanLevel {
  readonly kind: 'boolean';
  readonly atom: Atom;
  readonly group: MultiValued | undefined;
}

export type Level = ClassLevel | BooleanLevel;

/** What the answers of one run of the analysis are about. */
export interface UniverseOptions {
  /** `istio`: only identities of the shape Istio's own CA issues. `spiffe`: any SPIFFE ID. */
  readonly identities: 'istio' | 'spiffe';
  /**
   * Trust domains that some side accepts. Where programs ask for them, callers of others are left out: no handshake lets
   * them through on either side.
   */
  readonly trustDomains?: readonly string[];
}

const ORDER: readonly string[] = ['verdict', 'principal', 'sni', 'method', 'path', 'host', 'token', 'claim', 'header'];
const ABSENTABLE: ReadonlySet<string> = new Set(['principal', 'sni', 'token']);

/** Caches tables of classes: workloads with the same values share them. */
export class LevelFactory {
  readonly #options: UniverseOptions;
  readonly #tables = new Map<string, ClassTable<string>>();
  /** Set where arbitrary SPIFFE IDs combined in too many ways. */
  narrowed = false;

  constructor(options: UniverseOptions) {
    this.#options = options;
  }

  levels(atoms: readonly Atom[]): readonly Level[] {
    const byAttribute = new Map<string, Atom[]>();
    for (const atom of atoms) {
      const group = byAttribute.get(atom.attributeKey);
      if (group === undefined) byAttribute.set(atom.attributeKey, [atom]);
      else group.push(atom);
    }
    const groups = [...byAttribute.values()].sort((a, b) => rank(a) - rank(b) || compare(a, b));
    return groups.flatMap((group) => this.#levelsOf(group));
  }

  #levelsOf(atoms: readonly Atom[]): readonly Level[] {
    const [first] = atoms;
    invariant(first !== undefined, 'a group of atoms is not empty');
    const { attribute } = first;
    if (attribute.kind === 'verdict') return [{ kind: 'boolean', atom: first, group: undefined }];
    const values = [...new Map(atoms.flatMap((atom) => atom.values).map((value) => [value.key, value])).values()];
    if (attribute.kind === 'header' || attribute.kind === 'claim') {
      const table = this.#table(attribute.kind === 'header' ? HEADER_TEXTS : CLAIM_TEXTS, values);
      const group = new MultiValued(atoms, values, table);
      return atoms.map((atom) => ({ kind: 'boolean', atom, group }));
    }
    const table = attribute.kind === 'address' ? this.#addresses(values) : this.#single(attribute.name, values);
    const present = attribute.name === 'principal' ? this.#members(values, table.classes) : table.classes;
    const absent: LevelClass = { hits: new Uint8Array(values.length), unusual: false };
    const classes = ABSENTABLE.has(attribute.name) ? [absent, ...present] : present;
    const labelled = attribute.name === 'path' ? labelledByMode(values) : values;
    return [{ kind: 'classes', name: attribute.name, values: labelled, classes }];
  }

  /** Identities that pass a handshake somewhere. */
  #members(values: readonly ValuePattern[], classes: readonly LevelClass[]): readonly LevelClass[] {
    const accepted = (this.#options.trustDomains ?? [])
      .map((domain) => values.findIndex(({ key }) => key === trustDomainKey(domain)))
      .filter((index) => index >= 0);
    if (accepted.length === 0) return classes;
    return classes.filter(({ hits }) => accepted.some((index) => hits[index] === 1));
  }

  #single(name: SingleAttribute, values: readonly ValuePattern[]): ClassTable<string> {
    if (name === 'principal') return this.#identities(values);
    if (name !== 'path') return this.#table(UNIVERSES[name], values);
    return this.#paths(values);
  }

  #paths(values: readonly ValuePattern[]): ClassTable<string> {
    const keys = values.map((value) => value.key);
    const key = `path\n${keys.join('\n')}`;
    const table = this.#tables.get(key) ?? { values: keys, classes: pathClasses(values) };
    this.#tables.set(key, table);
    return table;
  }

  #identities(values: readonly ValuePattern[]): ClassTable<string> {
    if (this.#options.identities === 'istio' || this.narrowed) return this.#table(ISTIO_IDENTITIES, values);
    try {
      return this.#table(SPIFFE_IDENTITIES, values, SPIFFE_STATES_MAX);
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      this.narrowed = true;
      return this.#table(ISTIO_IDENTITIES, values);
    }
  }

  #addresses(values: readonly ValuePattern[]): ClassTable<string> {
    const key = values.map((value) => value.key).join('\n');
    const table = this.#tables.get(key) ?? addressClasses(values.map((value) => value.label));
    this.#tables.set(key, table);
    return table;
  }

  #table(universe: Universe, values: readonly ValuePattern[], statesMax?: number): ClassTable<string> {
    const key = `${universe.name}\n${values.map((value) => value.key).join('\n')}`;
    const table = this.#tables.get(key) ?? textClasses(universe, values, statesMax);
    this.#tables.set(key, table);
    return table;
  }
}

/** Namespaces may follow each other in a SPIFFE ID: with many of them asked for, their combinations are given up. */
const SPIFFE_STATES_MAX = 6000;

const UNIVERSES: Readonly<Record<Exclude<SingleAttribute, 'principal' | 'path'>, Universe>> = {
  sni: SNI_TEXTS,
  method: METHOD_TEXTS,
  host: HOST_TEXTS,
  token: TOKEN_TEXTS,
};

function rank([atom]: readonly Atom[]): number {
  const attribute = atom?.attribute;
  if (attribute === undefined) return 0;
  const at = ORDER.indexOf(attribute.kind === 'text' ? attribute.name : attribute.kind);
  return at < 0 ? ORDER.length : at;
}

/** Headers and claims in the order in which rules name them: what stands together in a rule is asked together. */
function compare([a]: readonly Atom[], [b]: readonly Atom[]): number {
  if (isMultiValued(a) && isMultiValued(b)) return (a?.id ?? 0) - (b?.id ?? 0);
  return (a?.attributeKey ?? '') < (b?.attributeKey ?? '') ? -1 : 1;
}

function isMultiValued(atom: Atom | undefined): boolean {
  return atom?.attribute.kind === 'header' || atom?.attribute.kind === 'claim';
}

/** All atoms about one header or one claim. */
export class MultiValued {
  readonly #table: ClassTable<string>;
  /** By class, by atom id: whether a text of that class satisfies the atom. */
  readonly #satisfied: readonly ReadonlySet<number>[];

  constructor(atoms: readonly Atom[], values: readonly ValuePattern[], table: ClassTable<string>) {
    this.#table = table;
    const indexOf = new Map(values.map((value, index) => [value.key, index]));
    this.#satisfied = table.classes.map(
      ({ hits }) =>
        new Set(
          atoms
            .filter((atom) => atom.values.some((value) => hits[indexOf.get(value.key) ?? -1] === 1))
            .map((atom) => atom.id),
        ),
    );
  }

  /** Texts that satisfy all of `yes` and none of `no`; nothing where that is impossible. */
  texts(yes: readonly number[], no: readonly number[]): readonly string[] | undefined {
    const chosen: number[] = [];
    for (const atom of yes) {
      if (chosen.some((index) => this.#satisfied[index]?.has(atom) === true)) continue;
      const index = this.#satisfied.findIndex((set) => set.has(atom) && !no.some((other) => set.has(other)));
      if (index < 0) return undefined;
      chosen.push(index);
    }
    return chosen.map((index) => this.#table.classes[index]?.witness ?? '');
  }

  /** Whether some text satisfies both. */
  overlap(a: number, b: number): boolean {
    return this.#satisfied.some((set) => set.has(a) && set.has(b));
  }
}
