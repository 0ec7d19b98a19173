/** From PERMISSIVE to STRICT: order, broken callers and their repair, policies that rely on plaintext. */
import { describe, expect, it } from 'vitest';
import { diff, parseTraffic, planMigration, type MigrationStep } from '../../../src/analysis/index.ts';
import { parseManifests, type MeshConfig } from '../../../src/istio/index.ts';
import { compileMesh } from '../../../src/policy/index.ts';

function namespace(name: string, injected = true): string {
  const labels = injected ? ', labels: { istio-injection: enabled }' : '';
  return `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}${labels} }\n`;
}

function server(id: string, annotations = ''): string {
  const [ns = '', name = ''] = id.split('/');
  return `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${ns} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} }${annotations} }
    spec: { serviceAccountName: ${name}, containers: [{ name: c, image: c, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${ns} }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;
}

const peer = (id: string, spec: string): string => {
  const [ns = '', name = ''] = id.split('/');
  return `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: ${name}, namespace: ${ns} }\nspec: ${spec}\n`;
};

const rule = (id: string, host: string, mode: string): string => {
  const [ns = '', name = ''] = id.split('/');
  return `apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: ${name}, namespace: ${ns} }\nspec: { host: ${host}, trafficPolicy: { tls: { mode: ${mode} } } }\n`;
};

const mesh = (...documents: readonly string[]): MeshConfig =>
  parseManifests(
    [
      namespace('a'),
      namespace('b'),
      namespace('old', false),
      server('a/web'),
      server('a/api'),
      server('b/db'),
      server('old/batch'),
      ...documents,
    ].join('---\n'),
    { origin: 'mesh.yaml' },
  );

const traffic = (...lines: readonly string[]): ReturnType<typeof parseTraffic> =>
  parseTraffic(lines.join('\n'), 'calls.txt');

function titles(steps: readonly MigrationStep[]): readonly string[] {
  return steps.map((step) => {
    if (step.kind === 'strict') return `strict ${step.scope} ${step.namespace}`;
    if (step.kind === 'sidecar') return `${step.action} ${step.workload}`;
    return step.kind === 'client-tls' ? `client-tls ${step.apply.metadata.name}` : step.kind;
  });
}

/** What a cluster looks like after all steps. */
function applied(config: MeshConfig, steps: readonly MigrationStep[]): MeshConfig {
  let { peerAuthentications, destinationRules, workloads } = config;
  for (const step of steps) {
    if (step.kind === 'strict') {
      const names = new Set(step.apply.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
      const kept = peerAuthentications.filter(({ metadata }) => !names.has(`${metadata.namespace}/${metadata.name}`));
      peerAuthentications = [...kept, ...step.apply];
    } else if (step.kind === 'client-tls') {
      const { apply } = step;
      destinationRules = destinationRules.map((each) => (each.metadata.name === apply.metadata.name ? apply : each));
    } else if (step.kind === 'sidecar') {
      workloads = workloads.map((each) =>
        `${each.namespace}/${each.name}` === step.workload ? { ...each, injected: true } : each,
      );
    }
  }
  return { ...config, peerAuthentications, destinationRules, workloads };
}

describe('a plan', () => {
  it('is empty where every sidecar is STRICT', () => {
    expect(planMigration(mesh(peer('istio-system/default', '{ mtls: { mode: STRICT } }'))).steps).toEqual([]);
  });

  it('turns namespace by namespace where nothing breaks, and the whole mesh at last', () => {
    const config = mesh();
    const plan = planMigration(config, traffic('a/web -> a/api:80 mtls', 'a/api -> b/db:8080'));
    expect(titles(plan.steps)).toEqual(['strict namespace a', 'strict namespace b', 'strict mesh istio-system']);
    expect(plan.broken).toEqual([]);
    expect(plan.unprotected).toEqual(['old/batch']);
    for (const step of plan.steps.slice(0, 2)) expect(step.check.refused).toEqual(['plaintext callers']);
    for (const { check, breaks } of plan.steps)
      expect([check.allowed, check.unreachable, breaks]).toEqual([[], [], []]);
    expect(plan.steps.at(-1)).toMatchObject({ superfluous: [{ namespace: 'a' }, { namespace: 'b' }] });
  });

  it('repairs callers before the servers they call: no sidecar, DISABLE, Pods without the sidecar asked for', () => {
    const config = mesh(rule('a/plain', 'db.b.svc.cluster.local', 'DISABLE'));
    const plan = planMigration(
      config,
      traffic('old/batch -> b/db:80 plaintext', 'a/api -> b/db:80 plaintext', 'b/db -> a/api:80 plaintext'),
    );
    expect(titles(plan.steps)).toEqual([
      'strict workloads a',
      'restart b/db',
      'strict namespace a',
      'inject old/batch',
      'client-tls plain',
      'strict namespace b',
      'strict mesh istio-system',
    ]);
    expect(plan.steps[1]).toMatchObject({ repairs: [{ cause: 'plaintext-seen', seenAt: 'calls.txt:3' }] });
    expect(plan.steps[3]).toMatchObject({
      repairs: [{ cause: 'no-sidecar', from: 'old/batch', to: 'b/db', port: 8080 }],
    });
    expect(plan.steps[4]).toMatchObject({
      repairs: [{ cause: 'client-tls', by: { kind: 'DestinationRule', name: 'plain' }, at: { file: 'mesh.yaml' } }],
      apply: { spec: { trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } } },
    });
    expect(plan.broken).toEqual([]);
  });

  it('ends where every sidecar refuses plaintext and the superfluous policies change nothing', () => {
    const config = mesh(
      peer('b/db', '{ selector: { matchLabels: { app: db } }, portLevelMtls: { 8080: { mode: DISABLE } } }'),
      peer('a/default', '{ mtls: { mode: DISABLE } }'),
    );
    const { steps } = planMigration(config, traffic('outside -> b/db:80'));
    const end = applied(config, steps);
    const compiled = compileMesh(end);
    for (const name of ['a/web', 'a/api', 'b/db']) expect(compiled.peerAuthentication(name, 8080).mode).toBe('STRICT');
    const last = steps.at(-1);
    const extra = last?.kind === 'strict' ? (last.superfluous ?? []) : [];
    expect(extra.length).toBeGreaterThan(0);
    const names = new Set(extra.map((ref) => `${ref.namespace}/${ref.name}`));
    const rest = end.peerAuthentications.filter(({ metadata }) => !names.has(`${metadata.namespace}/${metadata.name}`));
    expect(diff(end, { ...end, peerAuthentications: rest }).findings).toEqual([]);
  });

  it('names what no step repairs', () => {
    const plan = planMigration(
      mesh(),
      traffic('outside -> a/api:80 plaintext', 'x/gone -> a/api:80', 'a/web -> no/such:1'),
    );
    expect(plan.broken).toMatchObject([
      { from: 'outside', to: 'a/api', cause: 'no-sidecar' },
      { from: 'x/gone', to: 'a/api', cause: 'no-sidecar' },
    ]);
    expect(plan.notes.join()).toMatch(/x\/gone.*no\/such/);
    // The held server turns last; its neighbour first.
    expect(titles(plan.steps)).toEqual([
      'strict namespace b',
      'strict workloads a',
      'strict namespace a',
      'strict mesh istio-system',
    ]);
  });

  it('warns of callers that no traffic shows, through the exact diff', () => {
    const { steps } = planMigration(mesh(rule('a/plain', 'db.b.svc.cluster.local', 'DISABLE')));
    const turned = steps.find((step) => step.kind === 'strict' && step.namespace === 'b');
    expect(turned?.check.unreachable).toMatchObject([expect.stringContaining('namespace `a` to b/db:8080')]);
  });

  it('turns auto mTLS on where it is off', () => {
    const config = mesh();
    const off = { ...config, settings: { ...config.settings, enableAutoMtls: false } };
    const plan = planMigration(off, traffic('a/web -> a/api:80 plaintext'));
    expect(titles(plan.steps)).toContain('auto-mtls');
    expect(plan.broken).toEqual([]);
  });

  it('names rules that look to callers in the clear', () => {
    const { policies } = planMigration(
      mesh(`apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: a }
