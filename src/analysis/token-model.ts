/**
 * Tokens in a walk: what two programs that look at tokens, each with RequestAuthentications of its own, ask of a request
 * that carries none or one.
 *
 * Where both sides take the same tokens, what they refuse is refused by both: only requests without a token and with a
 * good one are walked, and what the token says is as free as their rules leave it. Where they differ, the token's place
 * and its signer are attributes of their own; each side refuses the tokens that it finds and no rule takes, and what a
 * token says counts only for a side that finds it.
 *
 * Envoy's filter: one rule that takes the token is enough; else the request is refused where some rule has found it.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import { bareAudience } from '../policy/request-authentication.ts';
import { causeOf, type AccessProgram, type Cube, type Stage, type TokenFilter } from './access-program.ts';
import type { Atom, AtomTable, Literal } from './atom.ts';
import { literal, NUL, type LinearPattern, type ValuePattern } from './linear-pattern.ts';
import {
  locationKey,
  locationText,
  readingOf,
  type TokenLocation,
  type TokenRule,
  type TokenRules,
} from './token-rules.ts';
import { hasSigner, signersOf, verifies, type Signer } from './token-signers.ts';

/** How a witness's token travels, and who signed it. */
export interface WitnessToken {
  /** Both sides take the same tokens: any good one will do. */
  readonly good: boolean;
  readonly location: TokenLocation;
  readonly signer: Signer;
}

/** A rule that can take a token, as the walk asks for it. */
export interface TakingRule {
  readonly rule: TokenRule;
  /** Absent: any issuer. */
  readonly issuer?: Atom;
  /** Absent: any audience. */
  readonly audience?: Atom;
}

/** Places that no rule of either side tells apart. */
export interface Place {
  readonly value: ValuePattern;
  readonly location: TokenLocation;
}

interface ReadPlace extends Place {
  readonly reads: ReadonlyMap<TokenRule, 'token' | 'garbage'>;
}

export interface TokenSigner {
  readonly value: ValuePattern;
  readonly signer: Signer;
}

/** What the walk has to know of tokens. */
export type WalkTokens =
  /** No token is ever looked at. */
  | { readonly kind: 'unseen' }
  /** Both sides take the same ones: only those are walked. */
  | { readonly kind: 'alike'; readonly taking: readonly TakingRule[]; readonly present: Atom }
  | {
      readonly kind: 'apart';
      readonly places: readonly Place[];
      readonly signers: readonly TokenSigner[];
      readonly rules: readonly TokenRule[];
    };

export interface JoinedPrograms {
  readonly before: AccessProgram;
  readonly after: AccessProgram;
  readonly tokens: WalkTokens;
}

/** Both programs with their tokens. @throws MeshError `ERR_ANALYSIS_LIMIT` where rules for one issuer multiply */
export function joinTokens(
  before: AccessProgram,
  after: AccessProgram,
  compare: 'outcomes' | 'causes',
): JoinedPrograms {
  const filters = { before: tokenFilter(before), after: tokenFilter(after) };
  // What refuses everything refuses these tokens, too.
  const one = filters.before ?? (refusesAll(before) ? filters.after : undefined);
  const two = filters.after ?? (refusesAll(after) ? filters.before : undefined);
  const atoms = (one ?? two)?.atoms;
  if (atoms === undefined) return { before: unseen(before), after: unseen(after), tokens: { kind: 'unseen' } };
  const key = ({ rules }: TokenFilter): string => (compare === 'causes' ? rules.causeKey : rules.acceptKey);
  if (one !== undefined && two !== undefined && key(one) === key(two)) return alike(before, after, one);
  return apart(one?.rules ?? NO_RULES, two?.rules ?? NO_RULES, atoms).join(before, after);
}

const NO_RULES: TokenRules = { rules: [], acceptKey: '', key: '', causeKey: '' };

/** Programs by the thousand share a few pairs of rules. */
const APARTS = new WeakMap<AtomTable, Map<TokenRules, Map<TokenRules, Apart>>>();

function apart(one: TokenRules, two: TokenRules, atoms: AtomTable): Apart {
  const pairs = APARTS.get(atoms) ?? new Map<TokenRules, Map<TokenRules, Apart>>();
  APARTS.set(atoms, pairs);
  const others = pairs.get(one) ?? new Map<TokenRules, Apart>();
  pairs.set(one, others);
  const known = others.get(two) ?? new Apart([one.rules, two.rules], atoms);
  others.set(two, known);
  return known;
}

/** The rules a program has for tokens. */
export function tokenRulesOf(program: AccessProgram): readonly TokenRule[] {
  return tokenFilter(program)?.rules.rules ?? [];
}

