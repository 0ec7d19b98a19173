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
import { trustDomainKey, type Atom, type AddressAttribute, type SingleAttribute, type TokenAttribute } from './atom.ts';
import { textClasses, type ClassTable } from './class-table.ts';
import type { ValuePattern } from './linear-pattern.ts';
import { labelledByMode, pathClasses } from './path-classes.ts';
import { takingClass, type WalkTokens } from './token-model.ts';
import {
  CLAIM_TEXTS,
  HEADER_TEXTS,
  HOST_TEXTS,
  ISTIO_IDENTITIES,
  METHOD_TEXTS,
  OWN_IDENTITIES,
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
  readonly name: SingleAttribute | AddressAttribute | TokenAttribute;
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
  /** Of those, the ones whose callers are compared elsewhere. */
  readonly strangers?: readonly string[];
}

const ORDER: readonly string[] = [
  'verdict',
  'principal',
  'own',
  'sni',
  'method',
  'path',
  'host',
  'token',
  'claim',
  'header',
];
const ABSENTABLE: ReadonlySet<string> = new Set(['principal', 'sni']);

/** Caches tables of classes: workloads with the same values share them. */
export class LevelFactory {
  readonly #options: UniverseOptions;
  readonly #tables = new Map<string, ClassTable<string>>();
  /** Set where arbitrary SPIFFE IDs combined in too many ways. */
  narrowed = false;

  constructor(options: UniverseOptions) {
    this.#options = options;
  }

  levels(atoms: readonly Atom[], tokens: WalkTokens = { kind: 'unseen' }): readonly Level[] {
    const byAttribute = new Map<string, Atom[]>();
    for (const atom of atoms) {
      const group = byAttribute.get(atom.attributeKey);
      if (group === undefined) byAttribute.set(atom.attributeKey, [atom]);
      else group.push(atom);
    }
    const groups = [...byAttribute.values()].sort((a, b) => rank(a) - rank(b) || compare(a, b));
    return groups.flatMap((group) => this.#levelsOf(group, tokens));
  }

  #levelsOf(atoms: readonly Atom[], tokens: WalkTokens): readonly Level[] {
    const [first] = atoms;
    invariant(first !== undefined, 'a group of atoms is not empty');
    const { attribute } = first;
    if (attribute.kind === 'verdict') return [{ kind: 'boolean', atom: first, group: undefined }];
    if (attribute.kind === 'token') return [finiteLevel(attribute.name, tokens)];
    const values = [...new Map(atoms.flatMap((atom) => atom.values).map((value) => [value.key, value])).values()];
    if (attribute.kind === 'header' || attribute.kind === 'claim') {
      const table = this.#table(attribute.kind === 'header' ? HEADER_TEXTS : CLAIM_TEXTS, values);
      const group = new MultiValued(atoms, values, table);
      return atoms.map((atom) => ({ kind: 'boolean', atom, group }));
    }
    if (attribute.name === 'token') return [this.#tokens(values, tokens)];
    const table = attribute.kind === 'address' ? this.#addresses(values) : this.#single(attribute.name, values);
    const present = attribute.name === 'principal' ? this.#members(values, table.classes) : table.classes;
    const classes = ABSENTABLE.has(attribute.name) ? [absence(values), ...present] : present;
    const labelled = attribute.name === 'path' ? labelledByMode(values) : values;
    return [{ kind: 'classes', name: attribute.name, values: labelled, classes }];
  }

  /** Where both sides take the same tokens, those that some rule is for. */
  #tokens(values: readonly ValuePattern[], tokens: WalkTokens): ClassLevel {
    const classes = [absence(values), ...this.#table(TOKEN_TEXTS, values).classes];
    const level: ClassLevel = { kind: 'classes', name: 'token', values, classes };
    if (tokens.kind !== 'alike') return level;
    const good = (index: number): boolean => index === 0 || takingClass(tokens.taking, level, index).length > 0;
    return { ...level, classes: classes.filter((_, index) => good(index)) };
  }

  /** Identities that pass a handshake somewhere. */
  #members(values: readonly ValuePattern[], classes: readonly LevelClass[]): readonly LevelClass[] {
    const { trustDomains = [], strangers = [] } = this.#options;
    const indicesOf = (domains: readonly string[]): readonly number[] =>
      domains.map((domain) => values.findIndex(({ key }) => key === trustDomainKey(domain))).filter((i) => i >= 0);
    const [accepted, excluded] = [indicesOf(trustDomains), indicesOf(strangers)];
    if (accepted.length === 0) return classes;
    const isOneOf = (indices: readonly number[], { hits }: LevelClass): boolean => indices.some((i) => hits[i] === 1);
    return classes.filter((each) => isOneOf(accepted, each) && !isOneOf(excluded, each));
  }

  #single(name: Exclude<SingleAttribute, 'token'>, values: readonly ValuePattern[]): ClassTable<string> {
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

const UNIVERSES: Readonly<Record<Exclude<SingleAttribute, 'principal' | 'path' | 'token'>, Universe>> = {
  own: OWN_IDENTITIES,
  sni: SNI_TEXTS,
  method: METHOD_TEXTS,
  host: HOST_TEXTS,
};

function absence(values: readonly ValuePattern[]): LevelClass {
  return { hits: new Uint8Array(values.length), unusual: false };
}

/** One class for each value; nobody's signature is the absence of any. */
function finiteLevel(name: TokenAttribute, tokens: WalkTokens): ClassLevel {
  const values =
    tokens.kind === 'apart'
      ? (name === 'token.location' ? tokens.places : tokens.signers).map(({ value }) => value)
      : [];
  const present = values.map(({ key }, i): LevelClass => {
    const hits = new Uint8Array(values.length);
    hits[i] = 1;
    return { witness: key, hits, unusual: false };
  });
  return { kind: 'classes', name, values, classes: name === 'token.signer' ? [absence(values), ...present] : present };
}

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
