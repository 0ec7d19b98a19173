/**
 * The texts an attribute can take at all, as small deterministic automata: normal forms of paths, SPIFFE IDs, method
 * tokens, header values. Classes that only other texts would reach are never reported.
 *
 * Some texts are preferred as witnesses (an identity of Istio's own shape before any other).
 * @module
 */
import type { PathNormalization } from '../istio/mesh-settings.ts';

export interface Universe {
  readonly name: string;
  readonly start: number;
  /** What the automaton sees of a character; negative where no text holds it. */
  kind(code: number): number;
  /** Negative: dead. */
  next(state: number, kind: number): number;
  /** 0: not a text of this attribute; 1: one of them; 2: a preferred one. */
  accepts(state: number): 0 | 1 | 2;
}

/** Characters tried for "any other", the plainest first. */
export const PREFERRED_CHARACTERS: readonly number[] = Array.from(
  'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_./~:@=+,;!$&\'()*%?#[]{}|^`"<>\\ é\0',
  (char) => char.charCodeAt(0),
);

const SLASH = 0x2f;
const DOT = 0x2e;

/** One or more (or no) characters of a set. */
function repeated(name: string, allowed: (code: number) => boolean, min: 0 | 1): Universe {
  return {
    name,
    start: 0,
    kind: (code) => (allowed(code) ? 0 : -1),
    next: () => 1,
    accepts: (state) => (state >= min ? 2 : 0),
  };
}

function within(pattern: RegExp): (code: number) => boolean {
  const table = Uint8Array.from({ length: 128 }, (_, code) => (pattern.test(String.fromCharCode(code)) ? 1 : 0));
  return (code) => table[code] === 1;
}

