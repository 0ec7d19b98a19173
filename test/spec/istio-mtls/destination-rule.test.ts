/**
 * DestinationRule: which one applies, and what of it for a port and subset.
 * https://istio.io/latest/docs/reference/config/networking/destination-rule/
 */
import { describe, expect, it } from 'vitest';
import type {
  ClientTlsMode,
  ClientTlsSettings,
  DestinationRule,
  MeshConfig,
  TrafficPolicy,
} from '../../../src/istio/index.ts';
import {
  config,
  destinationRule,
  peerAuthentication,
  service,
  serviceEntry,
  servicePort,
  workload,
} from '../../kit/mesh-resources.ts';
import { clientTls, modes } from './client.ts';

const HTTPBIN = 'httpbin.foo.svc.cluster.local:8000';
const FQDN = 'httpbin.foo.svc.cluster.local';

const world = (destinationRules: readonly DestinationRule[], parts: Parameters<typeof config>[0] = {}): MeshConfig =>
  config({ workloads: [workload('foo/httpbin')], services: [service('foo/httpbin')], ...parts, destinationRules });
const tls = (mode: ClientTlsMode): TrafficPolicy => ({ tls: { mode } });
const rule = (id: string, mode: ClientTlsMode, parts: Partial<DestinationRule['spec']> = {}): DestinationRule =>
  destinationRule(id, { host: FQDN, trafficPolicy: tls(mode), ...parts });
const ask = (rules: readonly DestinationRule[], from = 'client/curl', to = HTTPBIN): string => {
  const answers = new Set(modes(world(rules), from, to));
  return [...answers].join(', ');
};

describe('istio-mtls/destination-rule: modes', () => {
  it.each([
    ['DISABLE', 'plaintext by foo/x'],
    ['ISTIO_MUTUAL', 'istio_mutual by foo/x'],
    ['SIMPLE', 'simple by foo/x'],
  ] as const)('%s', (mode, expected) => {
    expect(ask([rule('foo/x', mode)])).toBe(expected);
  });

  it('takes a tls block without mode for DISABLE', () => {
    expect(ask([destinationRule('foo/x', { host: FQDN, trafficPolicy: { tls: {} } })])).toBe('plaintext by foo/x');
  });

  it('gotcha 26: ISTIO_MUTUAL goes to a Pod without a sidecar too', () => {
    const parts = { workloads: [workload('foo/httpbin', { injected: false })] };
    expect(modes(world([rule('foo/x', 'ISTIO_MUTUAL')], parts), 'foo/curl', HTTPBIN)).toEqual([
      'istio_mutual by foo/x',
    ]);
  });

  it('DISABLE wins over a STRICT server', () => {
    const parts = {
      peerAuthentications: [peerAuthentication('istio-system/default', { mtls: { mode: 'STRICT' as const } })],
    };
    expect(modes(world([rule('foo/x', 'DISABLE')], parts), 'foo/curl', HTTPBIN)).toEqual(['plaintext by foo/x']);
  });
});

