/**
 * Rules of Istio's webhook, one valid and one invalid neighbour at a time.
 */
import { describe, expect, it } from 'vitest';
import { ConfigError, validateResource } from '../../../src/istio/index.ts';
import { faults, warnings } from './faults.ts';

/** An AuthorizationPolicy of one rule. */
function rule(content: unknown, action = 'ALLOW'): unknown {
  return { action, rules: [content] };
}

const from = (source: unknown): unknown => rule({ from: [{ source }] });
const to = (operation: unknown): unknown => rule({ to: [{ operation }] });
const when = (condition: unknown): unknown => rule({ when: [condition] });
const app = { matchLabels: { app: 'a' } };

describe('AuthorizationPolicy', () => {
  it.each([
    ['nothing at all', {}],
    ['a rule that matches everything', { rules: [{}] }],
    ['deny everything', { action: 'DENY', rules: [{}] }],
    [
      'every address form',
      from({ ipBlocks: ['1.2.3.4', '1.2.3.4/24', '0.0.0.0/0', '::1', '2001:db8::/32', '::ffff:1.2.3.4'] }),
    ],
    ['ports at the ends of the range', to({ ports: ['0', '65535', '0080'] })],
    ['templates', to({ paths: ['/a/{*}/b', '/{**}', '/a/{*}/{**}/b', '/a*', '*', '/'] })],
    ['nested claims', when({ key: 'request.auth.claims[a][b]', values: ['x'] })],
    ['envoy metadata', when({ key: 'experimental.envoy.filters.a.b[c]', notValues: ['[x]'] })],
    ['an edge wildcard', from({ trustDomains: ['*', 'a*', '*.b', 'c.d'] })],
    [
      'CUSTOM by address',
      { action: 'CUSTOM', provider: { name: 'p' }, rules: [{ from: [{ source: { ipBlocks: ['1.1.1.1'] } }] }] },
    ],
    [
      'a target',
      {
        targetRefs: [
          { kind: 'Service', name: 's' },
          { kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'g' },
        ],
      },
    ],
  ])('accepts %s', (_, spec) => {
    expect(faults('AuthorizationPolicy', spec)).toEqual([]);
  });

  it.each([
    ['DENY without rules', { action: 'DENY' }, /^spec\.action: DENY without `rules`/],
    ['CUSTOM without a provider', { action: 'CUSTOM', rules: [{}] }, /provider\.name/],
    ['a provider without CUSTOM', { provider: { name: 'p' } }, /^spec\.provider: `provider` belongs/],
    ['two targets', { selector: app, targetRef: { kind: 'Service', name: 's' } }, /only one of/],
    ['an unknown target kind', { targetRef: { kind: 'Servce', name: 's' } }, /did you mean `Service`/],
    ['a target of another group', { targetRef: { kind: 'Gateway', name: 's' } }, /`gateway\.networking\.k8s\.io`/],
    ['a target elsewhere', { targetRef: { kind: 'Service', name: 's', namespace: 'o' } }, /another namespace/],
    ['a wildcard in a selector', { selector: { matchLabels: { app: 'a*' } } }, /takes no wildcard/],
    ['an empty label key', { selector: { matchLabels: { '': 'a' } } }, /empty label key/],
    ['an empty from', rule({ from: [] }), /^spec\.rules\[0\]\.from: may not be empty/],
    ['an empty to', rule({ to: [] }), /^spec\.rules\[0\]\.to: may not be empty/],
    ['an empty source', from({}), /source: may not be empty/],
    ['a source of empty lists', from({ principals: [] }), /source: may not be empty/],
    ['a missing source', rule({ from: [{}] }), /`source` is missing/],
    ['an empty operation', to({}), /operation: may not be empty/],
    ['an empty value', from({ principals: ['a', ''] }), /principals\[1\]: an empty value/],
    ['null in a list', from({ principals: [null] }), /principals\[0\]: expected a string, found nothing/],
    ['a host bit too many', from({ ipBlocks: ['1.2.3.4/33'] }), /ipBlocks\[0\]: `1\.2\.3\.4\/33` is neither/],
    ['an octal address', from({ notIpBlocks: ['010.0.0.1'] }), /is neither an IP address/],
    ['a zone in a block', from({ remoteIpBlocks: ['fe80::1%eth0/64'] }), /is neither an IP address/],
    ['a port range', to({ ports: ['80-90'] }), /is not a port/],
    ['a port too high', to({ notPorts: ['65536'] }), /is not a port/],
    ['an operator inside a segment', to({ paths: ['/a/{*}.txt'] }), /whole segment/],
    ['a second {**}', to({ paths: ['/{**}/{**}'] }), /no other operator/],
    ['{*} after {**}', to({ notPaths: ['/{**}/{*}'] }), /no other operator/],
    ['a wildcard in a template', to({ paths: ['/{*}/a*'] }), /cannot match literally/],
    ['an empty segment in a template', to({ paths: ['/a//{*}'] }), /empty segment/],
    ['a named variable', to({ paths: ['/{id}'] }), /whole segment/],
    ['service accounts with namespaces', from({ serviceAccounts: ['a'], notNamespaces: ['b'] }), /cannot be combined/],
    ['a service account in three parts', from({ serviceAccounts: ['a/b/c'] }), /neither `serviceAccount`/],
    ['a service account wildcard', from({ notServiceAccounts: ['a/*'] }), /no wildcard/],
    ['too many service accounts', from({ serviceAccounts: Array.from({ length: 17 }, () => 'a') }), /at most 16/],
    ['a trust domain with a path', from({ trustDomains: ['a/ns'] }), /no slash/],
    ['a wildcard in the middle', from({ notTrustDomains: ['a*b'] }), /start or at the end/],
    ['a condition without values', when({ key: 'source.ip' }), /`values` or `notValues` is needed/],
    ['a condition without a key', when({ values: ['a'] }), /`key` is missing/],
    ['an unknown key', when({ key: 'source.principle', values: ['a'] }), /did you mean `source\.principal`/],
    ['a key of v1alpha1', when({ key: 'destination.labels[app]', values: ['a'] }), /selector of the policy/],
    ['a header without a name', when({ key: 'request.headers[]', values: ['a'] }), /form `a\[b\]`/],
    ['an address that is none', when({ key: 'remote.ip', notValues: ['x'] }), /notValues\[0\]: `x` is neither/],
  ])('refuses %s', (_, spec, message) => {
    expect(faults('AuthorizationPolicy', spec).join('\n')).toMatch(message);
  });

  it('refuses with CUSTOM whatever needs a validated identity', () => {
    const rules = [
      { from: [{ source: { principals: ['a'], notRequestPrincipals: ['b'], remoteIpBlocks: ['1.1.1.1'] } }] },
      {
        when: [
          { key: 'request.auth.claims[a]', values: ['x'] },
          { key: 'source.ip', values: ['1.1.1.1'] },
        ],
      },
    ];
    expect(faults('AuthorizationPolicy', { action: 'CUSTOM', provider: { name: 'p' }, rules })).toEqual([
      'spec.rules[0].from[0].source.principals: `principals` cannot be used with CUSTOM',
      'spec.rules[0].from[0].source.notRequestPrincipals: `notRequestPrincipals` cannot be used with CUSTOM',
      'spec.rules[1].when[0].key: `request.auth.claims[a]` cannot be used with CUSTOM',
    ]);
  });

  it.each([
    ['ALLOW', 'true', true],
    ['DENY', 'f', true],
    ['ALLOW', 'yes', false],
    ['AUDIT', 'true', false],
  ])('takes a dry run of %s with `%s`: %s', (action, value, valid) => {
    const found = faults('AuthorizationPolicy', rule({}, action), { annotations: { 'istio.io/dry-run': value } });
    expect(found.length === 0).toBe(valid);
  });

  it.each([
    ['methods alone', { to: [{ operation: { methods: ['GET'] } }] }, true],
    ['methods and ports', { to: [{ operation: { methods: ['GET'], ports: ['80'] } }] }, false],
    ['a token alone', { from: [{ source: { requestPrincipals: ['*'] } }] }, true],
    ['a namespace alone', { from: [{ source: { namespaces: ['a'] } }] }, false],
    ['a condition alone', { when: [{ key: 'request.headers[a]', values: ['b'] }] }, false],
  ])('warns of DENY with %s: %#', (_, content, warned) => {
    expect(warnings('AuthorizationPolicy', rule(content, 'DENY')).length > 0).toBe(warned);
    expect(warnings('AuthorizationPolicy', rule(content, 'ALLOW'))).toEqual([]);
  });
});

