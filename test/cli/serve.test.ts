/**
 * `meshproof serve`: real client programs meet what they would meet in a cluster.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { meshproof, run } from '../kit/command-line.ts';
import { hasTool } from '../kit/external-tools.ts';
import { curl, serve, type ServedMesh } from '../kit/served-mesh.ts';
import { manifests, peerAuthenticationYaml, workloadYaml } from '../kit/small-world.ts';

const HAS = {
  curl: hasTool('curl', '--version'),
  openssl: hasTool('openssl', 'version'),
  gnutls: hasTool('gnutls-cli', '--version'),
  h2load: hasTool('h2load', '--version'),
};
const CODE = '%{http_code}';
const PATH = '/users/1';
const REQUEST = `GET ${PATH} HTTP/1.1\r\nHost: user-service\r\nConnection: close\r\n\r\n`;

const folder = mkdtempSync(join(tmpdir(), 'meshproof-serve-'));
const file = (name: string): string => join(folder, 'id', name);
let mesh: ServedMesh;

beforeAll(async () => {
  mesh = await serve('01-shop', '--identity', `default/api-gateway=${join(folder, 'id')}`);
});
afterAll(async () => {
  expect(await mesh.stop()).toBe(0);
  rmSync(folder, { recursive: true });
});

const inbound = (workload: string): string => mesh.of(workload).inbound[0]?.address ?? '';
const outbound = (workload: string): string => mesh.of(workload).outbound;

describe('serve', () => {
  it('says where everything answers, in its first line', () => {
    expect(mesh.of('user-service')).toEqual({
      namespace: 'default',
      workload: 'user-service',
      serviceAccount: 'user-service',
      host: 'user-service.default.svc.cluster.local',
      inbound: [
        {
          port: 8080,
          protocol: 'http',
          mode: 'STRICT',
          address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
        },
      ],
      outbound: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
    });
  });

  it('writes an identity: key for its owner alone, leaf and intermediate, roots', () => {
    expect(statSync(file('key.pem')).mode & 0o777).toBe(0o600);
    expect(readFileSync(file('key.pem'), 'utf8')).toContain('BEGIN PRIVATE KEY');
    expect(readFileSync(file('cert.pem'), 'utf8').match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(readFileSync(file('ca.pem'), 'utf8').match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
  });

  it('one clear line for a busy port, and for what is not there', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const bound = taken.address();
    const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
    const busy = await meshproof(['serve', '--port', `default/user-service:8080=${port}`]);
    await new Promise((resolve) => taken.close(resolve));
    expect(busy).toMatchObject({ code: 2, stdout: '' });
    expect(busy.stderr).toBe(
      `meshproof: cannot listen on 127.0.0.1:${port}: the port is in use: stop what listens there, or choose another one\n`,
    );
    const unknown = await meshproof(['serve', '--identity', `default/api-gatewy=${folder}`]);
    expect(unknown.stderr).toContain('did you mean `default/api-gateway`?');
    expect(unknown.code).toBe(2);
    const both = await meshproof(['serve', '01-shop', '-f', 'scenarios/01-shop/k8s']);
    expect(both).toMatchObject({
      code: 2,
      stderr: 'meshproof: either a scenario or manifests with `--file`, not both\n',
    });
  });

  it('SIGINT ends it too; fixed ports are kept', async () => {
    const first = await serve('--port', 'default/user-service=0'.replace('=0', `=${await freePort()}`));
    expect(await first.stop('SIGINT')).toBe(0);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  return bound !== null && typeof bound === 'object' ? bound.port : 0;
}

describe.skipIf(!HAS.curl)('curl', () => {
  it('calls as the workload whose outbound port it uses as a proxy', async () => {
    const url = `http://user-service${PATH}`;
    expect(await curl('-x', `http://${outbound('api-gateway')}`, '-w', ` ${CODE}`, url)).toEqual({
      code: 0,
      out: `{"service":"default/user-service","method":"GET","path":"${PATH}"} 200`,
    });
    const denied = await curl(
      '-x',
      `http://${outbound('order-service')}`,
      '-w',
      ` ${CODE}`,
      'http://api-gateway/api/x',
    );
    expect(denied).toEqual({ code: 0, out: 'RBAC: access denied 403' });
  });

  it('calls through a tunnel, over HTTP/2, and with a body', async () => {
    const url = `http://user-service:8080${PATH}`;
    const proxy = outbound('api-gateway');
    expect((await curl('-p', '-x', `http://${proxy}`, '-o', '/dev/null', '-w', CODE, url)).out).toBe('200');
    const h2 = await curl(
      '--http2-prior-knowledge',
      '--connect-to',
      `::${proxy}`,
      '-o',
      '/dev/null',
      '-w',
      `${CODE} %{http_version}`,
      url,
    );
    expect(h2.out).toBe('200 2');
    const post = await curl('-x', `http://${proxy}`, '-d', 'x=1', url);
    expect(post.out).toContain('"method":"POST"');
  });

  it('a host nobody knows is answered by the sidecar', async () => {
    const { out } = await curl(
      '-x',
      `http://${outbound('api-gateway')}`,
      '-w',
      CODE,
      '-o',
      '/dev/null',
      'http://nowhere/',
    );
    expect(['502', '503']).toContain(out);
  });

  it('a stolen identity is let in by STRICT, nothing else is', async () => {
    const at = `${inbound('user-service')}${PATH}`;
    const held = ['--cert', file('cert.pem'), '--key', file('key.pem')];
    expect(await curl('-k', ...held, '-o', '/dev/null', '-w', `${CODE} %{http_version}`, `https://${at}`)).toEqual({
      code: 0,
      out: '200 2',
    });
    expect((await curl('-k', '--http1.1', ...held, '-o', '/dev/null', '-w', CODE, `https://${at}`)).out).toBe('200');
    const plain = await curl('-w', CODE, `http://${at}`);
    expect(plain.out).toBe('000');
    // Reset or closed, as the kernel finds unread bytes.
    expect([52, 56]).toContain(plain.code);
    const bare = await curl('-k', '-w', CODE, `https://${at}`);
    expect(bare.out).toBe('000');
    // curl meets the alert while it sends (55), while it receives (35, 56), or finds the stream cut short (16, 18, 52, 92).
    expect([16, 18, 35, 52, 55, 56, 92]).toContain(bare.code);
  });

  it('meets a gateway as it would any public server, and the services behind it not at all', async () => {
    const scenario = join(folder, 'edge');
    mkdirSync(join(scenario, 'k8s'), { recursive: true });
    writeFileSync(
      join(scenario, 'k8s', 'mesh.yaml'),
      manifests(workloadYaml('edge'), workloadYaml('api'), peerAuthenticationYaml('STRICT')),
    );
    writeFileSync(
      join(scenario, 'scenario.yaml'),
      `apiVersion: meshproof.dev/v1alpha1
kind: Scenario
metadata: { name: edge }
manifests: [./k8s]
gateways:
  default/edge:8080:
    tls: { hosts: [shop.example.com] }
    routes: [{ prefix: /api, to: 'api:8080' }]
`,
    );
    const served = await serve(scenario);
    const [edge] = served.of('edge').inbound;
    expect(edge).toMatchObject({ port: 8080, mode: 'SIMPLE' });
    writeFileSync(join(folder, 'edge.pem'), edge?.certificate ?? '');
    const ask = (host: string, path: string): ReturnType<typeof curl> =>
      curl(
        '--cacert',
        join(folder, 'edge.pem'),
        '--connect-to',
        `${host}:443:${edge?.address}`,
        '-w',
        ` ${CODE}`,
        `https://${host}${path}`,
      );
    expect(await ask('shop.example.com', '/api/x')).toEqual({
      code: 0,
      out: '{"service":"default/api","method":"GET","path":"/api/x"} 200',
    });
    expect(await ask('shop.example.com', '/other')).toEqual({ code: 0, out: ' 404' });
    expect((await ask('other.example.com', '/api/x')).code).toBe(60);
    expect((await curl(`http://${served.of('api').inbound[0]?.address}/api/x`)).code).not.toBe(0);
    expect(await served.stop()).toBe(0);
  });

  it('everything it does is an event', async () => {
    await curl(`http://${inbound('order-service')}/`);
    await until(() =>
      mesh.events.some(({ kind, reason }) => kind === 'connection.refused' && reason === 'filter_chain_not_found'),
    );
    await curl('-k', '--cert', file('cert.pem'), '--key', file('key.pem'), `https://${inbound('user-service')}/seen`);
    await until(() => mesh.events.some(({ kind, path }) => kind === 'request.completed' && path === '/seen'));
    expect(mesh.events.find(({ path }) => path === '/seen')).toMatchObject({
      source: { principal: 'spiffe://cluster.local/ns/default/sa/api-gateway' },
      status: 200,
      security: 'mutual_tls',
    });
  });
});

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(holds()).toBe(true);
}

describe.skipIf(!HAS.openssl)('openssl s_client', () => {
  it('verifies the server with the bundle it was given, and speaks HTTP as a sidecar would', async () => {
    const { code, stdout, stderr } = await run(
      'openssl',
      [
        's_client',
        '-quiet',
        '-ign_eof',
        '-verify_return_error',
        '-connect',
        inbound('user-service'),
        '-alpn',
        'istio-http/1.1,istio,http/1.1',
        '-CAfile',
        file('ca.pem'),
        '-cert',
        file('cert.pem'),
        '-cert_chain',
        file('cert.pem'),
        '-key',
        file('key.pem'),
      ],
      { stdin: REQUEST },
    );
    expect(code).toBe(0);
    expect(stdout).toContain('HTTP/1.1 200 OK');
    expect(stderr).not.toContain('verify error');
  });
});

describe.skipIf(!HAS.gnutls)('gnutls-cli', () => {
  it('is let in with the identity of a workload', async () => {
    const [host = '', port = ''] = inbound('user-service').split(':');
    const { stdout } = await run(
      'gnutls-cli',
      [
        host,
        '-p',
        port,
        '--alpn',
        'http/1.1',
        '--no-ca-verification',
        '--x509certfile',
        file('cert.pem'),
        '--x509keyfile',
        file('key.pem'),
      ],
      { stdin: REQUEST },
    );
    expect(stdout).toContain('HTTP/1.1 200 OK');
  });
});

describe.skipIf(!HAS.h2load)('h2load', () => {
  it.each([['HTTP/2', ['-m', '8']] as const, ['HTTP/1.1', ['--h1']] as const])(
    '%s: every request is answered',
    async (_, flags) => {
      const { stdout } = await run('h2load', [
        '-n',
        '400',
        '-c',
        '8',
        ...flags,
        `--connect-to=${outbound('api-gateway')}`,
        `http://user-service${PATH}`,
      ]);
      expect(stdout).toContain('400 total, 400 started, 400 done, 400 succeeded, 0 failed');
      expect(stdout).toContain('status codes: 400 2xx');
    },
  );
});
