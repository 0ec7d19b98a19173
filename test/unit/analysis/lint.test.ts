/**
 * Every lint, in a configuration that has the fault and in a neighbour that does not.
 */
import { describe, expect, it } from 'vitest';
import { lint, LINTS, lintRule, type LintFinding, type LintCode } from '../../../src/analysis/index.ts';
import { parseManifests } from '../../../src/istio/index.ts';

type Labels = Readonly<Record<string, string>>;
type Manifest = Readonly<Record<string, unknown>>;

function namespace(name: string, labels: Labels = { 'istio-injection': 'enabled' }): Manifest {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

interface PodOptions {
  readonly namespace?: string;
  readonly labels?: Labels;
  readonly annotations?: Labels;
  readonly port?: number;
}

/** A Deployment with label `app`, a service account of its own name, and one container port. */
function deployment(name: string, options: PodOptions = {}): Manifest {
  const { labels = {}, annotations = {}, port = 8080 } = options;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: options.namespace ?? 'shop' },
    spec: {
      template: {
        metadata: { labels: { app: name, ...labels }, annotations },
        spec: { serviceAccountName: name, containers: [{ name, ports: [{ containerPort: port }] }] },
      },
    },
  };
}

/** A Pod whose container runs as a user. */
function runningAs(runAsUser: number): Manifest {
  const containers = [{ name: 'a', securityContext: { runAsUser } }];
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'shop' }, spec: { containers } };
}

/** A Service of `app: name`, port 80 to 8080. */
function service(name: string, port: Manifest = {}, metadata: Manifest = {}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop', ...metadata },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080, ...port }] },
  };
}

function istio(kind: string, name: string, spec: unknown, metadata: Manifest = {}): Manifest {
  const group = ['DestinationRule', 'Sidecar', 'ServiceEntry'].includes(kind) ? 'networking' : 'security';
  return { apiVersion: `${group}.istio.io/v1`, kind, metadata: { name, namespace: 'shop', ...metadata }, spec };
}

function mesh(settings: Manifest): Manifest {
  const data = { mesh: JSON.stringify(settings) };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data };
}

const app = (name: string): Manifest => ({ matchLabels: { app: name } });
const gateway = deployment('gw', { labels: { 'gateway.networking.k8s.io/gateway-name': 'edge' } });
const peer = (spec: unknown, metadata: Manifest = {}): Manifest => istio('PeerAuthentication', 'pa', spec, metadata);
const strict = peer({ mtls: { mode: 'STRICT' } });
const disable = peer({ mtls: { mode: 'DISABLE' } });
const policy = (spec: unknown, metadata: Manifest = {}): Manifest => istio('AuthorizationPolicy', 'ap', spec, metadata);
const allow = (rule: unknown, more: Manifest = {}): Manifest =>
  policy({ selector: app('web'), rules: [rule], ...more });
const from = (source: unknown): unknown => ({ from: [{ source }] });
const to = (operation: unknown): unknown => ({ to: [{ operation }] });
const deny = { action: 'DENY' };
const tokens = istio('RequestAuthentication', 'ra', {
  selector: app('web'),
  jwtRules: [{ issuer: 'i', jwks: '{"keys":[]}' }],
});
const rule = (trafficPolicy: unknown, more: Manifest = {}, metadata: Manifest = {}): Manifest =>
  istio(
    'DestinationRule',
    'dr',
    { host: 'web', ...(trafficPolicy === undefined ? {} : { trafficPolicy }), ...more },
    metadata,
  );
const tls = (mode: string, more: Manifest = {}): Manifest => ({ tls: { mode, ...more } });

/** A namespace with one HTTP server that has a sidecar. */
const web: readonly Manifest[] = [namespace('shop'), deployment('web'), service('web')];
/** The same, speaking TCP. */
const tcp: readonly Manifest[] = [namespace('shop'), deployment('web'), service('web', { name: 'tcp' })];
/** The same, without a sidecar. */
const bare: readonly Manifest[] = [namespace('shop', {}), deployment('web'), service('web')];

function lintOf(manifests: readonly Manifest[]): readonly LintFinding[] {
  return lint(
    parseManifests(manifests.map((manifest) => JSON.stringify(manifest, null, 1)).join('\n---\n'), {
      origin: 'f.yaml',
    }),
  );
}

