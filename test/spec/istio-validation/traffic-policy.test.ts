/**
 * Traffic policies as the CRD of DestinationRule and istiod's webhook take them: ranges, durations, what excludes what.
 * Source: https://istio.io/latest/docs/reference/config/networking/destination-rule/
 */
import { describe, expect, it } from 'vitest';
import { faults, warnings } from '../../unit/istio/faults.ts';

type Policy = Readonly<Record<string, unknown>>;
/** The three places that hold a traffic policy: the rule, one of its ports, one of its subsets. */
const PLACES: readonly (readonly [string, (policy: Policy) => unknown])[] = [
  ['spec.trafficPolicy', (policy) => ({ host: 'a.b', trafficPolicy: policy })],
  [
    'spec.trafficPolicy.portLevelSettings[0]',
    (policy) => ({ host: 'a.b', trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, ...policy }] } }),
  ],
  ['spec.subsets[0].trafficPolicy', (policy) => ({ host: 'a.b', subsets: [{ name: 'v1', trafficPolicy: policy }] })],
];

function found(policy: Policy): readonly string[] {
  return faults('DestinationRule', { host: 'a.b', trafficPolicy: policy });
}

const tcp = (fields: Policy): Policy => ({ connectionPool: { tcp: fields } });
const http = (fields: Policy): Policy => ({ connectionPool: { http: fields } });
const outlier = (fields: Policy): Policy => ({ outlierDetection: fields });
const balance = (fields: Policy): Policy => ({ loadBalancer: fields });
const hash = (fields: Policy): Policy => balance({ consistentHash: fields });
const locality = (fields: Policy): Policy => ({ ...balance({ localityLbSetting: fields }), outlierDetection: {} });
const zone = (fields: Policy): Policy => ({ ...balance({ zoneAwareLbSetting: fields }), outlierDetection: {} });

