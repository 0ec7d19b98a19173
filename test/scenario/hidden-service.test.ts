/**
 * A Service that `exportTo` hides: the cluster's DNS knows it, the sidecars of other namespaces do not. With ALLOW_ANY they
 * pass calls to it through, in plaintext and without identity; with REGISTRY_ONLY they have nowhere to send them.
 */
import { describe, expect, it } from 'vitest';
import type { MutualTlsMode } from '../../src/istio/index.ts';
import { Mesh } from '../../src/mesh/index.ts';
import { config, meta, peerAuthentication, service, workload } from '../kit/mesh-resources.ts';

const metadata = { ...meta('shop/api'), annotations: { 'networking.istio.io/exportTo': '.' } };

function meshWith(mode: MutualTlsMode, outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY'): Promise<Mesh> {
  return Mesh.start({
    config: config({
      workloads: [workload('shop/api'), workload('shop/web'), workload('other/web')],
      services: [service('shop/api', { metadata })],
      peerAuthentications: [peerAuthentication('istio-system/default', { mtls: { mode } })],
      settings: { outboundTrafficPolicy },
    }),
  });
}

const to = 'api.shop.svc.cluster.local:8000';

describe.each([
  ['PERMISSIVE', 'ALLOW_ANY', { result: 'allow', status: 200, security: 'none' }],
  ['STRICT', 'ALLOW_ANY', { result: 'handshake-failure', status: 503, security: 'none' }],
  ['PERMISSIVE', 'REGISTRY_ONLY', { result: 'unreachable', status: 502, security: 'none' }],
] as const)('to a %s server under %s', (mode, outbound, expected) => {
  it('a call from another namespace meets what the model says', async () => {
    await using mesh = await meshWith(mode, outbound);
    const request = { from: 'other/web', to };
    const [sent, predicted] = [await mesh.request(request), mesh.predict(request)];
    for (const { result, status, connection } of [sent, predicted])
      expect({ result, status, security: connection.security }).toEqual(expected);
    expect(sent.connection.clientPrincipal).toBeUndefined();
  });

  it('a call from its own namespace is a call like any other', async () => {
    await using mesh = await meshWith(mode, outbound);
    const { result, connection } = await mesh.request({ from: 'shop/web', to });
    expect([result, connection.security]).toEqual(['allow', 'mutual_tls']);
  });
});
