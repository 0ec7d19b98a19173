/**
 * PeerAuthentication: scopes, precedence and inheritance.
 * https://istio.io/latest/docs/reference/config/security/peer_authentication/
 */
import { describe, expect, it } from 'vitest';
import type { MutualTlsMode, PeerAuthentication } from '../../../src/istio/index.ts';
import { compilePeerAuthentication, effectivePeerAuthentication } from '../../../src/policy/peer-authentication.ts';
import { config, peerAuthentication } from '../../kit/mesh-resources.ts';

const httpbin = { namespace: 'foo', labels: { app: 'httpbin', tier: 'web' } };

const mesh = (mode: MutualTlsMode, id = 'istio-system/default'): PeerAuthentication =>
  peerAuthentication(id, { mtls: { mode } });
const namespace = (mode: MutualTlsMode, id = 'foo/default'): PeerAuthentication =>
  peerAuthentication(id, { mtls: { mode } });
const workload = (mode: MutualTlsMode, id = 'foo/httpbin'): PeerAuthentication =>
  peerAuthentication(id, { selector: { matchLabels: { app: 'httpbin' } }, mtls: { mode } });

function modeOf(policies: readonly PeerAuthentication[], port?: number): string {
  return effectivePeerAuthentication(config({ peerAuthentications: policies }), httpbin, port).mode;
}

describe('istio-mtls/scope', () => {
  it('is PERMISSIVE by nobody without any policy', () => {
    expect(effectivePeerAuthentication(config({}), httpbin)).toEqual({ mode: 'PERMISSIVE' });
  });

  it.each([
    ['no selector', {}],
    ['an empty selector', { selector: {} }],
    ['empty matchLabels', { selector: { matchLabels: {} } }],
  ])('in the root namespace %s is mesh-wide', (_, spec) => {
    expect(modeOf([peerAuthentication('istio-system/x', { ...spec, mtls: { mode: 'STRICT' } })])).toBe('STRICT');
  });

  it('gotcha 12: a root-namespace policy with a selector is ignored, for Pods of the root namespace too', () => {
    const policies = [
      peerAuthentication('istio-system/x', { selector: { matchLabels: { app: 'httpbin' } }, mtls: { mode: 'STRICT' } }),
    ];
    expect(modeOf(policies)).toBe('PERMISSIVE');
    const inRoot = { namespace: 'istio-system', labels: httpbin.labels };
    expect(effectivePeerAuthentication(config({ peerAuthentications: policies }), inRoot).mode).toBe('PERMISSIVE');
  });

  it('follows a configured root namespace', () => {
    const policies = [mesh('STRICT', 'mesh-root/default'), mesh('DISABLE')];
    const parts = { peerAuthentications: policies, settings: { rootNamespace: 'mesh-root' } };
    expect(effectivePeerAuthentication(config(parts), httpbin).mode).toBe('STRICT');
  });

  it('selects only Pods that carry every label, with equal values', () => {
    const select = (matchLabels: Record<string, string>): string =>
      modeOf([peerAuthentication('foo/x', { selector: { matchLabels }, mtls: { mode: 'STRICT' } })]);
    expect(select({ app: 'httpbin', tier: 'web' })).toBe('STRICT');
    expect(select({ app: 'httpbin', tier: 'db' })).toBe('PERMISSIVE');
    expect(select({ app: 'httpbin', version: 'v1' })).toBe('PERMISSIVE');
    expect(select({ constructor: 'x' })).toBe('PERMISSIVE');
  });

  it('does not reach other namespaces', () => {
    expect(modeOf([namespace('STRICT', 'bar/default'), workload('STRICT', 'bar/httpbin')])).toBe('PERMISSIVE');
  });
});

describe('istio-mtls/inheritance', () => {
  it.each([
    ['mesh alone', [mesh('STRICT')], 'STRICT'],
    ['namespace over mesh', [mesh('STRICT'), namespace('PERMISSIVE')], 'PERMISSIVE'],
    ['workload over namespace', [mesh('STRICT'), namespace('PERMISSIVE'), workload('DISABLE')], 'DISABLE'],
    ['UNSET mesh', [mesh('UNSET')], 'PERMISSIVE'],
    ['UNSET namespace under mesh', [mesh('STRICT'), namespace('UNSET')], 'STRICT'],
    ['UNSET workload under namespace', [namespace('STRICT'), workload('UNSET')], 'STRICT'],
    ['UNSET all the way down to mesh', [mesh('DISABLE'), namespace('UNSET'), workload('UNSET')], 'DISABLE'],
  ] as const)('%s', (_, policies, expected) => {
    expect(modeOf(policies)).toBe(expected);
  });

  it('gotcha 15: a namespace policy with an empty mtls block inherits STRICT from the mesh', () => {
    expect(modeOf([mesh('STRICT'), peerAuthentication('foo/default', { mtls: {} })])).toBe('STRICT');
    expect(modeOf([mesh('STRICT'), peerAuthentication('foo/default', {})])).toBe('STRICT');
  });

  it('names the policy that set the mode, not the one that inherited it', () => {
    const policies = [mesh('STRICT'), peerAuthentication('foo/default', {})];
    expect(effectivePeerAuthentication(config({ peerAuthentications: policies }), httpbin).determinedBy).toEqual({
      kind: 'PeerAuthentication',
      namespace: 'istio-system',
      name: 'default',
    });
  });
});