describe('istio-mtls/destination-rule: lookup', () => {
  it('client namespace before service namespace before root namespace', () => {
    const root = rule('istio-system/r', 'SIMPLE');
    const ofService = rule('foo/s', 'DISABLE');
    const own = rule('client/c', 'ISTIO_MUTUAL');
    expect(ask([root, ofService, own])).toBe('istio_mutual by client/c');
    expect(ask([root, ofService])).toBe('plaintext by foo/s');
    expect(ask([root])).toBe('simple by istio-system/r');
  });

  it('gotcha 19: a client-namespace rule for `*` wins over an exact one of the service namespace', () => {
    expect(ask([rule('client/all', 'DISABLE', { host: '*' }), rule('foo/s', 'ISTIO_MUTUAL')])).toBe(
      'plaintext by client/all',
    );
  });

  it('gotcha 20: a client-namespace rule without tls ends the search; the mode is then auto', () => {
    const silent = destinationRule('client/c', { host: FQDN, trafficPolicy: { connectionPool: {} } });
    const parts = { workloads: [workload('foo/httpbin', { injected: false })] };
    expect(modes(world([silent, rule('foo/s', 'ISTIO_MUTUAL')], parts), 'client/curl', HTTPBIN)).toEqual([
      'plaintext by auto',
    ]);
    expect(modes(world([silent, rule('foo/s', 'DISABLE')]), 'client/curl', HTTPBIN)).toEqual(['istio_mutual by auto']);
  });

  it('gotcha 21: a rule of a fourth namespace never applies', () => {
    expect(ask([rule('third/x', 'DISABLE', { exportTo: ['*'] })])).toBe('istio_mutual by auto');
  });

  it('gotcha 22: the most specific host of the service namespace is chosen before exportTo is asked', () => {
    const exact = rule('foo/exact', 'SIMPLE', { exportTo: ['third'] });
    const wildcard = rule('foo/wild', 'DISABLE', { host: '*.foo.svc.cluster.local', exportTo: ['*'] });
    expect(ask([exact, wildcard])).toBe('istio_mutual by auto');
    expect(ask([exact, wildcard], 'third/curl')).toBe('simple by foo/exact');
    expect(ask([wildcard])).toBe('plaintext by foo/wild');
  });

  it('goes on to the root namespace where the service namespace yields nothing', () => {
    const exact = rule('foo/exact', 'SIMPLE', { exportTo: ['third'] });
    expect(ask([exact, rule('istio-system/r', 'DISABLE')])).toBe('plaintext by istio-system/r');
  });

  it.each(['.', 'foo'])('keeps a rule with exportTo `%s` to its own namespace', (target) => {
    const own = rule('foo/own', 'DISABLE', { exportTo: [target] });
    expect(ask([own])).toBe('istio_mutual by auto');
    expect(ask([own], 'foo/curl')).toBe('plaintext by foo/own');
  });

  it('does not offer a private rule at all: a wider exported one of the namespace is found', () => {
    const exact = rule('foo/exact', 'SIMPLE', { exportTo: ['.'] });
    const wildcard = rule('foo/wild', 'DISABLE', { host: '*.local' });
    expect(ask([exact, wildcard])).toBe('plaintext by foo/wild');
  });

  it('uses the default exportTo of the mesh where a rule has none', () => {
    const parts = { settings: { defaultDestinationRuleExportTo: ['.'] } };
    expect(modes(world([rule('foo/s', 'DISABLE')], parts), 'client/curl', HTTPBIN)).toEqual(['istio_mutual by auto']);
    expect(modes(world([rule('foo/s', 'DISABLE')], parts), 'foo/curl', HTTPBIN)).toEqual(['plaintext by foo/s']);
  });

  it('a client in the root namespace finds its private rules first, its public ones last', () => {
    const publicRule = rule('istio-system/public', 'DISABLE');
    const privateRule = rule('istio-system/private', 'SIMPLE', { exportTo: ['.'] });
    const ofService = rule('foo/s', 'ISTIO_MUTUAL');
    expect(ask([publicRule, ofService], 'istio-system/gateway')).toBe('istio_mutual by foo/s');
    expect(ask([publicRule, ofService, privateRule], 'istio-system/gateway')).toBe('simple by istio-system/private');
  });

  it('reads a short host in the namespace of the rule, anything with a dot as written', () => {
    expect(ask([rule('foo/x', 'DISABLE', { host: 'httpbin' })])).toBe('plaintext by foo/x');
    expect(ask([rule('client/x', 'DISABLE', { host: 'httpbin' })])).toBe('istio_mutual by auto');
    expect(ask([rule('foo/x', 'DISABLE', { host: 'httpbin.foo' })])).toBe('istio_mutual by auto');
    expect(ask([rule('foo/x', 'DISABLE', { host: 'httpbin.foo.svc' })])).toBe('istio_mutual by auto');
  });

  it('takes the longest wildcard', () => {
    const rules = ['*', '*.local', '*.foo.svc.cluster.local', '*.bar.svc.cluster.local'].map((host, index) =>
      rule(`client/r${index}`, index === 2 ? 'SIMPLE' : 'DISABLE', { host }),
    );
    expect(ask(rules)).toBe('simple by client/r2');
  });
});

