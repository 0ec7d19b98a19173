/**
 * What the caller sees, on real sockets: client TLS × server peer authentication, HTTP and TCP ports. Every cell is
 * held against the table, and the model's prediction against the cell.
 * Source: https://istio.io/latest/docs/ops/common-problems/network-issues/,
 * https://istio.io/latest/docs/ops/configuration/traffic-management/tls-configuration/ and Envoy's response flags:
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { addMs, DAY_MS, DEFAULT_EPOCH } from '../../../src/core/index.ts';
import { Mesh, type MeshOptions } from '../../../src/mesh/index.ts';
import { createForeignCertificate, type ForeignCertificate } from '../../../src/pki/index.ts';
import type { Caller, MeshConnection, MeshRequest, Outcome } from '../../../src/sim/index.ts';
import { manifests } from '../../kit/small-world.ts';

const COLUMNS = ['none', 'PERMISSIVE', 'STRICT', 'DISABLE'] as const;
type Column = (typeof COLUMNS)[number];
const SERVER_ID = 'spiffe://cluster.local/ns/foo/sa/httpbin';
const MESH_ROOT = '/etc/certs/root-cert.pem';
const OWN = { clientCertificate: '/etc/certs/cert-chain.pem', privateKey: '/etc/certs/key.pem' };
const FOREIGN = { clientCertificate: '/own/cert.pem', privateKey: '/own/key.pem' };

let foreign: ForeignCertificate;
let legacy: ForeignCertificate;
beforeAll(async () => {
  const dates = { notBefore: addMs(DEFAULT_EPOCH, -DAY_MS), notAfter: addMs(DEFAULT_EPOCH, DAY_MS) };
  foreign = await createForeignCertificate({
    commonName: 'foreign',
    uris: ['spiffe://cluster.local/ns/foo/sa/curl'],
    ...dates,
  });
  legacy = await createForeignCertificate({ commonName: 'legacy', dnsNames: ['legacy.example'], ...dates });
});

function pod(name: string, port: { readonly name: string }, sidecar = true): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: foo }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name}, sidecar.istio.io/inject: "${sidecar}" } }
    spec: { serviceAccountName: ${name}, containers: [{ name: app, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: foo }
spec: { selector: { app: ${name} }, ports: [{ name: ${port.name}, port: 8000, targetPort: 8080 }] }
`;
}

function document(kind: string, group: string, spec: object): string {
  return `${JSON.stringify({ apiVersion: `${group}.istio.io/v1`, kind, metadata: { name: 'x', namespace: 'foo' }, spec })}\n`;
}

function world(column: Column, port: string, tls?: object): string {
  return manifests(
    pod('curl', { name: 'http' }),
    pod('httpbin', { name: port }, column !== 'none'),
    ...(column === 'none'
      ? []
      : [
          document('PeerAuthentication', 'security', {
            selector: { matchLabels: { app: 'httpbin' } },
            mtls: { mode: column },
          }),
        ]),
    ...(tls === undefined
      ? []
      : [document('DestinationRule', 'networking', { host: 'httpbin', trafficPolicy: { tls } })]),
  );
}

async function start(column: Column, port: string, tls?: object, more: Partial<MeshOptions> = {}): Promise<Mesh> {
  return Mesh.start({
    yaml: world(column, port, tls),
    files: {
      [FOREIGN.clientCertificate]: foreign.certificate.toPem(),
      [FOREIGN.privateKey]: foreign.key.privateKeyPem(),
    },
    ...more,
  });
}

const text = ({ status, flags, refusal, connection, result }: Outcome): string =>
  [
    status,
    ...(flags === '-' ? [] : [flags]),
    refusal?.reason ?? (result === 'allow' ? connection.security : result),
  ].join(' ');

interface Row {
  readonly client: string;
  readonly tls?: object;
  readonly from?: Caller;
  readonly options?: () => Partial<MeshOptions>;
  readonly connection?: () => Partial<MeshConnection>;
  readonly expected: readonly [string, string, string, string];
}

const WRONG = '503 UF,URX wrong_version_number';
const NO_CHAIN = '503 UF,URX filter_chain_not_found';
const HTTP_ROWS: readonly Row[] = [
  {
    client: 'no sidecar, plaintext',
    from: 'outside',
    expected: ['200 none', '200 none', '0 filter_chain_not_found', '200 none'],
  },
  {
    client: 'no sidecar, TLS with a mesh certificate',
    from: { workload: 'foo/curl', certificate: 'mesh', alpn: ['http/1.1'] },
    expected: ['0 wrong_version_number', '0 filter_chain_not_found', '200 mutual_tls', '0 wrong_version_number'],
  },
  {
    client: 'no sidecar, TLS without a certificate',
    from: { workload: 'foo/curl', certificate: 'none', alpn: [], verify: 'none' },
    expected: [
      '0 wrong_version_number',
      '0 filter_chain_not_found',
      '0 no_client_certificate',
      '0 wrong_version_number',
    ],
  },
  { client: 'auto', expected: ['200 none', '200 mutual_tls', '200 mutual_tls', '200 none'] },
  {
    client: 'DISABLE',
    tls: { mode: 'DISABLE' },
    expected: ['200 none', '200 none', '503 UC filter_chain_not_found', '200 none'],
  },
  {
    client: 'ISTIO_MUTUAL',
    tls: { mode: 'ISTIO_MUTUAL' },
    expected: [WRONG, '200 mutual_tls', '200 mutual_tls', WRONG],
  },
  {
    client: 'SIMPLE, system roots',
    tls: { mode: 'SIMPLE' },
    expected: [WRONG, NO_CHAIN, '503 UF,URX untrusted_root', WRONG],
  },
  {
    client: 'SIMPLE, mesh root and name',
    tls: { mode: 'SIMPLE', caCertificates: MESH_ROOT, subjectAltNames: [SERVER_ID] },
    expected: [WRONG, NO_CHAIN, '503 UC no_client_certificate', WRONG],
  },
  {
    client: 'SIMPLE, mesh root and another name',
    tls: { mode: 'SIMPLE', caCertificates: MESH_ROOT, subjectAltNames: ['spiffe://cluster.local/ns/foo/sa/other'] },
    expected: [WRONG, NO_CHAIN, '503 UF,URX san_mismatch', WRONG],
  },
  {
    client: 'SIMPLE, insecureSkipVerify',
    tls: { mode: 'SIMPLE', insecureSkipVerify: true },
    expected: [WRONG, NO_CHAIN, '503 UC no_client_certificate', WRONG],
  },
  {
    client: 'MUTUAL, mesh-issued files',
    tls: { mode: 'MUTUAL', ...OWN, caCertificates: MESH_ROOT, subjectAltNames: [SERVER_ID] },
    expected: [WRONG, NO_CHAIN, '200 mutual_tls', WRONG],
  },
  {
    client: 'MUTUAL, foreign client certificate',
    tls: { mode: 'MUTUAL', ...FOREIGN, caCertificates: MESH_ROOT, subjectAltNames: [SERVER_ID] },
    expected: [WRONG, NO_CHAIN, '503 UC untrusted_root', WRONG],
  },
  {
    client: 'ISTIO_MUTUAL, another name expected',
    tls: { mode: 'ISTIO_MUTUAL', subjectAltNames: ['spiffe://cluster.local/ns/foo/sa/other'] },
    expected: [WRONG, '503 UF,URX san_mismatch', '503 UF,URX san_mismatch', WRONG],
  },
];

const ownTls = (): Partial<MeshConnection> => ({
  tls: { serverName: 'legacy.example', roots: legacy.certificate.toPem() },
});
const ending = (): Partial<MeshOptions> => ({
  systemRoots: [legacy.certificate.toPem()],
  applications: {
    'foo/httpbin': {
      tls: { cert: legacy.certificate.toPem(), key: legacy.key.privateKeyPem() },
      tcp: (stream) => void stream.pipe(stream),
    },
  },
});
const TCP_ROWS: readonly Row[] = [
  {
    client: 'plaintext, no sidecar',
    from: 'outside',
    expected: ['0 none', '0 none', '0 filter_chain_not_found', '0 none'],
  },
  {
    client: 'plaintext by DISABLE',
    tls: { mode: 'DISABLE' },
    expected: ['0 none', '0 none', '0 filter_chain_not_found', '0 none'],
  },
  { client: 'auto', expected: ['0 none', '0 mutual_tls', '0 mutual_tls', '0 none'] },
  {
    client: 'ISTIO_MUTUAL',
    tls: { mode: 'ISTIO_MUTUAL' },
    expected: ['0 UF,URX wrong_version_number', '0 mutual_tls', '0 mutual_tls', '0 UF,URX wrong_version_number'],
  },
  {
    client: 'SIMPLE, the application does not speak TLS',
    tls: { mode: 'SIMPLE', insecureSkipVerify: true },
    expected: [
      '0 UF,URX wrong_version_number',
      '0 UF,URX wrong_version_number',
      '0 no_client_certificate',
      '0 UF,URX wrong_version_number',
    ],
  },
  {
    client: 'SIMPLE, the application ends TLS',
    tls: { mode: 'SIMPLE', sni: 'legacy.example' },
    options: ending,
    expected: ['0 tls', '0 tls', '0 UF,URX untrusted_root', '0 tls'],
  },
  {
    client: 'TLS of the application, no sidecar',
    from: 'outside',
    connection: ownTls,
    options: ending,
    expected: ['0 tls', '0 tls', '0 untrusted_root', '0 tls'],
  },
  {
    client: 'TLS of the application inside its sidecar’s tunnel',
    connection: ownTls,
    options: ending,
    expected: ['0 tls', '0 mutual_tls', '0 mutual_tls', '0 tls'],
  },
];

const cells = (rows: readonly Row[]) =>
  rows.flatMap((row) =>
    COLUMNS.map((column, index) => ({ row, client: row.client, column, expected: row.expected[index] ?? '' })),
  );

/** What wire and model must have in common. */
const common = ({ result, status, flags, details, decidedBy, connection, body }: Outcome): object => ({
  result,
  status,
  flags,
  decidedBy,
  ...(result === 'allow' ? { security: connection.security, client: connection.clientPrincipal } : {}),
  ...(status === 503 ? { details, body } : {}),
});

