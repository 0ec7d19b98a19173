import { describe, expect, it } from 'vitest';
import { tlsCheckRows, type TlsCheckQuestion } from '../../../src/cli/tls-check-rows.ts';
import { tlsCheckTable } from '../../../src/cli/verbs/tls-check.ts';
import type { MeshConfig } from '../../../src/istio/index.ts';
import { compileMesh } from '../../../src/policy/index.ts';
import {
  config,
  destinationRule,
  peerAuthentication,
  service,
  serviceEntry,
  servicePort,
  workload,
} from '../../kit/mesh-resources.ts';

const WORLD: MeshConfig = config({
  workloads: [
    workload('shop/cart'),
    workload('shop/web'),
    workload('old/legacy', { injected: false }),
    workload('shop/mixed-a', { labels: { app: 'mixed' } }),
    workload('shop/mixed-b', { labels: { app: 'mixed', version: 'b' } }),
  ],
  services: [
    service('shop/cart', {
      ports: [servicePort(80, 8080, 'http'), servicePort(9000, 9000, 'tcp'), servicePort(53, 53, 'udp')],
    }),
    service('shop/mixed'),
    service('old/legacy'),
    service('shop/empty'),
  ],
  serviceEntries: [
    serviceEntry('shop/ext', {
      hosts: ['api.example.com'],
      resolution: 'DNS',
      location: 'MESH_EXTERNAL',
      ports: [{ number: 443, name: 'https', protocol: 'HTTPS' }],
    }),
  ],
  peerAuthentications: [
    peerAuthentication('shop/default', { mtls: { mode: 'STRICT' } }),
    peerAuthentication('shop/b', { selector: { matchLabels: { version: 'b' } }, mtls: { mode: 'DISABLE' } }),
  ],
  destinationRules: [
    destinationRule('shop/cart', {
      host: 'cart',
      trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } },
      subsets: [{ name: 'v1', trafficPolicy: { tls: { mode: 'DISABLE' } } }, { name: 'v2' }],
    }),
    destinationRule('old/legacy', { host: 'legacy', trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }),
  ],
});

const table = (question: Partial<TlsCheckQuestion> = {}): readonly string[] =>
  tlsCheckTable(tlsCheckRows({ compiled: compileMesh(WORLD), ...question }), false)
    .trimEnd()
    .split('\n');

describe('tls-check', () => {
  it('prints the table of istioctl 1.4, one row for a service port, sorted', () => {
    expect(table().map((line) => line.split(/ {5,}/))).toEqual([
      ['HOST:PORT', 'STATUS', 'SERVER', 'CLIENT', 'AUTHN POLICY', 'DESTINATION RULE'],
      ['api.example.com:443', 'UNKNOWN', 'NONE', 'DISABLE', '-', '-'],
      ['cart.shop.svc.cluster.local:80', 'OK', 'STRICT', 'ISTIO_MUTUAL', 'default/shop', 'cart/shop'],
      ['cart.shop.svc.cluster.local:80|v1', 'CONFLICT', 'STRICT', 'DISABLE', 'default/shop', 'cart/shop'],
      ['cart.shop.svc.cluster.local:9000', 'OK', 'STRICT', 'ISTIO_MUTUAL', 'default/shop', 'cart/shop'],
      ['cart.shop.svc.cluster.local:9000|v1', 'CONFLICT', 'STRICT', 'DISABLE', 'default/shop', 'cart/shop'],
      ['empty.shop.svc.cluster.local:8000', 'UNKNOWN', '-', '-', '-', '-'],
      ['legacy.old.svc.cluster.local:8000', 'CONFLICT', 'NONE', 'ISTIO_MUTUAL', '-', 'legacy/old'],
      ['mixed.shop.svc.cluster.local:8000', 'OK', 'STRICT,DISABLE', 'ISTIO_MUTUAL,DISABLE', 'default/shop,b/shop', '-'],
    ]);
  });

  it('narrows by namespace, host and port', () => {
    expect(table({ namespace: 'old' })).toHaveLength(2);
    expect(table({ target: 'cart.shop:9000' })).toHaveLength(3);
    expect(table({ target: 'mixed', namespace: 'shop' })).toHaveLength(2);
    expect(() => table({ target: 'nothing' })).toThrow('no service `nothing` seen from namespace default');
    expect(() => table({ target: 'cart.shop:9001' })).toThrow('has no port `9001`: expected 80, 9000');
  });

  it('asks as one caller, who may have no sidecar and then no DestinationRule', () => {
    const compiled = compileMesh(WORLD);
    const rows = tlsCheckRows({ compiled, from: compiled.workload('old/legacy'), target: 'cart.shop:80' });
    expect(rows).toMatchObject([
      { status: 'CONFLICT', endpoints: [{ client: 'DISABLE', outcome: { ending: 'reset' } }] },
    ]);
    expect(rows[0]).not.toHaveProperty('destinationRule');
    const web = tlsCheckRows({ compiled, from: compiled.workload('shop/web'), target: 'cart:80' });
    expect(web.map(({ status, subset }) => [status, subset])).toEqual([
      ['OK', undefined],
      ['CONFLICT', 'v1'],
    ]);
  });

  it('gives no verdict where trust lies in files that the manifests do not hold', () => {
    const withFiles = {
      ...WORLD,
      destinationRules: [
        destinationRule('shop/cart', {
          host: 'cart',
          trafficPolicy: { tls: { mode: 'MUTUAL', clientCertificate: '/c', privateKey: '/k', caCertificates: '/ca' } },
        }),
      ],
    };
    const rows = tlsCheckRows({ compiled: compileMesh(withFiles), target: 'cart.shop:80' });
    expect(rows).toMatchObject([{ status: 'UNKNOWN', endpoints: [{ client: 'MUTUAL' }] }]);
  });

  it('says in the wide form what happens at each endpoint and why', () => {
    const rows = tlsCheckRows({ compiled: compileMesh(WORLD), target: 'legacy.old:8000' });
    const wide = tlsCheckTable(rows, true);
    expect(wide).toContain('legacy.old:8080');
    expect(wide).toContain('503 UF,URX');
    expect(wide).toContain('wrong_version_number (DestinationRule old/legacy: tls mode ISTIO_MUTUAL)');
  });
});
