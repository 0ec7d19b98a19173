/**
 * A trust domain that changes: whoever the mesh's own CA vouches for is `OLD/ns/…/sa/…` before and `NEW/ns/…/sa/…` after.
 * Access programs are read as those callers meet them: the atoms about principals ask about the part behind the trust
 * domain, which stays the same, so that both sides ask the same attribute.
 * @module
 */
import type { AccessProgram, Cube } from './access-program.ts';
import type { AtomTable, Literal } from './atom.ts';
import { CHAR_SETS, type LinearPattern, type PatternItem, type ValuePattern } from './linear-pattern.ts';

/** The program for callers of one trust domain, about the rest of their identity. */
export function forTrustDomain(program: AccessProgram, trustDomain: string, atoms: AtomTable): AccessProgram {
  const rewritten = (literal: Literal): Literal => {
    const { attribute, values } = literal.atom;
    if (attribute.kind !== 'text' || attribute.name !== 'principal') return literal;
    const atom = atoms.intern(
      { kind: 'text', name: 'own' },
      values.map((value) => behind(value, trustDomain, atoms)),
    );
    return { atom, negated: literal.negated };
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
