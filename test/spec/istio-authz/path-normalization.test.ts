/**
 * Path normalisation, mode by mode.
 * Source: https://istio.io/latest/docs/reference/config/security/normalization/
 */
import { describe, expect, it } from 'vitest';
import type { PathNormalization } from '../../../src/istio/index.ts';
import { normalizePath } from '../../../src/policy/index.ts';
import { authorizationPolicy as policy, httpRequest as http } from '../../kit/policies.ts';
import { decide } from '../../kit/verdicts.ts';

const MODES: readonly PathNormalization[] = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'];
const CANONICAL = MODES.slice(1);
const raw = String.raw;

describe('istio-authz/normalization', () => {
  it.each([
    ['/', '/', '/', '/', '/'],
    ['/team#top', '/team', '/team', '/team', '/team'],
    ['/team?a=/../b#top', '/team', '/team', '/team', '/team'],
    ['/team/../secret', '/team/../secret', '/secret', '/secret', '/secret'],
    ['/team//', '/team//', '/team//', '/team/', '/team/'],
    ['/team%2f/', '/team%2f/', '/team%2f/', '/team%2f/', '/team/'],
    ['/v%31..//abc', '/v%31..//abc', '/v1..//abc', '/v1../abc', '/v1../abc'],
    [raw`/team\secret`, raw`/team\secret`, '/team/secret', '/team/secret', '/team/secret'],
    ['/team/%2E./secret', '/team/%2E./secret', '/secret', '/secret', '/secret'],
    ['/team//../../secret', '/team//../../secret', '/secret', '/secret', '/secret'],
    ['/team//../secret', '/team//../secret', '/team/secret', '/team/secret', '/team/secret'],
    ['/../../x', '/../../x', '/x', '/x', '/x'],
    ['/a/.', '/a/.', '/a/', '/a/', '/a/'],
    ['/a/..', '/a/..', '/', '/', '/'],
    ['/a/.../b', '/a/.../b', '/a/.../b', '/a/.../b', '/a/.../b'],
    ['/a/..;/b', '/a/..;/b', '/a/..;/b', '/a/..;/b', '/a/..;/b'],
    ['/.well-known/x', '/.well-known/x', '/.well-known/x', '/.well-known/x', '/.well-known/x'],
    ['/%2e%2e%2fa', '/%2e%2e%2fa', '/..%2fa', '/..%2fa', '/a'],
    ['/%252e%252e/a', '/%252e%252e/a', '/%252e%252e/a', '/%252e%252e/a', '/%252e%252e/a'],
    ['/a%zz%4', '/a%zz%4', '/a%zz%4', '/a%zz%4', '/a%zz%4'],
    ['/%c0%ae/A', '/%c0%ae/A', '/%c0%ae/A', '/%c0%ae/A', '/%c0%ae/A'],
    ['/%7E%2D%5f', '/%7E%2D%5f', '/~-_', '/~-_', '/~-_'],
    ['/a b"<é', '/a b"<é', '/a%20b%22%3C%C3%A9', '/a%20b%22%3C%C3%A9', '/a%20b%22%3C%C3%A9'],
    ['a/b', 'a/b', '/a/b', '/a/b', '/a/b'],
    [raw`/%5c\%2F/x`, raw`/%5c\%2F/x`, '/%5c/%2F/x', '/%5c/%2F/x', '/x'],
  ])('istio-authz/normalization: %s', (path, none, base, merge, decode) => {
    expect(MODES.map((mode) => normalizePath(path, mode))).toEqual([none, base, merge, decode]);
  });

  it('istio-authz/normalization-escapes: of all escapes, those of unreserved characters alone are decoded', () => {
    for (let code = 1; code < 256; code++) {
      const escape = `%${code.toString(16).padStart(2, '0')}`;
      const char = String.fromCharCode(code);
      const decoded = /[A-Za-z0-9\-._~]/.test(char) ? char : escape;
      expect(normalizePath(`/a${escape}`, 'BASE')).toBe(`/a${decoded}`);
      const slash = char === '/' || char === '\\' ? '/' : decoded;
      expect(normalizePath(`/a${escape}`, 'DECODE_AND_MERGE_SLASHES')).toBe(`/a${slash}`);
    }
  });

  it('istio-authz/normalization-idempotent: a normal path stays', () => {
    for (const mode of CANONICAL) {
      for (const path of ['/', '/a/b', '/a-b_c~d.e/*', '/a;b=c,d', '/(x)@y:z'])
        expect(normalizePath(path, mode)).toBe(path);
    }
  });

  it('istio-authz/normalization-nul: %00 answers 400 before any policy, but with NONE', () => {
    for (const pathNormalization of CANONICAL) {
      const decision = decide([policy({ rules: [{}] })], http({ path: '/a%00' }), { settings: { pathNormalization } });
      expect(decision).toMatchObject({
        decision: 'deny',
        status: 400,
        determining: [],
        reason: 'path_normalization_failed',
      });
    }
    const settings = { pathNormalization: 'NONE' } as const;
    expect(decide([policy({ rules: [{}] })], http({ path: '/a%00' }), { settings }).decision).toBe('allow');
    expect(decide([], http({ path: '/a?x=%00' })).decision).toBe('allow');
  });

  it('istio-authz/normalization-trace: the decision tells the path it was made on', () => {
    const decision = decide([policy({ rules: [{}] })], http({ path: '/x/../ip?a=b' }));
    expect(decision.trace.normalizedPath).toBe('/ip');
    expect(decide([policy({ rules: [{}] })], http({ path: '/ip?a=b' })).trace.normalizedPath).toBeUndefined();
  });
});
