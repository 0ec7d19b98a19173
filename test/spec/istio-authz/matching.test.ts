/**
 * What each field and `when` key of a rule matches.
 * Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/ (Source, Operation, Condition) and
 * https://istio.io/latest/docs/reference/config/security/conditions/
 */
import { describe, expect, it } from 'vitest';
import type { Operation, Source } from '../../../src/istio/index.ts';
import type { RequestAuthAttributes } from '../../../src/policy/index.ts';
import { authorizationPolicy as policy, httpRequest as http, tcpConnection as tcp } from '../../kit/policies.ts';
import { decide, itMatches } from '../../kit/verdicts.ts';

const source = (each: Source) => ({ from: [{ source: each }] });
const operation = (each: Operation) => ({ to: [{ operation: each }] });
const values = (key: string, ...list: readonly string[]) => ({ when: [{ key, values: list }] });
const notValues = (key: string, ...list: readonly string[]) => ({ when: [{ key, notValues: list }] });
const as = (principal: string) => http({ principal });
const plaintext = http({ from: null });

describe('peer identity', () => {
  itMatches([
    {
      name: 'istio-authz/principals-1: exact, prefix, suffix, any; case counts',
      rule: source({ principals: ['cluster.local/ns/foo/sa/curl', 'x/*', '*/sa/tail'] }),
      yes: [as('cluster.local/ns/foo/sa/curl'), as('x/anything'), as('y/ns/z/sa/tail')],
      no: [as('cluster.local/ns/foo/sa/Curl'), as('cluster.local/ns/foo/sa/curl2'), as('xy/z'), plaintext],
    },
    {
      name: 'istio-authz/principals-2: * is any identity, and no identity does not match it',
      rule: source({ principals: ['*'] }),
      yes: [as('x'), tcp()],
      no: [plaintext, tcp({ from: null })],
    },
    {
      name: 'istio-authz/principals-3: an asterisk inside is a character, a leading one wins over a trailing one',
      rule: source({ principals: ['cluster.local/ns/*/sa/curl', '*curl*'] }),
      yes: [as('cluster.local/ns/*/sa/curl'), as('x/curl*')],
      no: [as('cluster.local/ns/foo/sa/curl'), as('curl/x')],
    },
    {
      name: 'istio-authz/gotcha-30: a value that starts with spiffe:// never matches',
      rule: source({ principals: ['spiffe://cluster.local/ns/foo/sa/curl'] }),
      no: [as('cluster.local/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/gotcha-33: a leading asterisk matches any trust domain and any deeper path with that end',
      rule: source({ principals: ['*/ns/foo/sa/curl'] }),
      yes: [as('td/ns/foo/sa/curl'), as('x/ns/y/ns/foo/sa/curl')],
      no: [as('td/ns/foo/sa/curl/x')],
    },
    {
      name: 'istio-authz/gotcha-34: namespaces ignore the trust domain',
      rule: source({ namespaces: ['foo'] }),
      yes: [as('cluster.local/ns/foo/sa/a'), as('elsewhere/ns/foo/sa/b'), as('td/k/v/ns/foo/sa/c')],
      no: [
        as('cluster.local/ns/foobar/sa/a'),
        as('cluster.local/ns/fo/sa/a'),
        as('cluster.local/ns/Foo/sa/a'),
        plaintext,
      ],
    },
    {
      name: 'istio-authz/namespaces-1: an asterisk stands for any text, wherever it is',
      rule: source({ namespaces: ['f*o', 'team-*'] }),
      yes: [as('td/ns/fo/sa/a'), as('td/ns/fooo/sa/a'), as('td/ns/team-/sa/a'), as('td/ns/team-x/sa/a')],
      no: [as('td/ns/xfo/sa/a'), as('td/ns/team/sa/a')],
    },
    {
      name: 'istio-authz/namespaces-2: dots are dots',
      rule: source({ namespaces: ['a.b'] }),
      yes: [as('td/ns/a.b/sa/c')],
      no: [as('td/ns/axb/sa/c')],
    },
    {
      name: 'istio-authz/gotcha-35: a bare service account is one of the policy’s own namespace',
      rule: source({ serviceAccounts: ['curl'] }),
      yes: [as('td/ns/foo/sa/curl')],
      no: [as('td/ns/bar/sa/curl')],
    },
    {
      name: 'istio-authz/gotcha-36: metacharacters in a service account are literal',
      rule: source({ serviceAccounts: ['a.b/c.d'] }),
      yes: [as('td/ns/a.b/sa/c.d')],
      no: [as('td/ns/axb/sa/c.d'), as('td/ns/a.b/sa/cxd')],
    },
    {
      name: 'istio-authz/service-accounts-1: extra segments around namespace and account are let through, suffixes are not',
      rule: source({ serviceAccounts: ['foo/curl'] }),
      yes: [as('td/k/v/ns/foo/k/v/sa/curl/k/v'), as('td/ns/foo/sa/curl')],
      no: [
        as('td/ns/foo/sa/curl2'),
        as('td/ns/foo-x/sa/curl'),
        as('ns/foo/sa/curl'),
        as('td/ns/foo'),
        as('td/sa/curl'),
        plaintext,
      ],
    },
    {
      name: 'istio-authz/service-accounts-2: no wildcards',
      rule: source({ serviceAccounts: ['foo/*', '*'] }),
      no: [as('td/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/trust-domains-1: exact, any, one asterisk that stops at a slash',
      rule: source({ trustDomains: ['td1', 'dev-*', '*.example'] }),
      yes: [as('td1/ns/a/sa/b'), as('dev-7/ns/a/sa/b'), as('x.example/ns/a/sa/b')],
      no: [as('td12/ns/a/sa/b'), as('x/dev-7/a'), as('y/x.example/b'), plaintext],
    },
    {
      name: 'istio-authz/trust-domains-2: * is any identity',
      rule: source({ trustDomains: ['*'] }),
      yes: [as('td/ns/a/sa/b')],
      no: [plaintext],
    },
    {
      name: 'istio-authz/when-source: the conditions mean what the fields mean',
      rule: {
        when: [
          { key: 'source.principal', values: ['*/sa/curl'] },
          { key: 'source.namespace', values: ['foo'], notValues: ['bar'] },
          { key: 'source.serviceAccount', values: ['curl'] },
          { key: 'source.trustDomain', values: ['td*'] },
        ],
      },
      yes: [as('td1/ns/foo/sa/curl')],
      no: [as('td1/ns/bar/sa/curl'), as('x/ns/foo/sa/curl'), plaintext],
    },
  ]);
});

describe('plaintext callers', () => {
  itMatches([
    {
      name: 'istio-authz/plaintext-1: negated lists of identities match a caller without identity',
      rule: {
        from: [
          {
            source: { notPrincipals: ['x'], notNamespaces: ['foo'], notServiceAccounts: ['a'], notTrustDomains: ['*'] },
          },
        ],
      },
      yes: [plaintext, tcp({ from: null })],
      no: [http()],
    },
    {
      name: 'istio-authz/gotcha-18: a plaintext caller has no principal, whoever it is',
      rule: source({ principals: ['*'] }),
      yes: [http()],
      no: [plaintext],
    },
  ]);

  it('istio-authz/gotcha-37: DENY notPrincipals * refuses every plaintext caller', () => {
    const deny = policy({ action: 'DENY', rules: [source({ notPrincipals: ['*'] })] });
    expect(decide([deny], plaintext).decision).toBe('deny');
    expect(decide([deny], http()).decision).toBe('allow');
  });

  it('istio-authz/gotcha-38: DENY by namespace does not stop a plaintext Pod of that namespace', () => {
    expect(decide([policy({ action: 'DENY', rules: [source({ namespaces: ['foo'] })] })], plaintext).decision).toBe(
      'allow',
    );
  });
});

describe('trust-domain aliases', () => {
  const world = (trustDomain: string, ...trustDomainAliases: readonly string[]) => ({
    settings: { trustDomain, trustDomainAliases },
  });
  itMatches([
    {
      name: 'istio-authz/aliases-1: a principal of the mesh’s trust domain or of an alias means all of them',
      rule: source({ principals: ['old/ns/foo/sa/curl'] }),
      world: world('new', 'old', 'older'),
      yes: [as('new/ns/foo/sa/curl'), as('old/ns/foo/sa/curl'), as('older/ns/foo/sa/curl')],
      no: [as('other/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/aliases-2: cluster.local points to the mesh’s trust domain, whatever it is called',
      rule: source({ principals: ['cluster.local/ns/foo/sa/curl'] }),
      world: world('corp'),
      yes: [as('corp/ns/foo/sa/curl')],
      no: [as('cluster.local/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/aliases-3: a foreign trust domain stays as written',
      rule: source({ principals: ['foreign/ns/foo/sa/curl'] }),
      world: world('new', 'old'),
      yes: [as('foreign/ns/foo/sa/curl')],
      no: [as('new/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/gotcha-31: a principal of fewer parts is not expanded',
      rule: source({ principals: ['cluster.local/ns/foo/*'] }),
      world: world('corp'),
      no: [as('corp/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/gotcha-32: trustDomains knows no pointer',
      rule: source({ trustDomains: ['cluster.local'] }),
      world: world('corp'),
      no: [as('corp/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/aliases-4: trustDomains expands a member of the mesh’s own, without wildcards',
      rule: source({ trustDomains: ['old'] }),
      world: world('new', 'old'),
      yes: [as('new/ns/a/sa/b'), as('old/ns/a/sa/b')],
      no: [as('other/ns/a/sa/b')],
    },
    {
      name: 'istio-authz/aliases-5: a suffix pattern stays for what it covers and stands for the rest',
      rule: source({ principals: ['*-td/ns/foo/sa/curl'] }),
      world: world('mesh', 'old-td'),
      yes: [as('mesh/ns/foo/sa/curl'), as('old-td/ns/foo/sa/curl'), as('any-td/ns/foo/sa/curl')],
      no: [as('td/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/aliases-6: a prefix pattern becomes the mesh’s own trust domains, and is literal elsewhere',
      rule: source({ principals: ['cl*/ns/foo/sa/curl', 'for*/ns/foo/sa/curl'] }),
      yes: [as('cluster.local/ns/foo/sa/curl')],
      no: [as('cloud/ns/foo/sa/curl'), as('foreign/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/aliases-7: a whole trust domain of * is left alone',
      rule: source({ principals: ['*/ns/foo/sa/curl'] }),
      world: world('mesh', 'old'),
      yes: [as('mesh/ns/foo/sa/curl'), as('foreign/ns/foo/sa/curl')],
    },
    {
      name: 'istio-authz/aliases-8: negated lists are expanded too',
      rule: source({ notPrincipals: ['old/ns/foo/sa/curl'], notTrustDomains: ['older'] }),
      world: world('new', 'old'),
      yes: [as('x/ns/foo/sa/curl'), plaintext],
      no: [as('new/ns/foo/sa/curl'), as('older/ns/x/sa/y')],
    },
  ]);
});

describe('addresses', () => {
  const from = (ip: string, remoteIp?: string) => http({ ip, ...(remoteIp === undefined ? {} : { remoteIp }) });
  itMatches([
    {
      name: 'istio-authz/gotcha-70: host bits of a block are ignored',
      rule: source({ ipBlocks: ['1.2.3.4/24'] }),
      yes: [from('1.2.3.0'), from('1.2.3.255')],
      no: [from('1.2.4.4')],
    },
    {
      name: 'istio-authz/ip-1: a single address, a whole family, and both families apart',
      rule: source({ ipBlocks: ['10.0.0.1', '::/0'] }),
      yes: [from('10.0.0.1'), from('2001:db8::1'), from('::ffff:10.0.0.1')],
      no: [from('10.0.0.2'), from('::ffff:10.0.0.2')],
    },
    {
      name: 'istio-authz/ip-2: IPv6 blocks that end inside a group, compressed spellings',
      rule: source({ ipBlocks: ['2001:db8:0:fffe::/63', 'fe80::1'] }),
      yes: [from('2001:db8:0:ffff::9'), from('2001:0DB8:0:fffe:0:0:0:1'), from('fe80:0:0:0:0:0:0:1')],
      no: [from('2001:db8:0:fffd::'), from('2001:db8:1::'), from('fe80::2'), from('10.0.0.1')],
    },
    {
      name: 'istio-authz/ip-3: 0.0.0.0/0 is every IPv4 address',
      rule: source({ ipBlocks: ['0.0.0.0/0'] }),
      yes: [from('255.255.255.255')],
      no: [from('::1')],
    },
    {
      name: 'istio-authz/gotcha-69: remoteIpBlocks looks at what X-Forwarded-For says, ipBlocks at the peer',
      rule: source({ remoteIpBlocks: ['1.2.3.4'], notIpBlocks: ['1.2.3.4'] }),
      yes: [from('10.0.0.5', '1.2.3.4')],
      no: [from('10.0.0.5'), from('1.2.3.4')],
    },
    {
      name: 'istio-authz/gotcha-69: a sidecar believes the right-most entry of X-Forwarded-For, over several lines',
      rule: source({ remoteIpBlocks: ['1.2.3.4', '2001:db8::/32'] }),
      yes: [
        http({ headers: { 'X-Forwarded-For': '1.2.3.4' } }),
        http({ headers: { 'x-forwarded-for': '9.9.9.9, 1.2.3.4 ' } }),
        http({ headers: { 'x-forwarded-for': ['9.9.9.9', '8.8.8.8,2001:db8::1'] } }),
      ],
      no: [
        http({ headers: { 'x-forwarded-for': '1.2.3.4, 9.9.9.9' } }),
        http({ headers: { 'x-forwarded-for': '1.2.3.4' }, remoteIp: '9.9.9.9' }),
        http({ headers: { 'x-forwarded-for': [] } }),
      ],
    },
    {
      name: 'istio-authz/forwarded-for-1: the peer stands in for an entry that is no address',
      rule: source({ remoteIpBlocks: ['10.0.0.5'] }),
      yes: ['unknown', '', ',', '1.2.3.4,', '1.2.3.4:80', '[2001:db8::1]', '1.2.3.04', 'a'.repeat(10_000)].map((text) =>
        http({ ip: '10.0.0.5', headers: { 'x-forwarded-for': text } }),
      ),
      no: [http({ ip: '10.0.0.5', headers: { 'x-forwarded-for': 'unknown, 1.2.3.4' } })],
    },
    {
      name: 'istio-authz/ip-4: the remote address is the peer’s where nothing was forwarded',
      rule: values('remote.ip', '10.0.0.5/32'),
      yes: [from('10.0.0.5')],
      no: [from('10.0.0.5', '10.0.0.6')],
    },
    {
      name: 'istio-authz/ip-5: source.ip and destination.ip as conditions',
      rule: { when: [...values('source.ip', '10.0.0.0/8').when, ...notValues('destination.ip', '10.9.0.0/16').when] },
      yes: [http({ ip: '10.1.1.1', destinationIp: '10.8.0.1' }), http({ ip: '10.1.1.1' })],
      no: [http({ ip: '10.1.1.1', destinationIp: '10.9.0.1' }), http({ ip: '11.1.1.1' })],
    },
  ]);

  it('refuses an address that is none, where a rule asks for it', () => {
    for (const ip of [
      '',
      '10.0.0',
      '10.0.0.01',
      '10.0.0.256',
      '1:2:3',
      '::1%eth0',
      '1::2::3',
      '12345::',
      '::1.2.3',
      'x',
    ]) {
      expect(() => decide([policy({ rules: [source({ ipBlocks: ['10.0.0.1'] })] })], http({ ip }))).toThrow(
        'is not an IP address',
      );
    }
  });
});

describe('hosts, methods, SNI', () => {
  const host = (name: string) => http({ host: name });
  itMatches([
    {
      name: 'istio-authz/gotcha-39: the port of the Host header counts',
      rule: operation({ hosts: ['httpbin.foo'] }),
      yes: [host('httpbin.foo')],
      no: [host('httpbin.foo:8000')],
    },
    {
      name: 'istio-authz/gotcha-40: hosts ignore case, on both sides',
      rule: operation({ hosts: ['HTTPBIN.foo:8000', '*.Example.COM', 'API*'] }),
      yes: [host('httpbin.FOO:8000'), host('a.eXample.com'), host('api.x')],
      no: [host('example.com'), host('a.example.com:8080')],
    },
    {
      name: 'istio-authz/hosts-1: * is any host, and only ASCII letters are folded',
      rule: operation({ hosts: ['*'], notHosts: ['\u212A'] }),
      yes: [host('x'), host('k')],
      no: [{ ...http(), request: { method: 'GET', path: '/' } }],
    },
    {
      name: 'istio-authz/gotcha-41: methods are case-sensitive',
      rule: operation({ methods: ['get'] }),
      yes: [http({ method: 'get' })],
      no: [http()],
    },
    {
      name: 'istio-authz/methods-1: wildcards, and negation',
      rule: operation({ methods: ['P*', '*T'], notMethods: ['PUT'] }),
      yes: [http({ method: 'POST' }), http({ method: 'GET' }), http({ method: 'PATCH' })],
      no: [http({ method: 'PUT' }), http({ method: 'DELETE' })],
    },
    {
      name: 'istio-authz/sni-1: the server name is lower-cased, values are not',
      rule: values('connection.sni', 'www.example.com', '*.Internal'),
      yes: [tcp({ sni: 'WWW.example.com' })],
      no: [tcp({ sni: 'a.Internal' }), tcp({ sni: 'a.internal' }), tcp()],
    },
    {
      name: 'istio-authz/sni-2: no server name matches no list and every negated one',
      rule: notValues('connection.sni', '*'),
      yes: [tcp(), http({ from: null })],
      no: [tcp({ sni: 'x' })],
    },
  ]);
});

describe('headers', () => {
  const token = (...lines: readonly string[]) => http({ headers: { 'X-Token': lines } });
  const key = 'request.headers[x-token]';
  itMatches([
    {
      name: 'istio-authz/headers-1: the name ignores case, the value does not',
      rule: values('request.headers[X-TOKEN]', 'Admin'),
      yes: [http({ headers: { 'x-token': 'Admin' } }), token('Admin')],
      no: [token('admin'), http(), http({ headers: { 'x-tokens': 'Admin' } })],
    },
    {
      name: 'istio-authz/gotcha-50: a missing header matches every negated list',
      rule: notValues(key, 'admin'),
      yes: [http(), token('user')],
      no: [token('admin')],
    },
    {
      name: 'istio-authz/gotcha-51: each line of a header counts on its own',
      rule: values(key, 'bad'),
      yes: [token('ok', 'bad'), http({ headers: { 'x-token': 'ok', 'X-Token': 'bad' } })],
      no: [token('ok, bad'), token('ok')],
    },
    {
      name: 'istio-authz/gotcha-52: a line with commas is one value',
      rule: values(key, 'a'),
      yes: [token('a')],
      no: [token('a,b')],
    },
    {
      name: 'istio-authz/gotcha-53: * is a header that is there, even empty',
      rule: values(key, '*'),
      yes: [token(''), token('x')],
      no: [http()],
    },
    {
      name: 'istio-authz/headers-2: pseudo-headers by name, host being the authority',
      rule: {
        when: [
          ...values('request.headers[:method]', 'GET').when,
          ...values('request.headers[Host]', 'h*').when,
          ...values('request.headers[:path]', '/a?b').when,
        ],
      },
      yes: [http({ host: 'h', path: '/x/../a?b#c' })],
      no: [http({ host: 'h', path: '/a' }), http({ host: 'H', path: '/a?b' })],
    },
  ]);

  it('reads no inherited property as a header', () => {
    const rules = [values('request.headers[constructor]', '*')];
    expect(decide([policy({ rules })], http({ headers: {} })).decision).toBe('deny');
  });
});

describe('paths', () => {
  const path = (text: string) => http({ path: text });
  itMatches([
    {
      name: 'istio-authz/gotcha-42: the query is not part of the path',
      rule: operation({ paths: ['/ip'] }),
      yes: [path('/ip?x=1'), path('/ip#f'), path('/ip')],
      no: [path('/ip/')],
    },
    {
      name: 'istio-authz/gotcha-43: a value with a query never matches',
      rule: operation({ paths: ['/ip?x=1'] }),
      no: [path('/ip?x=1')],
    },
    {
      name: 'istio-authz/gotcha-44: exact means exact: slash, case, doubled slash',
      rule: operation({ paths: ['/admin'] }),
      yes: [path('/admin')],
      no: [path('/admin/'), path('/Admin'), path('//admin')],
    },
    {
      name: 'istio-authz/gotcha-45: dot segments are resolved before rules look',
      rule: operation({ paths: ['/admin'] }),
      yes: [path('/x/%2e%2e/admin'), path('/x/../admin'), path('/%61dmin'), path(String.raw`/x\..\admin`)],
    },
    {
      name: 'istio-authz/gotcha-46: an escaped slash is no slash by default',
      rule: operation({ paths: ['/a/b'] }),
      yes: [path('/a/b')],
      no: [path('/a%2fb')],
    },
    {
      name: 'istio-authz/gotcha-46: an escaped slash is one with DECODE_AND_MERGE_SLASHES',
      rule: operation({ paths: ['/a/b'] }),
      world: { settings: { pathNormalization: 'DECODE_AND_MERGE_SLASHES' } },
      yes: [path('/a%2fb'), path('/a%5Cb'), path('/a//b')],
    },
    {
      name: 'istio-authz/gotcha-47: {**} needs the slash before it',
      rule: operation({ paths: ['/foo/{**}'] }),
      yes: [path('/foo/'), path('/foo/a'), path('/foo/a/b')],
      no: [path('/foo'), path('/fooo/a')],
    },
    {
      name: 'istio-authz/gotcha-48: {*} is one segment that is not empty',
      rule: operation({ paths: ['/foo/{*}'] }),
      yes: [path('/foo/a'), path("/foo/a-._~%41!$&'()+,;:@=*")],
      no: [path('/foo/a/b'), path('/foo/'), path('/foo/a/'), path('/foo/[]')],
    },
    {
      name: 'istio-authz/gotcha-49: an asterisk inside a plain value is a character',
      rule: operation({ paths: ['/foo/*/bar'] }),
      yes: [path('/foo/*/bar')],
      no: [path('/foo/x/bar')],
    },
    {
      name: 'istio-authz/templates-1: literals around operators, and after {**}',
      rule: operation({ paths: ['/a/{*}/c/{**}/e.x'] }),
      yes: [path('/a/b/c/d/e.x'), path('/a/b/c/d/d/e.x'), path('/a/b/c//e.x')],
      no: [path('/a/b/c/e.x'), path('/a/b/c/d/exx'), path('/a//c/d/e.x')],
    },
    {
      name: 'istio-authz/paths-1: prefix, suffix, any, beside templates, negated',
      rule: operation({ paths: ['/foo*', '*.html', '/t/{*}'], notPaths: ['/foo/secret*'] }),
      yes: [path('/foo'), path('/foobar/x'), path('/x/y.html'), path('/t/1')],
      no: [path('/fo'), path('/t/1/2'), path('/foo/secret/x')],
    },
  ]);
});

describe('tokens', () => {
  const token = (auth: RequestAuthAttributes) => http({ auth });
  const claims = (given: NonNullable<RequestAuthAttributes['claims']>) => token({ claims: given });
  const who = (principal: string) => token({ principal });
  const list = (key: string, ...texts: readonly string[]) => values(`request.auth.${key}`, ...texts);
  itMatches([
    {
      name: 'istio-authz/request-principals-1: exact issuer and subject, split at the last slash',
      rule: source({ requestPrincipals: ['https://i.example/x/sub'] }),
      yes: [who('https://i.example/x/sub'), claims({ iss: 'https://i.example/x', sub: 'sub' })],
      no: [claims({ iss: 'https://i.example', sub: 'x/sub' }), who('https://i.example/x/sub2'), http()],
    },
    {
      name: 'istio-authz/gotcha-57: * needs issuer and subject, both not empty',
      rule: source({ requestPrincipals: ['*'] }),
      yes: [who('iss/sub')],
      no: [
        claims({ iss: 'iss' }),
        claims({ iss: 'iss', sub: '' }),
        claims({ sub: 'sub' }),
        claims({ iss: 'i', sub: 5 }),
        http(),
      ],
    },
    {
      name: 'istio-authz/gotcha-58: a value without slash is an issuer with an empty subject',
      rule: source({ requestPrincipals: ['iss'] }),
      yes: [claims({ iss: 'iss', sub: '' })],
      no: [who('iss/sub'), claims({ iss: 'iss' })],
    },
    {
      name: 'istio-authz/request-principals-2: iss/*, iss/pre*',
      rule: source({ requestPrincipals: ['a/*', 'b/pre*'] }),
      yes: [who('a/x'), who('b/prefix')],
      no: [claims({ iss: 'a', sub: '' }), who('b/x'), who('aa/x')],
    },
    {
      name: 'istio-authz/request-principals-3: */sub, *tail/sub',
      rule: source({ requestPrincipals: ['*/one', '*.example/two'] }),
      yes: [who('anything/one'), who('https://x.example/two')],
      no: [claims({ iss: '', sub: 'one' }), who('https://x.example/three'), who('x/two')],
    },
    {
      name: 'istio-authz/request-principals-4: *tail and pre* without slash',
      rule: source({ requestPrincipals: ['*end', 'start*'] }),
      yes: [who('x/the-end'), who('starter/x')],
      no: [who('end/x'), who('restart/x'), claims({ iss: 'start', sub: '' })],
    },
    {
      name: 'istio-authz/request-principals-5: https://* splits at its slashes, to one’s surprise',
      rule: source({ requestPrincipals: ['https://*'] }),
      yes: [claims({ iss: 'https:/', sub: 'x' })],
      no: [who('https://issuer.example/sub')],
    },
    {
      name: 'istio-authz/request-principals-6: the negated list matches without token',
      rule: source({ notRequestPrincipals: ['*'] }),
      yes: [http()],
      no: [who('i/s')],
    },
    {
      name: 'istio-authz/audiences: a text or a list; generic forms',
      rule: list('audiences', 'a', 'b*'),
      yes: [token({ audiences: 'a' }), token({ audiences: ['x', 'bb'] }), claims({ aud: ['a'] })],
      no: [token({ audiences: ['x'] }), token({ audiences: [] }), http()],
    },
    {
      name: 'istio-authz/presenter: azp',
      rule: list('presenter', '*'),
      yes: [token({ presenter: 'p' }), claims({ azp: 'p' })],
      no: [token({ presenter: '' }), claims({ azp: 5 }), http()],
    },
    {
      name: 'istio-authz/claims-1: a text, or a list that holds it, at a nested path; dots are literal',
      rule: list('claims[a.b][c]', 'x', 'y*'),
      yes: [claims({ 'a.b': { c: 'x' } }), claims({ 'a.b': { c: ['q', 'yy'] } })],
      no: [
        claims({ a: { b: { c: 'x' } } }),
        claims({ 'a.b': 'x' }),
        claims({ 'a.b': [{ c: 'x' }] }),
        claims({ 'a.b': { c: [['x']] } }),
        http(),
      ],
    },
    {
      name: 'istio-authz/gotcha-59: scope is split at spaces: words match, the whole does not',
      rule: list('claims[scope]', 'read write', 'read'),
      yes: [claims({ scope: 'read write' }), claims({ scope: ['read write'] })],
      no: [claims({ scope: 'write' })],
    },
    {
      name: 'istio-authz/gotcha-59: the whole text of scope never matches',
      rule: list('claims[scope]', 'read write'),
      no: [claims({ scope: 'read write' })],
    },
    {
      name: 'istio-authz/claims-2: permission is split too, other claims and nested ones are not',
      rule: {
        when: [
          ...list('claims[permission]', 'b').when,
          ...list('claims[roles]', 'a b').when,
          ...list('claims[n][scope]', 'a b').when,
        ],
      },
      yes: [claims({ permission: 'a b', roles: 'a b', n: { scope: 'a b' } })],
    },
    {
      name: 'istio-authz/gotcha-60: numbers, booleans and objects never match',
      rule: list('claims[level]', '5', 'true', '*'),
      yes: [claims({ level: '5' })],
      no: [
        claims({ level: 5 }),
        claims({ level: true }),
        claims({ level: null }),
        claims({ level: {} }),
        claims({ level: [5] }),
      ],
    },
    {
      name: 'istio-authz/claims-3: brackets that do not nest are one name',
      rule: list('claims[[odd]]', 'x'),
      yes: [claims({ '[odd]': 'x' })],
      no: [claims({ odd: 'x' })],
    },
    {
      name: 'istio-authz/claims-4: nothing inherited is a claim',
      rule: {
        when: [
          ...notValues('request.auth.claims[constructor][name]', '*').when,
          ...notValues('request.auth.claims[toString]', '*').when,
        ],
      },
      yes: [claims({}), claims({ constructor: {} }), http()],
      no: [claims({ toString: 'x' })],
    },
  ]);
});
