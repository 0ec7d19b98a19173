/**
 * Tokens and key sets that are malformed, huge or made to deceive: what each is refused with.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter and RFC 8725.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { JwtRule } from '../../../src/istio/index.ts';
import { compileRequestAuthentication } from '../../../src/policy/request-authentication.ts';
import {
  answer,
  authenticate,
  base64Url,
  bearer,
  httpbin,
  jwks,
  NOW,
  ruled,
  signer,
  token,
  type Signer,
} from './tokens.ts';

let a: Signer;
let b: Signer;
let ruleA: JwtRule;
let goodA: string;
let goodB: string;

beforeAll(async () => {
  [a, b] = await Promise.all([signer('ES256', 'a'), signer('ES256', 'b')]);
  ruleA = { issuer: 'a', jwks: jwks(a) };
  [goodA, goodB] = await Promise.all([token(a, { iss: 'a', sub: 'u' }), token(b, { iss: 'b', sub: 'u' })]);
});

const withClaims = async (claims: Record<string, unknown>) =>
  authenticate(ruled(ruleA), bearer(await token(a, { iss: 'a', sub: 'u', ...claims })));

describe('istio-jwt/malformed', () => {
  const part = (value: unknown): string => base64Url(JSON.stringify(value));
  const header = part({ alg: 'ES256' });
  const nested = (levels: number): string => base64Url(`{"x":${'['.repeat(levels)}${']'.repeat(levels)}}`);

  it.each([
    ['four sections', 'a.b.c.d', 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'],
    ['two sections', 'a..c', 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'],
    ['nothing but dots', '....', 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'],
    ['a kid that is null', `${part({ alg: 'ES256', kid: null })}.b.c`, 'Jwt header [kid] field is not a string'],
    ['an iss that is null', `${header}.${part({ iss: null })}.c`, 'Jwt payload [iss] field is not a string'],
    [
      'an aud that is null',
      `${header}.${part({ aud: null })}.c`,
      'Jwt payload [aud] field is not a string or string list',
    ],
    ['a payload that is a string', `${header}.${part('x')}.c`, 'Jwt payload is an invalid JSON'],
    [
      'a payload that is not UTF-8',
      `${header}.${base64Url(Buffer.from([0x22, 0xff, 0x22]))}.c`,
      'Jwt payload is an invalid JSON',
    ],
    ['a payload nested deeper than 100', `${header}.${nested(100)}.c`, 'Jwt payload is an invalid JSON'],
    ['a payload nested a million deep', `${header}.${nested(1_000_000)}.c`, 'Jwt payload is an invalid JSON'],
    ['a header nested deeper than 100', `${nested(100)}.b.c`, 'Jwt header is an invalid JSON'],
    ['a header that is no base64url', '++.b.c', 'Jwt header is an invalid Base64url encoded'],
    ['a header that is no JSON', `${base64Url('x')}.b.c`, 'Jwt header is an invalid JSON'],
    ['a header that is a list', `${part([])}.b.c`, 'Jwt header is an invalid JSON'],
    ['no alg', `${part({})}.b.c`, 'Jwt header [alg] field is required and must be a string'],
    ['a numeric kid', `${part({ alg: 'ES256', kid: 1 })}.b.c`, 'Jwt header [kid] field is not a string'],
    ['a payload that is no base64url', `${header}.*.c`, 'Jwt payload is an invalid Base64url encoded'],
    ['a payload that is no JSON', `${header}.${base64Url('{')}.c`, 'Jwt payload is an invalid JSON'],
    ['a numeric iss', `${header}.${part({ iss: 1 })}.c`, 'Jwt payload [iss] field is not a string'],
    ['a numeric sub', `${header}.${part({ sub: 1 })}.c`, 'Jwt payload [sub] field is not a string'],
    ['an object as aud', `${header}.${part({ aud: {} })}.c`, 'Jwt payload [aud] field is not a string or string list'],
    [
      'a mixed list as aud',
      `${header}.${part({ aud: ['x', 1] })}.c`,
      'Jwt payload [aud] field is not a string or string list',
    ],
    [
      'a signature that is no base64url',
      `${header}.${part({ iss: 'a' })}.*`,
      'Jwt signature is an invalid Base64url encoded',
    ],
  ])('%s', async (_, text, words) => {
    expect(
      await answer(ruled({ ...ruleA, fromHeaders: [{ name: 'x-token' }] }), { headers: { 'X-Token': text } }),
    ).toBe(`401 ${words}`);
  });
});

describe('istio-jwt/hostile', () => {
  it('passes over dots too many, as Envoy does, and not over a signature of other text', async () => {
    expect(await answer(ruled(ruleA), bearer(`.${goodA.replaceAll('.', '..')}.`))).toBe('200 a/u');
    expect(await answer(ruled(ruleA), bearer(`${goodA.slice(0, 5)}.${goodA.slice(5)}`))).toMatch(/^401 /);
  });

  it('reads payloads down to a depth of 100', async () => {
    const depth = (levels: number): unknown => (levels === 0 ? 'x' : [depth(levels - 1)]);
    expect((await withClaims({ deep: depth(99) })).ok).toBe(true);
    expect(await withClaims({ deep: depth(100) })).toMatchObject({ body: 'Jwt payload is an invalid JSON' });
  });

  it('answers megabytes of nonsense, and never rejects', async () => {
    const junk = [
      '.'.repeat(1e6),
      `${'a'.repeat(1e6)}.b.c`,
      '='.repeat(1e6),
      '\u0000.\u{1F600}.x',
      `${goodA}${'.a'.repeat(1e5)}`,
    ];
    for (const text of junk) expect(await answer(ruled(ruleA), bearer(text))).toMatch(/^401 Jwt /);
    expect(await answer(ruled(ruleA), { path: `/?${'access_token=a&'.repeat(10_000)}` })).toMatch(/^401 Jwt /);
    const cookie = `${'"'.repeat(1e5)};${';'.repeat(1e5)}t="${'"'.repeat(1e5)}`;
    expect(await answer(ruled({ ...ruleA, fromCookies: ['t'] }), { headers: { cookie } })).toMatch(/^401 Jwt /);
  });

  it('tells an Ed25519 signature of wrong length', async () => {
    const by = await signer('EdDSA');
    const good = await token(by, { iss: 'a', sub: 'u' });
    const rule = ruled({ issuer: 'a', jwks: jwks(by) });
    expect(await answer(rule, bearer(good.slice(0, good.lastIndexOf('.') + 5)))).toBe(
      '401 Jwt ED25519 signature is wrong length',
    );
  });

  it.each(['none', 'None', 'nOnE', '', 'HS1', 'RS256 ', 'constructor'])('alg `%s` is not supported', async (alg) => {
    const unsigned = `${base64Url(JSON.stringify({ alg }))}.${base64Url('{"iss":"a","sub":"root"}')}.${base64Url('x')}`;
    expect(await answer(ruled(ruleA), bearer(unsigned))).toBe('401 Jwt header [alg] is not supported');
  });

  it('pays no heed to keys a token brings along', async () => {
    const header = { jwk: b.jwk, jku: 'https://attacker.example/jwks', x5u: 'https://attacker.example/x5u', kid: 'a' };
    const forged = await token(b, { iss: 'a', sub: 'root' }, header);
    expect(await answer(ruled(ruleA), bearer(forged))).toBe('401 Jwt verification fails');
  });

  it('an RSA key verifies no HMAC made with its public half, whether or not the set names an algorithm', async () => {
    const rsa = await signer('RS256', 'r');
    for (const jwk of [rsa.jwk, { ...rsa.jwk, alg: undefined }]) {
      const secrets = [JSON.stringify(rsa.jwk), String(rsa.jwk.n), Buffer.from(String(rsa.jwk.n), 'base64url')];
      for (const secret of secrets) {
        const confused = await token({ ...rsa, alg: 'HS256', key: Buffer.from(secret) }, { iss: 'a', sub: 'root' });
        const set = JSON.stringify({ keys: [jwk] });
        expect(await answer(ruled({ issuer: 'a', jwks: set }), bearer(confused))).toMatch(/^401 Jw/);
      }
    }
  });
});

describe('istio-jwt/keys', () => {
  it.each(['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'HS256', 'HS512'])('verifies %s', async (alg) => {
    const by = await signer(alg);
    const rule = ruled({ issuer: 'a', jwks: jwks(by) });
    expect(await answer(rule, bearer(await token(by, { iss: 'a', sub: 'u' })))).toBe('200 a/u');
    const other = await signer(alg, `${by.kid}-other`);
    expect(await answer(rule, bearer(await token({ ...other, kid: by.kid }, { iss: 'a', sub: 'u' })))).toBe(
      '401 Jwt verification fails',
    );
  });

  it('tries every key where token or keys name no kid', async () => {
    const bare = (by: Signer) => ({
      ...by,
      jwk: { ...by.jwk, kid: undefined, alg: undefined } as unknown as Signer['jwk'],
    });
    const rule = ruled({ issuer: 'b', jwks: jwks(bare(a), bare(b)) });
    expect(await answer(rule, bearer(goodB))).toBe('200 b/u');
    const nameless = await token(b, { iss: 'b', sub: 'u' }, { kid: undefined });
    expect(await answer(ruled({ issuer: 'b', jwks: jwks(a, b) }), bearer(nameless))).toBe('200 b/u');
  });

  it('never verifies an HMAC made with a public key', async () => {
    const secret = new TextEncoder().encode(JSON.stringify(a.jwk));
    const confused = await token({ ...a, alg: 'HS256', key: secret }, { iss: 'a', sub: 'root' });
    const bare = JSON.stringify({ keys: [{ ...a.jwk, alg: undefined }] });
    expect(await answer(ruled({ issuer: 'a', jwks: bare }), bearer(confused))).toBe('401 Jwt verification fails');
  });

  it.each([
    ['no JSON', 'not json'],
    ['no keys', '{}'],
    ['an empty set', '{"keys":[]}'],
    ['only unknown key types', '{"keys":[{"kty":"XYZ"},7]}'],
  ])('refuses every token where the set has %s', async (_, text) => {
    expect(await answer(ruled({ issuer: 'a', jwks: text }), bearer(goodA))).toBe(
      "401 Jwks doesn't have any valid public key",
    );
    expect(await answer(ruled({ issuer: 'a', jwks: text }), {})).toBe('200 -');
  });

  it('asks the function handed in for jwksUri until it answers, and refuses every token as long as it does not', async () => {
    const rule = { issuer: 'a', jwksUri: 'https://issuer.example/jwks' };
    const asked: unknown[] = [];
    const compiled = compileRequestAuthentication(ruled(rule), {
      jwks: (of) => {
        asked.push(of);
        return jwks(a);
      },
    });
    const request = { method: 'GET', path: '/', headers: { authorization: `Bearer ${goodA}` }, now: NOW };
    expect((await compiled.authenticate(httpbin, request)).ok).toBe(true);
    expect((await compiled.authenticate(httpbin, request)).ok).toBe(true);
    expect(asked).toEqual([rule]);
    const answers = [undefined, jwks(a)];
    const late = compileRequestAuthentication(ruled(rule), { jwks: () => answers.shift() });
    expect((await late.authenticate(httpbin, request)).ok).toBe(false);
    expect((await late.authenticate(httpbin, request)).ok).toBe(true);
    expect(await answer(ruled(rule), bearer(goodA))).toBe('401 Jwt verification fails');
    expect(await answer(ruled(rule), bearer(goodA), () => Promise.reject(new Error('offline')))).toBe(
      '401 Jwt verification fails',
    );
    expect(await answer(ruled(rule), {})).toBe('200 -');
  });
});
