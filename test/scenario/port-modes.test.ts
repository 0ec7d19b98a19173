/**
 * STRICT, PERMISSIVE and DISABLE on a live port, for callers that speak mutual TLS and callers that speak plaintext;
 * and what `apply` and `remove` change, at the instant they are called.
 */
import { describe, expect, it } from 'vitest';
import { Mesh } from '../../src/mesh/index.ts';
import { allowYaml, manifests, type Mode, peerAuthenticationYaml, workloadYaml } from '../kit/small-world.ts';

const WORKLOADS = manifests(workloadYaml('client'), workloadYaml('bare', { sidecar: false }), workloadYaml('server'));
const clientTls = (mode: 'ISTIO_MUTUAL' | 'DISABLE'): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: server, namespace: default }
spec: { host: server.default.svc.cluster.local, trafficPolicy: { tls: { mode: ${mode} } } }
`;
const TO = 'default/server';

describe('the three modes on a live port', () => {
  it.each([
    { mode: 'STRICT', mutual: 200, plain: 0 },
    { mode: 'PERMISSIVE', mutual: 200, plain: 200 },
    { mode: 'DISABLE', mutual: 503, plain: 200 },
  ] as const)('$mode answers mutual TLS with $mutual and plaintext with $plain', async ({ mode, mutual, plain }) => {
    // A DestinationRule, or auto mTLS would not send mutual TLS to a port that refuses it.
    const yaml = manifests(WORKLOADS, peerAuthenticationYaml(mode), clientTls('ISTIO_MUTUAL'));
    await using mesh = await Mesh.start({ yaml });
    const overTls = await mesh.request({ from: 'default/client', to: TO });
    const inPlain = await mesh.request({ from: 'default/bare', to: TO });
    expect([overTls.status, inPlain.status]).toEqual([mutual, plain]);
    if (mutual === 200) expect(overTls.connection).toMatchObject({ security: 'mutual_tls', tlsVersion: 'TLSv1.3' });
    if (plain === 200) expect(inPlain.connection.security).toBe('none');
    if (plain === 0) expect(inPlain.refusal).toMatchObject({ reason: 'filter_chain_not_found', applicationBytes: 0 });
  });

  it.each([
    { mode: 'STRICT', security: 'mutual_tls' },
    { mode: 'PERMISSIVE', security: 'mutual_tls' },
    { mode: 'DISABLE', security: 'none' },
  ] as const)('auto mTLS finds the way to a $mode port by itself', async ({ mode, security }) => {
    await using mesh = await Mesh.start({ yaml: manifests(WORKLOADS, peerAuthenticationYaml(mode)) });
    const outcome = await mesh.request({ from: 'default/client', to: TO });
    expect(outcome).toMatchObject({ result: 'allow', connection: { security } });
  });

  it('a sidecar that is told to speak plaintext is refused by STRICT with a 503', async () => {
    await using mesh = await Mesh.start({
      yaml: manifests(WORKLOADS, peerAuthenticationYaml('STRICT'), clientTls('DISABLE')),
    });
    const outcome = await mesh.request({ from: 'default/client', to: TO });
    expect(outcome).toMatchObject({ status: 503, refusal: { reason: 'filter_chain_not_found' } });
  });
});

describe('apply and remove', () => {
  it('change the mode of a port that is in use, at this instant', async () => {
    await using mesh = await Mesh.start({ yaml: manifests(WORKLOADS, peerAuthenticationYaml('PERMISSIVE')) });
    const plain = async (): Promise<number> => (await mesh.request({ from: 'default/bare', to: TO })).status;
    const at = mesh.clock.now();
    expect(await plain()).toBe(200);
    await mesh.apply(peerAuthenticationYaml('STRICT', { namespace: 'default', app: 'server' }));
    expect(await plain()).toBe(0);
    const toOneself: Mode = 'DISABLE';
    await mesh.apply(peerAuthenticationYaml(toOneself, { namespace: 'default', app: 'server' }));
    expect(await plain()).toBe(200);
    expect((await mesh.request({ from: 'default/client', to: TO })).connection.security).toBe('none');
    await mesh.remove({ kind: 'PeerAuthentication', namespace: 'default', name: 'server' });
    expect((await mesh.request({ from: 'default/client', to: TO })).connection.security).toBe('mutual_tls');
    expect(mesh.clock.now()).toBe(at);
    expect(mesh.events.all().filter(({ kind }) => kind === 'config.changed')).toHaveLength(3);
  });

  it('change who may call, on connections that are already open', async () => {
    await using mesh = await Mesh.start({ yaml: manifests(WORKLOADS, peerAuthenticationYaml('STRICT')) });
    const call = async (): Promise<number> => (await mesh.request({ from: 'default/client', to: TO })).status;
    const opened = (): number => mesh.events.all().filter(({ kind }) => kind === 'connection.opened').length;
    expect(await call()).toBe(200);
    await mesh.apply(allowYaml('only-bare', 'server', 'bare'));
    expect(await call()).toBe(403);
    await mesh.remove({ kind: 'AuthorizationPolicy', namespace: 'default', name: 'only-bare' });
    expect(await call()).toBe(200);
    expect(opened()).toBe(1);
  });

  it('leave everything as it was where the change is refused', async () => {
    await using mesh = await Mesh.start({ yaml: manifests(WORKLOADS, peerAuthenticationYaml('STRICT')) });
    const before = mesh.config;
    await expect(mesh.apply(peerAuthenticationYaml('STRICT').replace('mtls:', 'mlts:'))).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
    await expect(mesh.remove({ kind: 'PeerAuthentication', namespace: 'default', name: 'none' })).rejects.toMatchObject(
      {
        code: 'ERR_REQUEST_INVALID',
      },
    );
    expect(mesh.config).toBe(before);
  });
});
