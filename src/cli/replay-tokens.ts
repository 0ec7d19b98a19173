/**
 * Tokens for replayed witnesses. Nobody here has the private keys of a configuration's issuers: on both sides the key
 * sets of all rules are replaced by keys made for the occasion, one for every signer, so that each rule takes what it
 * took. The tokens name no times: the virtual clock has no say in them.
 * @module
 */
import type * as Jose from 'jose';
import type { JWK } from 'jose';
import {
  carried,
  keySourceOf,
  verifies,
  type DiffFinding,
  type TokenSigner,
  type WitnessToken,
} from '../analysis/index.ts';
import type { JwtRule, MeshConfig } from '../istio/index.ts';
import type { HttpAttributes, Json } from '../policy/index.ts';

const ALGORITHM = 'ES256';

interface MadeKey {
  readonly signer: TokenSigner;
  readonly privateKey: Jose.CryptoKey;
  readonly jwk: JWK;
}

export class ReplayTokens {
  readonly #keys: ReadonlyMap<string, MadeKey>;

  private constructor(keys: ReadonlyMap<string, MadeKey>) {
    this.#keys = keys;
  }

  /** Keys for every signer of the findings. */
  static async for(findings: readonly DiffFinding[]): Promise<ReplayTokens> {
    const keys = new Map<string, MadeKey>();
    for (const { token } of findings) {
      if (token === undefined || keys.has(token.signer.id)) continue;
      const jose = await import('jose');
      const { publicKey, privateKey } = await jose.generateKeyPair(ALGORITHM, { extractable: true });
      const jwk = { ...(await jose.exportJWK(publicKey)), kid: `replay-${keys.size}`, alg: ALGORITHM };
      keys.set(token.signer.id, { signer: token.signer, privateKey, jwk });
    }
    return new ReplayTokens(keys);
  }

  /** With the key sets of the occasion; the same where no finding has a token. */
  replaced(config: MeshConfig): MeshConfig {
    if (this.#keys.size === 0) return config;
    return {
      ...config,
      requestAuthentications: config.requestAuthentications.map((policy) => ({
        ...policy,
        spec: { ...policy.spec, jwtRules: (policy.spec.jwtRules ?? []).map((rule) => this.#replacedRule(rule)) },
      })),
    };
  }

  #replacedRule(rule: JwtRule): JwtRule {
    const source = keySourceOf(rule);
    const keys = [...this.#keys.values()].flatMap(({ signer, jwk }) => (verifies(source, signer) ? [jwk] : []));
    const { jwksUri: _, ...rest } = rule;
    return { ...rest, jwks: JSON.stringify({ keys }) };
  }

  /** Why a token cannot be sent; nothing where it can. */
  static obstacle({ location }: WitnessToken): string | undefined {
    if (location.in !== 'parameter' && !HEADER_NAME.test(location.name)) return 'no header can carry its token';
    const blank = location.in === 'header' && location.prefix !== location.prefix.trimStart();
    return blank ? 'no header line begins with a blank' : undefined;
  }

  /** The request with its token, signed. */
  async signed(
    { path, headers = {}, auth }: HttpAttributes,
    { location, signer }: WitnessToken,
  ): Promise<Pick<HttpAttributes, 'path' | 'headers'>> {
    const made = this.#keys.get(signer.id);
    if (made === undefined) return { path, headers };
    const jose = await import('jose');
    const token = await new jose.SignJWT(unsplit(auth?.claims ?? {}))
      .setProtectedHeader({ alg: ALGORITHM, kid: made.jwk.kid ?? '' })
      .sign(made.privateKey);
    const { path: at, headers: lines } = carried(location, token, path);
    return { path: at, headers: { ...headers, ...lines } };
  }
}

/** RFC 9110 §5.6.2, which cookies keep to as well. */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Single texts, which some rule may take for a list of words. */
const NEVER_SPLIT: ReadonlySet<string> = new Set(['iss', 'sub']);

/** A text with blanks that policies see as one word has to be sent in a list: lists are not split. */
function unsplit(claims: Readonly<Record<string, Json>>): Record<string, Json> {
  const one = ([name, value]: [string, Json]): [string, Json] =>
    typeof value === 'string' && value.includes(' ') && !NEVER_SPLIT.has(name) ? [name, [value]] : [name, value];
  return Object.fromEntries(Object.entries(claims).map(one));
}
