/** Small meshes for the differential tests of calls, and changes of them. */
import fc from 'fast-check';
import type { AuthorizationPolicySpec, MeshConfig, MutualTlsMode, PortProtocol } from '../../src/istio/index.ts';
import {
  config,
  destinationRule,
  peerAuthentication,
  service,
  serviceEntry,
  servicePort,
  workload,
} from '../kit/mesh-resources.ts';
import { authorizationPolicy } from '../kit/policies.ts';

const oneOf = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const mostly = (odds: number): fc.Arbitrary<boolean> => fc.integer({ min: 0, max: odds }).map((n) => n > 0);

const ALLOW_AND_DENY: readonly AuthorizationPolicySpec[] = [
  { rules: [{ from: [{ source: { principals: ['cluster.local/ns/a/sa/x'] } }] }] },
  {
    rules: [
      { from: [{ source: { principals: ['td/ns/a/sa/x', '*/sa/y'] } }], to: [{ operation: { methods: ['GET'] } }] },
    ],
  },
  { rules: [{ from: [{ source: { namespaces: ['a'] } }], to: [{ operation: { paths: ['/a*'] } }] }] },
  { action: 'DENY', rules: [{ from: [{ source: { notPrincipals: ['*'] } }] }] },
  {
    action: 'DENY',
    rules: [{ from: [{ source: { principals: ['*/sa/default'] } }], to: [{ operation: { ports: ['9090'] } }] }],
  },
  { rules: [{ when: [{ key: 'connection.sni', values: ['outbound_*'] }] }] },
  { rules: [{ when: [{ key: 'source.trustDomain', values: ['td'] }] }, { to: [{ operation: { paths: ['/b'] } }] }] },
];

const policy = fc
  .record({ spec: oneOf(...ALLOW_AND_DENY), app: oneOf(undefined, 'api', 'db', 'web'), namespace: oneOf('a', 'b') })
  .map(({ spec, app, namespace }) => ({
    namespace,
    spec: { ...spec, ...(app === undefined ? {} : { selector: { matchLabels: { app } } }) },
  }));

const server = fc.record({
  exists: mostly(8),
  app: oneOf('api', 'api', 'db', 'web'),
  port: oneOf(80, 80, 81),
  target: oneOf<number | string>(8080, 8080, 9090, 'http'),
  protocol: oneOf<PortProtocol>('http', 'http', 'tcp', 'auto', 'http2'),
  exportTo: oneOf('', '', '.', 'a'),
  headless: oneOf(false, false, true),
});

const rule = fc.record({
  namespace: oneOf('a', 'b', 'istio-system'),
  host: oneOf('api.a.svc.cluster.local', 'db.b.svc.cluster.local', '*.local', 'ext.example.com'),
  mode: oneOf<'DISABLE' | 'ISTIO_MUTUAL' | 'SIMPLE'>('DISABLE', 'DISABLE', 'ISTIO_MUTUAL', 'SIMPLE'),
  exportTo: oneOf<readonly string[] | undefined>(undefined, ['.'], ['a']),
  selector: oneOf<string | undefined>(undefined, undefined, 'web'),
});

const pod = fc.record({
  exists: mostly(15),
  injected: mostly(6),
  account: oneOf('default', 'x', 'x', 'y'),
  app: oneOf<string | undefined>(undefined, undefined, undefined, 'api'),
});

const mode = oneOf<MutualTlsMode | undefined>(undefined, undefined, 'STRICT', 'PERMISSIVE', 'DISABLE');

const knobs = {
  web: pod,
  api: pod,
  other: pod,
  db: pod,
  apiService: server,
  dbService: server,
  alias: server,
  rules: fc.array(rule, { maxLength: 2 }),
  meshMode: mode,
  namespaceMode: mode,
  portMode: mode,
  policies: fc.array(policy, { maxLength: 3 }),
  trustDomain: oneOf('cluster.local', 'td'),
  aliases: oneOf<readonly string[]>([], ['cluster.local'], ['td']),
  autoMtls: mostly(5),
  letsOut: fc.boolean(),
  entry: oneOf<'none' | 'dns' | 'pods'>('none', 'dns', 'pods'),
} as const;