describe('PeerAuthentication', () => {
  it.each([
    ['ports without a selector', { portLevelMtls: { 80: { mode: 'STRICT' } } }, /together with a selector/],
    ['ports with an empty selector', { selector: {}, portLevelMtls: { 80: {} } }, /together with a selector/],
    ['no ports', { selector: app, portLevelMtls: {} }, /at least one port/],
    ['port 0', { selector: app, portLevelMtls: { 0: {} } }, /`0` is not a port/],
    ['a port name', { selector: app, portLevelMtls: { http: {} } }, /`http` is not a port/],
    ['lower case', { mtls: { mode: 'strict' } }, /did you mean `STRICT`/],
  ])('refuses %s', (_, spec, message) => {
    expect(faults('PeerAuthentication', spec).join('\n')).toMatch(message);
  });

  it('warns of a selector without labels, and accepts ports with one that has some', () => {
    expect(warnings('PeerAuthentication', { selector: {} })).toEqual([
      'spec.selector: a selector without labels selects every workload',
    ]);
    expect(warnings('PeerAuthentication', { selector: app, portLevelMtls: { 8080: { mode: 'UNSET' } } })).toEqual([]);
  });

  it('refuses a dry run, which only an AuthorizationPolicy has', () => {
    expect(faults('PeerAuthentication', {}, { annotations: { 'istio.io/dry-run': 'true' } })).toHaveLength(1);
  });
});

