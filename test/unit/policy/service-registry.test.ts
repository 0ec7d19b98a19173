import { describe, expect, it } from 'vitest';
import type { MeshConfig } from '../../../src/istio/index.ts';
import { inboundPorts, inboundProtocol, protocolClass, sidecarOf } from '../../../src/policy/inbound-ports.ts';
import { compileServiceRegistry } from '../../../src/policy/service-registry.ts';
import { config, meta, service, serviceEntry, servicePort, workload, workloadEntry } from '../../kit/mesh-resources.ts';

const http = { number: 80, name: 'http', protocol: 'HTTP' };

function nameOf(cfg: MeshConfig, host: string, from = 'foo'): string | undefined {
  const found = compileServiceRegistry(cfg).resolve(host, from);
  return found === undefined ? undefined : `${found.source.kind} ${found.namespace}/${found.name}`;
}

describe('resolving a host', () => {
  const cfg = config({ services: [service('foo/httpbin'), service('bar/httpbin')] });

  it.each([
    ['httpbin', 'foo', 'Service foo/httpbin'],
    ['httpbin', 'bar', 'Service bar/httpbin'],
    ['httpbin', 'third', undefined],
    ['httpbin.bar', 'foo', 'Service bar/httpbin'],
    ['httpbin.bar.svc', 'foo', 'Service bar/httpbin'],
    ['httpbin.bar.svc.cluster.local', 'foo', 'Service bar/httpbin'],
    ['HTTPBIN.bar.svc.cluster.local.', 'foo', 'Service bar/httpbin'],
    ['httpbin.bar.svc.cluster', 'foo', undefined],
    ['unknown', 'foo', undefined],
    ['', 'foo', undefined],
  ])('reads `%s` from namespace %s as %s', (host, from, expected) => {
    expect(nameOf(cfg, host, from)).toBe(expected);
  });

  it('knows a Service that `exportTo` hides as hidden, and nothing else', () => {
    const metadata = { ...meta('foo/httpbin'), annotations: { 'networking.istio.io/exportTo': '.' } };
    const registry = compileServiceRegistry(config({ services: [service('foo/httpbin', { metadata })] }));
    expect(registry.resolve('httpbin.foo', 'bar')).toBeUndefined();
    expect(registry.hidden('httpbin.foo', 'bar')?.host).toBe('httpbin.foo.svc.cluster.local');
    expect(registry.hidden('httpbin', 'bar')).toBeUndefined();
    expect(registry.hidden('httpbin', 'foo')).toBeUndefined();
  });

  it('finds ServiceEntry hosts, exact before the longest wildcard', () => {
    const entry = (id: string, host: string) => serviceEntry(id, { hosts: [host], ports: [http], resolution: 'NONE' });
    const entries = config({
      serviceEntries: [
        entry('foo/any', '*.example.com'),
        entry('foo/deep', '*.api.example.com'),
        entry('foo/one', 'www.example.com'),
      ],
    });
    expect(nameOf(entries, 'www.example.com')).toBe('ServiceEntry foo/one');
    expect(nameOf(entries, 'a.example.com')).toBe('ServiceEntry foo/any');
    expect(nameOf(entries, 'v1.api.example.com')).toBe('ServiceEntry foo/deep');
    expect(nameOf(entries, 'example.com')).toBeUndefined();
  });

  it('hides what is not exported to the caller', () => {
    const entry = (exportTo: readonly string[]) =>
      config({ serviceEntries: [serviceEntry('foo/e', { hosts: ['e.example'], ports: [http], exportTo })] });
    expect(nameOf(entry(['.']), 'e.example', 'foo')).toBe('ServiceEntry foo/e');
    expect(nameOf(entry(['.']), 'e.example', 'bar')).toBeUndefined();
    expect(nameOf(entry(['bar']), 'e.example', 'bar')).toBe('ServiceEntry foo/e');
    expect(nameOf(entry(['~']), 'e.example', 'foo')).toBeUndefined();
    const annotated = { ...meta('foo/httpbin'), annotations: { 'networking.istio.io/exportTo': '., third' } };
    const services = config({ services: [service('foo/httpbin', { metadata: annotated })] });
    expect(nameOf(services, 'httpbin.foo', 'bar')).toBeUndefined();
    expect(nameOf(services, 'httpbin.foo', 'third')).toBe('Service foo/httpbin');
  });

  it('falls back to a wider wildcard where the longest is hidden', () => {
    const cfg = config({
      serviceEntries: [
        serviceEntry('foo/any', { hosts: ['*.example.com'], ports: [http] }),
        serviceEntry('bar/deep', { hosts: ['*.api.example.com'], ports: [http], exportTo: ['.'] }),
      ],
    });
    expect(nameOf(cfg, 'v1.api.example.com')).toBe('ServiceEntry foo/any');
  });

  it('prefers the caller’s namespace, then a Service, then age', () => {
    const entry = (id: string) => serviceEntry(id, { hosts: ['x.example'], ports: [http] });
    expect(nameOf(config({ serviceEntries: [entry('bar/a@1'), entry('foo/b@2')] }), 'x.example')).toBe(
      'ServiceEntry foo/b',
    );
    expect(nameOf(config({ serviceEntries: [entry('bar/a@2'), entry('baz/b@1')] }), 'x.example')).toBe(
      'ServiceEntry baz/b',
    );
    const both = config({
      services: [service('bar/httpbin')],
      serviceEntries: [serviceEntry('baz/a@0', { hosts: ['httpbin.bar.svc.cluster.local'], ports: [http] })],
    });
    expect(nameOf(both, 'httpbin.bar')).toBe('Service bar/httpbin');
  });
});

