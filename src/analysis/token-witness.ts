/**
 * The token of a witness: what it says, where it travels and who signed it, out of a region of a walk.
 * @module
 */
import { invariant } from '../core/invariant.ts';
import type { Walk } from './joint-walk.ts';
import type { ClassLevel, Level } from './level.ts';
import { NO_ISSUER, NUL } from './linear-pattern.ts';
import { takingClass, type TakingRule, type WalkTokens, type WitnessToken } from './token-model.ts';
import { hasAudience } from './walk-answers.ts';
import { NOBODY, signersOf, verifies } from './token-signers.ts';

/** By level: the classes a region allows; absent where any will do. */
export type Chosen = ReadonlyMap<number, readonly number[]>;

export interface ChosenToken {
  /** Absent where the token names none. */
  readonly issuer?: string;
  readonly subject?: string;
  /** Of the rule that takes it, to be answered yes; absent where the region says all there is to say. */
  readonly audience?: number;
  readonly carried: WitnessToken;
}

/** What the region's witness carries; nothing where it needs no token. */
export function tokenOf({ levels, tokens }: Pick<Walk, 'levels' | 'tokens'>, chosen: Chosen): ChosenToken | undefined {
  const at = levels.findIndex((level) => level.kind === 'classes' && level.name === 'token');
  const level = levels[at];
  if (tokens.kind === 'unseen' || level?.kind !== 'classes') return undefined;
  const classes = chosen.get(at);
  const required = classes?.every((index) => level.classes[index]?.witness !== undefined) === true;
  if (!required && !claimsSomething(levels, chosen)) return undefined;
  const candidates = bySimplicity(level, classes ?? [...level.classes.keys()]);
  return tokens.kind === 'alike'
    ? goodToken(level, candidates, { levels, tokens, chosen })
    : carriedToken(level, candidates, { levels, tokens, chosen });
}

function claimsSomething(levels: readonly Level[], chosen: Chosen): boolean {
  return levels.some(
    (level, i) =>
      level.kind === 'boolean' && level.atom.attribute.kind === 'claim' && chosen.get(i)?.includes(1) === true,
  );
}

/** Classes of tokens, the most ordinary first. */
function bySimplicity({ classes }: ClassLevel, allowed: readonly number[]): readonly number[] {
  const rank = (index: number): number => {
    const found = classes[index];
    return (found?.unusual === true ? LONG : 0) + (found?.witness ?? '').length;
  };
  return allowed.filter((index) => classes[index]?.witness !== undefined).sort((a, b) => rank(a) - rank(b));
}

const LONG = 1e6;

interface Region<Kind extends WalkTokens['kind']> {
  readonly levels: readonly Level[];
  readonly tokens: Extract<WalkTokens, { kind: Kind }>;
  readonly chosen: Chosen;
}

/** One that a rule takes. */
function goodToken(
  level: ClassLevel,
  candidates: readonly number[],
  { levels, tokens, chosen }: Region<'alike'>,
): ChosenToken {
  const answered = audienceAnswers(levels, chosen);
  const taken = candidates.flatMap((index) => {
    const taking = takingClass(tokens.taking, level, index).find((each) => hasAudience(each, levels, answered));
    return taking === undefined ? [] : [{ index, taking }];
  });
  const [first] = taken;
  invariant(first !== undefined, 'a region of the diagram has a good token');
  return { ...textsOf(level, first.index), ...takenBy(first.taking) };
}

function takenBy({ rule, audience }: TakingRule): Pick<ChosenToken, 'audience' | 'carried'> {
  const [location] = rule.locations;
  const [signer] = signersOf([rule.keys]);
  invariant(location !== undefined && signer !== undefined, 'a rule that takes tokens has a place and a key for them');
  return { ...(audience === undefined ? {} : { audience: audience.id }), carried: { good: true, location, signer } };
}

function audienceAnswers(
  levels: readonly Level[],
  chosen: Chosen,
): { readonly yes: readonly number[]; readonly no: readonly number[] } {
  const answered = { yes: [] as number[], no: [] as number[] };
  levels.forEach((level, i) => {
    const classes = chosen.get(i);
    if (classes === undefined || level.kind !== 'boolean' || level.atom.attribute.kind !== 'claim') return;
    if (level.atom.attribute.path.join('.') !== 'aud') return;
    (classes.includes(1) ? answered.yes : answered.no).push(level.atom.id);
  });
  return answered;
}

/** One as the region has it; what it leaves open is chosen so that the token is as good as can be. */
function carriedToken(
  level: ClassLevel,
  candidates: readonly number[],
  { levels, tokens, chosen }: Region<'apart'>,
): ChosenToken {
  const [index] = candidates;
  invariant(index !== undefined, 'a region with a token has a text for it');
  const texts = textsOf(level, index);
  const classesOf = (name: string): readonly number[] | undefined =>
    chosen.get(levels.findIndex((each) => each.kind === 'classes' && each.name === name));
  const place = tokens.places[classesOf('token.location')?.[0] ?? 0];
  invariant(place !== undefined, 'a token that matters has a place');
  // Class 0 is nobody.
  const signers = [NOBODY, ...tokens.signers.map(({ signer }) => signer)];
  const [first] = classesOf('token.signer') ?? [];
  const fitting = signers.find((each) =>
    tokens.rules.some((rule) => rule.issuer === texts.issuer && verifies(rule.keys, each)),
  );
  const signer = first === undefined ? (fitting ?? signers[1]) : signers[first];
  return { ...texts, carried: { good: false, location: place.location, signer: signer ?? NOBODY } };
}

function textsOf({ classes }: ClassLevel, index: number): Pick<ChosenToken, 'issuer' | 'subject'> {
  const text = classes[index]?.witness ?? '';
  if (text.startsWith(NO_ISSUER)) {
    return text.length === NO_ISSUER.length ? {} : { subject: text.slice(NO_ISSUER.length + NUL.length) };
  }
  const [issuer = '', subject] = text.split(NUL);
  return subject === undefined ? { issuer } : { issuer, subject };
}