/** RFC 9110 §9.1: a token. */
export const METHOD_TEXTS: Universe = repeated('method', within(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/), 1);
/** RFC 3986 §3.2, as sent: any case, with a port. */
export const HOST_TEXTS: Universe = repeated('host', within(/[A-Za-z0-9\-._~!$&'()*+,;=:%[\]]/), 1);
/** As the TLS inspector reports it: lower case. */
export const SNI_TEXTS: Universe = repeated('sni', within(/[a-z0-9\-._:*]/), 1);
/** Any text. */
export const CLAIM_TEXTS: Universe = repeated('claim', (code) => code !== 0, 0);

/** RFC 9110 §5.5: no blank at either end, nothing but visible characters between. */
export const HEADER_TEXTS: Universe = {
  name: 'header',
  start: 0,
  kind: (code) => (code === 0x20 || code === 0x09 ? 1 : code > 0x20 && code !== 0x7f && code <= 0xff ? 0 : -1),
  next: (state, kind) => (kind === 0 ? 1 : state === 0 ? -1 : 2),
  accepts: (state) => (state === 2 ? 0 : 2),
};

/**
 * `issuer`, or `issuer NUL subject`. A token that names no issuer is `NUL NUL`, or `NUL NUL NUL subject`.
 * States: 0 nothing, 1 issuer, 2 its end, 3 subject; 4 the end of an empty issuer, 8 subject;
 * 5 no issuer, 7 its end, 6 subject.
 */
export const TOKEN_TEXTS: Universe = {
  name: 'token',
  start: 0,
  kind: (code) => (code === 0 ? 1 : 0),
  next: (state, kind) => (kind === 0 ? [1, 1, 3, 3, 8, -1, 6, 6, 8] : [4, 2, -1, -1, 5, 7, -1, -1, -1])[state] ?? -1,
  accepts: (state) => (state === 3 ? 2 : 1),
};

const UNESCAPED = within(/[A-Za-z0-9\-._~!$%&'()*+,/:;=@[\]]/);
const VISIBLE = within(/[!"$-~]/);

/** What normalisation leaves, with or without a query behind it. */
export function pathTexts(mode: PathNormalization, withQuery: boolean): Universe {
  const normal = mode !== 'NONE';
  const merged = mode === 'MERGE_SLASHES' || mode === 'DECODE_AND_MERGE_SLASHES';
  const allowed = normal ? UNESCAPED : VISIBLE;
  // 0 nothing yet, 1 after a slash, 2 `.`, 3 `..`, 4 within a segment, 5 in the query
  return {
    name: `path ${mode}${withQuery ? ' with query' : ''}`,
    start: 0,
    kind: (code) => {
      if (code === SLASH) return 1;
      if (code === DOT) return 2;
      if (code === 0x3f) return withQuery ? 3 : -1;
      return allowed(code) ? 0 : withQuery && VISIBLE(code) ? 4 : -1;
    },
    next: (state, kind) => {
      if (state === 5) return 5;
      if (kind === 4) return -1;
      if (kind === 3) return state === 0 || (normal && (state === 2 || state === 3)) ? -1 : 5;
      if (state === 0) return kind === 1 ? 1 : -1;
      if (kind === 1) return (merged && state === 1) || (normal && (state === 2 || state === 3)) ? -1 : 1;
      return kind === 2 && state < 3 ? state + 1 : 4;
    },
    accepts: (state) => (state === 0 || (normal && (state === 2 || state === 3)) ? 0 : 2),
  };
}

const IDENTITY_KINDS: ReadonlyMap<string, number> = new Map([
  ['/', 1],
  ['.', 2],
  ['-', 3],
  ['_', 4],
  ['n', 5],
  ['s', 6],
  ['a', 7],
]);
const UPPER = 8;

function identityKind(code: number): number {
  const char = String.fromCharCode(code);
  const special = IDENTITY_KINDS.get(char);
  if (special !== undefined) return special;
  if (/[b-z0-9]/.test(char)) return 0;
  return /[A-Z]/.test(char) ? UPPER : -1;
}

const isAlnum = (kind: number): boolean => kind === 0 || (kind >= 5 && kind <= 7);

/**
 * `TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, what Istio's CA issues. States: 0 nothing, 1 trust domain, 2 to 5 the
 * characters of `/ns/`, 6 namespace, 7 namespace ending in a dash, 8 to 10 `sa/`, 11 account, 12 account ending in `-`
 * or `.`.
 */
function istioNext(state: number, kind: number): number {
  switch (state) {
    case 0:
      return kind === 1 || kind === UPPER ? -1 : 1;
    case 1:
      return kind === 1 ? 2 : kind === UPPER ? -1 : 1;
    case 2:
      return kind === 5 ? 3 : -1;
    case 3:
      return kind === 6 ? 4 : -1;
    case 4:
      return kind === 1 ? 5 : -1;
    case 5:
      return isAlnum(kind) ? 6 : -1;
    case 6:
      return isAlnum(kind) ? 6 : kind === 3 ? 7 : kind === 1 ? 8 : -1;
    case 7:
      return isAlnum(kind) ? 6 : kind === 3 ? 7 : -1;
    case 8:
      return kind === 6 ? 9 : -1;
    case 9:
      return kind === 7 ? 10 : -1;
    case 10:
      return kind === 1 ? 11 : -1;
    case 11:
      return isAlnum(kind) ? 12 : -1;
    case 12:
      return isAlnum(kind) ? 12 : kind === 3 ? 13 : kind === 2 ? 14 : -1;
    case 13:
      return isAlnum(kind) ? 12 : kind === 3 ? 13 : -1;
    default:
      return isAlnum(kind) ? 12 : -1;
  }
}

const ISTIO_END = 12;

/** Identities of the shape Istio's CA issues. */
export const ISTIO_IDENTITIES: Universe = {
  name: 'istio identity',
  start: 0,
  kind: identityKind,
  next: istioNext,
  accepts: (state) => (state === ISTIO_END ? 2 : 0),
};

/** `ns/NAMESPACE/sa/ACCOUNT`: the same, behind the trust domain. */
export const OWN_IDENTITIES: Universe = { ...ISTIO_IDENTITIES, name: 'own identity', start: 2 };

/** SPIFFE-ID §2: trust domain, then segments that are neither empty nor `.` nor `..`. */
function spiffeNext(state: number, kind: number): number {
  // 0 nothing, 1 trust domain, 2 after a slash, 3 `.`, 4 `..`, 5 within a segment
  if (state <= 1) return kind === 1 ? (state === 0 ? -1 : 2) : kind === UPPER ? -1 : 1;
  if (kind === 1) return state === 5 ? 2 : -1;
  return kind === 2 && state < 5 ? state + 1 : 5;
}

const ISTIO_STATES = 16;
const ISTIO_DEAD = 15;

/** Any SPIFFE ID with a path, those of Istio's shape preferred: a federated trust domain may issue what it likes. */
export const SPIFFE_IDENTITIES: Universe = {
  name: 'spiffe identity',
  start: 0,
  kind: identityKind,
  next: (state, kind) => {
    const spiffe = spiffeNext(Math.floor(state / ISTIO_STATES), kind);
    if (spiffe < 0) return -1;
    const istio = state % ISTIO_STATES;
    const next = istio === ISTIO_DEAD ? -1 : istioNext(istio, kind);
    return spiffe * ISTIO_STATES + (next < 0 ? ISTIO_DEAD : next);
  },
  accepts: (state) => {
    if (Math.floor(state / ISTIO_STATES) !== 5) return 0;
    return state % ISTIO_STATES === ISTIO_END ? 2 : 1;
  },
};
