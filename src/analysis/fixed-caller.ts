/**
 * An access program for one caller: what its certificate and its handshake say is put in place of the atoms that ask for
 * it, so that the rest is about requests alone.
 * @module
 */
import type { AccessProgram, Cube } from './access-program.ts';
import type { Atom } from './atom.ts';
import type { LinearPattern } from './linear-pattern.ts';
import { matchesPattern } from './pattern-match.ts';

/** What a connection shows whatever is requested over it. */
export interface FixedCaller {
  /** `td/ns/NAMESPACE/sa/ACCOUNT`; absent without mutual TLS. */
  readonly principal?: string;
  /** Server name, in lower case; absent on plaintext. */
  readonly sni?: string;
}

/** The atoms of a program that a fixed caller answers. */
export function callerAtoms(program: AccessProgram): readonly Atom[] {
  const atoms = new Map<number, Atom>();
  for (const { cubes } of program) {
    for (const cube of cubes) for (const { atom } of cube) if (isCallers(atom)) atoms.set(atom.id, atom);
  }
  return [...atoms.values()];
}

/** The answers as a text: callers with equal texts are one class. */
export function answersOf(atoms: readonly Atom[], caller: FixedCaller): string {
  return atoms.map((atom) => (holds(atom, caller) ? '1' : '0')).join('');
}

export function forCaller(program: AccessProgram, caller: FixedCaller): AccessProgram {
  return program.map((stage) => ({ ...stage, cubes: stage.cubes.flatMap((cube) => restOf(cube, caller)) }));
}

/** The cube without what is fixed; nothing where that fails. */
function restOf(cube: Cube, caller: FixedCaller): readonly Cube[] {
  const rest: Cube[number][] = [];
  for (const literal of cube) {
    if (!isCallers(literal.atom)) rest.push(literal);
    else if (holds(literal.atom, caller) === literal.negated) return [];
  }
  return [rest];
}

function isCallers({ attribute }: Atom): boolean {
  return attribute.kind === 'text' && (attribute.name === 'principal' || attribute.name === 'sni');
}

function holds(atom: Atom, caller: FixedCaller): boolean {
  const { attribute } = atom;
  const text = attribute.kind === 'text' && attribute.name === 'sni' ? caller.sni : caller.principal;
  if (text === undefined) return false;
  const { exact, others, known } = languageOf(atom);
  if (exact.has(text)) return true;
  if (others.length === 0) return false;
  let found = known.get(text);
  if (found === undefined) {
    found = others.some((pattern) => matchesPattern(pattern, text));
    known.set(text, found);
  }
  return found;
}

/** What an atom asks for: whole texts apart from everything else, since most ask for one of those. */
interface Language {
  readonly exact: ReadonlySet<string>;
  readonly others: readonly LinearPattern[];
  /** What was asked of the others. */
  readonly known: Map<string, boolean>;
}

const LANGUAGES = new WeakMap<Atom, Language>();

function languageOf(atom: Atom): Language {
  let language = LANGUAGES.get(atom);
  if (language === undefined) {
    const patterns = atom.values.flatMap((value) => value.patterns);
    const texts = patterns.map((pattern) => exactText(pattern));
    language = {
      exact: new Set(texts.filter((text) => text !== undefined)),
      others: patterns.filter((_, i) => texts[i] === undefined),
      known: new Map(),
    };
    LANGUAGES.set(atom, language);
  }
  return language;
}

function exactText(pattern: LinearPattern): string | undefined {
  const codes = pattern.map((item) => ('code' in item && !item.folded ? item.code : -1));
  return codes.includes(-1) ? undefined : String.fromCharCode(...codes);
}
