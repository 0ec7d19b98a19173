/** Small random meshes around mutual TLS: few names, so that policies meet. */
import * as fc from 'fast-check';
import type {
  ClientTlsSettings,
  DestinationRule,
  MeshConfig,
  PeerAuthentication,
  PortProtocol,
  Service,
  Subset,
  TrafficPolicy,
  Workload,
} from '../../../src/istio/index.ts';
import {
  config,
  destinationRule,
  peerAuthentication,
  service,
  servicePort,
  workload,
} from '../../kit/mesh-resources.ts';

const NAMESPACES = ['istio-system', 'a', 'b', 'c'] as const;
const APPS = ['x', 'y'] as const;
const namespace = fc.constantFrom(...NAMESPACES);
const app = fc.constantFrom(...APPS);
const labels = fc
  .record({ app }, { requiredKeys: [] })
  .map((found): Readonly<Record<string, string>> => ({ ...found }));
const mtlsMode = fc.constantFrom('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT');
const age = fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined });

/** `ns/name@age`, the names distinct. */
function id(space: string, index: number, seconds: number | undefined): string {
  return `${space}/p${index}${seconds === undefined ? '' : `@${seconds}`}`;
}

const peerSpec = fc.record(
  {
    selector: fc.record({ matchLabels: labels }),
    mtls: fc.record({ mode: mtlsMode }, { requiredKeys: [] }),
    portLevelMtls: fc.dictionary(fc.constantFrom('8080', '8000'), fc.record({ mode: mtlsMode }), { maxKeys: 2 }),
  },
  { requiredKeys: [] },
);

export const peerAuthentications: fc.Arbitrary<readonly PeerAuthentication[]> = fc
  .array(fc.tuple(namespace, age, peerSpec), { maxLength: 6 })
  .map((all) => all.map(([space, seconds, spec], index) => peerAuthentication(id(space, index, seconds), spec)));

const tls: fc.Arbitrary<ClientTlsSettings> = fc.record(
  {
    mode: fc.constantFrom('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
    credentialName: fc.constantFrom('', 'c'),
    clientCertificate: fc.constant('/c.pem'),
    privateKey: fc.constant('/k.pem'),
    sni: fc.constantFrom('', 'sni.example'),
    subjectAltNames: fc.array(fc.constantFrom('n1', 'n2'), { maxLength: 2 }),
    insecureSkipVerify: fc.boolean(),
  },
  { requiredKeys: [] },
);
const loadBalancer = fc.record({ simple: fc.constantFrom('PASSTHROUGH', 'ROUND_ROBIN') });
const trafficPolicy: fc.Arbitrary<TrafficPolicy> = fc.record(
  {
    tls,
    loadBalancer,
    portLevelSettings: fc.array(
      fc.record({ port: fc.record({ number: fc.constantFrom(8000, 8080) }), tls }, { requiredKeys: ['port'] }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
);
const subset: fc.Arbitrary<Subset> = fc.record(
  { name: fc.constantFrom('v1', 'v2'), trafficPolicy },
  { requiredKeys: ['name'] },
);
const ruleSpec = fc.record(
  {
    host: fc.constantFrom(
      'x',
      '*',
      '*.local',
      '*.a.svc.cluster.local',
      'x.a.svc.cluster.local',
      'y.b.svc.cluster.local',
    ),
    trafficPolicy,
    subsets: fc.array(subset, { maxLength: 2 }),
    exportTo: fc.constantFrom(['*'], ['.'], ['a'], ['b', 'c'], ['.', 'c'], []),
    workloadSelector: fc.record({ matchLabels: labels }),
  },
  { requiredKeys: ['host'] },
);

export const destinationRules: fc.Arbitrary<readonly DestinationRule[]> = fc
  .array(fc.tuple(namespace, age, ruleSpec), { maxLength: 6 })
  .map((all) => all.map(([space, seconds, spec], index) => destinationRule(id(space, index, seconds), spec)));

const protocol = fc.constantFrom<PortProtocol>('http', 'tcp', 'auto', 'grpc');
const services: fc.Arbitrary<readonly Service[]> = fc
  .uniqueArray(fc.tuple(namespace, app), { selector: (pair) => pair.join('/'), maxLength: 4 })
  .chain((pairs) =>
    fc.tuple(
      ...pairs.map(([space, name]) =>
        fc
          .record({ protocol, headless: fc.boolean() })
          .map((parts) =>
            service(`${space}/${name}`, { headless: parts.headless, ports: [servicePort(8000, 8080, parts.protocol)] }),
          ),
      ),
    ),
  );

const workloads: fc.Arbitrary<readonly Workload[]> = fc
  .array(fc.tuple(namespace, app, fc.boolean(), fc.integer({ min: 0, max: 2 })), { maxLength: 6 })
  .map((all) =>
    all.map(([space, name, injected, replicas], index) =>
      workload(`${space}/w${index}`, { labels: { app: name }, serviceAccount: name, injected, replicas }),
    ),
  );

export const world: fc.Arbitrary<MeshConfig> = fc
  .record({ peerAuthentications, destinationRules, services, workloads, enableAutoMtls: fc.boolean() })
  .map(({ enableAutoMtls, ...parts }) =>
    config({ ...parts, settings: { enableAutoMtls, trustDomainAliases: ['old'] } }),
  );

export const client: fc.Arbitrary<{ readonly namespace: string; readonly labels: Readonly<Record<string, string>> }> =
  fc.record({ namespace, labels });

/** The same resources, every list in another order. */
export function shuffled(cfg: MeshConfig): fc.Arbitrary<MeshConfig> {
  const shuffle = <T>(items: readonly T[]): fc.Arbitrary<T[]> =>
    fc.shuffledSubarray([...items], { minLength: items.length });
  return fc
    .record({
      peerAuthentications: shuffle(cfg.peerAuthentications),
      destinationRules: shuffle(cfg.destinationRules),
      services: shuffle(cfg.services),
      workloads: shuffle(cfg.workloads),
    })
    .map((parts) => ({ ...cfg, ...parts }));
}
