/**
 * Auto mTLS: what a client's sidecar does where no DestinationRule names a TLS mode.
 * https://istio.io/latest/docs/ops/configuration/traffic-management/tls-configuration/#auto-mtls
 */
import { describe, expect, it } from 'vitest';
import type { MeshConfig, MutualTlsMode, PeerAuthentication } from '../../../src/istio/index.ts';
import {
  config,
  destinationRule,
  peerAuthentication,
  service,
  serviceEntry,
  servicePort,
  workload,
  workloadEntry,
} from '../../kit/mesh-resources.ts';
import { clientTls, modes } from './client.ts';

const HTTPBIN = 'httpbin.foo.svc.cluster.local:8000';
const world = (parts: Parameters<typeof config>[0]): MeshConfig =>
  config({ workloads: [workload('foo/httpbin')], services: [service('foo/httpbin')], ...parts });

const namespaceMode = (mode: MutualTlsMode): PeerAuthentication =>
  peerAuthentication('foo/default', { mtls: { mode } });
const meshMode = (mode: MutualTlsMode): PeerAuthentication =>
  peerAuthentication('istio-system/default', { mtls: { mode } });
const workloadMode = (mode: MutualTlsMode): PeerAuthentication =>
  peerAuthentication('foo/httpbin', { selector: { matchLabels: { app: 'httpbin' } }, mtls: { mode } });
const portMode = (port: number, mode: MutualTlsMode): PeerAuthentication =>
  peerAuthentication('foo/httpbin', {
    selector: { matchLabels: { app: 'httpbin' } },
    portLevelMtls: { [port]: { mode } },
  });

const ask = (...peerAuthentications: readonly PeerAuthentication[]): readonly string[] =>
  modes(world({ peerAuthentications }), 'foo/curl', HTTPBIN);

describe('istio-mtls/auto: endpoint level', () => {
  it.each([
    ['no policy', []],
    ['mesh STRICT', [meshMode('STRICT')]],
    ['mesh PERMISSIVE', [meshMode('PERMISSIVE')]],
    ['workload STRICT', [workloadMode('STRICT')]],
  ])('sends mTLS under %s', (_, policies) => {
    expect(ask(...policies)).toEqual(['istio_mutual by auto']);
  });

  it.each([
    ['workload DISABLE under namespace STRICT', [namespaceMode('STRICT'), workloadMode('DISABLE')]],
    ['gotcha 17: port DISABLE under namespace STRICT', [namespaceMode('STRICT'), portMode(8080, 'DISABLE')]],
    ['namespace DISABLE', [namespaceMode('DISABLE')]],
    ['mesh DISABLE', [meshMode('DISABLE')]],
    ['gotcha 16: namespace DISABLE over workload STRICT', [namespaceMode('DISABLE'), workloadMode('STRICT')]],
    ['mesh DISABLE over workload STRICT', [meshMode('DISABLE'), workloadMode('STRICT')]],
    ['namespace DISABLE over workload PERMISSIVE', [namespaceMode('DISABLE'), workloadMode('PERMISSIVE')]],
  ])('sends plaintext under %s', (_, policies) => {
    expect(ask(...policies)).toEqual(['plaintext by auto']);
  });

  it('is not moved by an entry for the Service port', () => {
    expect(ask(portMode(8000, 'DISABLE'))).toEqual(['istio_mutual by auto']);
  });

  it('names the PeerAuthentication it gave way to', () => {
    const [decision] = clientTls(world({ peerAuthentications: [portMode(8080, 'DISABLE')] }), 'foo/curl', HTTPBIN);
    expect(decision).toMatchObject({ peerAuthentication: { namespace: 'foo', name: 'httpbin' } });
    expect(decision?.reason).toContain('port 8080');
  });

  it('decides for each endpoint by itself: one with a sidecar, one without', () => {
    const workloads = [
      workload('foo/httpbin'),
      workload('foo/legacy', { labels: { app: 'httpbin' }, injected: false }),
    ];
    expect(modes(world({ workloads }), 'foo/curl', HTTPBIN)).toEqual(['istio_mutual by auto', 'plaintext by auto']);
  });

  it('sends plaintext to a server without a sidecar even where the mesh is STRICT', () => {
    const workloads = [workload('foo/httpbin', { injected: false })];
    const parts = { workloads, peerAuthentications: [meshMode('STRICT')] };
    expect(modes(world(parts), 'foo/curl', HTTPBIN)).toEqual(['plaintext by auto']);
  });

  it('follows the label security.istio.io/tlsMode before injection', () => {
    const labelled = (tlsMode: string, injected: boolean): readonly string[] => {
      const labels = { app: 'httpbin', 'security.istio.io/tlsMode': tlsMode };
      return modes(world({ workloads: [workload('foo/httpbin', { labels, injected })] }), 'foo/curl', HTTPBIN);
    };
    expect(labelled('istio', false)).toEqual(['istio_mutual by auto']);
    expect(labelled('disabled', true)).toEqual(['plaintext by auto']);
  });

  it('is off with enableAutoMtls: false', () => {
    expect(modes(world({ settings: { enableAutoMtls: false } }), 'foo/curl', HTTPBIN)).toEqual(['plaintext by auto']);
  });

  it('looks at the namespace of the service, not of the client', () => {
    expect(modes(world({ peerAuthentications: [namespaceMode('DISABLE')] }), 'bar/curl', HTTPBIN)).toEqual([
      'plaintext by auto',
    ]);
    const inBar = peerAuthentication('bar/default', { mtls: { mode: 'DISABLE' } });
    expect(modes(world({ peerAuthentications: [inBar] }), 'bar/curl', HTTPBIN)).toEqual(['istio_mutual by auto']);
  });
});