describe('istio-live/outcome: HTTP port', () => {
  it.each(cells(HTTP_ROWS))('$client → $column: $expected', async ({ row, column, expected }) => {
    await using mesh = await start(column, 'http', row.tls);
    const request: MeshRequest = { from: row.from ?? 'foo/curl', to: 'httpbin.foo:8000' };
    const outcome = await mesh.request(request);
    expect(text(outcome)).toBe(expected);
    expect(common(outcome)).toEqual(common(mesh.predict(request)));
    if (outcome.refusal !== undefined) expect(outcome.refusal.applicationBytes).toBe(0);
  });
});

describe('istio-live/outcome: TCP port', () => {
  it.each(cells(TCP_ROWS))('$client → $column: $expected', async ({ row, column, expected }) => {
    await using mesh = await start(column, 'tcp', row.tls, row.options?.());
    const connection: MeshConnection = {
      from: row.from ?? 'foo/curl',
      to: 'httpbin.foo:8000',
      send: 'hello',
      ...row.connection?.(),
    };
    const outcome = await mesh.connect(connection);
    expect(text(outcome)).toBe(expected);
    expect(outcome.body).toBe(outcome.result === 'allow' ? 'hello' : '');
    expect(common({ ...outcome, body: '' })).toEqual(common(mesh.predictConnection(connection)));
  });
});