describe('istio-mtls/destination-rule: workloadSelector', () => {
  const selecting = (app: string, mode: ClientTlsMode, id = `client/for-${app}`): DestinationRule =>
    rule(id, mode, { workloadSelector: { matchLabels: { app } } });

  it('beats a rule without a selector, however old', () => {
    expect(ask([rule('client/all@1', 'DISABLE'), selecting('curl', 'SIMPLE', 'client/for-curl@9')])).toBe(
      'simple by client/for-curl',
    );
  });

  it('leaves other Pods to the rule without a selector', () => {
    expect(ask([rule('client/all', 'DISABLE'), selecting('other', 'SIMPLE')])).toBe('plaintext by client/all');
  });

  it('gotcha 23: a selector rule that does not fit shadows those of the service namespace', () => {
    expect(ask([selecting('a', 'SIMPLE'), rule('foo/s', 'DISABLE')], 'client/b')).toBe('istio_mutual by auto');
    expect(ask([selecting('a', 'SIMPLE'), rule('foo/s', 'DISABLE')], 'client/a')).toBe('simple by client/for-a');
  });

  it('is private to its namespace', () => {
    expect(
      ask([rule('foo/s', 'DISABLE', { workloadSelector: { matchLabels: { app: 'curl' } }, exportTo: ['*'] })]),
    ).toBe('istio_mutual by auto');
  });

  it('keeps rules with different selectors apart', () => {
    const rules = [selecting('a', 'SIMPLE'), selecting('b', 'DISABLE')];
    expect(ask(rules, 'client/a')).toBe('simple by client/for-a');
    expect(ask(rules, 'client/b')).toBe('plaintext by client/for-b');
  });
});

describe('istio-mtls/destination-rule: merging', () => {
  const subsets = (id: string, ...names: readonly string[]): DestinationRule =>
    destinationRule(id, { host: FQDN, subsets: names.map((name) => ({ name, trafficPolicy: tls('DISABLE') })) });

  it('takes the top-level policy of the oldest rule that has one', () => {
    expect(ask([rule('foo/newer@2', 'DISABLE'), rule('foo/older@1', 'SIMPLE')])).toBe('simple by foo/older');
    expect(ask([rule('foo/newer@2', 'DISABLE'), subsets('foo/older@1', 'v1')])).toBe('plaintext by foo/newer');
  });

  it('joins subsets and keeps the first definition of a name', () => {
    const first = destinationRule('foo/a@1', { host: FQDN, subsets: [{ name: 'v1', trafficPolicy: tls('SIMPLE') }] });
    const second = subsets('foo/b@2', 'v1', 'v2');
    expect(ask([second, first], 'client/curl', `${HTTPBIN}/v1`)).toBe('simple by foo/a');
    expect(ask([second, first], 'client/curl', `${HTTPBIN}/v2`)).toBe('plaintext by foo/b');
  });

  it('keeps rules with different exportTo apart and uses the last one', () => {
    const rules = [
      rule('foo/a@1', 'SIMPLE', { exportTo: ['client'] }),
      rule('foo/b@2', 'DISABLE', { exportTo: ['*'] }),
    ];
    expect(ask(rules)).toBe('plaintext by foo/b');
  });

  it('folds a private rule without selector into a selector rule of its host, for good', () => {
    const selector = rule('client/s', 'SIMPLE', { workloadSelector: { matchLabels: { app: 'a' } } });
    const own = rule('client/own', 'DISABLE', { exportTo: ['.'] });
    expect(ask([selector, own], 'client/b')).toBe('istio_mutual by auto');
  });
});

