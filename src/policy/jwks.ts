/**
 * JSON Web Key Sets: which keys of a set are usable, which of them a token is tried with, and the signature itself,
 * verified by `jose`. Which answer a failure gets follows Envoy: no usable key, no key that fits, or a signature that
 * does not verify.
 *
 * Stricter than Envoy in two places: a key is used only for algorithms of its own family, and an RSA key only from 2048
 * bits on, as RFC 7518 demands.
 * Source: RFC 7517, RFC 7518.
 * @module
 */
import type * as JoseModule from 'jose';
import type { JWK } from 'jose';
import { isJsonObject, own, type JsonObject, type JwtFault, type ParsedJwt } from './jwt-token.ts';
import type { Json } from './request.ts';

/** Loaded when the first token is verified: most worlds have none. */
type Jose = typeof JoseModule;
type ImportedKey = Awaited<ReturnType<Jose['importJWK']>>;

/** A key of a set that some token can be verified with. */
export interface UsableKey {
  readonly jwk: JsonObject;
  readonly kid: string;
  readonly alg: string;
}

export class KeySet {
  readonly #keys: readonly UsableKey[];
  readonly #imported = new Map<string, Promise<ImportedKey | undefined>>();

  /** @param text a JWK set as JSON; anything else is a set without keys */
  constructor(text: string) {
    this.#keys = usableKeys(text);
  }

  /** Nothing where a key of the set verifies the token, else why not. */
  async fault(token: ParsedJwt): Promise<JwtFault | undefined> {
    if (this.#keys.length === 0) return 'no_keys';
    const fitting = this.#keys.filter((key) => fits(key, token));
    if (fitting.length === 0) return 'no_matching_key';
    const jose = await import('jose');
    for (const key of fitting) {
      if (isEd25519(key.jwk) && token.alg === 'EdDSA' && token.signatureLength !== ED25519_SIGNATURE_BYTES) {
        return 'signature_length';
      }
      if (await this.#verifies(jose, key, token)) return undefined;
    }
    return 'signature';
  }

  async #verifies(jose: Jose, key: UsableKey, { header, payload, signature, alg }: ParsedJwt): Promise<boolean> {
    if (!isOfFamily(key.jwk, alg)) return false;
    const id = `${this.#keys.indexOf(key)} ${alg}`;
    const importing = this.#imported.get(id) ?? importKey(jose, key.jwk, alg);
    this.#imported.set(id, importing);
    const imported = await importing;
    if (imported === undefined) return false;
    try {
      await jose.flattenedVerify({ protected: header, payload, signature }, imported, { algorithms: [alg] });
      return true;
    } catch {
      return false;
    }
  }
}

/** Whether a key is tried for a token that names this key id (empty: none) and algorithm. */
export function fits({ kid, alg }: UsableKey, token: { readonly kid: string; readonly alg: string }): boolean {
  return (token.kid === '' || kid === '' || kid === token.kid) && (alg === '' || alg === token.alg);
}

/** What a key's family can sign with, the usual algorithm first. */
export function algorithmsOf({ jwk }: UsableKey): readonly string[] {
  return ALGORITHMS.filter((alg) => isOfFamily(jwk, alg));
}

const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'HS256',
  'HS384',
  'HS512',
  'EdDSA',
];

/** What a key is made of, as one text: equal texts, equal keys. `kid`, `alg` and the like do not count. */
export function keyMaterial({ jwk }: UsableKey): string {
  const crv = textOf(jwk, 'kty') === 'EC' ? curveOf(jwk) : textOf(jwk, 'crv');
  return JSON.stringify([textOf(jwk, 'kty'), crv, ...['x', 'y', 'n', 'e', 'k'].map((name) => textOf(jwk, name))]);
}

async function importKey(jose: Jose, jwk: JsonObject, alg: string): Promise<ImportedKey | undefined> {
  try {
    // Only what makes up the key: `use`, `key_ops` and `ext` are not looked at by Envoy either.
    const { kty, x, y, n, e, k } = jwk;
    const crv = kty === 'EC' ? curveOf(jwk) : jwk['crv'];
    const parts = Object.entries({ kty, crv, x, y, n, e, k }).filter(([, value]) => typeof value === 'string');
    return await jose.importJWK(Object.fromEntries(parts) as JWK, alg);
  } catch {
    return undefined;
  }
}

const ED25519_SIGNATURE_BYTES = 64;

function isEd25519(jwk: JsonObject): boolean {
  return textOf(jwk, 'kty') === 'OKP' && textOf(jwk, 'crv') === 'Ed25519';
}

const CURVES: ReadonlyMap<string, string> = new Map([
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
]);

/** The only algorithm an elliptic-curve key is good for; nothing for an unknown curve. */
function curveAlgorithm(jwk: JsonObject): string | undefined {
  return CURVES.get(curveOf(jwk));
}

/** A key without curve is taken for P-256. */
function curveOf(jwk: JsonObject): string {
  return own(jwk, 'crv') === undefined ? 'P-256' : textOf(jwk, 'crv');
}

function isOfFamily(jwk: JsonObject, alg: string): boolean {
  switch (textOf(jwk, 'kty')) {
    case 'RSA':
      return /^[RP]S/.test(alg);
    case 'EC':
      return curveAlgorithm(jwk) === alg;
    case 'oct':
      return alg.startsWith('HS');
    default:
      return alg === 'EdDSA';
  }
}

/** The keys of a set that can be used; none where the text is no set. */
export function usableKeys(text: string): readonly UsableKey[] {
  let set: Json;
  try {
    set = JSON.parse(text) as Json;
  } catch {
    return [];
  }
  const keys = isJsonObject(set) ? own(set, 'keys') : undefined;
  if (!Array.isArray(keys)) return [];
  const items: readonly Json[] = keys;
  return items
    .filter(isJsonObject)
    .flatMap((jwk) => (isUsable(jwk) ? [{ jwk, kid: textOf(jwk, 'kid'), alg: textOf(jwk, 'alg') }] : []));
}

function textOf(jwk: JsonObject, name: string): string {
  const value = own(jwk, name);
  return typeof value === 'string' ? value : '';
}

/** Whether a key has what its type needs and an algorithm that fits it. */
function isUsable(jwk: JsonObject): boolean {
  const has = (...names: readonly string[]): boolean => names.every((name) => textOf(jwk, name) !== '');
  const alg = textOf(jwk, 'alg');
  switch (textOf(jwk, 'kty')) {
    case 'RSA':
      return has('n', 'e') && (alg === '' || /^[RP]S/.test(alg));
    case 'EC': {
      const curve = curveAlgorithm(jwk);
      return has('x', 'y') && curve !== undefined && (alg === '' || alg === curve);
    }
    case 'oct':
      return has('k') && (alg === '' || /^HS(256|384|512)$/.test(alg));
    case 'OKP':
      return has('x') && isEd25519(jwk) && (alg === '' || alg === 'EdDSA');
    default:
      return false;
  }
}
