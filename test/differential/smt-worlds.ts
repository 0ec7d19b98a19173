/**
 * Pairs of configurations for the solver: few attributes at a time, so that it answers; many pairs mean the same.
 */
import fc from 'fast-check';
import type { AuthorizationPolicy, AuthorizationRule, Condition, MeshConfig } from '../../src/istio/index.ts';
import { peerAuthentication } from '../kit/mesh-resources.ts';
import { authorizationPolicy, meshWith, workload } from '../kit/policies.ts';
import { HTTP_PORT } from './smt-policies.ts';

type Mode = 'STRICT' | 'PERMISSIVE' | 'DISABLE';

/** Half of a comparison. */
export interface Half {
  readonly policies: readonly AuthorizationPolicy[];
  readonly mode: Mode;
}

export interface Pair {
  /** Attributes that its rules may ask for. */
  readonly features: readonly string[];
  readonly before: Half;
  readonly after: Half;
}

const PRINCIPALS = ['td/ns/foo/sa/a', 'old/ns/foo/sa/b', 'td/ns/foo/*', '*/sa/a', '*', 'td/ns/f*'];
const BLOCKS = ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '0.0.0.0/0', '192.168.0.0/17', '2001:db8::/32', '::/0'];

/** By attribute: the field, or the key of a condition, and its vocabulary. */
const VOCABULARY: Readonly<Record<string, readonly string[]>> = {
  principals: PRINCIPALS,
  namespaces: ['foo', 'bar', 'f*', '*o', '*'],
  serviceAccounts: ['a', 'foo/a', 'bar/b'],
  trustDomains: ['td', 'old', 't*', '*d', '*'],
  ipBlocks: BLOCKS,
  remoteIpBlocks: BLOCKS,
  methods: ['GET', 'POST', 'P*', '*T', '*'],
  paths: ['/a', '/a/*', '/a*', '*/b', '/a/{*}', '/a/{**}', '/{*}/b', '/a/../b', '*', '/*', '/a/b'],
  hosts: ['a.example', 'A.Example', '*.example', 'a.*', '*', 'a.example:8080', '*:8080'],
  ports: ['8080', '9090', '80'],
  'request.headers[x]': ['u', 'v*', '*w', '*', 'vw'],
  'request.headers[y]': ['u', '*', 'u*'],
  'connection.sni': ['a.example', '*.example', 'a*', '*'],
  'source.principal': PRINCIPALS,
  'source.namespace': ['foo', 'f*', '*'],
  'source.ip': BLOCKS,
  'remote.ip': BLOCKS,
  'destination.port': ['8080', '9090'],
};

export const FEATURES: readonly string[] = Object.keys(VOCABULARY);
const SOURCES: ReadonlySet<string> = new Set(FEATURES.slice(0, FEATURES.indexOf('methods')));
const isCondition = (feature: string): boolean => feature.includes('.');

type Lists = Record<string, string[]>;

/** A list of values, or of values that must not match, for some of the features. */
function lists(features: readonly string[]): fc.Arbitrary<Lists | undefined> {
  if (features.length === 0) return fc.constant(undefined);
  const name = fc.constantFrom(...features).chain((feature) => {
    const few = fc.uniqueArray(fc.constantFrom(...(VOCABULARY[feature] ?? [])), { minLength: 1, maxLength: 2 });
    const negative = `not${feature.charAt(0).toUpperCase()}${feature.slice(1)}`;
    return fc.tuple(fc.constantFrom(feature, negative), few);
  });
  return fc.option(
    fc
      .uniqueArray(name, { minLength: 1, maxLength: 2, selector: ([key]) => key })
      .map((entries) => Object.fromEntries(entries)),
    { nil: undefined, freq: 3 },
  );
}

function conditions(features: readonly string[]): fc.Arbitrary<Condition[]> {
  if (features.length === 0) return fc.constant([]);
  const one = fc.constantFrom(...features).chain((key) => {
    const few = fc.uniqueArray(fc.constantFrom(...(VOCABULARY[key] ?? [])), { minLength: 1, maxLength: 2 });
    return fc.oneof(
      few.map((values) => ({ key, values })),
      few.map((notValues) => ({ key, notValues })),
      fc.record({ key: fc.constant(key), values: few, notValues: few }),
    );
  });
  return fc.array(one, { maxLength: 1 });
}

