/** Requests whose outcome stays and that another policy decides: listed where that is asked for, and only there. */
import { describe, expect, it } from 'vitest';
import { diff, type DiffFinding } from '../../../src/analysis/index.ts';
import type { AuthorizationPolicy, AuthorizationRule, MeshConfig } from '../../../src/istio/index.ts';
import { peerAuthentication } from '../../kit/mesh-resources.ts';
import { authorizationPolicy, meshWith, workload } from '../../kit/policies.ts';

const get: AuthorizationRule = { to: [{ operation: { methods: ['GET'] } }] };
const api: AuthorizationRule = { to: [{ operation: { paths: ['/api/*'] } }] };

function policy(
  name: string,
  rules: readonly AuthorizationRule[],
  action: 'ALLOW' | 'DENY' = 'ALLOW',
): AuthorizationPolicy {
  return authorizationPolicy({ action, rules }, { name });
}

function mesh(policies: readonly AuthorizationPolicy[]): MeshConfig {
  return meshWith([...policies], { workloads: [workload('httpbin')] });
}

/** HTTP only: on raw connections rules with HTTP attributes mean something else. */
function http(before: MeshConfig, after: MeshConfig): readonly DiffFinding[] {
  return diff(before, after, { sameOutcome: true }).findings.filter(({ traffic }) => traffic === 'http');
}

const names = ({ before, after }: DiffFinding): readonly (string | undefined)[] => [before.by?.name, after.by?.name];

describe('the same outcome by another policy', () => {
  it('is what another ALLOW policy still lets in where one goes', () => {
    const [before, after] = [mesh([policy('a', [get]), policy('b', [api])]), mesh([policy('b', [api])])];
    const found = http(before, after);
    expect(found.map(({ kind }) => kind)).toEqual(['newly-denied', 'same-outcome']);
    const same = found[1];
    expect(same).toMatchObject({
      requests: { method: '`GET`', path: '`/api/*`' },
      before: { decision: 'allow' },
      after: { decision: 'allow' },
      witness: { request: { method: 'GET', path: '/api/' } },
    });
    expect(same === undefined ? [] : names(same)).toEqual(['a', 'b']);
    expect(diff(before, after).findings.map(({ kind }) => kind)).not.toContain('same-outcome');
  });

  it('is what a new DENY policy refuses that no ALLOW policy let in', () => {
    const before = mesh([policy('a', [get])]);
    const found = http(before, mesh([policy('a', [get]), policy('no', [api], 'DENY')]));
    expect(found.map(({ kind, requests }) => [kind, requests])).toEqual([
      ['newly-denied', { method: '`GET`', path: '`/api/*`' }],
      ['same-outcome', { method: 'any except `GET`', path: '`/api/*`' }],
    ]);
  });

  it('is what a PeerAuthentication refuses now', () => {
    const before = mesh([policy('members', [{ from: [{ source: { principals: ['*'] } }] }])]);
    const strict = peerAuthentication('foo/strict', { mtls: { mode: 'STRICT' } });
    const { findings } = diff(before, { ...before, peerAuthentications: [strict] }, { sameOutcome: true });
    expect(findings.find(({ kind }) => kind === 'same-outcome')).toMatchObject({
      requests: { caller: 'plaintext callers' },
      before: { decision: 'deny', reason: 'no ALLOW policy matched' },
      after: { decision: 'deny', by: { kind: 'PeerAuthentication', name: 'strict' } },
    });
  });

  it('is a policy that was split or renamed, where that is asked for', () => {
    const before = mesh([policy('a', [get, api])]);
    const split = mesh([policy('a', [get]), policy('b', [api])]);
    expect(diff(before, split).findings).toEqual([]);
    expect(http(before, split).map((each) => [each.kind, each.requests, names(each)])).toEqual([
      ['same-outcome', { method: 'any except `GET`', path: '`/api/*`' }, ['a', 'b']],
    ]);
  });

  it('is not a matter of order, of rules within a policy, or of two policies where the first still decides', () => {
    const [a, b] = [policy('a', [get, api]), policy('b', [api])];
    expect(http(mesh([a, b]), mesh([b, policy('a', [api, get])]))).toEqual([]);
    expect(http(mesh([a]), mesh([a, b]))).toEqual([]);
  });
});