describe('RequestAuthentication', () => {
  const jwt = (content: unknown): unknown => ({ jwtRules: [content] });

  it.each([
    ['neither issuer nor keys', jwt({}), /`issuer` or `jwksUri`/],
    ['a scheme that is not HTTP', jwt({ jwksUri: 'ftp://a' }), /http or https/],
    ['keys from two places', jwt({ issuer: 'a', jwksUri: 'https://a', jwks: '{"keys":[]}' }), /only one of/],
    ['keys that are no JSON', jwt({ issuer: 'a', jwks: '{' }), /JSON Web Key Set/],
    ['a key without a type', jwt({ issuer: 'a', jwks: '{"keys":[{}]}' }), /key 0 has no `kty`/],
    ['an empty audience', jwt({ issuer: 'a', audiences: [''] }), /audiences\[0\]: may not be empty/],
    ['an empty header name', jwt({ issuer: 'a', fromHeaders: [{ name: '' }] }), /fromHeaders\[0\]\.name/],
    [
      'a bad header to write',
      jwt({ issuer: 'a', outputClaimToHeaders: [{ header: 'x:y', claim: 'c' }] }),
      /not a header name/,
    ],
    ['a short timeout', jwt({ issuer: 'a', timeout: '10us' }), /at least 1ms/],
  ])('refuses %s', (_, spec, message) => {
    expect(faults('RequestAuthentication', spec).join('\n')).toMatch(message);
  });

  it('warns of private keys', () => {
    const jwks = JSON.stringify({
      keys: [
        { kty: 'EC', crv: 'P-256', x: 'a', y: 'b', d: 'c' },
        { kty: 'RSA', n: 'a', e: 'b' },
      ],
    });
    expect(warnings('RequestAuthentication', jwt({ issuer: 'a', jwks }))).toEqual([
      'spec.jwtRules[0].jwks: key 0 holds private material; only the public part is used to verify tokens',
    ]);
  });
});

