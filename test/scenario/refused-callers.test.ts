/**
 * The four callers a STRICT mesh with an ALLOW policy must refuse: each with its reason, and the application has seen
 * nothing of them. What it has seen is counted where it would see it: in its own handler.
 */
import { describe, expect, it } from 'vitest';
import { Mesh } from '../../src/mesh/index.ts';
import type { ApplicationRequest, Caller } from '../../src/sim/index.ts';
import { allowYaml, manifests, peerAuthenticationYaml, workloadYaml } from '../kit/small-world.ts';

const YAML = manifests(
  workloadYaml('frontend'),
  workloadYaml('intruder'),
  workloadYaml('gateway'),
  peerAuthenticationYaml('STRICT'),
  allowYaml('gateway-policy', 'gateway', 'frontend'),
);
const SECRET = 'the body nobody may see';

async function meshThatListens(): Promise<{ readonly mesh: Mesh; readonly seen: ApplicationRequest[] }> {
  const seen: ApplicationRequest[] = [];
  const mesh = await Mesh.start({
    yaml: YAML,
    applications: {
      'default/gateway': (request) => {
        seen.push(request);
        return { status: 200, body: 'hello' };
      },
    },
  });
  return { mesh, seen };
}

interface Refused {
  readonly name: string;
  readonly from: Caller;
  readonly stage: string;
  readonly reason: string;
}

const REFUSED: readonly Refused[] = [
  {
    name: "a certificate of somebody else's CA in the frontend's name",
    from: { workload: 'default/frontend', certificate: 'rogue' },
    stage: 'verify-client',
    reason: 'untrusted_root',
  },
  {
    name: 'TLS without a certificate',
    from: { certificate: 'none' },
    stage: 'verify-client',
    reason: 'no_client_certificate',
  },
  { name: 'plaintext to a STRICT port', from: 'outside', stage: 'filter-chain', reason: 'filter_chain_not_found' },
  {
    name: "the frontend's own certificate a day too late",
    from: { workload: 'default/frontend', certificate: 'expired' },
    stage: 'verify-client',
    reason: 'expired',
  },
];

describe('callers that are refused', () => {
  it.each(REFUSED)('$name never reaches the application', async ({ from, stage, reason }) => {
    const { mesh, seen } = await meshThatListens();
    await using _mesh = mesh;
    const to = 'default/gateway';
    const outcome = await mesh.request({ from, to, method: 'GET', path: '/secret', body: SECRET });
    expect(outcome).toMatchObject({
      result: 'handshake-failure',
      status: 0,
      refusal: { side: 'server', stage, reason, applicationBytes: 0 },
    });
    expect(seen).toEqual([]);
    const refused = mesh.events.all().filter((event) => event.kind === 'connection.refused');
    expect(refused).toMatchObject([{ stage, reason, applicationBytes: 0 }]);
    // The same handler is reached by the caller that may: it is not deaf.
    expect(await mesh.request({ from: 'default/frontend', to })).toMatchObject({ result: 'allow', body: 'hello' });
    expect(seen).toHaveLength(1);
  });

  it('a valid certificate of the wrong service account is answered 403 by the sidecar, and the policy is named', async () => {
    const { mesh, seen } = await meshThatListens();
    await using _mesh = mesh;
    const outcome = await mesh.request({ from: 'default/intruder', to: 'default/gateway', body: SECRET });
    expect(outcome).toMatchObject({
      result: 'deny',
      status: 403,
      body: 'RBAC: access denied',
      reason: 'no ALLOW policy matched',
      connection: { security: 'mutual_tls', clientPrincipal: 'spiffe://cluster.local/ns/default/sa/intruder' },
    });
    expect(seen).toEqual([]);
  });

  it('a right certificate with a wrong method is denied as well', async () => {
    const { mesh, seen } = await meshThatListens();
    await using _mesh = mesh;
    const outcome = await mesh.request({
      from: 'default/frontend',
      to: 'default/gateway',
      method: 'POST',
      body: SECRET,
    });
    expect(outcome).toMatchObject({ result: 'deny', status: 403 });
    expect(seen).toEqual([]);
  });
});
