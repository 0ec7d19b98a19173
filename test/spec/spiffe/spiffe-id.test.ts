/**
 * SPIFFE-ID, https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md §2: scheme, trust domain, path.
 */
import { describe, expect, it } from 'vitest';
import {
  isSpiffeId,
  parseSpiffeId,
  parseTrustDomain,
  parseWorkloadIdentity,
  pathOf,
  trustDomainOf,
  workloadSpiffeId,
} from '../../../src/identity/index.ts';

const characters = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

describe('spiffe-id/2.1: trust domain', () => {
  it.each(characters)('allows only the characters of the specification: %j', (character) => {
    expect(isSpiffeId(`spiffe://trust${character}domain/path`)).toBe(/[a-z0-9._/-]/.test(character));
  });

  it('is at most 255 bytes', () => {
    expect(isSpiffeId(`spiffe://${'a'.repeat(255)}`)).toBe(true);
    expect(isSpiffeId(`spiffe://${'a'.repeat(256)}`)).toBe(false);
    expect(() => parseTrustDomain('')).toThrow('missing');
  });

  it.each(['user@domain', 'domain:8080', 'Domain'])('refuses %s', (domain) => {
    expect(() => parseTrustDomain(domain)).toThrow(expect.objectContaining({ code: 'ERR_IDENTITY_SYNTAX' }));
  });
});

describe('spiffe-id/2.2: path', () => {
  it.each(characters)('allows only the characters of the specification: %j', (character) => {
    expect(isSpiffeId(`spiffe://td/a${character}b`)).toBe(/[a-zA-Z0-9._/-]/.test(character));
  });

  it.each(['/', '//a', '/a/', '/a//b', '/.', '/..', '/a/./b', '/a/../b'])('refuses the path %s', (path) => {
    expect(isSpiffeId(`spiffe://td${path}`)).toBe(false);
  });

  it.each(['', '/a', '/...', '/.a', '/a.b/c-d_e'])('takes the path %j', (path) => {
    expect(pathOf(parseSpiffeId(`spiffe://td${path}`))).toBe(path);
  });
});

describe('spiffe-id/2.3: size and scheme', () => {
  it('is at most 2048 bytes', () => {
    expect(isSpiffeId(`spiffe://td/${'a'.repeat(2036)}`)).toBe(true);
    expect(isSpiffeId(`spiffe://td/${'a'.repeat(2037)}`)).toBe(false);
  });

  it.each(['', 'spiffe:/td', 'SPIFFE://td/a', 'https://td/a', 'spiffe:///a', 'spiffe://td/a?b', 'spiffe://td/a#b'])(
    'refuses %j',
    (text) => {
      expect(() => parseSpiffeId(text)).toThrow(expect.objectContaining({ code: 'ERR_IDENTITY_SYNTAX' }));
    },
  );
});

describe('the identity of a service account', () => {
  it('is /ns/<namespace>/sa/<account>', () => {
    const id = workloadSpiffeId({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'frontend' });
    expect(id).toBe('spiffe://cluster.local/ns/default/sa/frontend');
    expect(trustDomainOf(id)).toBe('cluster.local');
    expect(parseWorkloadIdentity(id)).toEqual({
      trustDomain: 'cluster.local',
      namespace: 'default',
      serviceAccount: 'frontend',
    });
  });

  it.each([
    'td/ns/a/sa/b',
    'spiffe://td/ns/a/sa',
    'spiffe://td/ns/a/sa/b/c',
    'spiffe://td/x/a/sa/b',
    'spiffe://td/ns/a/x/b',
  ])('is not %s', (uri) => {
    expect(parseWorkloadIdentity(uri)).toBeUndefined();
  });
});