describe('DestinationRule', () => {
  const rule = (more: object): unknown => ({ host: 'a.b.svc.cluster.local', ...more });
  const tls = (content: unknown): unknown => rule({ trafficPolicy: { tls: content } });

  it.each([
    ['a wildcard host', { host: '*.a.com' }],
    ['every host', { host: '*' }],
    ['a short host', { host: 'reviews' }],
    ['mutual TLS by files', tls({ mode: 'MUTUAL', clientCertificate: '/c', privateKey: '/k', caCertificates: '/a' })],
    ['mutual TLS by a credential', tls({ mode: 'MUTUAL', credentialName: 'c' })],
    ['files Istio ignores', tls({ mode: 'ISTIO_MUTUAL', clientCertificate: '/c' })],
    ['its own namespace', rule({ exportTo: ['.'], workloadSelector: app })],
    ['a ConfigMap of its own', tls({ mode: 'SIMPLE', credentialName: 'configmap://ns/ca' })],
  ])('accepts %s', (_, spec) => {
    expect(faults('DestinationRule', spec)).toEqual([]);
  });

  it.each([
    ['no host', {}, /`host` is missing/],
    ['an inner wildcard', { host: 'a.*.com' }, /`\*` is not a valid label/],
    ['a host that ends in a number', { host: 'a.10' }, /last label is a number/],
    ['an empty policy', rule({ trafficPolicy: {} }), /at least one field/],
    ['mutual TLS without a key', tls({ mode: 'MUTUAL', clientCertificate: '/c' }), /needs `privateKey`/],
    [
      'a credential and files',
      tls({ mode: 'SIMPLE', credentialName: 'c', caCertificates: '/a' }),
      /cannot be given together/,
    ],
    [
      'names that are not verified',
      tls({ mode: 'SIMPLE', insecureSkipVerify: true, subjectAltNames: ['a'] }),
      /insecureSkipVerify/,
    ],
    [
      'a ConfigMap elsewhere',
      tls({ mode: 'SIMPLE', credentialName: 'configmap://other/ca' }),
      /configmap:\/\/ns\/name/,
    ],
    [
      'a port entry without a port',
      rule({ trafficPolicy: { portLevelSettings: [{ tls: { mode: 'DISABLE' } }] } }),
      /`port` is missing/,
    ],
    [
      'a port entry without a setting',
      rule({ trafficPolicy: { portLevelSettings: [{ port: { number: 80 } }] } }),
      /setting besides/,
    ],
    ['a subset twice', rule({ subsets: [{ name: 'a' }, { name: 'a' }] }), /declared twice/],
    ['a subset name with a dot', rule({ subsets: [{ name: 'a.b' }] }), /not a subset name/],
    ['a bad label', rule({ subsets: [{ name: 'a', labels: { 'a b': 'c' } }] }), /not a label key/],
    ['exports twice', rule({ exportTo: ['.', 'ns'] }), /stands here twice/],
    ['exports to all and one', rule({ exportTo: ['*', 'a'] }), /next to other values/],
    ['exports to nobody', rule({ exportTo: ['~'] }), /expected `\.`/],
    ['a selector beyond its namespace', rule({ exportTo: ['*'], workloadSelector: app }), /own namespace/],
    [
      'a slip in a connection pool',
      rule({ trafficPolicy: { connectionPool: { tcp: { maxConnection: 1 } } } }),
      /did you mean `maxConnections`/,
    ],
  ])('refuses %s', (_, spec, message) => {
    expect(faults('DestinationRule', spec).join('\n')).toMatch(message);
  });
});

