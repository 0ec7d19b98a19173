import { describe, expect, it } from 'vitest';
import { ConfigError, parseManifestFiles, parseManifests, type MeshConfig } from '../../../src/istio/index.ts';
import { authorizationPolicy, ONE_OF_EACH } from './manifests.ts';

/** The lines of the error that reading `text` gives. */
function faults(text: string): readonly string[] {
  try {
    parseManifests(text, { origin: 'f.yaml' });
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

describe('parseManifests', () => {
  const config: MeshConfig = parseManifests(ONE_OF_EACH, { origin: 'f.yaml' });

  it('reads one of every kind', () => {
    expect(config.namespaces.map((namespace) => namespace.name)).toEqual(['shop']);
    expect(config.serviceAccounts).toMatchObject([{ namespace: 'shop', name: 'cart' }]);
    expect(config.workloads).toMatchObject([
      {
        kind: 'Deployment',
        name: 'cart',
        labels: { app: 'cart' },
        serviceAccount: 'cart',
        replicas: 3,
        ports: [{ number: 8080, name: 'web', protocol: 'TCP' }],
        injected: true,
      },
    ]);
    expect(config.services).toMatchObject([
      { host: 'cart.shop.svc.cluster.local', ports: [{ port: 80, targetPort: 'web', protocol: 'http' }] },
    ]);
    expect(config.peerAuthentications[0]?.spec.portLevelMtls).toEqual({ '8080': { mode: 'PERMISSIVE' } });
    expect(config.authorizationPolicies[0]?.spec.action).toBe('DENY');
    expect(config.requestAuthentications[0]?.spec.jwtRules?.[0]?.issuer).toBe('https://issuer.example');
    expect(config.destinationRules[0]?.spec.subsets?.[0]?.labels).toEqual({ version: 'v1' });
    expect(config.serviceEntries[0]?.spec.hosts).toEqual(['bank.example.com']);
    expect(config.workloadEntries[0]?.spec.address).toBe('10.1.2.3');
    expect(config.sidecars[0]?.spec.ingress?.[0]?.port.number).toBe(9080);
  });

  it('takes the settings from the text inside the istio ConfigMap', () => {
    expect(config.settings).toMatchObject({
      trustDomain: 'shop.example',
      trustDomainAliases: ['old.example'],
      extensionProviders: [{ name: 'opa', protocol: 'grpc', port: 9191, failOpen: false, statusOnError: 403 }],
    });
  });

  it('knows where every value was written, and the nearest enclosing value of one that was not', () => {
    const text = authorizationPolicy('  rules:\n  - to:\n    - operation:\n        paths: ["/a", "/b"]\n');
    const origin = parseManifests(text, { origin: 'p.yaml' }).authorizationPolicies[0]?.origin;
    expect(origin).toMatchObject({ file: 'p.yaml', line: 1, column: 1 });
    expect(origin?.position(['spec', 'rules', 0, 'to', 0, 'operation', 'paths', 1])).toEqual({
      file: 'p.yaml',
      line: 9,
      column: 23,
    });
    expect(origin?.position(['spec', 'rules', 0, 'from', 3])).toMatchObject({ line: 7, column: 5 });
    expect(JSON.stringify(origin)).toBe('{"file":"p.yaml","line":1,"column":1}');
  });

  it('reads lists, JSON, several documents with anchors and merge keys, and counts other kinds', () => {
    const list = JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'a' } },
        { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'v' } },
      ],
    });
    const merged = `
metadata: &m { name: b, namespace: x }
apiVersion: v1
kind: ServiceAccount
---
apiVersion: v1
kind: ServiceAccount
metadata:
  <<: { namespace: z }
  name: c
---
# nothing but a comment
---
`;
    const read = parseManifestFiles([
      { origin: 'a.json', text: list },
      { origin: 'b.yaml', text: merged },
    ]);
    expect(read.serviceAccounts.map(({ namespace, name }) => `${namespace}/${name}`)).toEqual([
      'default/a',
      'x/b',
      'z/c',
    ]);
    expect(read.otherKinds).toEqual({ VirtualService: 1 });
    expect(read.serviceAccounts[1]?.origin).toMatchObject({ file: 'b.yaml', line: 2 });
  });

  it('takes the beginning of a generated name for the name', () => {
    const job = (head: string): string => `apiVersion: batch/v1\nkind: Job\nmetadata: { ${head} }\n`;
    expect(parseManifests(job('generateName: migrate-')).workloads[0]?.name).toBe('migrate');
    expect(() => parseManifests(job('generateName: ""'))).toThrow('the field `name` is missing');
  });

  it('leaves foreign kinds of a familiar name alone', () => {
    const text =
      'apiVersion: policy.linkerd.io/v1alpha1\nkind: AuthorizationPolicy\nmetadata: { name: x }\nspec: { any: 1 }';
    expect(parseManifests(text)).toMatchObject({ authorizationPolicies: [], otherKinds: { AuthorizationPolicy: 1 } });
  });

  it.each([
    ['networking.k8s.io/v1', 'NetworkPolicy'],
    ['networking.k8s.io/v1', 'Ingress'],
    ['telemetry.istio.io/v1', 'Telemetry'],
    ['extensions.istio.io/v1alpha1', 'WasmPlugin'],
    ['gateway.networking.k8s.io/v1', 'Gateway'],
    ['security.openshift.io/v1', 'SecurityContextConstraints'],
    ['policy/v1', 'PodDisruptionBudget'],
    ['admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration'],
  ])('leaves kinds of groups that are near in spelling alone: %s %s', (apiVersion, kind) => {
    const text = JSON.stringify({ apiVersion, kind, metadata: { name: 'x' } });
    expect(parseManifests(text).otherKinds).toEqual({ [kind]: 1 });
  });

  it.each([
    ['securty.istio.io/v1', 'PeerAuthentication', 'security.istio.io'],
    ['networking.istio.com/v1', 'DestinationRule', 'networking.istio.io'],
  ])('refuses a kind of Istio in a misspelt group: %s %s', (apiVersion, kind, meant) => {
    const text = JSON.stringify({ apiVersion, kind, metadata: { name: 'x' } });
    expect(() => parseManifests(text)).toThrow(`did you mean \`${meant}\`?`);
  });

  it('decodes Secrets and leaves binary values out', () => {
    const text = `
apiVersion: v1
kind: Secret
metadata: { name: s }
data: { text: aGVsbG8=, binary: /v8= }
stringData: { plain: p }
`;
    expect(parseManifests(text).configData).toEqual([
      { kind: 'Secret', namespace: 'default', name: 's', data: { text: 'hello', plain: 'p' } },
    ]);
  });

  it('reads an IstioOperator where there is no ConfigMap', () => {
    const text = `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  meshConfig:
    rootNamespace: mesh-root
    enableAutoMtls: false
    meshMTLS: { minProtocolVersion: TLSV1_3 }
    caCertificates: [{ trustDomains: [partner.example] }]
    defaultConfig: { gatewayTopology: { numTrustedProxies: 2 } }
    extensionProviders:
    - { name: zipkin, zipkin: { service: z, port: 9411 } }
    - { name: authz, envoyExtAuthzHttp: { service: a.b.svc.cluster.local, port: 80, statusOnError: "503", failOpen: true } }
  values: { global: { proxy: { clusterDomain: k8s.example } } }
`;
    expect(parseManifests(text).settings).toEqual({
      trustDomain: 'cluster.local',
      trustDomainAliases: [],
      caTrustDomains: ['partner.example'],
      rootNamespace: 'mesh-root',
      clusterDomain: 'k8s.example',
      enableAutoMtls: false,
      pathNormalization: 'BASE',
      outboundTrafficPolicy: 'ALLOW_ANY',
      defaultDestinationRuleExportTo: [],
      extensionProviders: [
        {
          name: 'authz',
          protocol: 'http',
          service: 'a.b.svc.cluster.local',
          port: 80,
          failOpen: true,
          statusOnError: 503,
        },
      ],
      unusableProviders: ['zipkin'],
      minTlsVersion: 'TLSv1.3',
      numTrustedProxies: 2,
    });
  });

  it('finds workload ports of restartable init containers, and Pods in every kind of controller', () => {
    const template =
      '{ metadata: { labels: { app: x } }, spec: { initContainers: [{ restartPolicy: Always, ports: [{ containerPort: 7 }] }, { ports: [{ containerPort: 8 }] }] } }';
    const text = [
      `apiVersion: batch/v1\nkind: CronJob\nmetadata: { name: c }\nspec: { jobTemplate: { spec: { parallelism: 4, template: ${template} } } }`,
      `apiVersion: batch/v1\nkind: Job\nmetadata: { name: j }\nspec: { parallelism: 2, template: ${template} }`,
      `apiVersion: apps/v1\nkind: DaemonSet\nmetadata: { name: d }\nspec: { template: ${template} }`,
      `apiVersion: v1\nkind: Pod\nmetadata: { name: p, labels: { app: x } }\nspec: { serviceAccount: old }`,
    ].join('\n---\n');
    const found = parseManifests(text).workloads;
    expect(
      found.map((w) => [w.kind, w.replicas, w.labels['app'], w.serviceAccount, w.ports.map((p) => p.number)]),
    ).toEqual([
      ['CronJob', 4, 'x', 'default', [7]],
      ['Job', 2, 'x', 'default', [7]],
      ['DaemonSet', 1, 'x', 'default', [7]],
      ['Pod', 1, 'x', 'old', []],
    ]);
  });
});

