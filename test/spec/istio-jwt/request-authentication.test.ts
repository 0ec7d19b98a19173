/**
 * RequestAuthentication with real tokens: statuses, words, extraction, combination, claims.
 * https://istio.io/latest/docs/reference/config/security/request_authentication/
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { JwtRule } from '../../../src/istio/index.ts';
import { compileRequestAuthentication } from '../../../src/policy/request-authentication.ts';
import { config, requestAuthentication } from '../../kit/mesh-resources.ts';
import {
  answer,
  authenticate,
  base64Url,
  bearer,
  httpbin,
  jwks,
  NOW,
  NOW_SECONDS,
  ruled,
  signer,
  token,
  type Signer,
} from './tokens.ts';

let a: Signer;
let b: Signer;
let ruleA: JwtRule;
let ruleB: JwtRule;
let goodA: string;
let goodB: string;

beforeAll(async () => {
  [a, b] = await Promise.all([signer('ES256', 'a'), signer('ES256', 'b')]);
  ruleA = { issuer: 'a', jwks: jwks(a) };
  ruleB = { issuer: 'b', jwks: jwks(b) };
  [goodA, goodB] = await Promise.all([token(a, { iss: 'a', sub: 'u' }), token(b, { iss: 'b', sub: 'u' })]);
});

const withClaims = async (claims: Record<string, unknown>, rule: Partial<JwtRule> = {}) =>
  authenticate(ruled({ ...ruleA, ...rule }), bearer(await token(a, { iss: 'a', sub: 'u', ...claims })));

describe('istio-jwt/status', () => {
  it('gotcha 54: no token passes without an identity', async () => {
    expect(await answer(ruled(ruleA), {})).toBe('200 -');
  });

  it('a good token passes with one', async () => {
    expect(await answer(ruled(ruleA), bearer(goodA))).toBe('200 a/u');
  });

  it('gotcha 55: garbage is refused before any authorization policy', async () => {
    expect(await answer(ruled(ruleA), bearer('deadbeef'))).toBe(
      '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    );
  });

  it('an unknown issuer is 401', async () => {
    expect(await answer(ruled(ruleA), bearer(goodB))).toBe('401 Jwt issuer is not configured');
  });

  it('a signature by another key is 401', async () => {
    const forged = await token({ ...b, kid: 'a' }, { iss: 'a', sub: 'u' });
    expect(await answer(ruled(ruleA), bearer(forged))).toBe('401 Jwt verification fails');
  });

  it('a changed payload is 401', async () => {
    const [header, , signature] = goodA.split('.');
    const changed = `${header}.${base64Url(JSON.stringify({ iss: 'a', sub: 'root' }))}.${signature}`;
    expect(await answer(ruled(ruleA), bearer(changed))).toBe('401 Jwt verification fails');
  });

  it('a kid or alg that no key has is 401', async () => {
    const words = "401 Jwks doesn't have key to match kid or alg from Jwt";
    expect(await answer(ruled(ruleA), bearer(await token({ ...a, kid: 'other' }, { iss: 'a' })))).toBe(words);
    const hmac = await signer('HS256', 'a');
    expect(await answer(ruled(ruleA), bearer(await token(hmac, { iss: 'a' })))).toBe(words);
  });

  it('alg none is 401', async () => {
    const unsigned = `${base64Url('{"alg":"none"}')}.${base64Url('{"iss":"a"}')}.${base64Url('x')}`;
    expect(await answer(ruled(ruleA), bearer(unsigned))).toBe('401 Jwt header [alg] is not supported');
  });

  it('gotcha 56: a wrong audience is 403', async () => {
    const rule = { ...ruleA, audiences: ['x'] };
    expect(await answer(ruled(rule), bearer(await token(a, { iss: 'a', sub: 'u', aud: 'y' })))).toBe(
      '403 Audiences in Jwt are not allowed',
    );
    expect(await answer(ruled(rule), bearer(goodA))).toBe('403 Audiences in Jwt are not allowed');
  });

  it.each([
    ['https://api.example/', 'api.example'],
    ['api.example', 'http://api.example'],
    ['https://api.example//', 'http://api.example//'],
  ])('takes audience `%s` for `%s`', async (written, carried) => {
    expect(
      await answer(
        ruled({ ...ruleA, audiences: [written] }),
        bearer(await token(a, { iss: 'a', sub: 'u', aud: ['z', carried] })),
      ),
    ).toBe('200 a/u');
  });

  it('checks issuer, time and audience before the signature, in this order', async () => {
    const rule = { ...ruleA, audiences: ['x'] };
    const by = { ...b, kid: 'a' };
    const ask = async (claims: Record<string, unknown>): Promise<string> =>
      answer(ruled(rule), bearer(await token(by, claims)));
    expect(await ask({ iss: 'z', exp: 1, aud: 'y' })).toBe('401 Jwt issuer is not configured');
    expect(await ask({ iss: 'a', exp: 1, aud: 'y' })).toBe('401 Jwt is expired');
    expect(await ask({ iss: 'a', aud: 'y' })).toBe('403 Audiences in Jwt are not allowed');
    expect(await ask({ iss: 'a', aud: 'x' })).toBe('401 Jwt verification fails');
  });

  it('names realm, error and detail in Envoy’s form', async () => {
    const result = await authenticate(ruled(ruleA), { ...bearer('deadbeef'), path: '/ip?x=1' });
    expect(result).toMatchObject({
      detail:
        'jwt_authn_access_denied{Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections}',
      wwwAuthenticate: 'Bearer realm="http://httpbin.foo:8000/ip?x=1", error="invalid_token"',
    });
  });
});

describe('istio-jwt/time at the virtual instant', () => {
  const ask = (claims: Record<string, unknown>) =>
    withClaims(claims).then((result) => (result.ok ? '200' : `${result.status} ${result.body}`));

  it('gotcha 63: passes an expired token inside 60 s and refuses it at the 61st', async () => {
    expect(await ask({ exp: NOW_SECONDS - 60 })).toBe('200');
    expect(await ask({ exp: NOW_SECONDS - 61 })).toBe('401 Jwt is expired');
  });

  it('passes a token that begins within 60 s and refuses a later one', async () => {
    expect(await ask({ nbf: NOW_SECONDS + 60 })).toBe('200');
    expect(await ask({ nbf: NOW_SECONDS + 61 })).toBe('401 Jwt not yet valid');
  });

  it('takes no exp for never', async () => {
    expect(await ask({})).toBe('200');
    expect(await ask({ exp: 0 })).toBe('200');
    expect(await ask({ exp: 0.5 })).toBe('200');
  });

  it.each(['iat', 'nbf', 'exp'])('refuses a negative %s, and one beyond 64 bits', async (name) => {
    const words = `401 Jwt payload [${name}] field is not a positive 64 bit integer`;
    expect(await ask({ [name]: -1 })).toBe(words);
    expect(await ask({ [name]: 2 ** 64 })).toBe(words);
  });

  it('refuses times that are not numbers', async () => {
    expect(await ask({ exp: String(NOW_SECONDS) })).toBe('401 Jwt payload [exp] field is not an integer');
    expect(await ask({ nbf: true })).toBe('401 Jwt payload [nbf] field is not an integer');
  });
});

describe('istio-jwt/extraction', () => {
  it('looks at Authorization and access_token by default', async () => {
    expect(await answer(ruled(ruleA), { path: `/ip?access_token=${goodA}` })).toBe('200 a/u');
    expect(await answer(ruled(ruleA), { headers: { 'x-token': goodB } })).toBe('200 -');
    expect(await answer(ruled(ruleA), { headers: { cookie: `token=${goodB}` } })).toBe('200 -');
  });

  it.each<[string, Partial<JwtRule>]>([
    ['fromHeaders', { fromHeaders: [{ name: 'x-token' }] }],
    ['fromParams', { fromParams: ['t'] }],
    ['fromCookies', { fromCookies: ['t'] }],
  ])('%s replaces the defaults', async (_, locations) => {
    const rule = ruled({ ...ruleA, ...locations });
    expect(await answer(rule, bearer('deadbeef'))).toBe('200 -');
    const request = { path: `/?t=${goodA}`, headers: { 'X-Token': goodA, cookie: `x=1; t=${goodA}` } };
    expect(await answer(rule, request)).toBe('200 a/u');
  });

  it('finds the prefix anywhere in the value and minds its case', async () => {
    expect(await answer(ruled(ruleA), { headers: { authorization: `Basic x, Bearer ${goodA}` } })).toBe('200 a/u');
    expect(await answer(ruled(ruleA), { headers: { authorization: `bearer ${goodB}` } })).toBe('200 -');
    expect(await answer(ruled(ruleA), { headers: { authorization: 'Basic dXNlcjpwYXNz' } })).toBe('200 -');
  });

  it('skips what no token begins with, and takes all that follows', async () => {
    expect(await answer(ruled(ruleA), bearer(` "${goodA}`))).toBe('200 a/u');
    expect(await answer(ruled(ruleA), bearer(`${goodA}"`))).toBe('401 Jwt signature is an invalid Base64url encoded');
    expect(await answer(ruled(ruleA), bearer(''))).toBe(
      '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    );
  });

  it('demands that every token of a rule be good', async () => {
    expect(await answer(ruled(ruleA), { headers: { authorization: [`Bearer ${goodA}`, 'Bearer junk.x.y'] } })).toMatch(
      /^401/,
    );
    expect(await answer(ruled(ruleA), { ...bearer(goodA), path: '/?access_token=deadbeef' })).toMatch(/^401/);
    expect(await answer(ruled(ruleA), { ...bearer('deadbeef'), path: `/?access_token=${goodA}` })).toMatch(/^401/);
  });

  it('gotcha 62: takes the token away unless it is to be forwarded', async () => {
    expect(await authenticate(ruled(ruleA), bearer(goodA))).toMatchObject({ headersToRemove: ['authorization'] });
    expect(await authenticate(ruled({ ...ruleA, forwardOriginalToken: true }), bearer(goodA))).toMatchObject({
      headersToRemove: [],
    });
  });

  it('takes a parameter out of the path, and leaves cookies', async () => {
    const path = `/ip?z=1&access_token=${goodA}&a=%41`;
    expect(await authenticate(ruled(ruleA), { path })).toMatchObject({ path: '/ip?a=A&z=1', headersToRemove: [] });
    const cookie = await authenticate(ruled({ ...ruleA, fromCookies: ['t'] }), { headers: { cookie: `t=${goodA}` } });
    expect(cookie).toMatchObject({ ok: true, headersToRemove: [] });
    expect(cookie).not.toHaveProperty('path');
  });

  it('keeps a header without a token', async () => {
    expect(await authenticate(ruled(ruleA), { headers: { authorization: 'Basic x' } })).toEqual({
      ok: true,
      headersToRemove: [],
      headersToAdd: [],
    });
  });
});

describe('istio-jwt/combination', () => {
  it('gotcha 61: a token of one rule is enough; the other’s issuer does not complain', async () => {
    expect(await answer(ruled(ruleA, ruleB), bearer(goodA))).toBe('200 a/u');
    expect(await answer(ruled(ruleA, ruleB), bearer(goodB))).toBe('200 b/u');
    const two = config({
      requestAuthentications: [
        requestAuthentication('foo/a', { jwtRules: [ruleA] }),
        requestAuthentication('foo/b', { jwtRules: [ruleB] }),
      ],
    });
    expect(await answer(two, bearer(goodB))).toBe('200 b/u');
  });

  it('passes without tokens, refuses with bad ones only', async () => {
    expect(await answer(ruled(ruleA, ruleB), {})).toBe('200 -');
    expect(await answer(ruled(ruleA, ruleB), bearer('deadbeef'))).toMatch(/^401/);
    expect(await answer(ruled(ruleA, ruleB), bearer(await token(a, { iss: 'c' })))).toBe(
      '401 Jwt issuer is not configured',
    );
  });

  it('passes garbage in another rule’s place beside one good token', async () => {
    const other = { ...ruleB, fromHeaders: [{ name: 'x-token' }] };
    const headers = { authorization: `Bearer ${goodA}`, 'x-token': 'deadbeef' };
    expect(await answer(ruled(ruleA, other), { headers })).toBe('200 a/u');
    expect(await answer(ruled(ruleA, other), { headers: { 'x-token': 'deadbeef' } })).toMatch(/^401/);
  });

  it('tells the real fault rather than an unknown issuer', async () => {
    const expired = await token(b, { iss: 'b', exp: 1 });
    expect(await answer(ruled(ruleA, ruleB), bearer(expired))).toBe('401 Jwt is expired');
    expect(await answer(ruled(ruleB, ruleA), bearer(expired))).toBe('401 Jwt is expired');
  });

  it('attaches by namespace, root namespace and labels', async () => {
    const only = (id: string, labels?: Record<string, string>): Promise<string> =>
      answer(
        config({
          requestAuthentications: [
            requestAuthentication(id, {
              jwtRules: [ruleA],
              ...(labels === undefined ? {} : { selector: { matchLabels: labels } }),
            }),
          ],
        }),
        bearer('deadbeef'),
      );
    expect(await only('foo/x')).toMatch(/^401/);
    expect(await only('istio-system/x')).toMatch(/^401/);
    expect(await only('istio-system/x', { app: 'httpbin' })).toMatch(/^401/);
    expect(await only('foo/x', { app: 'other' })).toBe('200 -');
    expect(await only('bar/x')).toBe('200 -');
  });

  it('is ignored by sidecars where it names targets, and binds the Gateway’s own Pods', async () => {
    const targetRef = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' };
    const cfg = config({
      requestAuthentications: [requestAuthentication('foo/x', { jwtRules: [ruleA], targetRefs: [targetRef] })],
    });
    expect(await answer(cfg, bearer('deadbeef'))).toBe('200 -');
    const gateway = { namespace: 'foo', labels: { 'gateway.networking.k8s.io/gateway-name': 'gw' } };
    const request = { method: 'GET', path: '/', headers: { authorization: 'Bearer x' }, now: NOW };
    expect((await compileRequestAuthentication(cfg).authenticate(gateway, request)).ok).toBe(false);
    expect(compileRequestAuthentication(cfg).applied(httpbin)).toEqual([]);
  });

  it('any issuer is good for a rule without one', async () => {
    expect(await answer(ruled({ jwks: jwks(a) }), bearer(await token(a, { iss: 'whoever', sub: 'u' })))).toBe(
      '200 whoever/u',
    );
  });
});

describe('istio-jwt/preflight', () => {
  const preflight = {
    method: 'OPTIONS',
    headers: { Origin: 'https://x', 'Access-Control-Request-Method': 'GET', Authorization: 'Bearer deadbeef' },
  };

  it('gotcha 64: a CORS preflight passes whatever token it carries', async () => {
    expect(await answer(ruled(ruleA), preflight)).toBe('200 -');
  });

  it('is one only with OPTIONS, Origin and Access-Control-Request-Method', async () => {
    expect(await answer(ruled(ruleA), { ...preflight, method: 'GET' })).toMatch(/^401/);
    expect(await answer(ruled(ruleA), { ...preflight, headers: { ...preflight.headers, Origin: '' } })).toMatch(/^401/);
  });
});

describe('istio-jwt/claims', () => {
  const authOf = async (claims: Record<string, unknown>, rule: Partial<JwtRule> = {}) => {
    const result = await withClaims(claims, rule);
    return result.ok ? result.auth : undefined;
  };

  it('gotcha 59: scope and permission become lists of words', async () => {
    expect((await authOf({ scope: 'read  write', permission: 'x', other: 'a b' }))?.claims).toMatchObject({
      scope: ['read', 'write'],
      permission: ['x'],
      other: 'a b',
    });
    expect((await authOf({ other: 'a b' }, { spaceDelimitedClaims: ['other'] }))?.claims).toMatchObject({
      other: ['a', 'b'],
    });
  });

  it('gotcha 60: numbers stay numbers', async () => {
    expect((await authOf({ level: 5 }))?.claims).toMatchObject({ level: 5 });
  });

  it('gotcha 57: a token without sub has no principal', async () => {
    expect(await answer(ruled(ruleA), bearer(await token(a, { iss: 'a' })))).toBe('200 no principal');
  });

  it('reads audiences as a string or a list, and azp as presenter', async () => {
    expect(await authOf({ aud: 'x', azp: 'p' })).toMatchObject({ audiences: ['x'], presenter: 'p' });
    expect(await authOf({ aud: ['x', 'y'] })).toMatchObject({ audiences: ['x', 'y'] });
  });

  it('writes claims into headers: strings, numbers, booleans, nested, and the rest as base64 JSON', async () => {
    const outputs = ['text', 'int', 'negative', 'flag', 'nested.key', 'list', 'absent'];
    const result = await withClaims(
      { text: 't', int: 5, negative: -5, flag: true, nested: { key: 'n' }, list: ['x'] },
      { outputClaimToHeaders: outputs.map((claim) => ({ header: `X-${claim.replace('.', '-')}`, claim })) },
    );
    expect(result.ok && result.headersToAdd).toEqual([
      ['x-text', 't'],
      ['x-int', '5'],
      ['x-negative', '-5.000000'],
      ['x-flag', 'true'],
      ['x-nested-key', 'n'],
      ['x-list', Buffer.from('["x"]').toString('base64')],
    ]);
  });

  it('takes output headers of the caller away, token or not', async () => {
    const rule = {
      ...ruleA,
      outputPayloadToHeader: 'x-payload',
      outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }],
    };
    const forged = { 'X-Sub': 'root', 'X-Payload': 'e30' };
    expect(await authenticate(ruled(rule), { headers: forged })).toMatchObject({
      headersToRemove: ['x-payload', 'x-sub'],
      headersToAdd: [],
    });
    const result = await authenticate(ruled(rule), { headers: { ...forged, authorization: `Bearer ${goodA}` } });
    expect(result).toMatchObject({
      headersToRemove: ['x-payload', 'x-sub', 'authorization'],
      headersToAdd: [
        ['x-payload', goodA.split('.')[1]],
        ['x-sub', 'u'],
      ],
    });
  });

  it('is not fooled by claims named like members of every object', async () => {
    const text = `{"iss":"a","sub":"u","__proto__":{"admin":true},"constructor":"c"}`;
    const [header] = goodA.split('.');
    expect(header).toBeDefined();
    const auth = await authOf(JSON.parse(text) as Record<string, unknown>, {
      outputClaimToHeaders: [{ header: 'x', claim: 'toString' }],
    });
    expect(Object.hasOwn(auth?.claims ?? {}, '__proto__')).toBe(true);
    expect((auth?.claims ?? {})['admin']).toBeUndefined();
  });
});
