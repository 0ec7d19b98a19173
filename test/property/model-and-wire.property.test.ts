/**
 * Model ≡ wire: for generated worlds, policies, modes, ports and calls, `predict` and the sockets agree in result,
 * status, flags, deciding policy, security and identities. HTTP requests and raw connections, sidecars and bare callers.
 *
 * `FC_SEED` overrides the seed, `MESHPROOF_LONG` multiplies the worlds.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mesh } from '../../src/mesh/index.ts';
import type { Caller, MeshConnection, MeshRequest, Outcome } from '../../src/sim/index.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_260_101);
const WORLDS = process.env['MESHPROOF_LONG'] ? 600 : 60;
const CALLS = 38;
const EXCHANGES_MIN = 2_000;

const NAMES = ['default/web', 'default/api', 'data/db'] as const;
const MODE = fc.constantFrom('STRICT', 'PERMISSIVE', 'DISABLE', 'UNSET');
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });
const document = (apiVersion: string, kind: string, id: string, rest: object): object => {
  const [namespace, name] = id.split('/');
  return { apiVersion, kind, metadata: { namespace, name }, ...rest };
};

const workload = fc.record({
  sidecar: fc.boolean().map((absent) => !absent),
  port: fc.constantFrom('http', 'tcp', 'x', 'grpc', 'http'),
});
type Drawn = { readonly sidecar: boolean; readonly port: string };

function pod(id: string, { sidecar, port }: Drawn): readonly object[] {
  const [, app] = id.split('/');
  const labels = { app, 'sidecar.istio.io/inject': String(sidecar) };
  return [
    document('apps/v1', 'Deployment', id, {
      spec: {
        selector: { matchLabels: { app } },
        template: {
          metadata: { labels },
          spec: { serviceAccountName: app, containers: [{ name: app, ports: [{ containerPort: 8080 }] }] },
        },
      },
    }),
    document('v1', 'Service', id, { spec: { selector: { app }, ports: [{ name: port, port: 80, targetPort: 8080 }] } }),
  ];
}

const MESH_ROOT = '/etc/certs/root-cert.pem';
const FILES = { clientCertificate: '/etc/certs/cert-chain.pem', privateKey: '/etc/certs/key.pem' };
const names = (host: string): readonly string[] => [`spiffe://cluster.local/ns/default/sa/${host}`];
const tls = fc.constantFrom<object[]>(
  { mode: 'DISABLE' },
  { mode: 'ISTIO_MUTUAL' },
  { mode: 'ISTIO_MUTUAL', subjectAltNames: ['spiffe://cluster.local/ns/default/sa/nobody'] },
  { mode: 'SIMPLE' },
  { mode: 'SIMPLE', caCertificates: MESH_ROOT, subjectAltNames: names('api') },
  { mode: 'SIMPLE', insecureSkipVerify: true },
  { mode: 'MUTUAL', ...FILES, caCertificates: MESH_ROOT, subjectAltNames: names('api') },
  { mode: 'MUTUAL', ...FILES, caCertificates: '/nowhere.pem', subjectAltNames: names('api') },
);

const source = fc.constantFrom<object[]>(
  { principals: ['cluster.local/ns/default/sa/web'] },
  { principals: ['*'] },
  { notPrincipals: ['cluster.local/ns/default/sa/web'] },
  { namespaces: ['data'] },
  { ipBlocks: ['10.244.0.0/16'] },
  { remoteIpBlocks: ['192.0.2.0/24'] },
);
const operation = fc.constantFrom<object[]>(
  { methods: ['GET'] },
  { paths: ['/api/*'] },
  { notPaths: ['/api/v1'] },
  { hosts: ['api.default'] },
  { ports: ['8080'] },
  { ports: ['80'] },
);
const when = fc.constantFrom<object[]>(
  { key: 'request.headers[x-tier]', values: ['gold'] },
  { key: 'request.headers[x-tier]', notValues: ['gold'] },
  { key: 'request.headers[x-forwarded-client-cert]', values: ['*sa/web'] },
  { key: 'connection.sni', values: ['outbound_*'] },
);
const rule = fc.record({ source: maybe(source), operation: maybe(operation), when: maybe(when) }).map((parts) => ({
  ...(parts.source && { from: [{ source: parts.source }] }),
  ...(parts.operation && { to: [{ operation: parts.operation }] }),
  ...(parts.when && { when: [parts.when] }),
}));
const policy = fc.record({
  namespace: fc.constantFrom('default', 'data', 'istio-system'),
  app: maybe(fc.constantFrom('web', 'api', 'db')),
  action: fc.constantFrom('ALLOW', 'DENY'),
  rules: fc.array(rule, { minLength: 1, maxLength: 2 }),
});

const world = fc
  .record({
    pods: fc.tuple(workload, workload, workload),
    mesh: MODE,
    namespace: maybe(MODE),
    api: maybe(fc.record({ mode: MODE, port: maybe(MODE) })),
    tls: maybe(tls),
    policies: fc.array(policy, { maxLength: 3 }),
    normalization: fc.constantFrom('NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'),
  })
  .map(({ pods, mesh, namespace, api, tls: mode, policies, normalization }) => [
    document('v1', 'ConfigMap', 'istio-system/istio', {
      data: { mesh: JSON.stringify({ pathNormalization: { normalization } }) },
    }),
    ...NAMES.flatMap((id, index) => pod(id, pods[index] ?? pods[0])),
    peers('istio-system/default', { mtls: { mode: mesh } }),
    ...(namespace === undefined ? [] : [peers('default/all', { mtls: { mode: namespace } })]),
    ...(api === undefined
      ? []
      : [
          peers('default/api', {
            selector: { matchLabels: { app: 'api' } },
            mtls: { mode: api.mode },
            ...(api.port && { portLevelMtls: { 8080: { mode: api.port } } }),
          }),
        ]),
    ...(mode === undefined
      ? []
      : [
          document('networking.istio.io/v1', 'DestinationRule', 'default/api', {
            spec: { host: 'api', trafficPolicy: { tls: mode } },
          }),
        ]),
    ...policies.map(({ namespace: where, app, ...spec }, index) =>
      document('security.istio.io/v1', 'AuthorizationPolicy', `${where}/policy-${index}`, {
        spec: { ...(app && { selector: { matchLabels: { app } } }), ...spec },
      }),
    ),
  ]);

function peers(id: string, spec: object): object {
  return document('security.istio.io/v1', 'PeerAuthentication', id, { spec });
}

const caller = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom<Caller[]>(...NAMES) },
  { weight: 2, arbitrary: fc.constant<Caller>('outside') },
  {
    weight: 1,
    arbitrary: fc.record({
      workload: fc.constantFrom(...NAMES),
      certificate: fc.constantFrom('mesh', 'none', 'rogue', 'expired'),
    }),
  },
);
const to = fc.constantFrom('default/api', 'default/api', 'data/db', 'default/web');
const request = fc
  .record({
    from: caller,
    to,
    method: fc.constantFrom('GET', 'POST'),
    path: fc.constantFrom('/', '/api/v1', '/api/v1?x=1', '//api/v1', '/x/%2e%2e/api/v1', '/api%2fv1', '/api/%00'),
    tier: maybe(fc.constantFrom<(string | string[])[]>('gold', 'tin', ['tin', 'gold'])),
    protocol: fc.constantFrom<('http/1.1' | 'h2' | undefined)[]>(undefined, undefined, 'http/1.1', 'h2'),
    spoofed: maybe(fc.constantFrom('x-forwarded-for', 'x-forwarded-client-cert')),
  })
  .map(({ tier, spoofed, protocol, ...rest }): Call => {
    const spoof = {
      'x-forwarded-for': '192.0.2.7',
      'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/default/sa/web',
    };
    const headers = { ...(tier && { 'x-tier': tier }), ...(spoofed && { [spoofed]: spoof[spoofed] }) };
    return { kind: 'request', call: { ...rest, ...(protocol && { protocol }), headers } };
  });
const connection = fc
  .record({ from: caller, to })
  .map((call): Call => ({ kind: 'connection', call: { ...call, send: 'ping' } }));
type Call =
  | { readonly kind: 'request'; readonly call: MeshRequest }
  | { readonly kind: 'connection'; readonly call: MeshConnection };
const call = fc.oneof({ weight: 8, arbitrary: request }, { weight: 1, arbitrary: connection });

/**
 * TLS that is carried to an application which does not speak it fails there, or is closed by a policy on raw
 * connections before it gets there: to the client no TLS answer comes, either way.
 */
