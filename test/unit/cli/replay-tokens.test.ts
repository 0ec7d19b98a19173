/** Witnesses with tokens go over the wire: really signed, with key sets made for the occasion on both sides. */
import { describe, expect, it } from 'vitest';
import { diff, type DiffFinding } from '../../../src/analysis/index.ts';
import { replayFindings } from '../../../src/cli/diff-replay.ts';
import { diffText, type Replay } from '../../../src/cli/render/diff-report.ts';
import type { AuthorizationRule, JwtRule, MeshConfig } from '../../../src/istio/index.ts';
import { requestAuthentication, service } from '../../kit/mesh-resources.ts';
import { authorizationPolicy, meshWith, workload } from '../../kit/policies.ts';

const X: JwtRule = { issuer: 'https://x', jwksUri: 'https://x/keys' };
const Y: JwtRule = { issuer: 'https://y', jwksUri: 'https://y/keys' };
const inline = (kid: string): JwtRule => ({
  issuer: 'https://x',
  jwks: JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', x: `made-of-${kid}`, kid }] }),
});
const tokens: AuthorizationRule = { from: [{ source: { requestPrincipals: ['*'] } }] };
const scope: AuthorizationRule = { ...tokens, when: [{ key: 'request.auth.claims[scope]', values: ['a b'] }] };

function mesh(rules: readonly JwtRule[], allowed: readonly AuthorizationRule[] = [tokens]): MeshConfig {
  const policies = allowed.length === 0 ? [] : [authorizationPolicy({ rules: allowed })];
  const http = [{ name: 'http', port: 8080, targetPort: 8080, protocol: 'http' }] as const;
  return {
    ...meshWith(policies, { workloads: [workload('httpbin')] }),
    services: [service('foo/httpbin', { selector: { app: 'httpbin' }, ports: http })],
    requestAuthentications: rules.length === 0 ? [] : [requestAuthentication('foo/jwt', { jwtRules: rules })],
  };
}

async function replayed(before: MeshConfig, after: MeshConfig): Promise<readonly (readonly [DiffFinding, Replay])[]> {
  const { findings } = diff(before, after);
  const replays = await replayFindings(findings, before, after);
  return findings.flatMap((finding, i) => (replays[i] === undefined ? [] : [[finding, replays[i]] as const]));
}

it('a finding says where its token is and who signed it, where that tells the sides apart', () => {
  const text = (before: MeshConfig, after: MeshConfig): string => diffText(diff(before, after), undefined, false);
  const moved = text(mesh([X]), mesh([{ ...X, fromHeaders: [{ name: 'x-a', prefix: 'JWT ' }] }]));
  expect(moved).toContain(
    'token {"iss":"https://x","sub":"a"} in header `x-a` after `JWT `, signed by the keys at `https://x/keys`',
  );
  expect(moved).toContain('before  denied  no ALLOW policy matched');
  const forged = text(mesh([], []), mesh([X], []));
  expect(forged).toContain('signed by nobody (forged or expired)');
  expect(forged).toContain(
    'after   denied  the token is refused: Jwt verification fails: RequestAuthentication foo/jwt rule 0',
  );
  const widened = text(mesh([X], [scope]), mesh([X], [tokens]));
  expect(widened).toContain('token {"iss":"https://x","sub":"a"}\n');
});

describe('a replayed token', () => {
  it.each<[string, MeshConfig, MeshConfig]>([
    ['a RequestAuthentication is added', mesh([]), mesh([X])],
    ['one is added where no policy asks for tokens', mesh([], []), mesh([X], [])],
    ['an issuer changes', mesh([X]), mesh([Y])],
    ['a rule is added', mesh([X]), mesh([X, Y])],
    ['audiences narrow', mesh([{ ...X, audiences: ['a', 'b'] }]), mesh([{ ...X, audiences: ['a'] }])],
    ['a key is rotated', mesh([inline('k1')]), mesh([inline('k2')])],
    [
      'the header moves',
      mesh([{ ...X, fromHeaders: [{ name: 'x-a' }] }]),
      mesh([{ ...X, fromHeaders: [{ name: 'x-a', prefix: 'JWT ' }] }]),
    ],
    ['parameters and cookies are read', mesh([X]), mesh([{ ...X, fromParams: ['t'], fromCookies: ['c'] }])],
    [
      'a policy changes behind them',
      mesh([{ ...X, audiences: ['a'] }, Y]),
      mesh([{ ...X, audiences: ['a'] }, Y], [scope]),
    ],
  ])('tells the sides apart where %s', async (_, before, after) => {
    const all = await replayed(before, after);
    const http = all.filter(([{ traffic }]) => traffic === 'http');
    expect(http.length).toBeGreaterThan(0);
    expect(http.some(([{ token }]) => token !== undefined)).toBe(true);
    for (const [finding, replay] of http) {
      expect(replay, JSON.stringify([finding.summary, finding.witness.request, replay])).toMatchObject({
        agrees: true,
      });
      if (finding.after.by?.kind === 'RequestAuthentication') expect(replay.after).toMatch(/^deny 40[13]$/);
    }
  });

  it('says why it is not sent where no header line can carry it', async () => {
    const odd = { ...X, fromHeaders: [{ name: 'x-a', prefix: ' T ' }] };
    const all = await replayed(mesh([X]), mesh([odd]));
    expect(all.map(([, { skipped }]) => skipped)).toContain('no header line begins with a blank');
  });
});