describe('faults', () => {
  it('are reported all at once, in the order of the text', () => {
    const text = authorizationPolicy(`  rules:
  - from:
    - source:
        principal: ["a"]
    to:
    - operation:
        methods: GET
        ports: [8080]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: p, namspace: x }
spec: { mtls: { mode: strict } }
`);
    expect(faults(text)).toEqual([
      'f.yaml:9:9: spec.rules[0].from[0].source.principal: unknown field `principal`; did you mean `principals`?',
      'f.yaml:12:18: spec.rules[0].to[0].operation.methods: expected a list, found the string `GET`; write `["GET"]`',
      'f.yaml:13:17: spec.rules[0].to[0].operation.ports[0]: expected a string, found the number `8080`; put it in quotes',
      'f.yaml:17:22: metadata.namspace: unknown field `namspace`; did you mean `namespace`?',
      'f.yaml:18:23: spec.mtls.mode: expected one of `UNSET`, `DISABLE`, `PERMISSIVE`, `STRICT`, found `strict`; did you mean `STRICT`?',
    ]);
  });

  it('of syntax do not hide those of other documents', () => {
    const text = `a: [1\n---\napiVersion: security.istio.io/v2\nkind: PeerAuthentication\nmetadata: { name: p }\n`;
    const found = faults(text);
    expect(found[0]).toMatch(/^f\.yaml:2:1: Flow sequence/);
    expect(found[1]).toBe(
      'f.yaml:3:13: apiVersion: expected one of `security.istio.io/v1`, `security.istio.io/v1beta1`, found `security.istio.io/v2`',
    );
  });

  it.each([
    ['a duplicate key', 'a: 1\na: 2\n', /f\.yaml:2:1: Map keys must be unique/],
    ['an alias bomb', `a: &a [1,1,1,1,1,1,1,1,1,1]\n${bomb(8)}`, /Excessive alias count/],
    ['nesting without end', '['.repeat(20_000), /nested|Flow/],
    ['a document that is no object', '- 1\n', /expected a Kubernetes object/],
    ['no kind', 'apiVersion: v1\nmetadata: { name: x }\n', /the field `kind` is missing/],
    [
      'a kind that Istio does not have',
      'apiVersion: security.istio.io/v1\nkind: AuthorisationPolicy\n',
      /did you mean `AuthorizationPolicy`/,
    ],
    [
      'a group that is nearly one of Istio',
      'apiVersion: securty.istio.io/v1\nkind: PeerAuthentication\n',
      /did you mean `security.istio.io`/,
    ],
    ['a kind Kubernetes does not have', 'apiVersion: apps/v1\nkind: Deploymnt\n', /did you mean `Deployment`/],
    [
      'a port number in quotes',
      'apiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { ports: [{ port: 80, targetPort: "8080" }] }\n',
      /targetPort: expected a port .* found the string `8080`; take away the quotes/,
    ],
    ['a kind in the wrong group', 'apiVersion: v1\nkind: Deployment\n', /expected `apps\/v1` for Deployment/],
    ['a retired version', 'apiVersion: extensions/v1beta1\nkind: Deployment\n', /expected `apps\/v1` for Deployment/],
    ['no name', 'apiVersion: v1\nkind: Service\nmetadata: {}\n', /metadata: the field `name` is missing/],
    ['a name that is none', 'apiVersion: v1\nkind: Service\nmetadata: { name: A_b }\n', /`A_b` is not a name/],
    [
      'a boolean for an annotation',
      'apiVersion: v1\nkind: Pod\nmetadata: { name: p, annotations: { sidecar.istio.io/inject: yes } }\n',
      /expected a string, found the boolean `true`; put it in quotes/,
    ],
    [
      'a port out of range',
      'apiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { ports: [{ port: 70000 }] }\n',
      /f\.yaml:4:25: spec\.ports\[0\]\.port: expected a number from 1 to 65535/,
    ],
    [
      'a secret that is not base64',
      'apiVersion: v1\nkind: Secret\nmetadata: { name: s }\ndata: { k: "&hunter2" }\n',
      /^f\.yaml:4:12: data\.k: expected base64$/,
    ],
    ['a control character', 'apiVersion: security.istio.io/v1\nkind: "Peer\\e[2J"\n', /`Peer\\u001b\[2J`/],
  ])('name %s', (_, text, message) => {
    expect(faults(text).join('\n')).toMatch(message);
  });

  it('inside the mesh config point into the text of the ConfigMap', () => {
    const text = `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |-
    # a comment
    trustDomian: x
    pathNormalization:
      normalization: BAES
    trustDomain: Not/One
`;
    expect(faults(text)).toEqual([
      'f.yaml:8:5: data.mesh: trustDomian: unknown field `trustDomian`; did you mean `trustDomain`?',
      expect.stringMatching(/^f\.yaml:10:22: data\.mesh: pathNormalization\.normalization: .*did you mean `BASE`\?$/),
      expect.stringMatching(/^f\.yaml:11:18: data\.mesh: trustDomain: /),
    ]);
  });

  it('are a second object of one name, unless it is the same', () => {
    const account = 'apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: a, namespace: b }\n';
    const text = `${account}---\n${account}`;
    expect(parseManifests(text).serviceAccounts).toHaveLength(1);
    const other = `${account}---\napiVersion: v1\nkind: ServiceAccount\nmetadata: { name: a, namespace: b, labels: { x: z } }\n`;
    expect(faults(other)).toEqual(['f.yaml:7:19: metadata.name: declared twice, and differently: first at f.yaml:1:1']);
  });

  it('carry their place as data', () => {
    try {
      parseManifests('apiVersion: v1\nkind: Pod\nmetadata: { name: "" }', { origin: 'x.yaml' });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        name: 'ConfigError',
        code: 'ERR_CONFIG_INVALID',
        file: 'x.yaml',
        line: 3,
        column: 11,
        path: 'metadata',
        details: { errors: [{ message: 'the field `name` is missing', resource: 'Pod default/' }] },
      });
    }
  });
});

describe('a long file', () => {
  it('of ten thousand lines is read whole', () => {
    const one = authorizationPolicy('  rules:\n  - to:\n    - operation: { paths: ["/a"] }\n').replace(
      'name: p',
      'name: pNUMBER',
    );
    const text = Array.from({ length: 1_200 }, (_, index) => one.replace('NUMBER', `${index}`)).join('---\n');
    expect(text.split('\n').length).toBeGreaterThan(10_000);
    expect(parseManifests(text).authorizationPolicies).toHaveLength(1_200);
  });
});

/** Lists of ten aliases each, `levels` deep. */
function bomb(levels: number): string {
  const name = (level: number): string => String.fromCharCode(97 + level);
  return Array.from({ length: levels }, (_, level) => {
    const items = Array.from({ length: 10 }, () => `*${name(level)}`).join(',');
    return `${name(level + 1)}: &${name(level + 1)} [${items}]\n`;
  }).join('');
}