type Knobs = { readonly [K in keyof typeof knobs]: (typeof knobs)[K] extends fc.Arbitrary<infer T> ? T : never };

const NAMES = Object.keys(knobs).filter((name): name is keyof Knobs => Object.hasOwn(knobs, name));

export interface Change {
  readonly before: MeshConfig;
  readonly after: MeshConfig;
}

/** Two meshes that differ in one or a few knobs. */
export const change: fc.Arbitrary<Change> = fc
  .record({
    one: fc.record(knobs),
    other: fc.record(knobs),
    turned: fc.uniqueArray(oneOf(...NAMES), { minLength: 1, maxLength: 3 }),
  })
  .map(({ one, other, turned }) => {
    const part = Object.fromEntries(turned.map((name) => [name, other[name]]));
    return { before: meshOf(one), after: meshOf({ ...one, ...part }) };
  });

function meshOf(knob: Knobs): MeshConfig {
  const pods = (
    [
      ['a/web', knob.web],
      ['a/api', knob.api],
      ['b/web', knob.other],
      ['b/db', knob.db],
    ] as const
  ).flatMap(([name, { exists, injected, account, app }]) =>
    exists
      ? [workload(name, { injected, serviceAccount: account, ...(app === undefined ? {} : { labels: { app } }) })]
      : [],
  );
  const services = (
    [
      ['a/api', knob.apiService],
      ['b/db', { ...knob.dbService, app: 'db' }],
      ['a/alias', knob.alias],
    ] as const
  ).flatMap(([name, { exists, app, port, target, protocol, exportTo, headless }]) => {
    if (!exists) return [];
    const made = service(name, { selector: { app }, ports: [servicePort(port, target, protocol)], headless });
    const annotations = exportTo === '' ? {} : { 'networking.istio.io/exportTo': exportTo };
    return [{ ...made, metadata: { ...made.metadata, annotations } }];
  });
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }];
  const location = 'MESH_INTERNAL';
  const entries = {
    none: [],
    dns: [
      serviceEntry('a/ext', {
        hosts: ['ext.example.com'],
        location,
        ports,
        resolution: 'DNS',
        endpoints: [{ address: 'api.a.svc.cluster.local' }],
      }),
    ],
    pods: [
      serviceEntry('a/ext', {
        hosts: ['ext.example.com'],
        location,
        ports,
        resolution: 'STATIC',
        workloadSelector: { labels: { app: 'api' } },
      }),
    ],
  };
  const peers = [
    ['istio-system/default', {}, knob.meshMode],
    ['a/default', {}, knob.namespaceMode],
  ] as const;
  return config({
    workloads: pods,
    services,
    serviceEntries: entries[knob.entry],
    destinationRules: knob.rules.map(({ namespace, host, mode: tls, exportTo, selector }, i) =>
      destinationRule(`${namespace}/r${i}`, {
        host,
        trafficPolicy: { tls: { mode: tls } },
        ...(exportTo === undefined ? {} : { exportTo }),
        ...(selector === undefined ? {} : { workloadSelector: { matchLabels: { app: selector } } }),
      }),
    ),
    peerAuthentications: [
      ...peers.flatMap(([name, spec, mtls]) =>
        mtls === undefined ? [] : [peerAuthentication(name, { ...spec, mtls: { mode: mtls } })],
      ),
      ...(knob.portMode === undefined
        ? []
        : [
            peerAuthentication('a/api', {
              selector: { matchLabels: { app: 'api' } },
              portLevelMtls: { '8080': { mode: knob.portMode } },
            }),
          ]),
    ],
    authorizationPolicies: knob.policies.map(({ namespace, spec }, i) =>
      authorizationPolicy(spec, { name: `p${i}`, namespace }),
    ),
    settings: {
      trustDomain: knob.trustDomain,
      trustDomainAliases: knob.aliases,
      enableAutoMtls: knob.autoMtls,
      outboundTrafficPolicy: knob.letsOut ? 'ALLOW_ANY' : 'REGISTRY_ONLY',
    },
  });
}
