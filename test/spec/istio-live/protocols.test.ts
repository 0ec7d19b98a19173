/**
 * What travels between sidecars, on real sockets: tokens, client certificates in headers, HTTP/2 and gRPC, upgrades,
 * external authorization, calls out of the mesh.
 * Source: https://istio.io/latest/docs/concepts/security/ and
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Mesh } from '../../../src/mesh/index.ts';
import type { Application, ApplicationRequest, MeshRequest, Outcome } from '../../../src/sim/index.ts';
import { manifests, peerAuthenticationYaml, workloadYaml } from '../../kit/small-world.ts';

const SECRET = Buffer.from('a shared secret of thirty-two byte').toString('base64url');
const JWKS = JSON.stringify({ keys: [{ kty: 'oct', kid: 'k', alg: 'HS256', k: SECRET }] });

function token(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', kid: 'k' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', Buffer.from(SECRET, 'base64url')).update(signed).digest('base64url')}`;
}

function document(kind: string, group: string, spec: object, namespace = 'default'): string {
  const apiVersion = `${group}.istio.io/v1`;
  return `${JSON.stringify({ apiVersion, kind, metadata: { name: 'x', namespace }, spec })}\n`;
}

const API = { selector: { matchLabels: { app: 'api' } } };
const authentication = document('RequestAuthentication', 'security', {
  ...API,
  jwtRules: [{ issuer: 'me', jwks: JWKS, audiences: ['a'], outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }] }],
});
const demands = document('AuthorizationPolicy', 'security', {
  ...API,
  rules: [{ from: [{ source: { requestPrincipals: ['me/you'] } }] }],
});

/** Remembers what the application was asked. */
function recorder(): { readonly application: Application; last(): ApplicationRequest } {
  const asked: ApplicationRequest[] = [];
  return {
    application: (request) => {
      asked.push(request);
      return { status: 200, body: 'ok' };
    },
    last() {
      const request = asked.at(-1);
      if (request === undefined) throw new Error('the application was not asked');
      return request;
    },
  };
}

const pair = (...more: readonly string[]): string =>
  manifests(workloadYaml('web'), workloadYaml('api'), peerAuthenticationYaml('PERMISSIVE'), ...more);
const CALL = { from: 'default/web', to: 'default/api' } as const;

