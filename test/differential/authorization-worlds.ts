/**
 * Generated meshes and requests for comparing evaluators. Vocabularies are small on purpose, so that values of
 * policies and of requests meet, and hold the awkward spellings: wildcards on either side and inside, templates,
 * aliases, extra path segments in identities, several lines of one header, escapes in paths.
 * @module
 */
import * as fc from 'fast-check';
import type {
  AuthorizationPolicy,
  AuthorizationRule,
  Condition,
  MeshConfig,
  Operation,
  PathNormalization,
  Source,
} from '../../src/istio/index.ts';
import type { AuthorizationRequest, HttpAttributes, Json } from '../../src/policy/index.ts';
import { authorizationPolicy, meshWith, workload } from '../kit/policies.ts';

const PRINCIPALS = [
  'cluster.local/ns/foo/sa/curl',
  'cluster.local/ns/bar/sa/curl',
  'old-td/ns/foo/sa/curl',
  'new-td/ns/foo/sa/admin',
  'other/ns/foo/sa/curl',
  'x/ns/a.b/sa/c',
  'x/ns/axb/sa/c',
  'td/k/v/ns/foo/k/sa/curl/k',
  'ns/foo/sa/curl',
  'x/ns/y/ns/foo/sa/curl',
];
const PRINCIPAL_VALUES = [
  ...PRINCIPALS,
  '*',
  '*/ns/foo/sa/curl',
  '*-td/ns/foo/sa/curl',
  'cl*/ns/foo/sa/curl',
  'cluster.local/ns/foo/*',
  'old-td*',
  '*curl',
  '*c*',
  '/ns/foo/sa/curl',
  'spiffe://cluster.local/ns/foo/sa/curl',
];
const NAMESPACES = ['foo', 'bar', 'a.b', 'f*', '*', '*o', 'f*o', 'y', 'foo/sa'];
const ACCOUNTS = ['curl', 'foo/curl', 'bar/curl', 'a.b/c', 'admin', 'foo/cu*', 'foo/sa/x'];
const TRUST_DOMAINS = ['cluster.local', 'old-td', 'new-td', 'other', '*', '*-td', 'o*', 'o*-t*d', 'x', 'ns'];
const IPS = [
  '10.0.0.5',
  '10.0.1.9',
  '192.168.3.4',
  '203.0.113.7',
  '2001:db8::1',
  '2001:db8:0:1::2',
  '::1',
  '::ffff:10.0.0.5',
];
const BLOCKS = [
  '10.0.0.5',
  '10.0.0.0/24',
  '10.0.0.77/16',
  '192.168.0.0/17',
  '0.0.0.0/0',
  '203.0.113.7/32',
  '2001:db8::/32',
  '2001:db8::1',
  '2001:db8:0:0::/63',
  '::/0',
  'nonsense',
];
const PORTS = ['8080', '9000', '80', 'http'];
const METHODS = ['GET', 'POST', 'get', 'G*', '*T', '*', 'DELETE'];
const HOSTS = ['httpbin.foo:8000', 'HTTPBIN.foo', '*.foo', 'httpbin*', '*', 'a.example.com', '*.Example.com'];
const PATHS = [
  '/ip',
  '/admin',
  '/admin*',
  '*/ip',
  '/a/*',
  '/a/{*}',
  '/a/{**}',
  '/a/{*}/c',
  '/{**}/ip',
  '/{*}',
  '*',
  '/a/*/c',
  '/ip?x=1',
  '*n',
];
const RAW_PATHS = [
  '/ip',
  '/ip?x=1',
  '/IP',
  '/admin',
  '/admin/',
  '//admin',
  '/x/%2e%2e/admin',
  '/x/../admin#f',
  '/a/b',
  '/a/b/c',
  '/a//c',
  '/a%2fb',
  '/a/%62/c',
  '/',
  '/a/',
  '/a',
  String.raw`/a\b`,
  '/a/./b/..',
  '/a/%00',
  '/%7eip',
  '/a/x y',
];
const REQUEST_PRINCIPALS = ['iss/sub', 'https://i.example/s', 'iss/', '/sub', 'iss', 'https://i.example/a/s'];
const REQUEST_PRINCIPAL_VALUES = [
  ...REQUEST_PRINCIPALS,
  '*',
  'iss/*',
  'iss/s*',
  '*/sub',
  '*ss/sub',
  '*b',
  'i*',
  'https://*',
  '*.example/s',
];
const WORDS = ['a', 'b', 'ab', 'a b', '', 'gold', 'a,b'];
const WORD_VALUES = ['a', 'b', '*', 'a*', '*b', 'gold', 'a b', 'a,b', '**'];
const SNIS = ['outbound_.8080_._.httpbin.foo', 'A.example.com'];
const SNI_VALUES = ['outbound_*', 'a.example.com', 'A.example.com', '*', '*.com'];
const KEYS: Readonly<Record<string, readonly string[]>> = {
  'source.ip': BLOCKS,
  'remote.ip': BLOCKS,
  'destination.ip': BLOCKS,
  'source.namespace': NAMESPACES,
  'source.principal': PRINCIPAL_VALUES,
  'source.serviceAccount': ACCOUNTS,
  'source.trustDomain': TRUST_DOMAINS,
  'destination.port': PORTS,
  'connection.sni': SNI_VALUES,
  'request.auth.principal': REQUEST_PRINCIPAL_VALUES,
  'request.auth.audiences': WORD_VALUES,
  'request.auth.presenter': WORD_VALUES,
  'request.headers[X-Token]': WORD_VALUES,
  'request.headers[x-b]': WORD_VALUES,
  'request.headers[:method]': METHODS,
  'request.headers[:authority]': HOSTS,
  'request.headers[Host]': HOSTS,
  'request.headers[:path]': [...PATHS, '/ip?*', '/x*'],
  'request.auth.claims[groups]': WORD_VALUES,
  'request.auth.claims[scope]': WORD_VALUES,
  'request.auth.claims[nested][k]': WORD_VALUES,
  'experimental.envoy.filters.http.x[y]': ['a'],
  'destination.labels[app]': ['x'],
  'request.headers': ['a'],
};