describe('ServiceEntry, WorkloadEntry and Sidecar', () => {
  const port = { number: 443, name: 'tls', protocol: 'TLS' };
  const entry = (more: object): unknown => ({ hosts: ['a.com'], ports: [port], resolution: 'DNS', ...more });

  it.each([
    ['a plain entry', 'ServiceEntry', entry({})],
    ['several hosts on TLS', 'ServiceEntry', entry({ hosts: ['a.com', 'b.com'] })],
    [
      'several hosts without resolution',
      'ServiceEntry',
      entry({ hosts: ['a.com', 'b.com'], resolution: 'NONE', ports: [{ number: 1, name: 'x', protocol: 'TCP' }] }),
    ],
    [
      'static endpoints',
      'ServiceEntry',
      entry({ resolution: 'STATIC', endpoints: [{ address: '1.2.3.4', ports: { tls: 8443 } }] }),
    ],
    [
      'a wildcard host',
      'ServiceEntry',
      entry({ hosts: ['*.a.com'], resolution: 'DYNAMIC_DNS', location: 'MESH_EXTERNAL' }),
    ],
    ['an address', 'WorkloadEntry', { address: 'vm.example.com' }],
    ['a network only', 'WorkloadEntry', { network: 'n' }],
    ['a listener', 'Sidecar', { ingress: [{ port: { number: 80, protocol: 'HTTP' }, defaultEndpoint: '[::1]:80' }] }],
    ['exports', 'Sidecar', { egress: [{ port: { number: 80 }, hosts: ['a/b.com'] }, { hosts: ['*/*', '~/*'] }] }],
  ])('accept %s', (_, kind, spec) => {
    expect(faults(kind, spec)).toEqual([]);
  });

  it.each([
    ['every host', 'ServiceEntry', entry({ hosts: ['*'] }), /host `\*` is not allowed/],
    [
      'endpoints and a selector',
      'ServiceEntry',
      entry({ endpoints: [], workloadSelector: { labels: { a: 'b' } } }),
      /only one of/,
    ],
    ['a port twice', 'ServiceEntry', entry({ ports: [port, port] }), /used twice[^]*declared twice/],
    [
      'endpoints that are never used',
      'ServiceEntry',
      entry({ resolution: 'NONE', endpoints: [{ address: '1.1.1.1' }] }),
      /takes no endpoints/,
    ],
    [
      'a name where an address must be',
      'ServiceEntry',
      entry({ resolution: 'STATIC', endpoints: [{ address: 'a.com' }] }),
      /expected an IP address/,
    ],
    [
      'an endpoint port nobody declared',
      'ServiceEntry',
      entry({ endpoints: [{ address: 'a.com', ports: { other: 1 } }] }),
      /declares no port `other`/,
    ],
    [
      'two round robin endpoints',
      'ServiceEntry',
      entry({ resolution: 'DNS_ROUND_ROBIN', endpoints: [{ address: 'a.com' }, { address: 'b.com' }] }),
      /at most one/,
    ],
    ['a wildcard to look up', 'ServiceEntry', entry({ hosts: ['*.a.com'] }), /looked up/],
    ['a block to look up', 'ServiceEntry', entry({ addresses: ['10.0.0.0/8'] }), /blocks are only allowed/],
    [
      'hosts TCP cannot tell apart',
      'ServiceEntry',
      entry({ hosts: ['a.com', 'b.com'], ports: [{ number: 1, name: 'x', protocol: 'TCP' }] }),
      /tells them apart/,
    ],
    ['an unknown protocol', 'ServiceEntry', entry({ ports: [{ ...port, protocol: 'SPDY' }] }), /unknown protocol/],
    ['no address', 'WorkloadEntry', { labels: { a: 'b' } }, /`address` is missing/],
    ['a socket with ports', 'WorkloadEntry', { address: 'unix:///a', ports: { a: 1 } }, /has no ports/],
    ['nothing at all', 'Sidecar', {}, /needs `ingress`/],
    [
      'an endpoint elsewhere',
      'Sidecar',
      { ingress: [{ port: { number: 1 }, defaultEndpoint: '10.0.0.1:1' }] },
      /expected 127/,
    ],
    [
      'two listeners of one port',
      'Sidecar',
      { ingress: [{ port: { number: 1 } }, { port: { number: 1 } }] },
      /has a listener already/,
    ],
    ['a host without a namespace', 'Sidecar', { egress: [{ hosts: ['a.com'] }] }, /namespace\/host/],
    [
      'TLS on a plain port',
      'Sidecar',
      { ingress: [{ port: { number: 1, protocol: 'HTTP' }, tls: { mode: 'SIMPLE' } }] },
      /need a port of HTTPS/,
    ],
  ])('refuse %s', (_, kind, spec, message) => {
    expect(faults(kind, spec).join('\n')).toMatch(message);
  });
});

describe('validateResource', () => {
  it('fills in the namespace and keeps everything else', () => {
    expect(
      validateResource({
        apiVersion: 'security.istio.io/v1beta1',
        kind: 'PeerAuthentication',
        metadata: { name: 'a' },
      }),
    ).toEqual({
      apiVersion: 'security.istio.io/v1beta1',
      kind: 'PeerAuthentication',
      metadata: { name: 'a', namespace: 'default', labels: {}, annotations: {} },
      spec: {},
    });
  });

  it.each([[null], [[]], ['x'], [{}], [{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' } }]])(
    'refuses %j',
    (value) => {
      expect(() => validateResource(value)).toThrow(ConfigError);
    },
  );
});
