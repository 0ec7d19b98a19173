/** Real keys and tokens, made by `jose`. */
import { CompactSign, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose';
import { instantOf, type Instant } from '../../../src/core/index.ts';
import type { JwtRule, MeshConfig } from '../../../src/istio/index.ts';
import {
  compileRequestAuthentication,
  type AuthenticatedRequest,
  type JwksSource,
  type RefusedRequest,
  type TokenRequest,
} from '../../../src/policy/request-authentication.ts';
import { config, requestAuthentication } from '../../kit/mesh-resources.ts';

export interface Signer {
  readonly alg: string;
  readonly kid: string;
  readonly key: CryptoKey | Uint8Array;
  /** The public key, with its `kid` and `alg`. */
  readonly jwk: JWK;
}

export async function signer(alg: string, kid = `key-${alg}`): Promise<Signer> {
  if (alg.startsWith('HS')) {
    const key = new TextEncoder().encode(`secret of ${kid}, long enough for every hash function of the family`);
    return { alg, kid, key, jwk: { kty: 'oct', k: base64Url(key), kid, alg } };
  }
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
}

export const jwks = (...signers: readonly Signer[]): string => JSON.stringify({ keys: signers.map(({ jwk }) => jwk) });

/** Seconds since the Unix epoch at the tests' instant. */
export const NOW_SECONDS: number = Date.UTC(2026, 0, 1) / 1000;
export const NOW: Instant = instantOf(NOW_SECONDS * 1000);

export type Claims = Readonly<Record<string, unknown>>;

export async function token(
  by: Signer,
  claims: Claims,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const payload = new TextEncoder().encode(JSON.stringify(claims));
  return new CompactSign(payload).setProtectedHeader({ alg: by.alg, kid: by.kid, ...header }).sign(by.key);
}

export function base64Url(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64url');
}

export const httpbin = { namespace: 'foo', labels: { app: 'httpbin' } };

/** One RequestAuthentication in `foo` with these rules. */
export const ruled = (...jwtRules: readonly JwtRule[]): MeshConfig =>
  config({ requestAuthentications: [requestAuthentication('foo/jwt', { jwtRules })] });

export function authenticate(
  cfg: MeshConfig,
  request: Partial<TokenRequest>,
  source?: JwksSource,
): Promise<AuthenticatedRequest | RefusedRequest> {
  const compiled = compileRequestAuthentication(cfg, source === undefined ? {} : { jwks: source });
  return compiled.authenticate(httpbin, {
    method: 'GET',
    path: '/ip',
    host: 'httpbin.foo:8000',
    headers: {},
    now: NOW,
    ...request,
  });
}

/** `200 iss/sub`, `200 -` without a token, `401 Jwt is expired`. */
export async function answer(cfg: MeshConfig, request: Partial<TokenRequest>, source?: JwksSource): Promise<string> {
  const result = await authenticate(cfg, request, source);
  return result.ok
    ? `200 ${result.auth === undefined ? '-' : (result.auth.principal ?? 'no principal')}`
    : `${result.status} ${result.body}`;
}

export const bearer = (text: string): Partial<TokenRequest> => ({ headers: { Authorization: `Bearer ${text}` } });