spec:
  selector: { matchLabels: { app: api } }
  rules:
    - from: [{ source: { notPrincipals: ["*"] } }]
    - from: [{ source: { ipBlocks: ["10.0.0.0/8"] } }]
    - from: [{ source: { namespaces: [a] } }]
`),
    );
    expect(policies).toMatchObject([
      { rule: { name: 'p', rule: 0 }, plaintext: 'only', ports: ['a/api:8080'], at: { file: 'mesh.yaml' } },
      { rule: { name: 'p', rule: 1 }, plaintext: 'also' },
    ]);
  });
});

describe('observed traffic', () => {
  it('is read from arrows, objects, metric labels and access logs', () => {
    expect(
      traffic(
        '# a comment',
        '',
        'a/web → a/api:8080 plaintext',
        '{"from":"a/web","to":"a/api","port":80,"plaintext":false,"count":3}',
        '{"source_workload":"web","source_workload_namespace":"a","destination_workload":"api","destination_workload_namespace":"a","connection_security_policy":"none"}',
        '{"source_workload":"unknown","destination_workload":"api","destination_workload_namespace":"a","connection_security_policy":"mutual_tls"}',
        '{"reporter":"source","source_workload":"web","destination_workload":"api"}',
        '{"upstream_cluster":"inbound|8080||","requested_server_name":"outbound_.80_._.api.a.svc.cluster.local","downstream_peer_uri_san":"spiffe://cluster.local/ns/a/sa/web"}',
        '{"upstream_cluster":"inbound|8080||","requested_server_name":null,"authority":"api.a:80"}',
        '{"upstream_cluster":"outbound|80||api.a.svc.cluster.local","requested_server_name":null,"authority":"api.a"}',
      ).map(({ from, to, port, plaintext, count }) => [from, to, port, plaintext, count]),
    ).toEqual([
      ['a/web', 'a/api', 8080, true, 1],
      ['a/web', 'a/api', 80, false, 3],
      ['a/web', 'a/api', undefined, true, 1],
      ['outside', 'a/api', undefined, false, 1],
      ['spiffe://cluster.local/ns/a/sa/web', 'api.a.svc.cluster.local', 80, false, 1],
      ['outside', 'api.a', 80, true, 1],
    ]);
  });

  it.each([
    ['a/web a/api', /calls\.txt:1: expected/],
    ['a/web -> a/api secretly', /plaintext/],
    ['web -> a/api', /namespace\/workload/],
    ['{"from":"a/web"', /no JSON/],
    ['{"from":"a/web","to":"a/api","prot":80}', /unknown key `prot`/],
    ['{"from":"a/web","to":"a/api","port":"80"}', /port/],
    ['{"from":"a/web","to":"a/api","count":-1}', /count/],
    ['a/web -> a/api:70000', /no port from/],
    ['{"to":"a/api"}', /`from`/],
  ])('refuses %s', (line, message) => {
    expect(() => traffic(line)).toThrow(message);
  });
});