interface Pair {
  readonly bad: readonly Manifest[];
  readonly good: readonly Manifest[];
}

const annotated = (value: string): Manifest => deployment('web', { annotations: { 'sidecar.istio.io/inject': value } });
const sidecar = (name: string, spec: Manifest): Manifest =>
  istio('Sidecar', name, { egress: [{ hosts: ['./*'] }], ...spec });

const entry = (name: string, protocol: string): Manifest =>
  istio('ServiceEntry', name, { hosts: ['a.com'], ports: [{ number: 80, name: 'x', protocol }] });

const PAIRS: Readonly<Record<LintCode, Pair>> = {
  MSH001: {
    bad: [...web, peer({ selector: {} })],
    good: [...web, peer({ selector: app('web') })],
  },
  MSH010: {
    bad: [...web, strict, peer({}, { name: 'second' })],
    good: [...web, strict, peer({}, { namespace: 'istio-system' })],
  },
  MSH011: {
    bad: [...web, peer({ selector: app('web') }), peer({ selector: app('web') }, { name: 'second' })],
    good: [...web, peer({ selector: app('web') }), peer({ selector: app('db') }, { name: 'second' })],
  },
  MSH012: { bad: [...web, allow({}, { selector: app('wbe') })], good: [...web, allow({})] },
  MSH013: {
    bad: [...web, peer({ selector: app('web') }, { namespace: 'istio-system' })],
    good: [...web, peer({ selector: app('web') })],
  },
  MSH014: {
    bad: [...web, peer({ selector: app('web'), portLevelMtls: { 80: { mode: 'STRICT' } } })],
    good: [...web, peer({ selector: app('web'), portLevelMtls: { 8080: { mode: 'STRICT' } } })],
  },
  MSH015: {
    bad: [...web, peer({ selector: app('web'), portLevelMtls: { 9999: { mode: 'STRICT' } } })],
    good: [...web, peer({ selector: app('web'), portLevelMtls: { 8080: { mode: 'STRICT' } } })],
  },
  MSH016: {
    bad: [...web, disable, peer({ selector: app('web'), mtls: { mode: 'STRICT' } }, { name: 'w' })],
    good: [...web, strict, peer({ selector: app('web'), mtls: { mode: 'STRICT' } }, { name: 'w' })],
  },
  MSH017: { bad: web, good: [...web, strict] },
  MSH018: { bad: [...bare, allow({})], good: [...web, allow({})] },
  MSH020: {
    bad: [...web, allow(from({ namespaces: ['shpo'] }))],
    good: [...web, allow(from({ namespaces: ['shop', 'sh*'] }))],
  },
  MSH021: {
    bad: [...web, allow(from({ principals: ['cluster.local/ns/shop/sa/wbe'] }))],
    good: [...web, allow(from({ principals: ['cluster.local/ns/shop/sa/web', '*/ns/shop/sa/x'] }))],
  },
  MSH022: {
    bad: [...web, allow(from({ principals: ['corp/ns/shop/sa/web'] }))],
    good: [...web, mesh({ trustDomainAliases: ['corp'] }), allow(from({ principals: ['corp/ns/shop/sa/web'] }))],
  },
  MSH024: { bad: [...web, allow({}, deny)], good: [...web, allow({})] },
  MSH025: {
    bad: [...web, allow(to({ hosts: ['wbe.shop.svc.cluster.local'] }))],
    good: [...web, allow(to({ hosts: ['web.shop.svc.cluster.local:80', 'www.example.com'] }))],
  },
  MSH026: { bad: [...web, policy({})], good: [...web, allow({})] },
  MSH027: {
    bad: [...web, allow({})],
    good: [...web, allow(to({ methods: ['GET'] })), istio('AuthorizationPolicy', 'none', { ...deny, rules: [{}] })],
  },
  MSH028: {
    bad: [...web, allow({}, { action: 'CUSTOM', provider: { name: 'opa' } })],
    good: [
      ...web,
      mesh({
        extensionProviders: [{ name: 'opa', envoyExtAuthzGrpc: { service: 'opa.shop.svc.cluster.local', port: 1 } }],
      }),
      allow({}, { action: 'CUSTOM', provider: { name: 'opa' } }),
    ],
  },
  MSH029: {
    bad: [...web, policy({ targetRefs: [{ kind: 'Service', name: 'web' }], rules: [{}] })],
    good: [...web, allow({})],
  },
  MSH030: {
    bad: [...web, allow(from({ principals: ['spiffe://cluster.local/ns/shop/sa/web'] }))],
    good: [...web, allow(from({ principals: ['cluster.local/ns/shop/sa/web'] }))],
  },
  MSH031: { bad: [...web, allow(to({ methods: ['get'] }))], good: [...web, allow(to({ methods: ['GET', 'P*'] }))] },
  MSH032: {
    bad: [...web, allow({ when: [{ key: 'connection.sni', values: ['Web.example.com'] }] })],
    good: [...web, allow({ when: [{ key: 'connection.sni', values: ['web.example.com'] }] })],
  },
  MSH033: { bad: [...web, allow(to({ ports: ['80'] }))], good: [...web, allow(to({ ports: ['8080'] }))] },
  MSH034: { bad: [...web, allow(to({ ports: ['9999'] }))], good: [...web, allow(to({ ports: ['8080'] }))] },
  MSH035: {
    bad: [...web, allow(to({ paths: ['/a/*/b'] }))],
    good: [...web, allow(to({ paths: ['/a/{*}/b', '/a*', '*/b', '*'] })), tokens],
  },
  MSH036: {
    bad: [...web, allow(to({ hosts: ['web.shop'] }))],
    good: [...web, allow(to({ hosts: ['web.shop', 'web.shop:*', 'x:80', '*', 'y*'] }))],
  },
  MSH037: {
    bad: [...web, mesh({ trustDomain: 'corp' }), allow(from({ principals: ['cluster.local/ns/shop/*'] }))],
    good: [
      ...web,
      mesh({ trustDomain: 'corp' }),
      allow(from({ principals: ['cluster.local/ns/shop/sa/web', 'corp/ns/*'] })),
    ],
  },
  MSH038: { bad: [...web, allow(to({ paths: ['/a?x=1'] }))], good: [...web, allow(to({ paths: ['/a', '*a'] }))] },
  MSH039: {
    bad: [...web, tokens, allow(from({ requestPrincipals: ['issuer'] }))],
    good: [...web, tokens, allow(from({ requestPrincipals: ['issuer/sub', '*'] }))],
  },
  MSH040: {
    bad: [...web, allow(from({ requestPrincipals: ['*'] }))],
    good: [...web, tokens, allow(from({ requestPrincipals: ['*'] }))],
  },
  MSH041: {
    bad: [...web, tokens, allow({ when: [{ key: 'request.auth.claims[scope]', values: ['read write'] }] })],
    good: [...web, tokens, allow({ when: [{ key: 'request.auth.claims[scope]', values: ['read', 'write'] }] })],
  },
  MSH042: {
    bad: [...web, tokens, allow({ when: [{ key: 'request.headers[Authorization]', values: ['Bearer*'] }] })],
    good: [...web, allow({ when: [{ key: 'request.headers[Authorization]', values: ['Bearer*'] }] })],
  },
  MSH050: {
    bad: [...web, disable, allow(from({ principals: ['*'] }))],
    good: [...web, allow(from({ principals: ['*'] }))],
  },
  MSH051: {
    bad: [...web, allow(from({ namespaces: ['shop'] }), deny)],
    good: [...web, strict, allow(from({ namespaces: ['shop'] }), deny)],
  },
  MSH052: {
    bad: [...web, allow(from({ notNamespaces: ['shop'] }))],
    good: [...web, allow(from({ notNamespaces: ['shop'], principals: ['*'] }))],
  },
  MSH053: {
    bad: [...tcp, allow(to({ methods: ['GET'] }))],
    good: [...web, allow(to({ methods: ['GET'] }))],
  },
  MSH054: {
    bad: [...tcp, allow(to({ methods: ['GET'] }), deny)],
    good: [...web, allow(to({ methods: ['GET'] }), deny)],
  },
  MSH055: {
    bad: [...web, allow(from({ remoteIpBlocks: ['10.0.0.0/8'] }))],
    good: [...web, allow(from({ ipBlocks: ['10.0.0.0/8'] }))],
  },
  MSH056: {
    bad: [...web, allow(to({ paths: ['/admin'] }), deny)],
    good: [...web, allow(to({ paths: ['/admin', '/admin/*'] }), deny)],
  },
  MSH060: {
    bad: [...web, policy({ rules: [from({ principals: ['*'] }), to({ methods: ['GET'] })] })],
    good: [
      ...web,
      policy({ rules: [{ ...Object(from({ principals: ['*'] })), ...Object(to({ methods: ['GET'] })) }] }),
    ],
  },
  MSH070: { bad: [...web, rule(tls('ISTIO_MUTUAL'), { host: 'wbe' })], good: [...web, rule(tls('ISTIO_MUTUAL'))] },
  MSH071: {
    bad: [...web, rule(undefined, { subsets: [{ name: 'v2', labels: { version: 'v2' } }] })],
    good: [...web, rule(undefined, { subsets: [{ name: 'web', labels: { app: 'web' } }] })],
  },
  MSH072: { bad: [...web, rule(tls('SIMPLE'))], good: [...web, rule(tls('SIMPLE', { caCertificates: '/ca.pem' }))] },
  MSH073: {
    bad: [...web, rule({ portLevelSettings: [{ port: { number: 80 }, ...tls('SIMPLE') }] })],
    good: [...web, rule({ portLevelSettings: [{ port: { number: 80 }, ...tls('SIMPLE', { caCertificates: '/c' }) }] })],
  },
  MSH074: { bad: [...web, strict, rule(tls('DISABLE'))], good: [...web, rule(tls('DISABLE'))] },
  MSH075: { bad: [...bare, rule(tls('ISTIO_MUTUAL'))], good: [...web, rule(tls('ISTIO_MUTUAL'))] },
  MSH076: {
    bad: [...web, rule(tls('SIMPLE', { caCertificates: '/c' }))],
    good: [...web, strict, rule(tls('SIMPLE', { caCertificates: '/c' }))],
  },
  MSH077: {
    bad: [...web, rule(tls('DISABLE'), { host: 'web.shop.svc.cluster.local' }, { namespace: 'third' })],
    good: [...web, rule(tls('DISABLE'), { host: 'web.shop.svc.cluster.local' })],
  },
  MSH078: {
    bad: [
      ...web,
      rule({ ...tls('ISTIO_MUTUAL'), portLevelSettings: [{ port: { number: 80 }, connectionPool: { tcp: {} } }] }),
    ],
    good: [...web, rule({ ...tls('ISTIO_MUTUAL'), portLevelSettings: [{ port: { number: 80 }, ...tls('DISABLE') }] })],
  },
  MSH079: {
    bad: [...web, rule({ portLevelSettings: [{ port: { number: 8080 }, ...tls('DISABLE') }] })],
    good: [...web, rule({ portLevelSettings: [{ port: { number: 80 }, ...tls('DISABLE') }] })],
  },
  MSH080: {
    bad: [...web, strict, mesh({ enableAutoMtls: false })],
    good: [...web, strict, mesh({ enableAutoMtls: false }), rule(tls('ISTIO_MUTUAL'))],
  },
  MSH081: {
    bad: [...web, rule(tls('SIMPLE', { credentialName: 'c' }))],
    good: [...web, rule(tls('SIMPLE', { credentialName: 'c' }), { workloadSelector: app('web') })],
  },
  MSH082: { bad: [...web, disable, rule(tls('ISTIO_MUTUAL'))], good: [...web, rule(tls('ISTIO_MUTUAL'))] },
  MSH090: { bad: bare, good: web },
  MSH091: {
    bad: [...web.slice(0, 2), service('web', { name: 'web' })],
    good: [...web.slice(0, 2), service('web', { name: 'web', appProtocol: 'http' })],
  },
  MSH092: {
    bad: [...web, service('web', { name: 'tcp' }, { name: 'other' })],
    good: [...web, service('web', {}, { name: 'other' })],
  },
  MSH093: { bad: [...web.slice(0, 2), service('web', { targetPort: 'web' })], good: web },
  MSH094: {
    bad: [namespace('shop', { 'istio-injection': 'enabled', 'istio.io/rev': 'a' })],
    good: [namespace('shop', { 'istio-injection': 'disabled', 'istio.io/rev': 'a' })],
  },
  MSH095: { bad: [...web, service('wbe')], good: web },
  MSH096: { bad: [namespace('shop'), annotated('true')], good: web },
  MSH097: { bad: [namespace('shop', {}), annotated('true')], good: [namespace('shop'), annotated('true')] },
  MSH098: {
    bad: [...web, service('web', { port: 81 }, { name: 'other' })],
    good: [...web, service('web', {}, { name: 'other' })],
  },
  MSH099: {
    bad: [entry('a', 'HTTP'), entry('b', 'TCP')],
    good: [entry('a', 'HTTP'), entry('b', 'http')],
  },
  MSH112: {
    bad: [namespace('shop'), runningAs(1337)],
    good: [namespace('shop'), runningAs(1338)],
  },
  MSH100: { bad: [...web, tokens], good: [...web, tokens, allow(from({ requestPrincipals: ['*'] }))] },
  MSH113: {
    bad: [...web, gateway, policy({ selector: app('gw') })],
    good: [...web, gateway, policy({ selector: app('web') })],
  },
  MSH110: {
    bad: [...web, ...['a', 'b'].map((name) => sidecar(name, { workloadSelector: { labels: { app: 'web' } } }))],
    good: [...web, ...['web', 'db'].map((name) => sidecar(name, { workloadSelector: { labels: { app: name } } }))],
  },
  MSH111: { bad: [...web, sidecar('a', {}), sidecar('b', {})], good: [...web, sidecar('a', {})] },
};