function tokenFilter(program: AccessProgram): TokenFilter | undefined {
  return program.find(({ tokens }) => tokens !== undefined)?.tokens;
}

function refusesAll(program: AccessProgram): boolean {
  return program.every(({ decision, cubes }) => decision === 'deny' || cubes.length === 0);
}

function alike(before: AccessProgram, after: AccessProgram, { rules, atoms }: TokenFilter): JoinedPrograms {
  const present = anyToken(atoms);
  const taking = rules.rules
    .filter(({ keys, locations }) => locations.length > 0 && hasSigner(keys))
    .map((rule) => takingRule(rule, atoms));
  if (taking.length === 0) return { before: unseen(before), after: unseen(after), tokens: { kind: 'unseen' } };
  return { before, after, tokens: { kind: 'alike', taking, present } };
}

function takingRule(rule: TokenRule, atoms: AtomTable): TakingRule {
  return {
    rule,
    ...(rule.issuer === '' ? {} : { issuer: issuerAtom([rule.issuer], atoms) }),
    ...(rule.audiences.length === 0 ? {} : { audience: audienceAtom(rule.audiences, atoms) }),
  };
}

/** What a walk has to ask beside what the programs ask, so that only good tokens are walked. */
export function askedOfTokens(atoms: Iterable<Atom>, tokens: WalkTokens): readonly Atom[] {
  if (tokens.kind !== 'alike') return [];
  const asked = [...atoms].filter(isOfToken);
  if (asked.length === 0) return [];
  const more = tokens.taking.flatMap(({ issuer, audience }) => [issuer, audience]).filter((atom) => atom !== undefined);
  const names = [...asked, ...more].some(({ attribute }) => attribute.kind === 'text');
  return names ? more : [...more, tokens.present];
}

/** A level of tokens, see `level`. */
interface ClassesOfTokens {
  readonly values: readonly ValuePattern[];
  readonly classes: readonly { readonly witness?: string; readonly hits: Uint8Array }[];
}

/** The rules that can take a token of a class: those for its issuer. None for the class of requests without one. */
export function takingClass(
  taking: readonly TakingRule[],
  { values, classes }: ClassesOfTokens,
  index: number,
): readonly TakingRule[] {
  const found = classes[index];
  if (found?.witness === undefined) return [];
  return taking.filter(
    ({ issuer }) =>
      issuer === undefined ||
      issuer.values.some(({ key }) => found.hits[values.findIndex((value) => value.key === key)] === 1),
  );
}

/** A token, whatever it says. */
function anyToken(atoms: AtomTable): Atom {
  const any = atoms.value('token present', 'any token', () => [[{ set: 'any', loop: true }]]);
  return atoms.intern({ kind: 'text', name: 'token' }, [any]);
}

/** Letter by letter, as rules compare issuers: an asterisk is an asterisk. */
function issuerAtom(issuers: readonly string[], atoms: AtomTable): Atom {
  const patterns = (issuer: string): readonly LinearPattern[] => [
    literal(issuer),
    [...literal(`${issuer}${NUL}`), { set: 'noNul', loop: true }],
  ];
  const values = issuers.map((issuer) => {
    const key = issuer.includes('*') ? `token issuer ${issuer}` : `token iss ${issuer}`;
    return atoms.value(key, `issuer \`${issuer}\``, () => patterns(issuer));
  });
  return atoms.intern({ kind: 'text', name: 'token' }, values);
}

function audienceAtom(audiences: readonly string[], atoms: AtomTable): Atom {
  const values = audiences.map((audience) =>
    atoms.value(`audience ${audience}`, audience, () => spellings(audience).map((text) => literal(text))),
  );
  return atoms.intern({ kind: 'claim', path: ['aud'] }, values);
}

/** Every way to write an audience. */
function spellings(audience: string): readonly string[] {
  return ['', 'http://', 'https://']
    .flatMap((scheme) => [`${scheme}${audience}`, `${scheme}${audience}/`])
    .filter((text) => bareAudience(text) === audience);
}

/** Whether an atom is about what a token says. */
function isOfToken({ attribute }: Atom): boolean {
  return attribute.kind === 'claim' || (attribute.kind === 'text' && attribute.name === 'token');
}

/** No token is looked at: nothing that is asked about one holds. */
function unseen(program: AccessProgram): AccessProgram {
  return guarded(program, false);
}

/**
 * What is asked about the token holds only where it is found.
 * @param seen where that is; true: everywhere
 */