describe('istio-validation/traffic-policy', () => {
  it.each<[string, Policy]>([
    ['a pool', tcp({ maxConnections: 0, connectTimeout: '1ms', tcpKeepalive: { time: '2h', interval: '75s' } })],
    ['a TCP idle timeout that is off', tcp({ idleTimeout: '0s' })],
    ['a keepalive', http({ http2KeepAlive: { interval: '15s', timeout: '5s' }, useClientProtocol: true })],
    ['every unit and a fraction', http({ idleTimeout: '1h2m3.5s4ms' })],
    ['microseconds that make a millisecond', http({ idleTimeout: '1000us' })],
    ['outlier detection', outlier({ interval: '10s', baseEjectionTime: '30s', maxEjectionPercent: 100 })],
    ['split errors', outlier({ splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 5 })],
    ['a Maglev table of a prime size', hash({ httpHeaderName: 'x', maglev: { tableSize: 65_537 } })],
    ['the smallest tables', hash({ maglev: { tableSize: 2 } })],
    ['a cookie', hash({ httpCookie: { name: 'a', ttl: '0s', attributes: [{ name: 'a' }, { name: 'b' }] } })],
    ['a warm-up', balance({ simple: 'RANDOM', warmup: { duration: '30s', minimumPercent: 0, aggression: 0.5 } })],
    ['weights that add up', locality({ distribute: [{ from: 'a/b/*', to: { 'a/b': 80, 'a/c': 20 } }] })],
    ['a failover', locality({ failover: [{ from: 'a', to: 'b' }], failoverPriority: ['version'] })],
    ['topology labels without a failover', locality({ failoverPriority: ['topology.kubernetes.io/region'] })],
    ['a zone-aware failover', zone({ failover: [{ from: 'a', to: 'b' }], minClusterSize: 1 })],
    ['a retry budget', { retryBudget: { percent: 20.5, minRetryConcurrency: 3 } }],
  ])('takes %s', (_, policy) => {
    expect(found(policy)).toEqual([]);
    expect(warnings('DestinationRule', { host: 'a.b', trafficPolicy: policy })).toEqual([]);
  });

  it.each<[string, Policy, RegExp]>([
    ['a pool of nothing', { connectionPool: {} }, /connectionPool: needs `tcp` or `http`/],
    ['a count below zero', tcp({ maxConnections: -1 }), /maxConnections: expected a number from 0/],
    ['a duration without a unit', tcp({ connectTimeout: '5' }), /connectTimeout: `5` is not a duration/],
    ['a duration in days', tcp({ connectTimeout: '1d' }), /`1d` is not a duration/],
    ['a duration of nothing', tcp({ connectTimeout: '0s' }), /at least 1ms/],
    ['a duration before now', tcp({ connectTimeout: '-5s' }), /at least 1ms/],
    ['a duration finer than a millisecond', tcp({ connectTimeout: '2.000000005s' }), /whole milliseconds/],
    ['a duration beyond 292 years', tcp({ connectTimeout: '9999999h' }), /is not a duration/],
    ['an HTTP idle timeout that is off', http({ idleTimeout: '0s' }), /at least 1ms/],
    ['a fine TCP idle timeout', tcp({ idleTimeout: '1.0005s' }), /whole milliseconds/],
    [
      'half a keepalive',
      http({ http2KeepAlive: { interval: '5s' } }),
      /http2KeepAlive: the field `timeout` is missing/,
    ],
    [
      'an upgrade of the client’s own protocol',
      http({ h2UpgradePolicy: 'UPGRADE', useClientProtocol: true }),
      /UPGRADE/,
    ],
    ['more than all', outlier({ maxEjectionPercent: 101 }), /maxEjectionPercent: expected a number from 0 to 100/],
    ['less than none', outlier({ minHealthPercent: -1 }), /minHealthPercent: expected a number from 0 to 100/],
    ['unsplit local errors', outlier({ consecutiveLocalOriginFailures: 5 }), /needs `splitExternalLocalOriginErrors/],
    ['a Maglev table of any size', hash({ maglev: { tableSize: 1000 } }), /tableSize: expected a prime number/],
    ['a Maglev table without a size', hash({ maglev: {} }), /maglev: the field `tableSize` is missing/],
    ['a Maglev table beyond Envoy', hash({ maglev: { tableSize: 5_000_011 } }), /expected a number from 1 to 5000010/],
    ['two hash keys', hash({ useSourceIp: true, httpHeaderName: 'x' }), /only one of `httpHeaderName`, `useSourceIp`/],
    ['two hash algorithms', hash({ ringHash: {}, maglev: { tableSize: 3 } }), /only one of `ringHash`, `maglev`/],
    ['the old ring size and a new one', hash({ minimumRingSize: 1, ringHash: {} }), /minimumRingSize: cannot stand/],
    ['a cookie without a name', hash({ httpCookie: { name: '' } }), /httpCookie\.name: may not be empty/],
    [
      'a cookie attribute twice',
      hash({ httpCookie: { name: 'a', attributes: [{ name: 'x' }, { name: 'x' }] } }),
      /attributes\[1\]\.name: the attribute `x` is given twice/,
    ],
    ['two balancers', balance({ simple: 'RANDOM', consistentHash: {} }), /only one of `simple`, `consistentHash`/],
    ['two localities', balance({ localityLbSetting: {}, zoneAwareLbSetting: {} }), /only one of `localityLbSetting`/],
    ['a warm-up without a duration', balance({ warmup: {} }), /warmup: the field `duration` is missing/],
    ['no aggression', balance({ warmup: { duration: '1s', aggression: 0 } }), /aggression: expected a number above 0/],
    ['101 %', balance({ warmup: { duration: '1s', minimumPercent: 101 } }), /expected a number from 0 to 100/],
    ['weights short of 100', locality({ distribute: [{ from: 'a', to: { a: 80, b: 15 } }] }), /add up to 100, .* 95/],
    ['a weight of nothing', locality({ distribute: [{ from: 'a', to: { a: 0, b: 100 } }] }), /from 1 to 100/],
    ['a locality within another', locality({ distribute: [{ from: 'a', to: { 'a/b': 50, a: 50 } }] }), /overlaps/],
    ['a wildcard inside', locality({ distribute: [{ from: 'a/*/c', to: { a: 100 } }] }), /once, at the end/],
    ['an empty zone', locality({ distribute: [{ from: 'a//c', to: { a: 100 } }] }), /empty region/],
    [
      'distribution and failover',
      locality({ distribute: [{ from: 'a', to: { a: 100 } }], failover: [{ from: 'a', to: 'b' }] }),
      /only one of `distribute` and `failover`/,
    ],
    ['a failover to itself', locality({ failover: [{ from: 'a', to: 'a' }] }), /different regions/],
    ['a failover by zone', locality({ failover: [{ from: 'a/b', to: 'c' }] }), /without `\/` and `\*`/],
    ['a failover to anywhere', zone({ failover: [{ from: 'a', to: '*' }] }), /without `\/` and `\*`/],
    [
      'a failover that is also a priority',
      locality({ failover: [{ from: 'a', to: 'b' }], failoverPriority: ['topology.kubernetes.io/zone'] }),
      /failoverPriority\[0\]: `topology/,
    ],
    ['a zone as priority of zones', zone({ failoverPriority: ['topology.istio.io/subzone'] }), /zone awareness/],
    ['clusters of nothing', zone({ minClusterSize: 0 }), /expected a number from 1/],
  ])('refuses %s, wherever it stands', (_, policy, message) => {
    for (const [path, build] of PLACES) {
      const lines = faults('DestinationRule', build(policy));
      expect(lines.join('\n'), path).toMatch(message);
      expect(lines.every((line) => line.startsWith(path))).toBe(true);
    }
  });

  it('refuses a retry budget beyond all requests', () => {
    expect(found({ retryBudget: { percent: 100.5 } }).join()).toMatch(/percent: expected a number from 0 to 100/);
  });

  it.each<[string, Policy, RegExp]>([
    [
      'a failover that nothing notices',
      balance({ localityLbSetting: { failoverPriority: ['v'] } }),
      /nothing fails over/,
    ],
    ['the old count of errors', outlier({ consecutiveErrors: 5 }), /consecutiveErrors: deprecated/],
    ['the old ring size', hash({ minimumRingSize: 1024 }), /minimumRingSize: deprecated/],
  ])('warns of %s', (_, policy, message) => {
    expect(warnings('DestinationRule', { host: 'a.b', trafficPolicy: policy }).join('\n')).toMatch(message);
  });
});

describe('istio-validation/client-tls', () => {
  const credential = (credentialName: string): readonly string[] => found({ tls: { mode: 'SIMPLE', credentialName } });

  it('takes a ConfigMap only with its namespace, which is the rule’s own', () => {
    expect(credential('configmap://ns/ca')).toEqual([]);
    for (const name of ['configmap://ca', 'configmap://other/ca', 'configmap:///ca', 'configmap://ns/']) {
      expect(credential(name).join()).toContain('expected `configmap://ns/name`');
    }
  });
});
