/**
 * Where tokens change a request in ways that the walk does not follow: headers that are written from a token or taken
 * off with it, claims that rules split in different ways. What a rule asks of those is not compared.
 * @module
 */
import type { AccessProgram } from './access-program.ts';
import type { Atom, Attribute } from './atom.ts';
import { tokenRulesOf } from './token-model.ts';
import { carryingHeaders, headersOfTokens, readingOf, splitClaims, type TokenRule } from './token-rules.ts';
import { outputHeaders } from '../policy/jwt-extraction.ts';

/** Why two programs cannot be compared exactly; nothing where they can. */
export function tokenObstacle(before: AccessProgram, after: AccessProgram): string | undefined {
  const rules = [...tokenRulesOf(before), ...tokenRulesOf(after)];
  if (rules.length === 0) return undefined;
  const attributes = [before, after].flat().flatMap(({ cubes }) => cubes.flat().map(({ atom }) => atom));
  return (
    headerObstacle(rules, attributes) ??
    pathObstacle(rules, attributes) ??
    claimObstacle(rules, attributes) ??
    placeObstacle(rules)
  );
}

const PREFIX = 'RequestAuthentication: ';

function headerObstacle(rules: readonly TokenRule[], atoms: readonly Atom[]): string | undefined {
  const asked = new Set(atoms.flatMap(({ attribute }) => (attribute.kind === 'header' ? [attribute.name] : [])));
  for (const name of headersOfTokens(rules)) {
    if (asked.has(name)) return `${PREFIX}header \`${name}\`, which a rule asks for, depends on the token`;
  }
  // A preflight request is let through with its token unread.
  if (asked.has('origin') && asked.has('access-control-request-method')) {
    return `${PREFIX}rules ask for what makes a request a CORS preflight, whose token is not looked at`;
  }
  return undefined;
}

const PSEUDO_HEADER = /^(?::.*|host)$/;

/** `:path` with its query, as header rules see it: a parameter that held a good token is gone. */
function pathObstacle(rules: readonly TokenRule[], atoms: readonly Atom[]): string | undefined {
  const queried = atoms.some(
    ({ attribute, values }) => isText(attribute, 'path') && values.some(({ withQuery }) => withQuery === undefined),
  );
  if (queried && rules.some(({ locations }) => locations.some((place) => place.in === 'parameter'))) {
    return `${PREFIX}a rule asks for \`:path\` with its query, which may lose the token`;
  }
  const pseudo = [...headersOfTokens(rules)].find((name) => PSEUDO_HEADER.test(name));
  return pseudo === undefined ? undefined : `${PREFIX}\`${pseudo}\` as a header of tokens is not followed`;
}

function claimObstacle(rules: readonly TokenRule[], atoms: readonly Atom[]): string | undefined {
  const { always, sometimes } = splitClaims(rules);
  const claims = new Set(
    atoms.flatMap(({ attribute }) => (attribute.kind === 'claim' && attribute.path.length === 1 ? attribute.path : [])),
  );
  const split = sometimes.find((name) => claims.has(name)) ?? [...always, ...sometimes].find((name) => READ.has(name));
  return split === undefined
    ? undefined
    : `${PREFIX}claim \`${split}\` is split at blanks by some rules and read whole by others`;
}

/** Read whole to verify a token, split for the rules that ask for it. */
const READ: ReadonlySet<string> = new Set(['iss', 'sub', 'aud']);

/** What a token can hold: a prefix that ends so may be found within one. */
const TOKEN_END = /[A-Za-z0-9_.-]$/;

/** One line may hold the prefixes of this many rules. */
const PREFIXES_MAX = 2;

function placeObstacle(rules: readonly TokenRule[]): string | undefined {
  const locations = rules.flatMap((each) => each.locations);
  for (const place of locations) {
    if (rules.some(({ rule }) => readingOf(rule, place) === 'several')) {
      return `${PREFIX}one rule reads \`${place.name}\` in two ways at once`;
    }
    const others = locations.filter((each) => each.in === 'header' && each.name === place.name);
    const prefixes = new Set(others.map((each) => (each.in === 'header' ? each.prefix : '')));
    if ([...prefixes].filter((prefix) => prefix !== '').length > PREFIXES_MAX) {
      return `${PREFIX}header \`${place.name}\` is read after more than ${PREFIXES_MAX} prefixes`;
    }
    if (prefixes.size > 1 && [...prefixes].some((prefix) => TOKEN_END.test(prefix))) {
      return `${PREFIX}header \`${place.name}\` is read with prefixes that a token may contain`;
    }
  }
  const carrying = new Set(carryingHeaders(rules));
  const written = rules.flatMap(({ rule }) => outputHeaders(rule)).find((name) => carrying.has(name.toLowerCase()));
  return written === undefined ? undefined : `${PREFIX}header \`${written}\` is both read for tokens and written`;
}

function isText(attribute: Attribute, name: string): boolean {
  return attribute.kind === 'text' && attribute.name === name;
}