function reasonOf(reason: string): string {
  return reason === 'wrong_version_number' || reason === 'connection_reset' ? 'no TLS answer' : reason;
}

/** All that a prediction can know. Bodies of applications and words of details it cannot. */
function gist({ result, status, flags, decidedBy, connection: seen, refusal }: Outcome): object {
  const open = result === 'allow';
  return {
    result,
    status,
    flags,
    decidedBy,
    ...(open ? { security: seen.security, client: seen.clientPrincipal } : {}),
    refusal: result === 'deny' ? undefined : refusal && [reasonOf(refusal.reason), refusal.applicationBytes],
  };
}

describe('model and wire', () => {
  it('agree on every exchange', { timeout: 240_000 }, async () => {
    const seen = new Map<string, number>();
    let exchanges = 0;
    await fc.assert(
      fc.asyncProperty(world, fc.array(call, { minLength: CALLS, maxLength: CALLS }), async (documents, calls) => {
        const yaml = documents.map((each) => JSON.stringify(each)).join('\n---\n');
        await using mesh = await Mesh.start({ yaml });
        for (const each of calls) {
          const [predicted, happened] =
            each.kind === 'request'
              ? [mesh.predict(each.call), await mesh.request(each.call)]
              : [mesh.predictConnection(each.call), await mesh.connect(each.call)];
          expect({ ...each, ...gist(predicted) }).toEqual({ ...each, ...gist(happened) });
          exchanges += 1;
          const kind = `${each.kind} ${happened.result}`;
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        }
      }),
      { seed: SEED, numRuns: WORLDS, endOnFailure: true },
    );
    console.log(
      `${exchanges} exchanges, FC_SEED=${SEED}: ${[...seen].map(([kind, count]) => `${count} ${kind}`).join(', ')}`,
    );
    expect(exchanges).toBeGreaterThanOrEqual(EXCHANGES_MIN);
    for (const kind of [
      'request allow',
      'request deny',
      'request handshake-failure',
      'connection allow',
      'connection deny',
    ])
      expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(3);
  });
});
