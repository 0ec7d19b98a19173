/**
 * Whatever a request carries, request authentication answers: it never rejects, and only a token that was really signed
 * passes. `FC_SEED` overrides the seed.
 */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MutableRequest } from '../../../src/policy/jwt-extraction.ts';
import { JWT_FAULTS, parseJwt } from '../../../src/policy/jwt-token.ts';
import {
  authenticate,
  base64Url,
  jwks,
  NOW_SECONDS,
  ruled,
  signer,
  token,
  type Signer,
} from '../../spec/istio-jwt/tokens.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_260_101);

let key: Signer;
beforeAll(async () => {
  key = await signer('ES256');
});

const json = fc.jsonValue({ maxDepth: 2 });
const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  json.map((value) => base64Url(JSON.stringify(value))),
  fc.base64String(),
);
const tokenLike = fc.array(piece, { maxLength: 4 }).map((parts) => parts.join('.'));
const headers = fc.dictionary(
  fc.constantFrom('authorization', 'Authorization', 'cookie', 'x-token', 'origin', '__proto__', 'x-sub'),
  fc.oneof(
    tokenLike,
    tokenLike.map((text) => `Bearer ${text}`),
    tokenLike.map((text) => `t=${text}; u="`),
    fc.array(tokenLike, { maxLength: 3 }),
  ),
);
const path = fc.oneof(
  tokenLike.map((text) => `/?access_token=${text}&t=%zz`),
  fc.string({ unit: 'binary' }),
);

describe('laws of request authentication', () => {
  it('answers whatever a request carries, and gives nobody an identity for it', async () => {
    const rules = [
      { issuer: 'a', jwks: jwks(key), outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }] },
      { jwks: '{"keys":[]}', fromHeaders: [{ name: 'x-token' }], fromCookies: ['t'], fromParams: ['t'] },
    ];
    let refused = 0;
    const law = fc.asyncProperty(headers, path, fc.constantFrom(1, 2), async (found, to, count) => {
      const result = await authenticate(ruled(...rules.slice(0, count)), { headers: found, path: to });
      if (!result.ok) {
        refused++;
        expect(Object.values(JWT_FAULTS)).toContain(result.body);
        expect(result.detail).not.toContain(' ');
        expect(result.status).toBe(result.reason === 'audience' ? 403 : 401);
        return;
      }
      expect(result.auth).toBeUndefined();
    });
    await fc.assert(law, { seed: SEED, numRuns: 2_000 });
    expect(refused).toBeGreaterThan(200);
  });

  it('passes a signed token exactly while it is valid, give or take 60 s', async () => {
    const law = fc.asyncProperty(
      fc.integer({ min: -200, max: 200 }),
      fc.integer({ min: -200, max: 200 }),
      async (begins, ends) => {
        const text = await token(key, { iss: 'a', sub: 'u', nbf: NOW_SECONDS + begins, exp: NOW_SECONDS + ends });
        const result = await authenticate(ruled({ issuer: 'a', jwks: jwks(key) }), {
          headers: { authorization: `Bearer ${text}` },
        });
        expect(result.ok).toBe(begins <= 60 && ends >= -60);
      },
    );
    await fc.assert(law, { seed: SEED, numRuns: 150 });
  });

  it('refuses a token with any one character of it changed', async () => {
    const good = await token(key, { iss: 'a', sub: 'u' });
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // The last character of a part holds bits that no byte uses: changing those changes nothing.
    const places = Array.from({ length: good.length }, (_, index) => index).filter(
      (index) => good[index] !== '.' && (good[index + 1] ?? '.') !== '.',
    );
    const law = fc.asyncProperty(
      fc.constantFrom(...places),
      fc.constantFrom(...alphabet.split('')),
      async (index, char) => {
        fc.pre(good[index] !== char);
        const changed = good.slice(0, index) + char + good.slice(index + 1);
        const result = await authenticate(ruled({ issuer: 'a', jwks: jwks(key) }), {
          headers: { authorization: `Bearer ${changed}` },
        });
        expect(result.ok).toBe(false);
      },
    );
    await fc.assert(law, { seed: SEED, numRuns: 300 });
  });

  it('reads any text as a token or a fault', () => {
    fc.assert(
      fc.property(tokenLike, (text) => {
        const read = parseJwt(text);
        if (typeof read === 'string') expect(JWT_FAULTS).toHaveProperty(read);
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  it('taking a parameter out leaves the others, sorted, and takes it out once and for all', () => {
    const name = fc.constantFrom('a', 'b', 't');
    const law = fc.property(fc.array(fc.tuple(name, fc.stringMatching(/^[a-z0-9]{0,3}$/))), (pairs) => {
      const request = new MutableRequest(`/p?${pairs.map((pair) => pair.join('=')).join('&')}`, {});
      request.removeParameter('t');
      const rest = pairs.filter(([key]) => key !== 't').toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)));
      const expected = rest.length === 0 ? '/p' : `/p?${rest.map((pair) => pair.join('=')).join('&')}`;
      expect(request.path).toBe(expected);
      request.removeParameter('t');
      expect(request.path).toBe(expected);
    });
    fc.assert(law, { seed: SEED, numRuns: 500 });
  });
});