describe('istio-mtls/destination-rule: port and subset', () => {
  const top = (mode: ClientTlsMode, port: TrafficPolicy['portLevelSettings']): DestinationRule =>
    destinationRule('foo/x', { host: FQDN, trafficPolicy: { tls: { mode }, portLevelSettings: port ?? [] } });

  it('a port entry replaces the policy of its service port only', () => {
    const entry = (number: number): DestinationRule =>
      top('ISTIO_MUTUAL', [{ port: { number }, tls: { mode: 'DISABLE' } }]);
    expect(ask([entry(8000)])).toBe('plaintext by foo/x');
    expect(ask([entry(8080)])).toBe('istio_mutual by foo/x');
  });

  it('gotcha 24: a port entry without tls makes the port auto for a server without a sidecar', () => {
    const parts = { workloads: [workload('foo/httpbin', { injected: false })] };
    const corner = top('ISTIO_MUTUAL', [{ port: { number: 8000 }, connectionPool: {} }]);
    expect(modes(world([corner], parts), 'foo/curl', HTTPBIN)).toEqual(['plaintext by auto']);
  });

  it('gotcha 24: and skips the peer authentication of an injected one', () => {
    const disabled = peerAuthentication('foo/p', {
      selector: { matchLabels: { app: 'httpbin' } },
      mtls: { mode: 'DISABLE' as const },
    });
    const corner = top('ISTIO_MUTUAL', [{ port: { number: 8000 }, connectionPool: {} }]);
    expect(modes(world([corner], { peerAuthentications: [disabled] }), 'foo/curl', HTTPBIN)).toEqual([
      'istio_mutual by auto',
    ]);
  });

  it('top DISABLE with a port entry without tls clears every endpoint', () => {
    expect(ask([top('DISABLE', [{ port: { number: 8000 }, connectionPool: {} }])])).toBe('plaintext by foo/x');
  });

  it('gotcha 25: the tls of a subset replaces that of the rule', () => {
    const both = destinationRule('foo/x', {
      host: FQDN,
      trafficPolicy: tls('ISTIO_MUTUAL'),
      subsets: [
        { name: 'v1', trafficPolicy: tls('DISABLE') },
        { name: 'v2', trafficPolicy: { connectionPool: {} } },
        { name: 'v3' },
      ],
    });
    expect(ask([both], 'foo/curl', `${HTTPBIN}/v1`)).toBe('plaintext by foo/x');
    expect(ask([both], 'foo/curl', `${HTTPBIN}/v2`)).toBe('istio_mutual by foo/x');
    expect(ask([both], 'foo/curl', `${HTTPBIN}/v3`)).toBe('istio_mutual by foo/x');
  });

  it('a port entry of a subset replaces everything for the port', () => {
    const both = destinationRule('foo/x', {
      host: FQDN,
      trafficPolicy: tls('DISABLE'),
      subsets: [
        {
          name: 'v1',
          trafficPolicy: {
            tls: { mode: 'ISTIO_MUTUAL' },
            portLevelSettings: [{ port: { number: 8000 }, tls: { mode: 'SIMPLE' } }],
          },
        },
      ],
    });
    expect(ask([both], 'foo/curl', `${HTTPBIN}/v1`)).toBe('simple by foo/x');
  });

  it('a subset nobody defines has no cluster', () => {
    expect(ask([rule('foo/x', 'DISABLE')], 'foo/curl', `${HTTPBIN}/v9`)).toBe('cluster_not_found by foo/x');
    expect(ask([], 'foo/curl', `${HTTPBIN}/v9`)).toBe('cluster_not_found by auto');
  });

  it('names the subset in the server name', () => {
    const subset = destinationRule('foo/x', { host: FQDN, subsets: [{ name: 'v1' }] });
    expect(clientTls(world([subset]), 'foo/curl', `${HTTPBIN}/v1`)[0]).toMatchObject({
      sni: 'outbound_.8000_.v1_.httpbin.foo.svc.cluster.local',
    });
  });
});