describe('endpoints', () => {
  const endpointsOf = (cfg: MeshConfig, host: string, port: number) =>
    compileServiceRegistry(cfg).resolve(host, 'foo')?.endpoints(port) ?? [];

  it('resolves a named target port per Pod and leaves Pods without it out', () => {
    const cfg = config({
      services: [service('foo/httpbin', { ports: [servicePort(80, 'web', 'http')] })],
      workloads: [
        workload('foo/a', { labels: { app: 'httpbin' }, ports: [{ number: 3000, name: 'web', protocol: 'TCP' }] }),
        workload('foo/b', { labels: { app: 'httpbin' }, ports: [{ number: 4000, name: 'web', protocol: 'TCP' }] }),
        workload('foo/c', { labels: { app: 'httpbin' } }),
      ],
    });
    expect(endpointsOf(cfg, 'httpbin', 80).map(({ workload, port }) => `${workload?.name}:${port}`)).toEqual([
      'a:3000',
      'b:4000',
    ]);
  });

  it('stay inside the namespace and need a selector', () => {
    const workloads = [workload('bar/httpbin')];
    expect(endpointsOf(config({ services: [service('foo/httpbin')], workloads }), 'httpbin', 8000)).toEqual([]);
    const everything = config({ services: [service('bar/httpbin', { selector: {} })], workloads });
    expect(endpointsOf(everything, 'httpbin.bar', 8000)).toEqual([]);
  });

  it('are none on a port the service does not have', () => {
    const cfg = config({ services: [service('foo/httpbin')], workloads: [workload('foo/httpbin')] });
    expect(endpointsOf(cfg, 'httpbin', 8080)).toEqual([]);
    expect(endpointsOf(cfg, 'httpbin', 8000)).toHaveLength(1);
  });

  it('of a ServiceEntry take the port by name, then targetPort, then number', () => {
    const ports = [{ ...http, targetPort: 8080 }];
    const cfg = config({
      serviceEntries: [
        serviceEntry('foo/e', {
          hosts: ['e.example'],
          resolution: 'STATIC',
          ports,
          endpoints: [{ address: '10.0.0.1', ports: { http: 9999 } }, { address: '10.0.0.2' }],
        }),
      ],
    });
    expect(endpointsOf(cfg, 'e.example', 80).map(({ address, port }) => `${address}:${port}`)).toEqual([
      '10.0.0.1:9999',
      '10.0.0.2:8080',
    ]);
  });

  it('of a DNS ServiceEntry without endpoints are the host itself', () => {
    const cfg = config({
      serviceEntries: [serviceEntry('foo/e', { hosts: ['e.example'], resolution: 'DNS', ports: [http] })],
    });
    expect(endpointsOf(cfg, 'e.example', 80)).toMatchObject([
      { address: 'e.example', port: 80, tlsMode: 'disabled', sidecar: false },
    ]);
  });

  it('include WorkloadEntries that a Service or a ServiceEntry selects', () => {
    const vm = workloadEntry('foo/vm', { address: '10.0.0.9', labels: { app: 'httpbin' }, serviceAccount: 'vm' });
    const cfg = config({ services: [service('foo/httpbin')], workloadEntries: [vm] });
    expect(endpointsOf(cfg, 'httpbin', 8000)).toMatchObject([
      { address: '10.0.0.9', port: 8080, tlsMode: 'istio', spiffeId: 'spiffe://cluster.local/ns/foo/sa/vm' },
    ]);
  });

  it('of a WorkloadEntry serve a named target port where the entry lists it', () => {
    const vm = (ports: Record<string, number>) =>
      config({
        services: [
          service('foo/httpbin', { ports: [{ name: 'http', port: 80, targetPort: 'web', protocol: 'http' }] }),
        ],
        workloadEntries: [workloadEntry('foo/vm', { address: '10.0.0.9', labels: { app: 'httpbin' }, ports })],
      });
    expect(endpointsOf(vm({ web: 3000, http: 4000 }), 'httpbin', 80).map(({ port }) => port)).toEqual([3000]);
    expect(endpointsOf(vm({ http: 4000 }), 'httpbin', 80).map(({ port }) => port)).toEqual([4000]);
    expect(endpointsOf(vm({}), 'httpbin', 80).map(({ port }) => port)).toEqual([80]);
  });

  it('lead to the Pods behind an address or behind a Service’s host', () => {
    const cfg = config({
      services: [service('foo/httpbin')],
      workloads: [workload('foo/httpbin')],
      serviceEntries: [
        serviceEntry('foo/e', {
          hosts: ['e.example'],
          resolution: 'STATIC',
          location: 'MESH_INTERNAL',
          ports: [http],
          endpoints: [
            { address: '10.1.2.3', ports: { http: 8080 } },
            { address: 'httpbin.foo.svc.cluster.local', ports: { http: 8000 } },
            { address: '192.0.2.1' },
          ],
        }),
      ],
    });
    const registry = compileServiceRegistry(cfg, {
      workloadAt: (address) => (address === '10.1.2.3' ? { namespace: 'foo', name: 'httpbin' } : undefined),
    });
    const endpoints = registry.resolve('e.example', 'foo')?.endpoints(80) ?? [];
    const behind = { workload: { namespace: 'foo', name: 'httpbin' }, port: 8080 };
    expect(endpoints.map((endpoint) => registry.targets(endpoint))).toEqual([[behind], [behind], []]);
  });
});