describe('istio-mtls/ports', () => {
  const ports = peerAuthentication('foo/ports', {
    selector: { matchLabels: { app: 'httpbin' } },
    portLevelMtls: { 8080: { mode: 'DISABLE' }, 9090: { mode: 'UNSET' }, 9091: {} },
  });

  it('gives a port its own mode and leaves the inherited one to all others', () => {
    expect(modeOf([namespace('STRICT'), ports], 8080)).toBe('DISABLE');
    expect(modeOf([namespace('STRICT'), ports], 9090)).toBe('STRICT');
    expect(modeOf([namespace('STRICT'), ports], 9091)).toBe('STRICT');
    expect(modeOf([namespace('STRICT'), ports], 80)).toBe('STRICT');
    expect(modeOf([namespace('STRICT'), ports])).toBe('STRICT');
  });

  it('gotcha 11: an entry for the Service port does nothing for the workload port', () => {
    const servicePortEntry = peerAuthentication('foo/x', {
      selector: { matchLabels: { app: 'httpbin' } },
      portLevelMtls: { 8000: { mode: 'STRICT' } },
    });
    expect(modeOf([servicePortEntry], 8080)).toBe('PERMISSIVE');
  });

  it('ignores ports of a policy without a selector', () => {
    expect(modeOf([peerAuthentication('foo/default', { portLevelMtls: { 8080: { mode: 'STRICT' } } })], 8080)).toBe(
      'PERMISSIVE',
    );
  });

  it('lists the ports of the winning workload policy', () => {
    const compiled = compilePeerAuthentication(config({ peerAuthentications: [ports] }));
    expect(compiled.listedPorts(httpbin)).toEqual([8080, 9090, 9091]);
    expect(compiled.listedPorts({ namespace: 'foo', labels: {} })).toEqual([]);
  });
});

describe('istio-mtls/conflicts', () => {
  it('gotcha 14: the older of two namespace policies wins whole', () => {
    expect(modeOf([namespace('STRICT', 'foo/newer@20'), namespace('PERMISSIVE', 'foo/older@10')])).toBe('PERMISSIVE');
  });

  it('the oldest mesh policy wins even where it is UNSET', () => {
    expect(modeOf([mesh('STRICT', 'istio-system/b@2'), mesh('UNSET', 'istio-system/z@1')])).toBe('PERMISSIVE');
  });

  it('merges nothing of a losing workload policy, its ports included', () => {
    const older = workload('STRICT', 'foo/b@1');
    const newer = peerAuthentication('foo/a@2', {
      selector: { matchLabels: { tier: 'web' } },
      portLevelMtls: { 8080: { mode: 'DISABLE' } },
    });
    expect(modeOf([newer, older], 8080)).toBe('STRICT');
  });

  it('breaks ties of age by name, whatever the order of the files', () => {
    const [a, b] = [namespace('STRICT', 'foo/a@5'), namespace('DISABLE', 'foo/b@5')];
    expect(modeOf([a, b])).toBe('STRICT');
    expect(modeOf([b, a])).toBe('STRICT');
  });

  it('takes a missing creationTimestamp for older than any other', () => {
    expect(modeOf([namespace('STRICT', 'foo/a@0'), namespace('DISABLE', 'foo/b')])).toBe('DISABLE');
  });
});

describe('istio-mtls/namespace-level', () => {
  it('looks at namespace and mesh only', () => {
    const compiled = compilePeerAuthentication(
      config({ peerAuthentications: [mesh('STRICT'), namespace('DISABLE'), workload('STRICT')] }),
    );
    expect(compiled.ofNamespace('foo').mode).toBe('DISABLE');
    expect(compiled.ofNamespace('bar').mode).toBe('STRICT');
    expect(compiled.applied(httpbin).map((ref) => `${ref.namespace}/${ref.name}`)).toEqual([
      'istio-system/default',
      'foo/default',
      'foo/httpbin',
    ]);
  });
});