function some(values: readonly string[]): fc.Arbitrary<readonly string[]> {
  return fc.array(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
}

/** A record of which any key may be missing. */
function sparse<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> {
  const arbitrary: fc.Arbitrary<unknown> = fc.record(model, { requiredKeys: [] });
  return arbitrary as fc.Arbitrary<Partial<T>>;
}

/** A few of many fields: a record of all of them would hardly ever match. */
function few(
  fields: Readonly<Record<string, readonly string[]>>,
): fc.Arbitrary<Readonly<Record<string, readonly string[]>>> {
  return fc
    .uniqueArray(fc.constantFrom(...Object.keys(fields)), { minLength: 1, maxLength: 2 })
    .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, some(fields[name] ?? [])]))));
}

const source: fc.Arbitrary<Source> = few({
  principals: PRINCIPAL_VALUES,
  notPrincipals: PRINCIPAL_VALUES,
  requestPrincipals: REQUEST_PRINCIPAL_VALUES,
  notRequestPrincipals: REQUEST_PRINCIPAL_VALUES,
  namespaces: NAMESPACES,
  notNamespaces: NAMESPACES,
  serviceAccounts: ACCOUNTS,
  notServiceAccounts: ACCOUNTS,
  trustDomains: TRUST_DOMAINS,
  notTrustDomains: TRUST_DOMAINS,
  ipBlocks: BLOCKS,
  notIpBlocks: BLOCKS,
  remoteIpBlocks: BLOCKS,
  notRemoteIpBlocks: BLOCKS,
});

const operation: fc.Arbitrary<Operation> = few({
  hosts: HOSTS,
  notHosts: HOSTS,
  ports: PORTS,
  notPorts: PORTS,
  methods: METHODS,
  notMethods: METHODS,
  paths: PATHS,
  notPaths: PATHS,
});

