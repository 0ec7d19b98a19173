/**
 * The patterns of policies as linear regular expressions: a sequence of characters and character sets, each taken once
 * or any number of times. Every text form Istio knows is one of these or a union of a few: exact, prefix, suffix,
 * presence, path templates, and the expressions over a SPIFFE ID behind `namespaces`, `serviceAccounts` and
 * `trustDomains`.
 *
 * What a value means stays with the matchers of `src/policy`; `test/property/analysis` holds the two together.
 * @module
 */
import type { PathNormalization } from '../istio/mesh-settings.ts';
import { isPathTemplate } from '../istio/path-template.ts';
import { asciiLower, parseTextPattern, type TextPattern } from '../policy/text-matcher.ts';

/** Sets of characters that patterns name. */
export const CHAR_SETS = {
  any: (): boolean => true,
  noSlash: (code: number): boolean => code !== 0x2f,
  noQuery: (code: number): boolean => code !== 0x3f,
  noNul: (code: number): boolean => code !== 0,
  segment: (code: number): boolean => code < 0x80 && SEGMENT.test(String.fromCharCode(code)),
  segments: (code: number): boolean => code === 0x2f || (code < 0x80 && SEGMENT.test(String.fromCharCode(code))),
} as const;

export type CharSetName = keyof typeof CHAR_SETS;

/** What `{*}` stands for, character by character. */
const SEGMENT = /[a-zA-Z0-9\-._~%!$&'()+,;:@=*]/;

export type PatternItem =
  /** One character; `folded`: in either case. */
  { readonly code: number; readonly folded: boolean } | { readonly set: CharSetName; readonly loop: boolean };

export type LinearPattern = readonly PatternItem[];

/** One value of a list, as every pattern that it stands for. */
export interface ValuePattern {
  /** Equal keys, equal languages. */
  readonly key: string;
  /** For people. */
  readonly label: string;
  readonly patterns: readonly LinearPattern[];
  /** Of a path: the same where the text goes on with a query. */
  readonly withQuery?: readonly LinearPattern[];
  /** Of a path: what the patterns see of a raw path. @defaultValue `BASE` */
  readonly normalization?: PathNormalization;
  /** Of a path: stands for the raw paths that cannot be normalised, whatever its patterns. */
  readonly refused?: boolean;
}

const one = (set: CharSetName): PatternItem => ({ set, loop: false });
const many = (set: CharSetName): PatternItem => ({ set, loop: true });
const some = (set: CharSetName): LinearPattern => [one(set), many(set)];

export function literal(text: string, folded = false): LinearPattern {
  const items: PatternItem[] = [];
  for (let i = 0; i < text.length; i++) items.push({ code: text.charCodeAt(i), folded });
  return items;
}

export interface TextOptions {
  /** `*` means present, even if empty. */
  readonly starMatchesEmpty?: boolean;
  readonly ignoreCase?: boolean;
}

/** The generic form: exact, `pre*`, `*suf`, `*`. */
export function textPatterns(value: string, options: TextOptions = {}): readonly LinearPattern[] {
  const folded = options.ignoreCase === true;
  return [formPattern(parseTextPattern(folded ? asciiLower(value) : value), 'any', options)];
}

function formPattern(pattern: TextPattern, set: CharSetName, options: TextOptions): LinearPattern {
  if (pattern.form === 'any') return options.starMatchesEmpty === true ? [many(set)] : some(set);
  const text = literal(pattern.text, options.ignoreCase);
  if (pattern.form === 'prefix') return [...text, many(set)];
  return pattern.form === 'suffix' ? [many(set), ...text] : text;
}

/** `paths`: the generic form or a template. `withQuery`: the text compared may go on with `?` and a query. */
export function pathPatterns(value: string, withQuery: boolean): readonly LinearPattern[] {
  const set = withQuery ? 'noQuery' : 'any';
  const whole = isPathTemplate(value) ? templatePattern(value) : formPattern(parseTextPattern(value), set, {});
  if (!withQuery) return [whole];
  if (whole.some((item) => 'code' in item && item.code === 0x3f)) return [];
  return [whole, [...whole, ...literal('?'), many('any')]];
}

function templatePattern(template: string): LinearPattern {
  return template.split('/').flatMap((segment, i) => {
    const slash = i === 0 ? [] : literal('/');
    if (segment === '{*}') return [...slash, ...some('segment')];
    return segment === '{**}' ? [...slash, many('segments')] : [...slash, ...literal(segment)];
  });
}

/** `/ns/VALUE/` at a segment border, anywhere; an asterisk stands for any text. */
export function namespacePatterns(value: string): readonly LinearPattern[] {
  const parts = value.split('*').map((part) => literal(part));
  const inner = parts.flatMap((part, i) => (i === 0 ? part : [many('any'), ...part]));
  const tail = [...literal('ns/'), ...inner, ...literal('/'), many('any')];
  return [tail, [many('any'), ...literal('/'), ...tail]];
}

/** `NAMESPACE/ACCOUNT`, or `ACCOUNT` of the policy's namespace, with extra segments before `sa` and at the end. */
export function serviceAccountPatterns(value: string, policyNamespace: string): readonly LinearPattern[] {
  const slash = value.indexOf('/');
  const namespace = slash < 0 ? policyNamespace : value.slice(0, slash);
  const account = slash < 0 ? value : value.slice(slash + 1);
  const head = [...some('any'), ...literal(`/ns/${namespace}/`)];
  const between: readonly LinearPattern[] = [[], [...some('any'), ...literal('/')]];
  const after: readonly LinearPattern[] = [[], [...literal('/'), ...some('any')]];
  return between.flatMap((extra) => after.map((end) => [...head, ...extra, ...literal(`sa/${account}`), ...end]));
}

/** Exact, `*`, or one asterisk that stands for any text without a slash. */
export function trustDomainPatterns(value: string): readonly LinearPattern[] {
  if (value === '*') return [[many('any')]];
  const star = value.indexOf('*');
  if (star < 0) return [[...literal(`${value}/`), many('any')]];
  const rest = [...literal(value.slice(star + 1)), ...literal('/'), many('any')];
  return [[...literal(value.slice(0, star)), many('noSlash'), ...rest]];
}

/** Between issuer and subject in the one text that stands for a token's principal. */
export const NUL = '\0';

/** Stands for the issuer of a token that names none; a second one follows before the subject. */
export const NO_ISSUER = '\0\0';

/** One value of `requestPrincipals`, over `issuer NUL subject`. */
export function tokenPattern(issuer: TextPattern, subject: TextPattern): LinearPattern {
  return [...formPattern(issuer, 'noNul', {}), ...literal(NUL), ...formPattern(subject, 'noNul', {})];
}

/** A condition on the claim `iss`, over the same text; the subject may be missing. */
export function issuerPatterns(value: string): readonly LinearPattern[] {
  const issuer = formPattern(parseTextPattern(value), 'noNul', {});
  return [issuer, [...issuer, ...literal(NUL), many('noNul')]];
}

/** A condition on the claim `sub`. */
export function subjectPatterns(value: string): readonly LinearPattern[] {
  const subject = formPattern(parseTextPattern(value), 'noNul', {});
  return [
    [many('noNul'), ...literal(NUL), ...subject],
    [...literal(NO_ISSUER + NUL), ...subject],
  ];
}