describe('istio-mtls/destination-rule: names and trust', () => {
  const one = (settings: ClientTlsSettings, parts: Partial<DestinationRule['spec']> = {}) =>
    clientTls(
      world([destinationRule('foo/x', { host: FQDN, trafficPolicy: { tls: settings }, ...parts })]),
      'foo/curl',
      HTTPBIN,
    )[0];

  it('ISTIO_MUTUAL keeps its own subjectAltNames and sni where the rule gives none', () => {
    expect(one({ mode: 'ISTIO_MUTUAL' })).toMatchObject({
      subjectAltNames: ['spiffe://cluster.local/ns/foo/sa/httpbin'],
      sni: 'outbound_.8000_._.httpbin.foo.svc.cluster.local',
      trust: { kind: 'mesh' },
      credential: { kind: 'workload' },
      matchesHost: false,
    });
    expect(one({ mode: 'ISTIO_MUTUAL', subjectAltNames: ['spiffe://x/y'], sni: 'z' })).toMatchObject({
      subjectAltNames: ['spiffe://x/y'],
      sni: 'z',
    });
  });

  it('SIMPLE without names and sni verifies the request host against the system store', () => {
    const decision = one({ mode: 'SIMPLE' });
    expect(decision).toMatchObject({ matchesHost: true, subjectAltNames: [], trust: { kind: 'system' } });
    expect(decision).not.toHaveProperty('sni');
    expect(decision).not.toHaveProperty('credential');
  });

  it('gotcha 29: SIMPLE with sni and no names verifies the chain alone', () => {
    expect(one({ mode: 'SIMPLE', sni: 'a.example', caCertificates: '/ca.pem' })).toMatchObject({
      matchesHost: false,
      subjectAltNames: [],
      sni: 'a.example',
      trust: { kind: 'file', path: '/ca.pem' },
    });
  });

  it('insecureSkipVerify verifies nothing', () => {
    expect(one({ mode: 'SIMPLE', insecureSkipVerify: true })).toMatchObject({
      trust: { kind: 'none' },
      matchesHost: false,
      subjectAltNames: [],
    });
  });

  it('gotcha 28: credentialName without a workloadSelector is dropped: plaintext', () => {
    expect(one({ mode: 'SIMPLE', credentialName: 'c' })).toMatchObject({ mode: 'plaintext' });
    expect(one({ mode: 'MUTUAL', credentialName: 'c' })).toMatchObject({ mode: 'plaintext' });
    const selector = { workloadSelector: { matchLabels: { app: 'curl' } } };
    expect(one({ mode: 'MUTUAL', credentialName: 'c' }, selector)).toMatchObject({
      mode: 'mutual',
      credential: { kind: 'credential', name: 'c' },
      trust: { kind: 'credential', name: 'c' },
    });
    expect(one({ mode: 'SIMPLE', credentialName: 'configmap://ca' })).toMatchObject({ mode: 'simple' });
  });

  it('MUTUAL without certificate or key is not applied', () => {
    expect(one({ mode: 'MUTUAL' })).toMatchObject({ mode: 'plaintext' });
    expect(one({ mode: 'MUTUAL', clientCertificate: '/c.pem', privateKey: '/k.pem' })).toMatchObject({
      mode: 'mutual',
      credential: { kind: 'file', certificate: '/c.pem', privateKey: '/k.pem' },
    });
  });

  it('SIMPLE and MUTUAL offer no Istio protocol, and h2 only on an HTTP/2 port', () => {
    expect(one({ mode: 'SIMPLE' })).toMatchObject({ alpn: { 'http/1.1': [], tcp: [] } });
    const services = [service('foo/httpbin', { ports: [servicePort(8000, 8080, 'http2')] })];
    const rules = [destinationRule('foo/x', { host: FQDN, trafficPolicy: tls('SIMPLE') })];
    expect(clientTls(world(rules, { services }), 'foo/curl', HTTPBIN)[0]).toMatchObject({
      alpn: { 'http/1.1': ['h2'] },
    });
  });

  it('SIMPLE to a ServiceEntry falls back to the names of the entry', () => {
    const cfg = config({
      serviceEntries: [
        serviceEntry('foo/ext', {
          hosts: ['ext.example'],
          resolution: 'DNS',
          ports: [{ number: 443, name: 'https', protocol: 'HTTP' }],
          subjectAltNames: ['server.ext.example'],
        }),
      ],
      destinationRules: [destinationRule('foo/x', { host: 'ext.example', trafficPolicy: tls('SIMPLE') })],
    });
    expect(clientTls(cfg, 'foo/curl', 'ext.example:443')[0]).toMatchObject({
      subjectAltNames: ['server.ext.example'],
      matchesHost: true,
    });
  });
});
