/** Findings about calls are sent by who calls, through its own sidecar and to the name it says. */
import { describe, expect, it } from 'vitest';
import { diff } from '../../../src/analysis/index.ts';
import { replayFindings } from '../../../src/cli/diff-replay.ts';
import type { Replay } from '../../../src/cli/render/diff-report.ts';
import type { MeshConfig } from '../../../src/istio/index.ts';
import {
  config,
  destinationRule,
  peerAuthentication,
  requestAuthentication,
  service,
  workload,
} from '../../kit/mesh-resources.ts';
import { authorizationPolicy } from '../../kit/policies.ts';

const HOST = 'api.shop.svc.cluster.local';

const base = config({
  workloads: [workload('shop/web'), workload('shop/api'), workload('shop/db')],
  services: [service('shop/api'), service('shop/db')],
  authorizationPolicies: [
    authorizationPolicy(
      {
        selector: { matchLabels: { app: 'api' } },
        rules: [{ from: [{ source: { principals: ['td/ns/shop/sa/web'] } }] }],
      },
      { namespace: 'shop' },
    ),
  ],
  peerAuthentications: [peerAuthentication('istio-system/default', { mtls: { mode: 'STRICT' } })],
  settings: { trustDomain: 'td' },
});

/** Of findings about calls, or, where asked for, of all. */
async function sent(after: MeshConfig, all = false): Promise<readonly (readonly [string, Replay | undefined])[]> {
  const findings = diff(base, after).findings.filter(({ calls }) => all || calls !== undefined);
  const replays = await replayFindings(findings, base, after);
  return findings.map(({ kind }, i) => [kind, replays[i]]);
}

describe('a replayed call', () => {
  it('of a workload with another account is refused by the policy', async () => {
    const workloads = base.workloads.map((each) => (each.name === 'web' ? { ...each, serviceAccount: 'x' } : each));
    expect(await sent({ ...base, workloads })).toEqual([
      ['newly-denied', { before: 'allow 200', after: 'deny 403', agrees: true }],
    ]);
  });

  it('to a name that is gone does not arrive', async () => {
    expect(await sent({ ...base, services: base.services.slice(1) })).toEqual([
      ['now-unreachable', { before: 'allow 200', after: 'unreachable 503', agrees: true }],
    ]);
  });

  it('to a name that leads elsewhere is answered by somebody else', async () => {
    const services = base.services.map((each) => (each.name === 'api' ? { ...each, selector: { app: 'db' } } : each));
    const replays = await sent({ ...base, services });
    expect(replays).toContainEqual([
      'now-unreachable',
      { before: 'allow 200', after: 'allow 200 from shop/db:8080', agrees: true },
    ]);
    expect(replays.every(([, replay]) => replay?.agrees === true)).toBe(true);
  });

  it('under a DestinationRule is sent as the rule says', async () => {
    const rule = destinationRule('shop/api', { host: HOST, trafficPolicy: { tls: { mode: 'DISABLE' } } });
    expect(await sent({ ...base, destinationRules: [rule] })).toEqual([
      ['now-unreachable', { before: 'allow 200', after: 'handshake-failure 503', agrees: true }],
    ]);
  });

  it('to a name with several servers behind it is not sent, and says why', async () => {
    const twin = workload('shop/api2', { labels: { app: 'api' } });
    const before = { ...base, workloads: [...base.workloads, twin] };
    const after = { ...before, services: base.services.slice(1) };
    const [finding] = diff(before, after).findings.filter(({ kind }) => kind === 'now-unreachable');
    expect(finding?.targets).toMatchObject([{ workload: 'api' }, { workload: 'api2' }]);
    if (finding === undefined) return;
    const destination = { ...finding.witness.destination, workload: 'api2' };
    const toSecond = { ...finding, witness: { ...finding.witness, destination } };
    const replays = await replayFindings([finding, toSecond], before, after);
    expect(replays).toMatchObject([{ agrees: true }, { skipped: expect.stringContaining('leads to other servers') }]);
  });

  it('carries the token that its request needs', async () => {
    const tokens = {
      ...base,
      requestAuthentications: [
        requestAuthentication('shop/jwt', { jwtRules: [{ issuer: 'i', jwksUri: 'https://i.example/keys' }] }),
      ],
      authorizationPolicies: [
        authorizationPolicy(
          {
            selector: { matchLabels: { app: 'api' } },
            rules: [{ from: [{ source: { principals: ['td/ns/shop/sa/web'], requestPrincipals: ['i/*'] } }] }],
          },
          { namespace: 'shop' },
        ),
      ],
    };
    const workloads = base.workloads.map((each) => (each.name === 'web' ? { ...each, serviceAccount: 'x' } : each));
    const after = { ...tokens, workloads };
    const { findings } = diff(tokens, after);
    expect(findings).toMatchObject([{ kind: 'newly-denied', token: {}, calls: { from: ['shop/web'] } }]);
    expect(await replayFindings(findings, tokens, after)).toEqual([
      { before: 'allow 200', after: 'deny 403', agrees: true },
    ]);
  });

  it('of a mesh that renames its trust domain is sent under both names', async () => {
    const replays = await sent({ ...base, settings: { ...base.settings, trustDomain: 'corp' } }, true);
    expect(replays).toContainEqual(['newly-denied', { before: 'allow 200', after: 'deny 403', agrees: true }]);
    // Nobody issues certificates of the old name after the change.
    expect(replays.some(([, replay]) => replay?.skipped === 'the identity is not one the mesh issues')).toBe(true);
  });
});
