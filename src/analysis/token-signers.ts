/**
 * Who may have signed a token, as far as rules tell signers apart.
 *
 * Keys in a policy are compared one by one: what they are made of, their id and their algorithm. Keys that are fetched
 * are known by where they come from alone; other places are taken to serve other keys.
 * @module
 */
import type { JwtRule } from '../istio/request-authentication.ts';
import { algorithmsOf, fits, keyMaterial, usableKeys, type UsableKey } from '../policy/jwks.ts';

/** The keys one rule verifies tokens with. */
export type KeySource =
  /** Fetched: `name` says from where. */
  | { readonly kind: 'fetched'; readonly name: string }
  | { readonly kind: 'inline'; readonly keys: readonly SigningKey[]; readonly issuer: string };

/** A key of a policy that tokens can be verified with. */
export interface SigningKey {
  readonly key: UsableKey;
  readonly material: string;
}

/** As JSON it is its label: what a key is made of, which may be a secret, does not leave the process. */
export class Signer {
  /** For people: `the keys at https://…`, `key k1`, `nobody`. */
  readonly label: string;
  readonly #by: SignedBy;

  constructor(by: SignedBy, label: string) {
    this.#by = by;
    this.label = label;
  }

  get by(): SignedBy {
    return this.#by;
  }

  /** Equal ids, equal signers, on either side of a comparison. */
  get id(): string {
    return JSON.stringify(this.#by);
  }

  toJSON(): string {
    return this.label;
  }
}

type SignedBy =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'fetched'; readonly name: string }
  /** The token's head names the key id (empty: none) and the algorithm. */
  | { readonly kind: 'key'; readonly material: string; readonly kid: string; readonly alg: string };

/** Forged, expired, not yet valid, or no token at all: what no rule takes. */
export const NOBODY: Signer = new Signer({ kind: 'nobody' }, 'nobody (forged or expired)');

export function keySourceOf({ jwks = '', jwksUri = '', issuer = '' }: JwtRule): KeySource {
  if (jwks === '') {
    return {
      kind: 'fetched',
      name: jwksUri === '' ? `the keys of issuer \`${issuer}\`` : `the keys at \`${jwksUri}\``,
    };
  }
  const keys = usableKeys(jwks).filter(isStrong);
  return { kind: 'inline', issuer, keys: keys.map((key) => ({ key, material: keyMaterial(key) })) };
}

const RSA_BITS_MIN = 2048;
const BITS_PER_CHARACTER = 6;

/** Signatures of shorter RSA keys are never taken. */
function isStrong({ jwk }: UsableKey): boolean {
  const { kty, n } = jwk;
  if (kty !== 'RSA' || typeof n !== 'string') return true;
  // A leading zero byte adds at most one character: every length in use is far from the border.
  return n.replace(/=+$/, '').length * BITS_PER_CHARACTER >= RSA_BITS_MIN;
}

/** Equal texts, equal keys. */
export function keySourceKey(source: KeySource): string {
  if (source.kind === 'fetched') return source.name;
  const keys = source.keys.map(({ key, material }) => JSON.stringify([material, key.kid, key.alg]));
  return [...new Set(keys)].sort().join();
}

/** Whether anybody can sign for a rule with these keys. */
export function hasSigner(source: KeySource): boolean {
  return source.kind === 'fetched' || source.keys.length > 0;
}

export function verifies(source: KeySource, { by }: Signer): boolean {
  if (by.kind === 'nobody') return false;
  if (source.kind === 'fetched') return by.kind === 'fetched' && by.name === source.name;
  return by.kind === 'key' && source.keys.some(({ key, material }) => material === by.material && fits(key, by));
}

/**
 * Every signer that one of the rules takes: of those that all rules treat alike one, the plainest. Nobody is not among
 * them.
 */
export function signersOf(sources: readonly KeySource[]): readonly Signer[] {
  const known = new Map<string, { readonly first: Signer; readonly labels: string[] }>();
  for (const signer of [...candidates(sources), ...variants(sources)]) {
    const vector = sources.map((source) => (verifies(source, signer) ? 1 : 0)).join('');
    if (!vector.includes('1')) continue;
    const same = known.get(vector);
    if (same === undefined) known.set(vector, { first: signer, labels: [signer.label] });
    else if (signer.by.kind === 'fetched' || sameAsWritten(signer)) same.labels.push(signer.label);
  }
  return [...known.values()].map(({ first, labels }) => new Signer(first.by, listed([...new Set(labels)])));
}

const LABELS_MAX = 3;

function listed(labels: readonly string[]): string {
  const more = labels.length - LABELS_MAX;
  return labels.slice(0, LABELS_MAX).join(' or ') + (more > 0 ? ` or ${more} more` : '');
}

const VARIANT = ', ';

function sameAsWritten({ label }: Signer): boolean {
  return !label.includes(VARIANT);
}

/** As the rules write them. */
function candidates(sources: readonly KeySource[]): readonly Signer[] {
  const nameOf = namesOf(sources);
  return sources.flatMap((source): readonly Signer[] =>
    source.kind === 'fetched'
      ? [new Signer({ kind: 'fetched', name: source.name }, source.name)]
      : source.keys.map(({ key, material }) => {
          const alg = key.alg === '' ? (algorithmsOf(key)[0] ?? '') : key.alg;
          return new Signer({ kind: 'key', material, kid: key.kid, alg }, nameOf(source.issuer, key.kid, material));
        }),
  );
}

type NameOf = (issuer: string, kid: string, material: string) => string;

/** Keys by their ids; where those do not tell them apart, with a fingerprint. */
function namesOf(sources: readonly KeySource[]): NameOf {
  const made = new Map<string, Set<string>>();
  for (const { key, material } of sources.flatMap((source) => (source.kind === 'inline' ? source.keys : []))) {
    made.set(key.kid, (made.get(key.kid) ?? new Set()).add(material));
  }
  return (issuer, kid, material) => {
    const print = (made.get(kid)?.size ?? 0) > 1 ? ` ${fingerprint(material)}` : '';
    return kid === '' ? `the key${print} of issuer \`${issuer}\`` : `key \`${kid}\`${print}`;
  };
}

/** The same keys, with another key id in the token's head, none or one that no rule lists, or by another algorithm. */
function variants(sources: readonly KeySource[]): readonly Signer[] {
  const nameOf = namesOf(sources);
  const inline = sources.flatMap((source) =>
    source.kind === 'inline' ? source.keys.map((key) => ({ ...key, issuer: source.issuer })) : [],
  );
  const listed = new Set(inline.map(({ key }) => key.kid));
  let unlisted = 'another-key';
  while (listed.has(unlisted)) unlisted += '-still';
  return inline.flatMap(({ key, material, issuer }) => {
    const kids = ['', unlisted, ...inline.filter((each) => each.material === material).map((each) => each.key.kid)];
    const name = nameOf(issuer, key.kid, material);
    return [...new Set(kids)].flatMap((kid) =>
      algorithmsOf(key).map((alg) => {
        const id = kid === '' ? 'without a key id' : `with key id \`${kid}\``;
        const label = [name, ...(kid === key.kid ? [] : [id]), alg].join(VARIANT);
        return new Signer({ kind: 'key', material, kid, alg }, label);
      }),
    );
  });
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** For people, who see two keys of one name; nothing is compared by it. FNV-1a, 32 bits. */
function fingerprint(material: string): string {
  let hash = FNV_OFFSET;
  for (let i = 0; i < material.length; i++) hash = Math.imul(hash ^ material.charCodeAt(i), FNV_PRIME);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
