/**
 * A trust domain that changes: whoever the mesh's own CA vouches for is `OLD/ns/…/sa/…` before and `NEW/ns/…/sa/…` after.
 * Access programs are read as those callers meet them: the atoms about principals ask about the part behind the trust
 * domain, which stays the same, so that both sides ask the same attribute.
 * @module
 */
import type { MeshSettings } from '../istio/mesh-settings.ts';
import { acceptedTrustDomains } from '../policy/peer-names.ts';
import { CLOSED, type AccessProgram, type Cube } from './access-program.ts';
import type { AtomTable, Literal } from './atom.ts';
import { CHAR_SETS, type LinearPattern, type PatternItem, type ValuePattern } from './linear-pattern.ts';
import { ANY_IDENTITY } from './region.ts';
import type { ProgramPair } from './walked-regions.ts';

/** The mesh's own trust domain on either side, where they differ. */
export class TrustDomainChange {
  readonly before: string;
  readonly after: string;
  /** The new one is accepted only after: nobody has a certificate of it before. */
  readonly isMade: boolean;
  /** The old one is accepted no longer. */
  readonly isDropped: boolean;

  private constructor(before: MeshSettings, after: MeshSettings) {
    this.before = before.trustDomain;
    this.after = after.trustDomain;
    this.isMade = !acceptedTrustDomains(before).includes(after.trustDomain);
    this.isDropped = !acceptedTrustDomains(after).includes(before.trustDomain);
  }

  static between(before: MeshSettings, after: MeshSettings): TrustDomainChange | undefined {
    return before.trustDomain === after.trustDomain ? undefined : new TrustDomainChange(before, after);
  }

  /** Trust domains that only one side knows: what their callers meet is compared with what they meet by the other name. */
  get strangers(): readonly string[] {
    return [...(this.isMade ? [this.after] : []), ...(this.isDropped ? [this.before] : [])];
  }

  /** A class of callers under both names. */
  caller(rest = 'any identity of the mesh'): string {
    return `${rest} of trust domain \`${this.before}\` before and \`${this.after}\` after`;
  }

  /** A class of all the other callers, where the words say no more than that. */
  others(caller = 'any caller'): string {
    const names = this.strangers.map((name) => `\`${name}\``).join(' or ');
    if (names === '') return caller;
    if (caller === ANY_IDENTITY) return `${caller} but of trust domain ${names}`;
    return caller === 'any caller' ? `${caller} but those of trust domain ${names}` : caller;
  }
}

/**
 * What callers of the mesh meet on either side under their own names. The same program twice where nothing changes for
 * them, and where what does changes for one of the names on its own: it is found where that name is compared with itself.
 */
export function ownPrograms(
  { before, after }: ProgramPair,
  change: TrustDomainChange,
  atoms: AtomTable,
  differ: (programs: ProgramPair) => boolean,
): ProgramPair {
  const as = (program: AccessProgram, name: string): AccessProgram => forTrustDomain(program, name, atoms);
  const own = { before: as(before, change.before), after: as(after, change.after) };
  const told =
    differ(own) &&
    (change.isMade || differ({ before: own.before, after: as(before, change.after) })) &&
    (change.isDropped || differ({ before: as(after, change.before), after: own.after }));
  return told ? own : { before: own.before, after: own.before };
}

/** What callers met under a name that no server accepts any more; nobody where it is still accepted. */
export function droppedProgram(program: AccessProgram, change: TrustDomainChange, atoms: AtomTable): AccessProgram {
  return change.isDropped ? forTrustDomain(program, change.before, atoms) : CLOSED;
}

/** The program for callers of one trust domain, about the rest of their identity. */
export function forTrustDomain(program: AccessProgram, trustDomain: string, atoms: AtomTable): AccessProgram {
  const rewritten = (literal: Literal): Literal => {
    const { attribute, values } = literal.atom;
    if (attribute.kind !== 'text' || attribute.name !== 'principal') return literal;
    // Values that ask for other trust domains ask for nobody here.
    const rests = values
      .map((value) => behind(value, trustDomain, atoms))
      .filter(({ patterns }) => patterns.length > 0);
    const distinct = [...new Map(rests.map((value) => [value.key, value])).values()];
    return { atom: atoms.intern({ kind: 'text', name: 'own' }, distinct), negated: literal.negated };
  };
  const rewrite = (cube: Cube): Cube => cube.map(rewritten);
  return program.map((stage) => ({ ...stage, cubes: stage.cubes.map(rewrite) }));
}

/** What may follow `trustDomain/` for the value to match. */
function behind({ patterns, label }: ValuePattern, trustDomain: string, atoms: AtomTable): ValuePattern {
  const rests = patterns.flatMap((pattern) => restsOf(pattern, `${trustDomain}/`));
  const key = `own ${JSON.stringify(rests)}`;
  return atoms.value(key, label.replace(`\`${trustDomain}/`, '`'), () => rests);
}

/** What is left of a pattern behind a text: none, or several where loops leave a choice. */
function restsOf(pattern: LinearPattern, text: string): readonly LinearPattern[] {
  let positions: readonly number[] = [0];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    positions = [...new Set(positions.flatMap((position) => step(pattern, position, code)))];
  }
  return positions.map((position) => pattern.slice(position));
}

/** Where a character leads to; a loop may be left at once. */
function step(pattern: LinearPattern, from: number, code: number): readonly number[] {
  const reached: number[] = [];
  for (let i = from; ; i++) {
    const item = pattern[i];
    if (item === undefined) return reached;
    const loop = !('code' in item) && item.loop;
    if (takes(item, code)) reached.push(loop ? i : i + 1);
    if (!loop) return reached;
  }
}

/** Patterns about identities fold no case. */
function takes(item: PatternItem, code: number): boolean {
  return 'code' in item ? item.code === code : CHAR_SETS[item.set](code);
}