describe('istio-mtls/auto: headless', () => {
  const headless = service('foo/httpbin', { headless: true });
  const mixed = [workload('foo/httpbin'), workload('foo/legacy', { labels: { app: 'httpbin' }, injected: false })];

  it('gotcha 82: plaintext to all where one Pod has no sidecar', () => {
    expect(modes(world({ services: [headless], workloads: mixed }), 'foo/curl', HTTPBIN)).toEqual([
      'plaintext by auto',
      'plaintext by auto',
    ]);
  });

  it('mTLS to all where every Pod has one, a port-level DISABLE notwithstanding', () => {
    const parts = { services: [headless], peerAuthentications: [portMode(8080, 'DISABLE')] };
    expect(modes(world(parts), 'foo/curl', HTTPBIN)).toEqual(['istio_mutual by auto']);
  });

  it('plaintext under a namespace DISABLE', () => {
    const parts = { services: [headless], peerAuthentications: [namespaceMode('DISABLE')] };
    expect(modes(world(parts), 'foo/curl', HTTPBIN)).toEqual(['plaintext by auto']);
  });

  it('keeps a subset all or nothing where the service’s own cluster is', () => {
    const passthrough = destinationRule('foo/x', {
      host: 'httpbin',
      trafficPolicy: { loadBalancer: { simple: 'PASSTHROUGH' } },
      subsets: [{ name: 'v1', trafficPolicy: { loadBalancer: { simple: 'ROUND_ROBIN' } } }],
    });
    // Alone in its workload the Pod's DISABLE would count; an all-or-nothing cluster asks namespace and mesh only.
    const parts = { peerAuthentications: [workloadMode('DISABLE')], destinationRules: [passthrough] };
    expect(modes(world(parts), 'foo/curl', `${HTTPBIN}/v1`)).toEqual(['istio_mutual by auto']);
  });

  it('treats a PASSTHROUGH load balancer the same way', () => {
    const rule = destinationRule('foo/httpbin', {
      host: 'httpbin',
      trafficPolicy: { loadBalancer: { simple: 'PASSTHROUGH' } },
    });
    expect(modes(world({ workloads: mixed, destinationRules: [rule] }), 'foo/curl', HTTPBIN)).toEqual([
      'plaintext by auto',
      'plaintext by auto',
    ]);
  });
});

describe('istio-mtls/auto: ServiceEntry', () => {
  const entry = (location: 'MESH_EXTERNAL' | 'MESH_INTERNAL', endpoint: object): MeshConfig =>
    config({
      serviceEntries: [
        serviceEntry('foo/vm', {
          hosts: ['vm.example'],
          location,
          resolution: 'STATIC',
          ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
          endpoints: [{ address: '10.0.0.1', ...endpoint }],
        }),
      ],
    });
  const labelled = { labels: { 'security.istio.io/tlsMode': 'istio' } };

  it('gotcha 83: never mTLS to MESH_EXTERNAL, its endpoints being injected Pods notwithstanding', () => {
    const selected = config({
      workloads: [workload('foo/httpbin')],
      serviceEntries: [
        serviceEntry('foo/ext', {
          hosts: ['ext.example'],
          location: 'MESH_EXTERNAL',
          resolution: 'STATIC',
          ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
          workloadSelector: { labels: { app: 'httpbin' } },
        }),
      ],
    });
    expect(modes(selected, 'foo/curl', 'ext.example:80')).toEqual(['plaintext by auto']);
    expect(modes(entry('MESH_EXTERNAL', labelled), 'foo/curl', 'vm.example:80')).toEqual(['plaintext by auto']);
  });

  it('gotcha 84: plaintext to a MESH_INTERNAL endpoint with neither label nor service account', () => {
    expect(modes(entry('MESH_INTERNAL', {}), 'foo/curl', 'vm.example:80')).toEqual(['plaintext by auto']);
  });

  it.each([
    ['the label', labelled],
    ['a service account', { serviceAccount: 'vm' }],
  ])('mTLS to a MESH_INTERNAL endpoint with %s', (_, endpoint) => {
    expect(modes(entry('MESH_INTERNAL', endpoint), 'foo/curl', 'vm.example:80')).toEqual(['istio_mutual by auto']);
  });

  it('lets the label win over the service account', () => {
    const endpoint = { serviceAccount: 'vm', labels: { 'security.istio.io/tlsMode': 'disabled' } };
    expect(modes(entry('MESH_INTERNAL', endpoint), 'foo/curl', 'vm.example:80')).toEqual(['plaintext by auto']);
  });
});