const condition: fc.Arbitrary<Condition> = fc
  .constantFrom(...Object.keys(KEYS))
  .chain((key) =>
    sparse<Omit<Condition, 'key'>>({ values: some(KEYS[key] ?? []), notValues: some(KEYS[key] ?? []) }).map(
      (lists) => ({ key, ...lists }),
    ),
  );

const rule: fc.Arbitrary<AuthorizationRule> = sparse<AuthorizationRule>({
  from: fc.array(
    source.map((each) => ({ source: each })),
    { minLength: 1, maxLength: 3 },
  ),
  to: fc.array(
    operation.map((each) => ({ operation: each })),
    { minLength: 1, maxLength: 3 },
  ),
  when: fc.array(condition, { minLength: 1, maxLength: 2 }),
});

/** Many rules of one shape, so that the index has something to index. */
const rules: fc.Arbitrary<readonly AuthorizationRule[]> = fc.oneof(
  { weight: 4, arbitrary: fc.array(rule, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(rule, { minLength: 12, maxLength: 40 }) },
);

const GATEWAY = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'g' };
const GATEWAY_POD = { app: 'httpbin', 'gateway.networking.k8s.io/gateway-name': 'g' };

const policy: fc.Arbitrary<AuthorizationPolicy> = fc
  .record({
    action: fc.constantFrom('ALLOW', 'ALLOW', 'ALLOW', 'DENY', 'DENY', 'AUDIT', 'CUSTOM', undefined),
    provider: fc.constantFrom('authz', 'open', 'web', 'yes', 'missing'),
    rules,
    namespace: fc.constantFrom('foo', 'foo', 'foo', 'istio-system', 'bar', 'mesh'),
    selector: fc.constantFrom(
      undefined,
      undefined,
      { matchLabels: { app: 'httpbin' } },
      { matchLabels: { app: 'curl' } },
      {},
    ),
    targetRef: fc.constantFrom(undefined, undefined, undefined, GATEWAY),
    targetRefs: fc.constantFrom(undefined, undefined, undefined, undefined, [], [{ ...GATEWAY, name: 'h' }, GATEWAY]),
    dryRun: fc.constantFrom(undefined, undefined, undefined, 'true', 'false', 'yes'),
  })
  .map(({ action, provider, namespace, selector, targetRef, targetRefs, dryRun, rules: list }) => {
    const custom = action === 'CUSTOM';
    return authorizationPolicy(
      {
        ...(action === undefined ? {} : { action }),
        ...(custom ? { provider: { name: provider } } : {}),
        ...(selector === undefined ? {} : { selector }),
        ...(targetRef === undefined ? {} : { targetRef }),
        ...(targetRefs === undefined ? {} : { targetRefs }),
        rules: list,
      },
      { namespace, annotations: dryRun === undefined || custom ? {} : { 'istio.io/dry-run': dryRun } },
    );
  });

const providers = ['authz', 'open', 'web', 'yes'].map((name) => ({
  name,
  protocol: name === 'web' ? ('http' as const) : ('grpc' as const),
  service: 'authz.foo.svc.cluster.local',
  port: 9000,
  failOpen: name === 'open',
  statusOnError: 500,
}));

const modes: readonly PathNormalization[] = ['BASE', 'BASE', 'NONE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'];

export const config: fc.Arbitrary<MeshConfig> = fc
  .record({
    policies: fc.array(policy, { maxLength: 5 }),
    trustDomain: fc.constantFrom('cluster.local', 'new-td'),
    rootNamespace: fc.constantFrom('istio-system', 'istio-system', 'mesh'),
    trustDomainAliases: fc.constantFrom([], ['old-td'], ['old-td', 'cluster.local']),
    pathNormalization: fc.constantFrom(...modes),
    unusableProviders: fc.constantFrom([], [], ['authz']),
  })
  .map(({ policies, ...settings }) =>
    meshWith(
      policies.map((each, i) => ({ ...each, metadata: { ...each.metadata, name: `p${i}` } })),
      { workloads: [workload('httpbin')], settings: { ...settings, extensionProviders: providers } },
    ),
  );

