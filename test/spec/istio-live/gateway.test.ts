/**
 * A gateway on real sockets: edge TLS or a token in front, its own identity behind; what it believes of its clients.
 * Every outcome is held against the model.
 * Source: https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/,
 * https://istio.io/latest/docs/ops/configuration/traffic-management/network-topologies/ and
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers
 */
import { createHmac } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { connect as connectHttp2 } from 'node:http2';
import { beforeAll, describe, expect, it } from 'vitest';
import { addMs, DAY_MS, DEFAULT_EPOCH } from '../../../src/core/index.ts';
import { Mesh, type MeshOptions } from '../../../src/mesh/index.ts';
import { createForeignCertificate, type ForeignCertificate } from '../../../src/pki/index.ts';
import type { ApplicationRequest, GatewayOption, MeshRequest, Outcome } from '../../../src/sim/index.ts';
import { manifests, peerAuthenticationYaml, workloadYaml } from '../../kit/small-world.ts';

const SECRET = Buffer.from('a shared secret of thirty-two byte').toString('base64url');
const JWKS = JSON.stringify({ keys: [{ kty: 'oct', kid: 'k', alg: 'HS256', k: SECRET }] });
const HOST = 'shop.example.com';
const EDGE = 'default/edge';

let own: ForeignCertificate;
let client: ForeignCertificate;
beforeAll(async () => {
  const dates = { notBefore: addMs(DEFAULT_EPOCH, -DAY_MS), notAfter: addMs(DEFAULT_EPOCH, DAY_MS) };
  own = await createForeignCertificate({ commonName: 'edge', dnsNames: [HOST], ...dates });
  client = await createForeignCertificate({ commonName: 'client', dnsNames: ['client.example'], ...dates });
});