describe('istio-mtls/secure naming', () => {
  const namesOf = (cfg: MeshConfig, to = HTTPBIN): readonly string[] | undefined => {
    const [decision] = clientTls(cfg, 'foo/curl', to);
    return decision !== undefined && 'subjectAltNames' in decision ? decision.subjectAltNames : undefined;
  };

  it('gotcha 85: accepts the identity of every endpoint of the service, at each of them', () => {
    const workloads = [
      workload('foo/a', { labels: { app: 'httpbin' } }),
      workload('foo/b', { labels: { app: 'httpbin' } }),
    ];
    expect(namesOf(world({ workloads }))).toEqual([
      'spiffe://cluster.local/ns/foo/sa/a',
      'spiffe://cluster.local/ns/foo/sa/b',
    ]);
  });

  it('repeats every identity for each trust-domain alias', () => {
    expect(namesOf(world({ settings: { trustDomain: 'new', trustDomainAliases: ['old'] } }))).toEqual([
      'spiffe://new/ns/foo/sa/httpbin',
      'spiffe://old/ns/foo/sa/httpbin',
    ]);
  });

  it('checks no name where the service has no identity', () => {
    const labels = { app: 'httpbin', 'security.istio.io/tlsMode': 'istio' };
    const cfg = config({
      services: [service('foo/httpbin')],
      workloadEntries: [workloadEntry('foo/vm', { address: '10.0.0.1', labels })],
    });
    expect(namesOf(cfg)).toEqual([]);
  });

  it('adds the subjectAltNames of a ServiceEntry', () => {
    const cfg = config({
      serviceEntries: [
        serviceEntry('foo/vm', {
          hosts: ['vm.example'],
          location: 'MESH_INTERNAL',
          resolution: 'STATIC',
          ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
          endpoints: [{ address: '10.0.0.1', serviceAccount: 'vm' }],
          subjectAltNames: ['spiffe://other/ns/x/sa/y'],
        }),
      ],
    });
    expect(namesOf(cfg, 'vm.example:80')).toEqual(['spiffe://cluster.local/ns/foo/sa/vm', 'spiffe://other/ns/x/sa/y']);
  });

  it('counts only workloads that run', () => {
    const workloads = [workload('foo/httpbin'), workload('foo/idle', { labels: { app: 'httpbin' }, replicas: 0 })];
    expect(namesOf(world({ workloads }))).toEqual(['spiffe://cluster.local/ns/foo/sa/httpbin']);
  });
});

describe('istio-mtls/SNI and ALPN', () => {
  it('sends the service as server name, port and subset in it', () => {
    const [decision] = clientTls(world({}), 'foo/curl', HTTPBIN);
    expect(decision).toMatchObject({ sni: 'outbound_.8000_._.httpbin.foo.svc.cluster.local' });
  });

  it('offers Istio protocols by what travels', () => {
    const [decision] = clientTls(world({}), 'foo/curl', HTTPBIN);
    expect(decision).toMatchObject({
      alpn: {
        'http/1.0': ['istio-http/1.0', 'istio', 'http/1.0'],
        'http/1.1': ['istio-http/1.1', 'istio', 'http/1.1'],
        h2: ['istio-h2', 'istio', 'h2'],
        tcp: ['istio-peer-exchange', 'istio'],
      },
    });
  });

  it('offers h2 on a gRPC port, whatever version the caller speaks', () => {
    const services = [service('foo/httpbin', { ports: [servicePort(8000, 8080, 'grpc')] })];
    const [decision] = clientTls(world({ services }), 'foo/curl', HTTPBIN);
    expect(decision).toMatchObject({ alpn: { 'http/1.1': ['istio-h2', 'istio', 'h2'] } });
  });
});
