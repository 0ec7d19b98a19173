/**
 * Sidecars as their CRD and istiod's webhook take them.
 * Source: https://istio.io/latest/docs/reference/config/networking/sidecar/
 */
import { describe, expect, it } from 'vitest';
import { faults, warnings } from '../../unit/istio/faults.ts';

type Fields = Readonly<Record<string, unknown>>;

const ingress = (fields: Fields): unknown => ({ ingress: [{ port: { number: 9080, protocol: 'HTTP' }, ...fields }] });
const tls = (fields: Fields): unknown => ingress({ port: { number: 9443, protocol: 'HTTPS' }, tls: fields });
const egress = (...listeners: readonly Fields[]): unknown => ({ egress: listeners });
const hosts = (...names: readonly string[]): unknown => egress({ hosts: names });
const files = { serverCertificate: '/c', privateKey: '/k' };
const proxied = (egressProxy: Fields, mode = 'ALLOW_ANY'): unknown => ({
  outboundTrafficPolicy: { mode, egressProxy },
});

describe('istio-validation/sidecar', () => {
  it.each<[string, unknown]>([
    ['an egress socket', egress({ port: { number: 0, protocol: 'HTTP' }, bind: 'unix:///a/b', hosts: ['./*'] })],
    ['an abstract socket', egress({ port: { number: 0, protocol: 'TCP' }, bind: 'unix://@a', hosts: ['./*'] })],
    ['a socket of the application', ingress({ defaultEndpoint: 'unix:///var/run/app.sock' })],
    ['the addresses of the Pod', ingress({ bind: '::1', defaultEndpoint: '[::]:80' })],
    ['files of a server', tls({ mode: 'SIMPLE', ...files })],
    ['mutual TLS from files', tls({ mode: 'MUTUAL', ...files, caCertificates: '/ca', cipherSuites: ['AES128-SHA'] })],
    ['TLS let through', tls({ mode: 'PASSTHROUGH' })],
    ['an egress proxy', proxied({ host: 'egress.ns.svc.cluster.local', subset: 'v1', port: { number: 80 } })],
    ['only an inbound pool', { inboundConnectionPool: { tcp: { maxConnections: 1 } } }],
    ['hosts of several namespaces', hosts('a/*', 'b/x.com', '*/y.com', '~c/*', './z.com')],
  ])('takes %s', (_, spec) => {
    expect(faults('Sidecar', spec)).toEqual([]);
    expect(warnings('Sidecar', spec)).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ['a listener on no port', ingress({ port: { number: 0 } }), /ingress\[0\]\.port\.number: expected a port from 1/],
    ['a target port', ingress({ port: { number: 80, targetPort: 8080 } }), /targetPort: has no effect/],
    ['a port beyond the range', egress({ port: { number: 70_000 }, hosts: ['./*'] }), /found `70000`/],
    ['an empty pool', { inboundConnectionPool: {} }, /needs `tcp` or `http`/],
    [
      'an unknown egress protocol',
      egress({ port: { number: 1, protocol: 'SPDY' }, hosts: ['./*'] }),
      /unknown protocol/,
    ],
    [
      'two egress listeners of one port',
      egress({ port: { number: 90 }, hosts: ['a/*'] }, { port: { number: 90 }, hosts: ['b/*'] }),
      /egress\[1\]\.port\.number: `90` has a listener already/,
    ],
    [
      'two listeners of one socket',
      egress(
        { port: { number: 0 }, bind: 'unix:///a', hosts: ['a/*'] },
        { port: { number: 0 }, bind: 'unix:///a', hosts: ['b/*'] },
      ),
      /`unix:\/\/\/a` has a listener already/,
    ],
    ['port 0 without a socket', egress({ port: { number: 0 }, bind: '1.2.3.4', hosts: ['a/*'] }), /Unix socket/],
    [
      'a captured socket',
      egress({ port: { number: 0 }, bind: 'unix:///a', captureMode: 'IPTABLES', hosts: ['a/*'] }),
      /cannot be captured/,
    ],
    ['an egress address that is none', egress({ port: { number: 1 }, bind: 'a.com', hosts: ['a/*'] }), /IP address/],
    [
      'a catch-all that is not the last',
      egress({ hosts: ['a/*'] }, { port: { number: 1 }, hosts: ['b/*'] }),
      /the last/,
    ],
    ['part of a label as wildcard', hosts('test/*a.com'), /should stand for a whole label/],
    ['an egress proxy in a closed mesh', proxied({ host: 'a.b', port: { number: 1 } }, 'REGISTRY_ONLY'), /ALLOW_ANY/],
    ['an egress proxy without a port', proxied({ host: 'a.b' }), /the field `port` is missing/],
    ['an egress proxy on no port', proxied({ host: 'a.b', port: {} }), /expected a port from 1/],
    ['an egress proxy that is no host', proxied({ host: 'a*b', port: { number: 1 } }), /is not a host name/],
    [
      'an egress subset that is none',
      proxied({ host: 'a.b', subset: 'a b', port: { number: 1 } }),
      /not a subset name/,
    ],
    ['a credential', tls({ mode: 'SIMPLE', ...files, credentialName: 'x' }), /credentialName: is not supported/],
    ['names to check', tls({ mode: 'SIMPLE', ...files, subjectAltNames: ['x'] }), /subjectAltNames: is not supported/],
    ['a redirect', tls({ mode: 'SIMPLE', ...files, httpsRedirect: true }), /httpsRedirect: is not supported/],
    ['three certificates', tls({ mode: 'SIMPLE', tlsCertificates: [{}, {}, {}] }), /at most 2 items, found 3/],
    ['no certificate', tls({ mode: 'SIMPLE', privateKey: '/k' }), /SIMPLE needs `serverCertificate`/],
    ['no key', tls({ mode: 'SIMPLE', serverCertificate: '/c' }), /SIMPLE needs `privateKey`/],
    ['mutual TLS without a CA', tls({ mode: 'MUTUAL', ...files }), /MUTUAL needs `caCertificates`/],
    ['optional mutual TLS without a CA', tls({ mode: 'OPTIONAL_MUTUAL', ...files }), /needs `caCertificates`/],
    ['a CRL where no client is asked', tls({ mode: 'SIMPLE', ...files, caCrl: '/r' }), /caCrl: is not supported/],
    ['Istio’s own mutual TLS', tls({ mode: 'ISTIO_MUTUAL' }), /cannot be used in a Sidecar/],
  ])('refuses %s', (_, spec, message) => {
    expect(faults('Sidecar', spec).join('\n')).toMatch(message);
  });

  it.each<[string, unknown, RegExp]>([
    ['a host that another holds', hosts('test/*', 'test/a.com'), /hosts\[1\]: `test\/a\.com` adds nothing/],
    ['its own namespace by both names', hosts('./*', 'ns/a.com'), /`ns\/a\.com` adds nothing/],
    ['everything, and more', hosts('*/*', 'test/a.com'), /`\*\/\*` stands for every host/],
    [
      'HTTP settings of a TCP port',
      ingress({ port: { number: 1, protocol: 'TCP' }, connectionPool: { http: { maxRetries: 1 } } }),
      /connectionPool\.http: HTTP settings have no effect/,
    ],
    ['an old version without ciphers', tls({ mode: 'SIMPLE', ...files, minProtocolVersion: 'TLSV1_0' }), /TLSV1_2/],
    ['no such cipher', tls({ mode: 'SIMPLE', ...files, cipherSuites: ['x'] }), /`x` is no cipher suite/],
    ['a cipher twice', tls({ mode: 'SIMPLE', ...files, cipherSuites: ['ALL', 'ALL'] }), /stands here twice/],
    ['files that nobody reads', tls({ mode: 'PASSTHROUGH', ...files }), /uses no certificates/],
  ])('warns of %s', (_, spec, message) => {
    expect(faults('Sidecar', spec)).toEqual([]);
    expect(warnings('Sidecar', spec).join('\n')).toMatch(message);
  });
});