describe('inbound ports', () => {
  const httpbin = workload('foo/httpbin');

  it('speak what the oldest Service that targets them says, ties by host name', () => {
    const named = (id: string, protocol: 'http' | 'tcp', name: string) =>
      service('foo/httpbin', {
        metadata: meta(id),
        host: `${name}.foo.svc.cluster.local`,
        ports: [servicePort(80, 8080, protocol)],
      });
    const askAll = (...services: readonly ReturnType<typeof service>[]) =>
      inboundProtocol(config({ services }), httpbin, 8080);
    expect(askAll(named('foo/a@2', 'http', 'a'), named('foo/b@1', 'tcp', 'b'))).toBe('tcp');
    expect(askAll(named('foo/b', 'tcp', 'b'), named('foo/a', 'http', 'a'))).toBe('http');
  });

  it('are unknown where no Service targets them', () => {
    expect(inboundProtocol(config({ services: [service('foo/httpbin')] }), httpbin, 9999)).toBe('unknown');
    expect(inboundProtocol(config({}), httpbin, 8080)).toBe('unknown');
  });

  it('are sniffed where the Service names no protocol', () => {
    const services = [service('foo/httpbin', { ports: [servicePort(80, 'http', 'auto')] })];
    expect(inboundPorts(config({ services }), httpbin)).toEqual([
      {
        port: 8080,
        protocol: 'auto',
        protocolClass: 'auto',
        service: { host: 'httpbin.foo.svc.cluster.local', port: 80 },
      },
    ]);
  });

  it('leave UDP out', () => {
    const services = [service('foo/httpbin', { ports: [servicePort(53, 53, 'udp')] })];
    expect(inboundPorts(config({ services }), httpbin)).toEqual([]);
  });

  it('of a ServiceEntry that selects the Pods count too', () => {
    const entry = serviceEntry('foo/e', {
      hosts: ['e.example'],
      ports: [{ ...http, targetPort: 8080 }],
      workloadSelector: { labels: { app: 'httpbin' } },
    });
    expect(inboundProtocol(config({ serviceEntries: [entry] }), httpbin, 8080)).toBe('http');
  });

  it('are those of the Sidecar’s ingress where it has one', () => {
    const sidecar = (id: string, labels?: Record<string, string>) => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'Sidecar' as const,
      metadata: meta(id),
      spec: {
        ...(labels ? { workloadSelector: { labels } } : {}),
        ingress: [{ port: { number: 9080, protocol: 'TCP', name: 'x' } }],
      },
    });
    const cfg = config({
      services: [service('foo/httpbin')],
      sidecars: [sidecar('foo/default'), sidecar('foo/mine', { app: 'httpbin' })],
    });
    expect(sidecarOf(cfg, httpbin)?.metadata.name).toBe('mine');
    expect(inboundProtocol(cfg, httpbin, 9080)).toBe('tcp');
    expect(inboundProtocol(cfg, httpbin, 8080)).toBe('unknown');
    expect(sidecarOf(config({ sidecars: [sidecar('istio-system/default')] }), httpbin)?.metadata.namespace).toBe(
      'istio-system',
    );
  });

  it.each([
    ['grpc-web', 'http'],
    ['http2', 'http'],
    ['https', 'tcp'],
    ['tls', 'tcp'],
    ['mysql', 'tcp'],
    ['auto', 'auto'],
  ] as const)('class of %s is %s', (protocol, expected) => {
    expect(protocolClass(protocol)).toBe(expected);
  });
});