function rulesOver(features: readonly string[]): fc.Arbitrary<readonly AuthorizationRule[]> {
  const fields = features.filter((feature) => !isCondition(feature));
  const rule = fc
    .record({
      source: lists(fields.filter((feature) => SOURCES.has(feature))),
      operations: fc.array(lists(fields.filter((feature) => !SOURCES.has(feature))), { minLength: 1, maxLength: 2 }),
      when: conditions(features.filter(isCondition)),
    })
    .map(({ source, operations, when }) => {
      const to = operations.flatMap((operation) => (operation === undefined ? [] : [{ operation }]));
      return {
        ...(source === undefined ? {} : { from: [{ source }] }),
        ...(to.length === 0 ? {} : { to }),
        ...(when.length === 0 ? {} : { when }),
      };
    });
  return fc.array(rule, { minLength: 1, maxLength: 2 });
}

const mode = fc.constantFrom<Mode>('PERMISSIVE', 'PERMISSIVE', 'STRICT', 'DISABLE');

function half(features: readonly string[]): fc.Arbitrary<Half> {
  const rules = rulesOver(features);
  return fc
    .record({ allow: fc.option(rules, { nil: undefined, freq: 5 }), deny: fc.option(rules, { nil: undefined }), mode })
    .map(({ allow, deny, mode: own }) => ({
      mode: own,
      policies: [
        ...(allow === undefined ? [] : [authorizationPolicy({ action: 'ALLOW', rules: allow }, { name: 'allow' })]),
        ...(deny === undefined ? [] : [authorizationPolicy({ action: 'DENY', rules: deny }, { name: 'deny' })]),
      ],
    }));
}

/** Rewrites that keep the meaning: without them hardly any generated pair would be equivalent. */
function rewritten({ mode: own, policies }: Half): Half {
  const split = policies.flatMap(({ spec }, p) =>
    [...(spec.rules ?? [])].reverse().map((rule, i) => {
      const alternatives = (rule.to ?? []).flatMap(({ operation }) => [
        { ...rule, to: [{ operation }] },
        // What an alternative adds that stands there already.
        { ...rule, to: [{ operation: { ...operation, notPorts: [...(operation.notPorts ?? []), '4242'] } }] },
      ]);
      return authorizationPolicy(
        { ...spec, rules: alternatives.length === 0 ? [rule, rule] : alternatives },
        { name: `r${p}-${i}` },
      );
    }),
  );
  return { mode: own, policies: split };
}

const features = fc.uniqueArray(fc.constantFrom(...FEATURES), { minLength: 2, maxLength: 3 });

export const pairs: fc.Arbitrary<Pair> = features.chain((chosen) => {
  const one = half(chosen);
  const extra = rulesOver(chosen).map((rules) =>
    authorizationPolicy({ action: 'DENY', rules: rules.slice(0, 1) }, { name: 'extra' }),
  );
  return fc
    .oneof(
      fc.record({ before: one, after: one }),
      one.map((before) => ({ before, after: rewritten(before) })),
      fc.record({ before: one, extra }).map(({ before, extra: more }) => {
        const after = rewritten(before);
        return { before, after: { ...after, policies: [...after.policies, more] } };
      }),
      fc
        .record({ before: one, mode })
        .map(({ before, mode: other }) => ({ before, after: { ...before, mode: other } })),
    )
    .map((sides) => ({ features: chosen, ...sides }));
});

/** A DENY on both sides that leaves one corner of the requests: what differs there must not hide behind what differs elsewhere. */
export function cornered({ policies, ...rest }: Half, corner: readonly AuthorizationRule[]): Half {
  return {
    ...rest,
    policies: [...policies, authorizationPolicy({ action: 'DENY', rules: corner }, { name: 'corner' })],
  };
}

export const corners: fc.Arbitrary<readonly AuthorizationRule[]> = features.chain(rulesOver);

export function meshOf({ policies, mode: own }: Half): MeshConfig {
  const config = meshWith(policies, {
    workloads: [workload('httpbin')],
    settings: { trustDomain: 'td', trustDomainAliases: ['old'] },
  });
  const metadata = { name: 'httpbin', namespace: 'foo', labels: {}, annotations: {} };
  const service = {
    namespace: 'foo',
    name: 'httpbin',
    metadata,
    host: 'httpbin.foo.svc.cluster.local',
    selector: { app: 'httpbin' },
    headless: false,
    type: 'ClusterIP',
    ports: [{ name: 'http', port: HTTP_PORT, targetPort: HTTP_PORT, protocol: 'http' }],
  } as const;
  const peer = peerAuthentication('istio-system/default', { mtls: { mode: own } });
  return { ...config, services: [service], peerAuthentications: [peer] };
}