function guarded(program: AccessProgram, seen: Literal | boolean): AccessProgram {
  if (seen === true) return program;
  return program.map((stage) => {
    const asks = stage.cubes.some((cube) => cube.some(({ atom }) => isOfToken(atom)));
    return asks ? { ...stage, cubes: stage.cubes.flatMap((cube) => guardedCube(cube, seen)) } : stage;
  });
}

function guardedCube(cube: Cube, seen: Literal | false): readonly Cube[] {
  const others = cube.filter(({ atom, negated }) => !isOfToken(atom) || !negated);
  const positive = others.some(({ atom }) => isOfToken(atom));
  if (seen === false) return positive ? [] : [others];
  if (positive) return [[...cube, seen]];
  return others.length === cube.length ? [cube] : [cube, [...others, { ...seen, negated: !seen.negated }]];
}

/** More cubes than this refuse tokens on one side. */
const CUBES_MAX = 1000;

/** Two sides that do not take the same tokens. */
class Apart {
  readonly #rules: readonly [readonly TokenRule[], readonly TokenRule[]];
  readonly #atoms: AtomTable;
  readonly #places: readonly ReadPlace[];
  readonly #signers: readonly TokenSigner[];
  readonly #present: Atom;
  readonly #refused: { before?: readonly Stage[]; after?: readonly Stage[] } = {};