describe('lint', () => {
  it.each([
    ['sh*', []],
    ['*op', []],
    ['*', []],
    ['dev-*', ['no namespace of the manifests is like `dev-*`']],
    ['*-dev', ['no namespace of the manifests is like `*-dev`']],
  ])('looks for namespaces like %s', (value, messages) => {
    const found = lintOf([...web, allow(from({ namespaces: [value] }))]).filter(({ code }) => code === 'MSH020');
    expect(found.map(({ message }) => message)).toEqual(messages);
  });

  it('reports an AuthorizationPolicy for a namespace without workloads, unless it is for the mesh', () => {
    const codes = (namespace: string): readonly string[] =>
      lintOf([...web, istio('AuthorizationPolicy', 'a', {}, { namespace })]).map(({ code }) => code);
    expect(codes('empty')).toContain('MSH012');
    expect(codes('shop')).not.toContain('MSH012');
    expect(codes('istio-system')).not.toContain('MSH012');
  });

  it.each(Object.entries(PAIRS))('%s finds its fault and nothing in its neighbour', (code, { bad, good }) => {
    const found = lintOf(bad).filter((finding) => finding.code === code);
    expect(found).not.toEqual([]);
    for (const finding of found) {
      expect(finding).toMatchObject({ position: { file: 'f.yaml' }, ...omitTitle(finding.code) });
      expect(finding.message).not.toMatch(/undefined|NaN|\.$|\n/);
    }
    expect(lintOf(good).filter((finding) => finding.code === code)).toEqual([]);
  });

  it('has a case for every code', () => {
    expect(Object.keys(PAIRS).sort()).toEqual(Object.keys(LINTS).sort());
  });

  it('finds nothing serious in a configuration without faults', () => {
    const good = [
      ...web,
      strict,
      policy({
        selector: app('web'),
        rules: [
          {
            ...Object(from({ principals: ['cluster.local/ns/shop/sa/web'] })),
            ...Object(to({ methods: ['GET'], paths: ['/a/*'], ports: ['8080'] })),
          },
        ],
      }),
      rule(tls('ISTIO_MUTUAL')),
    ];
    expect(lintOf(good)).toEqual([]);
  });

  it('knows what a service account without a namespace means', () => {
    const accounts = { serviceAccounts: ['web', 'other/web', 'shop/web'] };
    const found = lintOf([...web, deployment('client', { namespace: 'other' }), strict, allow(from(accounts))]);
    expect(found.filter(({ code }) => code === 'MSH021').map(({ message }) => message)).toEqual([
      'no service account `web` exists in namespace `other`; there is `shop/web`',
    ]);
  });

  it('holds the TLS settings of a subset against the Pods of that subset only', () => {
    const relaxed = peer(
      { selector: { matchLabels: { version: 'v2' } }, mtls: { mode: 'PERMISSIVE' } },
      { name: 'v2' },
    );
    const subset = (version: string): Manifest =>
      rule(undefined, { subsets: [{ name: version, labels: { version }, trafficPolicy: tls('DISABLE') }] });
    const servers = ['v1', 'v2'].map((version) => ({
      ...deployment('web', { labels: { version } }),
      metadata: { name: `web-${version}`, namespace: 'shop' },
    }));
    const found = (version: string): readonly string[] =>
      lintOf([namespace('shop'), ...servers, service('web'), strict, relaxed, subset(version)]).map(({ code }) => code);
    expect(found('v1')).toContain('MSH074');
    expect(found('v2')).not.toContain('MSH074');
  });

  it('does not judge a subset by labels of nodes, which manifests do not tell', () => {
    const codes = (labels: Labels): readonly string[] =>
      lintOf([...web, rule(undefined, { subsets: [{ name: 'v1', labels }] })]).map(({ code }) => code);
    const zone = { 'topology.kubernetes.io/zone': 'a', 'kubernetes.io/hostname': 'n' };
    expect(codes({ ...zone, app: 'web' })).not.toContain('MSH071');
    expect(codes({ ...zone, app: 'other' })).toContain('MSH071');
  });

  it.each([
    [['*'], ['.'], 2],
    [['shop'], ['.'], 2],
    [['a'], ['b'], 0],
    [['~'], ['*'], 0],
  ])('sees ServiceEntries contradict each other only where both are seen: %j and %j', (left, right, count) => {
    const of = (name: string, protocol: string, exportTo: readonly string[]): Manifest =>
      istio('ServiceEntry', name, { hosts: ['a.com'], ports: [{ number: 80, name: 'p', protocol }], exportTo });
    const found = lintOf([of('a', 'HTTP', left), of('b', 'TCP', right)]);
    expect(found.filter(({ code }) => code === 'MSH099')).toHaveLength(count);
  });

  it.each([
    [{ 'istio-injection': 'enabled', 'istio.io/dataplane-mode': 'ambient' }, 1],
    [{ 'istio.io/rev': 'a', 'istio.io/dataplane-mode': 'ambient' }, 1],
    [{ 'istio-injection': 'disabled', 'istio.io/dataplane-mode': 'ambient' }, 0],
    [{ 'istio.io/dataplane-mode': 'ambient' }, 0],
  ])('counts the ways into the mesh of a namespace labelled %j', (labels, count) => {
    const found = lintOf([namespace('shop', labels), deployment('web')]);
    expect(found.filter(({ code }) => code === 'MSH094')).toHaveLength(count);
    expect(found.filter(({ code }) => code === 'MSH090')).toEqual([]);
  });

  it('leaves the port names of the system and of gateway controllers alone', () => {
    const named = (metadata: Manifest): readonly string[] =>
      lintOf([service('web', { name: 'web' }, metadata)]).map(({ code }) => code);
    expect(named({})).toContain('MSH091');
    expect(named({ namespace: 'kube-system' })).not.toContain('MSH091');
    expect(named({ labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller' } })).not.toContain('MSH091');
  });

  it('points at the value, in the order of the text', () => {
    const findings = lintOf([...web, strict, allow(to({ methods: ['GET', 'get'], paths: ['x'] }))]);
    expect(findings.map(({ code, path }) => `${code} ${path}`)).toEqual([
      'MSH031 spec.rules[0].to[0].operation.methods[1]',
      'MSH038 spec.rules[0].to[0].operation.paths[0]',
    ]);
    expect(findings[0]?.message).toBe('no request has the method `get`; methods are compared as written: `GET`');
    expect(findings[0]?.resource).toEqual({ kind: 'AuthorizationPolicy', namespace: 'shop', name: 'ap' });
  });

  it.each([
    ['KIA0102', []],
    ['MSH031, KIA0106', []],
    ['', []],
    ['KIA0106', ['MSH031']],
  ])('leaves out what `kiali.io/ignore-validations: %s` names', (value, left) => {
    const annotations = { 'kiali.io/ignore-validations': value };
    const ignored = policy({ selector: app('web'), rules: [to({ methods: ['get'] })] }, { annotations });
    const found = lintOf([...web, strict, ignored]).filter(({ resource }) => resource.kind === 'AuthorizationPolicy');
    expect(found.map((finding) => finding.code)).toEqual(left);
  });
});

function omitTitle(code: LintCode): object {
  const { title: _, ...rest } = lintRule(code);
  return rest;
}