describe('istio-live/outcome: certificates over time', () => {
  /** The certificate of one side runs out, that of the other is renewed. */
  async function afterExpiryOf(workload: string, column: Column): Promise<Mesh> {
    const mesh = await start(column, 'http');
    const agent = mesh.simulation.agent(workload);
    if (agent === undefined) throw new Error(`${workload} has no agent`);
    agent.csr = { refusal: 'not today' };
    await mesh.clock.advance('30h');
    return mesh;
  }

  it.each(
    (['PERMISSIVE', 'STRICT'] as const).flatMap((column) => [
      { column, whose: 'foo/curl', expected: '503 UC expired' },
      { column, whose: 'foo/httpbin', expected: '503 UF,URX expired' },
    ]),
  )('ISTIO_MUTUAL, the certificate of $whose has expired → $column: $expected', async ({ column, whose, expected }) => {
    await using mesh = await afterExpiryOf(whose, column);
    const request: MeshRequest = { from: 'foo/curl', to: 'httpbin.foo:8000' };
    const outcome = await mesh.request(request);
    expect(text(outcome)).toBe(expected);
    expect(common(outcome)).toEqual(common(mesh.predict(request)));
    expect(outcome.refusal?.applicationBytes).toBe(0);
  });

  it.each(['PERMISSIVE', 'STRICT'] as const)('roots differ → %s: the client refuses first', async (column) => {
    await using mesh = await start(column, 'http');
    await using other = await Mesh.start({ yaml: world(column, 'http') });
    mesh.simulation.agent('foo/curl')?.push(other.simulation.ca.trusted, { renew: false });
    const request: MeshRequest = { from: 'foo/curl', to: 'httpbin.foo:8000' };
    const outcome = await mesh.request(request);
    expect(text(outcome)).toBe('503 UF,URX untrusted_root');
    expect(common(outcome)).toEqual(common(mesh.predict(request)));
  });

  it.each([
    ['PERMISSIVE', '0 untrusted_root'],
    ['STRICT', '0 untrusted_root'],
  ] as const)('a trust domain that is not let in → %s: %s', async (column, expected) => {
    await using mesh = await start(column, 'http');
    const from: Caller = { certificate: 'mesh', spiffeId: 'spiffe://elsewhere.example/ns/foo/sa/curl' };
    const request: MeshRequest = { from, to: 'httpbin.foo:8000' };
    const outcome = await mesh.request(request);
    expect(text(outcome)).toBe(expected);
    expect(common(outcome)).toEqual(common(mesh.predict(request)));
  });
});