  constructor(rules: readonly [readonly TokenRule[], readonly TokenRule[]], atoms: AtomTable) {
    this.#rules = rules;
    this.#atoms = atoms;
    this.#present = anyToken(atoms);
    this.#places = this.#placesOf(rules.flat());
    this.#signers = signersOf(rules.flat().map(({ keys }) => keys)).map((signer) => ({
      signer,
      value: finite('signer', signer.id, signer.label),
    }));
  }

  join(before: AccessProgram, after: AccessProgram): JoinedPrograms {
    const [one, two] = this.#rules;
    return {
      before: this.#side(before, one, 'before'),
      after: this.#side(after, two, 'after'),
      tokens: { kind: 'apart', places: this.#places, signers: this.#signers, rules: [...one, ...two] },
    };
  }

  #placesOf(rules: readonly TokenRule[]): readonly ReadPlace[] {
    const written = rules.flatMap(({ locations }) => locations);
    const all = new Map([...written, ...twofold(written)].map((each) => [locationKey(each), each]));
    const alike = new Map<
      string,
      { readonly locations: TokenLocation[]; readonly reads: Map<TokenRule, 'token' | 'garbage'> }
    >();
    for (const location of all.values()) {
      const readings = rules.map(({ rule }) => readingOf(rule, location));
      const key = readings.join();
      const known = alike.get(key);
      if (known !== undefined) {
        known.locations.push(location);
        continue;
      }
      const reads = new Map<TokenRule, 'token' | 'garbage'>();
      rules.forEach((rule, i) => {
        if (readings[i] === 'token' || readings[i] === 'garbage') reads.set(rule, readings[i]);
      });
      alike.set(key, { locations: [location], reads });
    }
    return [...alike.values()].flatMap(({ locations, reads }) => {
      const [location] = locations;
      if (location === undefined) return [];
      const label = locations.map(locationText).join(' or ');
      return [{ location, reads, value: finite('location', locationKey(location), label) }];
    });
  }

  #side(program: AccessProgram, rules: readonly TokenRule[], side: 'before' | 'after'): AccessProgram {
    const found = this.#places.filter(({ reads }) => rules.some((rule) => reads.has(rule)));
    const seen = this.#at(found);
    const at = program.findIndex(({ tokens }) => tokens !== undefined);
    const own = guarded(program, seen === undefined ? true : seen);
    if (at < 0) return own;
    this.#refused[side] ??= this.#refusals(rules);
    return [...own.slice(0, at), ...this.#refused[side], ...own.slice(at + 1)];
  }

  /** Whether the token is in one of these places; nothing where it always is, false where it never is. */
  #at(places: readonly Place[]): Literal | false | undefined {
    if (places.length === 0) return false;
    if (places.length === this.#places.length) return undefined;
    const values = places.map(({ value }) => value);
    return { atom: this.#atoms.intern({ kind: 'token', name: 'token.location' }, values), negated: false };
  }

  /** Stages that refuse what is found and not taken, by the policy to blame. */
  #refusals(rules: readonly TokenRule[]): readonly Stage[] {
    const groups = new Map<string, { readonly finding: readonly TokenRule[]; readonly places: ReadPlace[] }>();
    for (const place of this.#places) {
      const finding = rules.filter((rule) => place.reads.has(rule));
      if (finding.length === 0) continue;
      const key = rules.map((rule) => place.reads.get(rule) ?? '').join();
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { finding, places: [place] });
      else group.places.push(place);
    }
    const stages = new Map<string, Cube[]>();
    let size = 0;
    for (const { finding, places } of groups.values()) {
      const [place] = places;
      const where = this.#at(places);
      const reading = finding.filter((rule) => place?.reads.get(rule) === 'token');
      for (const { blamed, cubes } of this.#refusedBy(finding, reading)) {
        size += cubes.length;
        if (size > CUBES_MAX) throw tooMany(rules);
        const stage = stages.get(blamed) ?? [];
        stages.set(blamed, stage);
        for (const cube of cubes) stage.push(where === undefined || where === false ? cube : [where, ...cube]);
      }
    }
    return [...stages].map(([cause, cubes]) => ({ decision: 'deny', cause, cubes }));
  }

  /**
   * By issuer: every rule for it has something against the token.
   * @param finding rules that find the token, or what they take for one
   * @param reading those that can read it
   */
  #refusedBy(
    finding: readonly TokenRule[],
    reading: readonly TokenRule[],
  ): readonly { readonly blamed: string; readonly cubes: readonly Cube[] }[] {
    const issuers = [...new Set(reading.map(({ issuer }) => issuer))].filter((issuer) => issuer !== '');
    const others: Cube = [
      issuers.length === 0
        ? { atom: this.#present, negated: false }
        : { atom: issuerAtom(issuers, this.#atoms), negated: true },
      ...(issuers.length === 0 ? [] : [{ atom: this.#present, negated: false }]),
    ];
    const parts: readonly (readonly [string | undefined, Cube])[] = [
      [undefined, others],
      ...issuers.map((issuer): readonly [string, Cube] => [
        issuer,
        [{ atom: issuerAtom([issuer], this.#atoms), negated: false }],
      ]),
    ];
    return parts.map(([issuer, cube]) => ({
      blamed: causeOf(blamedRule(finding, reading, issuer)?.ref ?? NO_POLICY),
      cubes: this.#notTaken(
        cube,
        reading.filter((rule) => rule.issuer === '' || rule.issuer === issuer),
      ),
    }));
  }

  #notTaken(cube: Cube, rules: readonly TokenRule[]): readonly Cube[] {
    let cubes: readonly Cube[] = [cube];
    for (const rule of rules) {
      const signers = this.#signers.filter(({ signer }) => verifies(rule.keys, signer)).map(({ value }) => value);
      // Nobody signs for this rule: it takes nothing.
      if (signers.length === 0) continue;
      const against: Literal[] = [
        { atom: this.#atoms.intern({ kind: 'token', name: 'token.signer' }, signers), negated: true },
        ...(rule.audiences.length === 0 ? [] : [{ atom: audienceAtom(rule.audiences, this.#atoms), negated: true }]),
      ];
      cubes = cubes.flatMap((each) => against.map((one) => (each.includes(one) ? each : [...each, one])));
      if (cubes.length > CUBES_MAX) throw tooMany(rules);
    }
    return cubes;
  }
}

/** One line in which the prefixes of two rules are found. Of three prefixes `tokenObstacle` knows. */
function twofold(locations: readonly TokenLocation[]): readonly TokenLocation[] {
  const headers = locations.filter((each) => each.in === 'header').filter(({ prefix }) => prefix !== '');
  return headers.flatMap(({ name, prefix }) =>
    headers
      .filter((other) => other.name === name && other.prefix !== prefix)
      .map((other): TokenLocation => ({ in: 'header', name, prefix: prefix + other.prefix })),
  );
}

/** The rule a refusal is put down to: the first for the token's issuer, else the first that finds the token. */
export function blamedRule(
  finding: readonly TokenRule[],
  reading: readonly TokenRule[],
  issuer: string | undefined,
): TokenRule | undefined {
  return reading.find((rule) => rule.issuer === '' || rule.issuer === issuer) ?? finding[0];
}

const NO_POLICY = { kind: 'RequestAuthentication', namespace: '', name: '' };

function tooMany(rules: readonly TokenRule[]): MeshError {
  return new MeshError(
    'ERR_ANALYSIS_LIMIT',
    `${rules.length} RequestAuthentication rules combine in more than ${CUBES_MAX.toLocaleString('en')} ways`,
  );
}

/** One of finitely many values. */
function finite(kind: 'location' | 'signer', id: string, label: string): ValuePattern {
  return { key: `token ${kind} ${id}`, label, patterns: [literal(id)] };
}