function token(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', kid: 'k' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', Buffer.from(SECRET, 'base64url')).update(signed).digest('base64url')}`;
}

const policy = (kind: string, app: string, spec: object): string =>
  JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind,
    metadata: { name: app, namespace: 'default' },
    spec: { selector: { matchLabels: { app } }, ...spec },
  });
const gatewayYaml = workloadYaml('edge').replace(
  '"true" } }',
  '"true" }, annotations: { inject.istio.io/templates: gateway } }',
);
/** Behind the gateway: only the gateway's own identity is let in. */
const onlyEdge = policy('AuthorizationPolicy', 'api', {
  rules: [{ from: [{ source: { principals: ['cluster.local/ns/default/sa/edge'] } }] }],
});

const asked: ApplicationRequest[] = [];
function start(
  option: Partial<GatewayOption>,
  more: readonly string[] = [],
  rest: Partial<MeshOptions> = {},
): Promise<Mesh> {
  asked.length = 0;
  return Mesh.start({
    yaml: manifests(
      gatewayYaml,
      workloadYaml('api'),
      workloadYaml('web'),
      peerAuthenticationYaml('STRICT'),
      onlyEdge,
      ...more,
    ),
    gateways: { [`${EDGE}:8080`]: { routes: [{ hosts: [HOST], prefix: '/api', to: 'api:8080' }], ...option } },
    applications: {
      'default/api': (request) => {
        asked.push(request);
        return { status: 200, headers: { 'set-cookie': ['a=1', 'b=2'] }, body: 'hello' };
      },
    },
    ...rest,
  });
}

const tls = (): NonNullable<GatewayOption['tls']> => ({ cert: own.certificate.toPem(), key: own.key.privateKeyPem() });
const call = (rest: Partial<MeshRequest> = {}): MeshRequest => ({
  from: 'outside',
  to: EDGE,
  host: HOST,
  path: '/api/x',
  ...rest,
});
const common = ({ result, status, flags, decidedBy, connection: { security }, refusal }: Outcome): object => ({
  result,
  status,
  flags,
  decidedBy,
  ...(result === 'allow' && { security }),
  refusal: refusal?.reason,
});

async function both(mesh: Mesh, request: MeshRequest): Promise<Outcome> {
  const happened = await mesh.request(request);
  expect(common(mesh.predict(request))).toEqual(common(happened));
  return happened;
}

describe('gateway/transport', () => {
  it('plain HTTP in front, mutual TLS under its own identity behind', async () => {
    await using mesh = await start({});
    expect(await both(mesh, call())).toMatchObject({
      result: 'allow',
      status: 200,
      body: 'hello',
      headers: { 'set-cookie': ['a=1', 'b=2'] },
      connection: { security: 'none' },
      decidedBy: [{ name: 'api' }],
    });
    expect(asked[0]?.headers['x-forwarded-client-cert']).toContain('URI=spiffe://cluster.local/ns/default/sa/edge');
    // The same client at the service itself has no chance.
    expect(await both(mesh, call({ to: 'default/api' }))).toMatchObject({
      status: 0,
      refusal: { reason: 'filter_chain_not_found' },
    });
    // And a workload of the mesh is not the gateway.
    expect(await both(mesh, call({ from: 'default/web', to: 'default/api' }))).toMatchObject({ status: 403 });
  });

  it('a sidecar calls a gateway in plaintext: its Pod has no sidecar’s label', async () => {
    await using mesh = await start({});
    expect(await both(mesh, call({ from: 'default/web' }))).toMatchObject({
      status: 200,
      connection: { security: 'none' },
    });
  });

  it('edge TLS: no client certificate is asked for, plaintext finds no chain', async () => {
    await using mesh = await start({ tls: tls() });
    const from = { certificate: 'none' } as const;
    expect(await both(mesh, call({ from }))).toMatchObject({ status: 200, connection: { security: 'tls' } });
    expect(await both(mesh, call())).toMatchObject({ status: 0, refusal: { reason: 'filter_chain_not_found' } });
    expect(await both(mesh, call({ from: 'default/web' }))).toMatchObject({ status: 503, flags: 'UC' });
  });

  it('client certificates, where their roots are given', async () => {
    await using mesh = await start({ tls: { ...tls(), clientRoots: client.certificate.toPem() } });
    for (const [certificate, reason] of [
      ['none', 'no_client_certificate'],
      ['mesh', 'untrusted_root'],
      ['rogue', 'untrusted_root'],
    ] as const) {
      expect(await both(mesh, call({ from: { certificate } }))).toMatchObject({ status: 0, refusal: { reason } });
    }
    const { status } = await overTls(mesh, '/api/x', {
      cert: client.certificate.toPem(),
      key: client.key.privateKeyPem(),
    });
    expect(status).toBe(200);
    expect(asked.at(-1)?.headers['x-forwarded-client-cert']).toMatch(
      /^Hash=[0-9a-f]{64};Subject="CN=client";DNS=client\.example,By=spiffe:.*\/sa\/api;Hash=/,
    );
  });

  it('clients of node’s own: HTTPS, and HTTP/2 by ALPN', async () => {
    await using mesh = await start({ tls: tls() });
    expect(await overTls(mesh, '/api/x')).toEqual({ status: 200, body: 'hello' });
    const { address } = await edgeOf(mesh);
    const session = connectHttp2(`https://${address.host}:${address.port}`, {
      servername: HOST,
      rejectUnauthorized: false,
    });
    const stream = session.request({ ':path': '/api/y', ':authority': HOST });
    const status = await new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])));
    session.destroy();
    expect(status).toBe(200);
    expect(asked.at(-1)?.path).toBe('/api/y');
  });
});

async function edgeOf(mesh: Mesh): Promise<{ readonly address: { readonly host: string; readonly port: number } }> {
  const way = await mesh.simulation.way('outside', EDGE);
  if (way === undefined) throw new Error('no way to the gateway');
  return way.route;
}

/** The machine's clock is not the mesh's: nothing is verified here; `serve` has the test with curl. */
async function overTls(
  mesh: Mesh,
  path: string,
  identity: { readonly cert?: string; readonly key?: string } = {},
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const { address } = await edgeOf(mesh);
  return new Promise((resolve, reject) => {
    const options = {
      ...address,
      path,
      servername: HOST,
      headers: { host: HOST },
      rejectUnauthorized: false,
      ...identity,
    };
    const request = httpsRequest({ ...options, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.once('end', () => resolve({ status: response.statusCode, body }));
    });
    request.once('error', reject).end();
  });
}

