/** Each kind of change of RequestAuthentications is a finding with a witness, or none where no request is told apart. */
import { describe, expect, it } from 'vitest';
import { containment, diff, equivalence, type DiffFinding } from '../../../src/analysis/index.ts';
import type {
  AuthorizationRule,
  JwtRule,
  MeshConfig,
  RequestAuthentication,
  RequestAuthenticationSpec,
} from '../../../src/istio/index.ts';
import { requestAuthentication } from '../../kit/mesh-resources.ts';
import { authorizationPolicy, meshWith, workload } from '../../kit/policies.ts';

const X: JwtRule = { issuer: 'https://x', jwksUri: 'https://x/keys' };
const Y: JwtRule = { issuer: 'https://y', jwksUri: 'https://y/keys' };
const key = (kid: string): string => JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', x: `AA${kid}`, kid }] });

const jwt = (...jwtRules: readonly JwtRule[]): RequestAuthentication => requestAuthentication('foo/jwt', { jwtRules });
const tokens: AuthorizationRule = { from: [{ source: { requestPrincipals: ['*'] } }] };

function mesh(authentications: readonly RequestAuthentication[], rules?: readonly AuthorizationRule[]): MeshConfig {
  const policies = rules === undefined ? [] : [authorizationPolicy({ rules })];
  return { ...meshWith(policies, { workloads: [workload('httpbin')] }), requestAuthentications: authentications };
}

/** `newly-denied: any caller, …`. */
function texts(before: MeshConfig, after: MeshConfig): readonly string[] {
  const { findings, undecided } = diff(before, after);
  expect(undecided).toEqual([]);
  return findings.map(({ kind, summary }) => `${kind}: ${summary}`);
}

describe('probe', () => {
  it('prints', () => {
    const show = (name: string, b: MeshConfig, a: MeshConfig): void => {
      const { findings, undecided, notes, statistics } = diff(b, a);
      console.log(name, statistics.states, undecided, notes);
      for (const f of findings) console.log('  ', f.kind, f.summary, '| e.g.', JSON.stringify(f.witness.request?.auth), JSON.stringify(f.token), '|', f.before.reason, f.before.by?.name, '->', f.after.reason, f.after.by?.name);
    };
    show('added, no policy', mesh([]), mesh([jwt(X)]));
    show('added, policy', mesh([], [tokens]), mesh([jwt(X)], [tokens]));
    show('removed, policy', mesh([jwt(X)], [tokens]), mesh([], [tokens]));
    show('issuer changed', mesh([jwt(X)], [tokens]), mesh([jwt(Y)], [tokens]));
    show('rule added', mesh([jwt(X)], [tokens]), mesh([jwt(X, Y)], [tokens]));
    show('audiences narrowed', mesh([jwt({ ...X, audiences: ['a', 'b'] })], [tokens]), mesh([jwt({ ...X, audiences: ['a'] })], [tokens]));
    show('audiences asked', mesh([jwt(X)], [tokens]), mesh([jwt({ ...X, audiences: ['a'] })], [tokens]));
    show('rotated', mesh([jwt({ issuer: 'x', jwks: key('k1') })], [tokens]), mesh([jwt({ issuer: 'x', jwks: key('k2') })], [tokens]));
    show('moved', mesh([jwt({ ...X, fromHeaders: [{ name: 'x-a' }] })], [tokens]), mesh([jwt({ ...X, fromHeaders: [{ name: 'x-b' }] })], [tokens]));
    show('moved deny', mesh([jwt({ ...X, fromHeaders: [{ name: 'x-a' }] })]), mesh([jwt({ ...X, fromHeaders: [{ name: 'x-b' }] })]));
    show('policy widened, same', mesh([jwt({...X, audiences: ['a']})], [{...tokens, to: [{operation: {paths: ['/a']}}]}]), mesh([jwt({...X, audiences: ['a']})], [{...tokens, to: [{operation: {paths: ['/a', '/b']}}]}]));
    show('policy widened, same, without', mesh([jwt(X)], [{to: [{operation: {paths: ['/a']}}]}]), mesh([jwt(X)], [{ to: [{operation: {paths: ['/a', '/b']}}]}]));
    show('claims', mesh([jwt({...X, audiences: ['a']})], [{...tokens, when: [{key: 'request.auth.claims[g]', values: ['q']}]}]), mesh([jwt({...X, audiences: ['a']})], [tokens]));
    show('no RA', mesh([], [{...tokens, to: [{operation: {paths: ['/a']}}]}]), mesh([], [{...tokens, to: [{operation: {paths: ['/a', '/b']}}]}]));
  });
});