describe('ServiceEntries of one namespace and host', () => {
  const https = { number: 443, name: 'https', protocol: 'TLS' };
  const at = (address: string) => [{ address }];
  const entry = (id: string, parts: object) =>
    serviceEntry(id, { hosts: ['e.example'], resolution: 'STATIC', ports: [http], ...parts });
  const found = (...serviceEntries: readonly ReturnType<typeof entry>[]) => {
    const registry = compileServiceRegistry(config({ serviceEntries }));
    const one = registry.resolve('e.example', 'foo');
    return {
      count: registry.services.length,
      source: one?.source.name,
      ports: one?.ports.map(({ number, protocol }) => `${number} ${protocol}`),
      addresses: [80, 443].map((port) => one?.endpoints(port).map(({ address }) => address)),
    };
  };

  it('are one service, with the endpoints of all and the protocol of the oldest', () => {
    const young = entry('foo/a@2', { endpoints: at('10.0.0.2'), ports: [{ ...http, protocol: 'TCP' }, https] });
    const old = entry('foo/b@1', { endpoints: [...at('10.0.0.1'), ...at('10.0.0.2')] });
    expect(found(young, old)).toEqual({
      count: 1,
      source: 'b',
      ports: ['80 http', '443 tls'],
      addresses: [['10.0.0.1', '10.0.0.2'], ['10.0.0.2']],
    });
  });

  it.each([
    ['another resolution', { resolution: 'DNS', endpoints: at('a.example') }],
    ['another visibility', { exportTo: ['.'], endpoints: at('10.0.0.2') }],
    ['another selector', { workloadSelector: { labels: { app: 'x' } } }],
  ])('keep the ports of the oldest against one of %s', (_, parts) => {
    const old = entry('foo/b@1', { endpoints: at('10.0.0.1') });
    expect(found(entry('foo/a@2', { ports: [https], ...parts }), old).ports).toEqual(['80 http']);
  });

  it('stay apart in two namespaces', () => {
    expect(found(entry('foo/a', { endpoints: at('10.0.0.1') }), entry('bar/a', { endpoints: at('10.0.0.2') }))).toEqual(
      {
        count: 2,
        source: 'a',
        ports: ['80 http'],
        addresses: [['10.0.0.1'], []],
      },
    );
  });

  it('select every workload of the namespace with a selector that asks for nothing', () => {
    const cfg = config({
      workloads: [workload('foo/a'), workload('foo/b'), workload('bar/c')],
      serviceEntries: [
        serviceEntry('foo/e', { hosts: ['e.example'], ports: [http], resolution: 'DNS', workloadSelector: {} }),
      ],
    });
    const endpoints = compileServiceRegistry(cfg).resolve('e.example', 'foo')?.endpoints(80) ?? [];
    expect(endpoints.map((endpoint) => endpoint.workload?.name)).toEqual(['a', 'b']);
    expect(inboundProtocol(cfg, workload('foo/b'), 80)).toBe('http');
  });
});