describe('istio-live/jwt', () => {
  it('a good token is taken off, its claim put in, and its principal let through', async () => {
    const seen = recorder();
    await using mesh = await Mesh.start({
      yaml: pair(authentication, demands),
      applications: { 'default/api': seen.application },
    });
    const bearer = token({ iss: 'me', sub: 'you', aud: 'a' });
    const outcome = await mesh.request({ ...CALL, headers: { authorization: `Bearer ${bearer}`, 'x-sub': 'forged' } });
    expect(outcome).toMatchObject({ result: 'allow', status: 200 });
    expect(seen.last().headers['authorization']).toBeUndefined();
    expect(seen.last().headers['x-sub']).toBe('you');
  });

  it.each([
    ['no token, but one is demanded', undefined, 403, 'RBAC: access denied'],
    ['garbage', 'x', 401, 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'],
    ['another issuer', token({ iss: 'he', sub: 'you', aud: 'a' }), 401, 'Jwt issuer is not configured'],
    ['another audience', token({ iss: 'me', sub: 'you', aud: 'b' }), 403, 'Audiences in Jwt are not allowed'],
    [
      'expired at the virtual instant',
      token({ iss: 'me', sub: 'you', aud: 'a', exp: 1_767_225_000 }),
      401,
      'Jwt is expired',
    ],
    [
      'a forged signature',
      `${token({ iss: 'me', sub: 'you', aud: 'a' }).slice(0, -3)}AAA`,
      401,
      'Jwt verification fails',
    ],
  ])('%s', async (_, bearer, status, body) => {
    await using mesh = await Mesh.start({ yaml: pair(authentication, demands) });
    const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
    const outcome = await mesh.request({ ...CALL, headers });
    expect(outcome).toMatchObject({ result: 'deny', status, body });
    if (status === 401) expect(outcome.headers['www-authenticate']).toContain('error="invalid_token"');
  });
});

describe('istio-live/headers', () => {
  it('X-Forwarded-Client-Cert is written by the server’s sidecar alone', async () => {
    const seen = recorder();
    await using mesh = await Mesh.start({ yaml: pair(), applications: { 'default/api': seen.application } });
    const forged = { 'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/default/sa/admin' };
    await mesh.request({ ...CALL, headers: forged });
    const leaf = mesh.svid('default/web')?.chain[0];
    expect(seen.last().headers['x-forwarded-client-cert']).toBe(
      `By=spiffe://cluster.local/ns/default/sa/api;Hash=${leaf?.fingerprint};Subject="";URI=spiffe://cluster.local/ns/default/sa/web`,
    );
    await mesh.request({ from: 'outside', to: 'default/api', headers: forged });
    expect(seen.last().headers['x-forwarded-client-cert']).toBeUndefined();
    // Over mutual TLS of its own a client may bring an element; the sidecar appends to it.
    await mesh.request({ from: { workload: 'default/web', certificate: 'mesh' }, to: 'default/api', headers: forged });
    expect(seen.last().headers['x-forwarded-client-cert']).toMatch(
      /^URI=spiffe:.*\/sa\/admin,By=spiffe:.*\/sa\/api;Hash=/,
    );
  });

  it('trace context goes through, request ids are given', async () => {
    const seen = recorder();
    await using mesh = await Mesh.start({ yaml: pair(), applications: { 'default/api': seen.application } });
    const trace = {
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      b3: '80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1',
    };
    await mesh.request({ ...CALL, headers: trace });
    expect(seen.last().headers).toMatchObject(trace);
    expect(seen.last().headers['x-request-id']).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it('gotcha 51: every line of a header is looked at', async () => {
    const deny = document('AuthorizationPolicy', 'security', {
      ...API,
      action: 'DENY',
      rules: [{ when: [{ key: 'request.headers[x]', values: ['bad'] }] }],
    });
    await using mesh = await Mesh.start({ yaml: pair(deny) });
    expect(await mesh.request({ ...CALL, headers: { x: ['ok', 'bad'] } })).toMatchObject({ status: 403 });
    expect(await mesh.request({ ...CALL, headers: { x: 'ok, bad' } })).toMatchObject({ status: 200 });
  });
});

describe('istio-live/http2', () => {
  const grpc = (...more: readonly string[]): string =>
    manifests(workloadYaml('web'), workloadYaml('api').replace('name: http,', 'name: grpc,'), ...more);
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };

  it('a gRPC port is spoken to in HTTP/2, trailers come back', async () => {
    await using mesh = await Mesh.start({
      yaml: grpc(peerAuthenticationYaml('STRICT')),
      applications: {
        'default/api': ({ path }) => ({
          status: 200,
          headers: { 'content-type': 'application/grpc' },
          body: path,
          trailers: { 'grpc-status': '0' },
        }),
      },
    });
    const outcome = await mesh.request({
      ...CALL,
      method: 'POST',
      path: '/pkg.Service/Call',
      headers,
      body: 'message',
    });
    expect(outcome).toMatchObject({
      status: 200,
      body: '/pkg.Service/Call',
      trailers: { 'grpc-status': '0' },
      connection: { security: 'mutual_tls' },
    });
  });

  it('a denied gRPC call has status 200 and grpc-status 7', async () => {
    await using mesh = await Mesh.start({ yaml: grpc(document('AuthorizationPolicy', 'security', { ...API })) });
    const outcome = await mesh.request({ ...CALL, method: 'POST', path: '/pkg.Service/Call', headers });
    expect(outcome).toMatchObject({
      result: 'deny',
      status: 200,
      headers: { 'grpc-status': '7', 'grpc-message': 'RBAC: access denied' },
    });
  });

  it('requests share one connection', async () => {
    await using mesh = await Mesh.start({ yaml: grpc() });
    await Promise.all(Array.from({ length: 20 }, () => mesh.request(CALL)));
    expect(await mesh.simulation.connections('default/web', 'default/api')).toBe(1);
  });
});

describe('istio-live/upgrade', () => {
  it('a WebSocket handshake goes through both sidecars, and its bytes after it', async () => {
    const server = createServer();
    server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const allow = document('AuthorizationPolicy', 'security', {
      ...API,
      rules: [{ to: [{ operation: { paths: ['/chat'] } }] }],
    });
    {
      await using mesh = await Mesh.start({
        yaml: pair(allow),
        applications: { 'default/api': { address: `127.0.0.1:${port}` } },
      });
      const at = await mesh.outbound('default/web');
      const speak = (path: string): Promise<string> =>
        new Promise((resolve) => {
          const socket = connect(at.port, at.host);
          let heard = '';
          socket.write(`GET ${path} HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
          socket.setEncoding('utf8').on('data', (text: string) => {
            if (heard === '' && text.includes(' 101 ')) socket.write('frame');
            heard += text;
            if (heard.endsWith('frame') || heard.includes('denied')) socket.destroy();
          });
          socket.once('close', () => resolve(heard));
        });
      expect(await speak('/chat')).toMatch(/^HTTP\/1\.1 101 [\s\S]*frame$/);
      expect(await speak('/other')).toMatch(/^HTTP\/1\.1 403 [\s\S]*RBAC: access denied$/);
    }
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('istio-live/ext-authz', () => {
  it('a CUSTOM policy asks the function that stands for its provider', async () => {
    const settings = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: 'istio-system' },
      data: {
        mesh: JSON.stringify({
          extensionProviders: [
            { name: 'opa', envoyExtAuthzHttp: { service: 'opa.default.svc.cluster.local', port: 9191 } },
          ],
        }),
      },
    });
    const custom = document('AuthorizationPolicy', 'security', {
      ...API,
      action: 'CUSTOM',
      provider: { name: 'opa' },
      rules: [{ to: [{ operation: { paths: ['/x'] } }] }],
    });
    await using mesh = await Mesh.start({
      yaml: pair(settings, custom),
      externalAuthorizer: (provider, { request }) =>
        provider.name === 'opa' && request?.headers?.['x-ok'] === 'yes' ? 'allow' : 'deny',
    });
    const refused = { status: 403, details: 'ext_authz_denied', body: '' };
    expect(await mesh.request({ ...CALL, path: '/x' })).toMatchObject(refused);
    expect(mesh.predict({ ...CALL, path: '/x' })).toMatchObject(refused);
    expect(await mesh.request({ ...CALL, path: '/x', headers: { 'x-ok': 'yes' } })).toMatchObject({ status: 200 });
    expect(await mesh.request({ ...CALL, path: '/y' })).toMatchObject({ status: 200 });
  });
});

describe('istio-live/filter-order', () => {
  const settings = JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: {
      mesh: JSON.stringify({
        extensionProviders: [
          { name: 'opa', envoyExtAuthzGrpc: { service: 'opa.default.svc.cluster.local', port: 9191 } },
        ],
      }),
    },
  });
  const custom = document('AuthorizationPolicy', 'security', {
    ...API,
    action: 'CUSTOM',
    provider: { name: 'opa' },
    rules: [{ when: [{ key: 'request.headers[authorization]', values: ['Bearer *'] }] }],
  });
  const start = (verdict: 'allow' | 'deny') =>
    Mesh.start({ yaml: pair(settings, custom, authentication), externalAuthorizer: () => verdict });
  const bearer = (text: string) => ({ ...CALL, headers: { authorization: `Bearer ${text}` } });

  /** The wire's outcome; the model has the same status and details. */
  const both = async (mesh: Mesh, request: MeshRequest): Promise<Outcome> => {
    const { status, details } = await mesh.predictVerified(request);
    const outcome = await mesh.request(request);
    expect({ status, details }).toEqual({ status: outcome.status, details: outcome.details });
    return outcome;
  };

  it('CUSTOM sees the token before it is judged and taken off', async () => {
    await using mesh = await start('deny');
    const refused = { status: 403, details: 'ext_authz_denied' };
    expect(await both(mesh, bearer(token({ iss: 'me', sub: 's', aud: 'a' })))).toMatchObject(refused);
    expect(await both(mesh, bearer('deadbeef'))).toMatchObject(refused);
    expect(await both(mesh, CALL)).toMatchObject({ status: 200 });
  });

  it('what CUSTOM lets pass meets the token filter, and CUSTOM is not asked again', async () => {
    await using mesh = await start('allow');
    expect(await both(mesh, bearer('deadbeef'))).toMatchObject({ status: 401 });
    expect(await both(mesh, bearer(token({ iss: 'me', sub: 's', aud: 'a' })))).toMatchObject({ status: 200 });
  });

  it('a path that cannot be normalised is refused before a token is', async () => {
    await using mesh = await start('allow');
    expect(await both(mesh, { ...bearer('deadbeef'), path: '/%00' })).toMatchObject({ status: 400 });
  });
});

describe('istio-live/egress', () => {
  const entry = document('ServiceEntry', 'networking', {
    hosts: ['api.example.com'],
    location: 'MESH_EXTERNAL',
    resolution: 'DNS',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  });
  const only = JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: { mesh: JSON.stringify({ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }) },
  });
  const outside = {
    'api.example.com': () => ({ status: 200, body: 'outside' }),
    'other.example.com': () => ({ status: 200 }),
  };

  it('a ServiceEntry leads outside in plain text; REGISTRY_ONLY lets nothing else out', async () => {
    await using mesh = await Mesh.start({ yaml: pair(entry, only), outside });
    expect(await mesh.request({ from: 'default/web', to: 'api.example.com' })).toMatchObject({
      status: 200,
      body: 'outside',
      connection: { security: 'none' },
    });
    const unknown = { from: 'default/web', to: 'other.example.com' };
    expect(await mesh.request(unknown)).toMatchObject({ result: 'unreachable', status: 502, flags: '-' });
    expect(mesh.predict(unknown)).toMatchObject({ result: 'unreachable', status: 502, flags: '-' });
  });

  it('ALLOW_ANY lets calls out to whoever answers there', async () => {
    await using mesh = await Mesh.start({ yaml: pair(), outside });
    expect(await mesh.request({ from: 'default/web', to: 'other.example.com' })).toMatchObject({ status: 200 });
    expect(await mesh.request({ from: 'default/web', to: 'nobody.example.com' })).toMatchObject({
      status: 503,
      flags: 'UF,URX',
    });
  });
});