const json: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.array(fc.oneof(fc.constantFrom<Json>(...WORDS), fc.constantFrom<Json>(5, null)), { maxLength: 3 }),
  fc.constantFrom<Json>(5, true, null, { k: 'a' }),
);

const auth = sparse<NonNullable<HttpAttributes['auth']>>({
  principal: fc.constantFrom(...REQUEST_PRINCIPALS.filter((text) => text.includes('/'))),
  audiences: fc.oneof(fc.constantFrom(...WORDS), fc.array(fc.constantFrom(...WORDS), { maxLength: 2 })),
  presenter: fc.constantFrom(...WORDS),
  claims: sparse<Record<string, Json>>({
    groups: json,
    scope: json,
    nested: fc.oneof(
      json,
      json.map((k) => ({ k })),
    ),
    iss: fc.constantFrom<Json>('iss', 5),
    sub: fc.constantFrom<Json>('sub', '', 5),
  }).map((claims) => claims as Record<string, Json>),
});

const headerValue = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 2 }),
);

const FORWARDED = [
  ...IPS.filter((ip) => !ip.startsWith('::ffff')),
  'unknown',
  '',
  '10.0.0.5:80',
  '10.0.0.5,',
  ' 10.0.1.9 ',
];
const forwardedFor = fc.oneof(
  fc.constantFrom(...FORWARDED),
  fc.array(fc.constantFrom(...FORWARDED), { minLength: 2, maxLength: 3 }),
  fc.array(fc.constantFrom(...FORWARDED), { minLength: 2, maxLength: 3 }).map((entries) => entries.join(', ')),
);

const http: fc.Arbitrary<HttpAttributes> = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'DELETE', 'get'),
    path: fc.constantFrom(...RAW_PATHS.filter((path) => !path.includes(' '))),
    rest: sparse<Omit<HttpAttributes, 'method' | 'path'>>({
      host: fc.constantFrom('httpbin.foo:8000', 'httpbin.foo', 'HttpBin.FOO', 'a.example.com', 'A.EXAMPLE.COM:80'),
      headers: sparse<Record<string, string | readonly string[]>>({
        'x-token': headerValue,
        'X-Token': headerValue,
        'X-B': headerValue,
        'X-Forwarded-For': forwardedFor,
      }).map((headers) => headers as Record<string, string | readonly string[]>),
      auth,
    }),
  })
  .map(({ rest, ...required }) => ({ ...required, ...rest }));

export const request: fc.Arbitrary<AuthorizationRequest> = fc
  .record({
    labels: fc.constantFrom(undefined, undefined, undefined, { app: 'curl', v: '1' }, GATEWAY_POD),
    namespace: fc.constantFrom('foo', 'foo', 'bar', 'istio-system', 'mesh'),
    port: fc.constantFrom(8080, 9000, 80, 81),
    source: sparse<NonNullable<AuthorizationRequest['source']>>({
      principal: fc.constantFrom(...PRINCIPALS),
      ip: fc.constantFrom(...IPS),
      remoteIp: fc.constantFrom(...IPS),
    }),
    ip: fc.constantFrom(...IPS, undefined),
    sni: fc.constantFrom(undefined, ...SNIS),
    http: fc.option(http, { nil: undefined, freq: 6 }),
  })
  .map(({ labels, namespace, port, source: from, ip, sni, http: of }) => ({
    destination: {
      port,
      ...(labels === undefined ? { namespace: 'foo', workload: 'httpbin' } : { namespace, labels }),
      ...(ip === undefined ? {} : { ip }),
    },
    source: from,
    ...(sni === undefined ? {} : { connection: { sni } }),
    ...(of === undefined ? {} : { request: of }),
  }));