describe('gateway/routes', () => {
  it.each([
    ['another host', { host: 'other.example.com' }],
    ['another path', { path: '/admin' }],
    ['a path that only begins alike', { path: '/apis' }],
  ])('%s: 404 NR', async (_, rest) => {
    await using mesh = await start({});
    expect(await both(mesh, call(rest))).toMatchObject({
      result: 'unreachable',
      status: 404,
      flags: 'NR',
      details: 'route_not_found',
    });
    expect(asked).toEqual([]);
  });

  it('the path is normalised before it chooses a route', async () => {
    await using mesh = await start({});
    expect(await both(mesh, call({ path: '/x/%2e%2e/api/y' }))).toMatchObject({ status: 200 });
    expect(await both(mesh, call({ path: '/api/../admin' }))).toMatchObject({ status: 404 });
    expect(asked.map(({ path }) => path)).toEqual(['/api/y']);
  });

  it('what nobody can mean is one clear error', async () => {
    const routes = [{ to: 'api:8080' }];
    const at = (name: string, option: Partial<GatewayOption> = {}): Promise<Mesh> =>
      Mesh.start({
        yaml: manifests(gatewayYaml, workloadYaml('api'), workloadYaml('bare', { sidecar: false })),
        gateways: { [name]: { routes, ...option } },
      });
    await expect(at('edge')).rejects.toThrow('expected namespace/workload:port');
    await expect(at('default/egde:8080')).rejects.toThrow('did you mean `default/edge`?');
    await expect(at('default/edge:9')).rejects.toThrow('no Service targets the port; those of the workload are 8080');
    await expect(at('default/bare:8080')).rejects.toThrow('not injected');
    await expect(at('default/edge:8080', { routes: [{ to: 'nowhere' }] })).rejects.toThrow('route to `nowhere`');
    await expect(at('default/edge:8080', { routes: [] })).rejects.toThrow('no routes');
    await expect(at('default/edge:8080', { tls: { cert: 'x', key: 'y' } })).rejects.toMatchObject({
      code: 'ERR_REQUEST_INVALID',
    });
  });
});

describe('gateway/policies in front', () => {
  it('a token is demanded at the edge; the service behind sees the gateway alone (gotcha 77)', async () => {
    const rules = { jwtRules: [{ issuer: 'me', jwks: JWKS }] };
    const demand = policy('AuthorizationPolicy', 'edge', {
      rules: [{ from: [{ source: { requestPrincipals: ['me/you'] } }] }],
    });
    await using mesh = await start({}, [policy('RequestAuthentication', 'edge', rules), demand]);
    const bearer = { authorization: `Bearer ${token({ iss: 'me', sub: 'you' })}` };
    expect(await mesh.request(call())).toMatchObject({ result: 'deny', status: 403, body: 'RBAC: access denied' });
    expect(await mesh.request(call({ headers: { authorization: 'Bearer x' } }))).toMatchObject({ status: 401 });
    expect(await mesh.request(call({ headers: bearer }))).toMatchObject({ status: 200 });
    expect(asked).toHaveLength(1);
  });

  it('a refusal behind it is the caller’s, with the policy that decided', async () => {
    const deny = policy('AuthorizationPolicy', 'api', {
      action: 'DENY',
      rules: [{ to: [{ operation: { paths: ['/api/secret'] } }] }],
    }).replace('"name":"api"', '"name":"secret"');
    await using mesh = await start({}, [deny]);
    expect(await both(mesh, call({ path: '/api/secret' }))).toMatchObject({
      result: 'deny',
      status: 403,
      decidedBy: [{ name: 'secret' }],
    });
  });
});

describe('gateway/headers', () => {
  const forged = {
    'x-forwarded-for': '192.0.2.1, 192.0.2.2',
    'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/default/sa/admin',
    'x-forwarded-proto': 'https',
    'x-request-id': 'mine',
    'x-envoy-retry-on': '5xx',
  };

  it('nothing a client says of itself is believed', async () => {
    await using mesh = await start({});
    await mesh.request(call({ headers: forged }));
    const headers: ApplicationRequest['headers'] = asked[0]?.headers ?? {};
    expect(headers).toMatchObject({
      'x-forwarded-for': '192.0.2.1,192.0.2.2,203.0.113.1',
      'x-forwarded-proto': 'http',
    });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(headers['x-envoy-retry-on']).toBeUndefined();
    expect(headers['x-forwarded-client-cert']).toMatch(
      /^By=spiffe:[^,]*URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/edge$/,
    );
  });

  it.each([
    [0, '203.0.113.1', 200],
    [0, '192.0.2.2', 403],
    [1, '192.0.2.2', 200],
    [2, '192.0.2.1', 200],
    [2, '192.0.2.2', 403],
    [3, '203.0.113.1', 200],
  ])('with %i trusted proxies in front, remoteIpBlocks %s: %i', async (trustedProxies, ip, status) => {
    const allow = policy('AuthorizationPolicy', 'edge', { rules: [{ from: [{ source: { remoteIpBlocks: [ip] } }] }] });
    await using mesh = await start({ trustedProxies }, [allow]);
    expect(await both(mesh, call({ headers: { 'x-forwarded-for': forged['x-forwarded-for'] } }))).toMatchObject({
      status,
    });
  });
});
