/** `meshproof authz` in its two forms, run in this process on manifests of its own. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { authorizeLines } from '../../src/cli/authz-lines.ts';
import { authzVerb } from '../../src/cli/verbs/authz.ts';
import { compileAuthorization } from '../../src/policy/index.ts';
import { authorizationPolicy, httpRequest, meshWith } from '../kit/policies.ts';
import { jwks, NOW_SECONDS, signer, token } from '../spec/istio-jwt/tokens.ts';

const MANIFESTS = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: web, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/cart] } }]
      to: [{ operation: { methods: [GET], paths: ["/api/*"] } }]
    - when: [{ key: "request.auth.claims[groups]", values: [admin] }, { key: "request.headers[x-a]", values: ["2"] }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: web, ports: [{ containerPort: 8080, name: http }] }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  selector: { matchLabels: { app: cart } }
  template:
    metadata: { labels: { app: cart } }
    spec: { serviceAccountName: cart, containers: [{ name: cart, image: cart }] }
`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meshproof-'));
  await writeFile(join(folder, 'shop.yaml'), MANIFESTS);
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

interface Finished {
  readonly stdout: string;
  readonly exitCode: number;
}

async function authz(...options: readonly string[]): Promise<Finished> {
  const written: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    written.push(String(chunk));
    return true;
  });
  const program = new Command('meshproof').exitOverride().configureOutput({ writeErr: () => {} });
  authzVerb(program);
  program.commands.forEach((command) => command.exitOverride().configureOutput({ writeErr: () => {} }));
  const before = process.exitCode;
  try {
    await program.parseAsync(['authz', '-f', folder, ...options], { from: 'user' });
    return { stdout: written.join(''), exitCode: Number(process.exitCode ?? 0) };
  } finally {
    process.exitCode = before;
    vi.restoreAllMocks();
  }
}

const PEER = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default', namespace: 'shop' },
};
const SIDECARS = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } },
};
const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http', name: 'http' }] },
};
const PLAINTEXT = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { host: 'web', trafficPolicy: { tls: { mode: 'DISABLE' } } },
};

const ASK = ['--from', 'shop/cart', '--to', 'shop/web:http'];

describe('authz --from --to', () => {
  it('prints the decision and why', async () => {
    const { stdout, exitCode } = await authz(...ASK, '--path', '/api/x?y=1');
    expect(stdout).toContain(
      'DECISION   STATUS   POLICY     RULE   REASON\nALLOW      200      shop/web   0      matched ALLOW policy',
    );
    expect(stdout).toContain('caller: cluster.local/ns/shop/sa/cart');
    expect(exitCode).toBe(0);
  });

  it('prints the nearest miss of a denial, which is an answer, not a failure', async () => {
    const { stdout, exitCode } = await authz(...ASK, '--path', '/api/x', '--method', 'PUT');
    expect(stdout).toContain('to allow it: add `PUT` to `methods`');
    expect(exitCode).toBe(0);
  });

  it('exits with 1 where --expect names the other decision', async () => {
    expect((await authz(...ASK, '--path', '/api/x', '--expect', 'deny')).exitCode).toBe(1);
    expect((await authz(...ASK, '--path', '/x', '--expect', 'deny', '-o', 'json')).exitCode).toBe(0);
    expect((await authz(...ASK, '--path', '/x', '--expect', 'allow', '-o', 'yaml')).exitCode).toBe(1);
  });

  it('takes plaintext callers, whole principals, claims and headers', async () => {
    const decided = async (...options: readonly string[]): Promise<unknown> =>
      JSON.parse((await authz('--to', 'shop/web:8080', '-o', 'json', ...options)).stdout);
    const deny = { decision: 'deny' };
    const allow = { decision: 'allow' };
    expect(await decided('--from', 'shop/cart', '--plaintext', '--path', '/api/x')).toMatchObject(deny);
    expect(await decided('--from', 'cluster.local/ns/shop/sa/cart', '--path', '/api/x')).toMatchObject(allow);
    expect(await decided('--plaintext', '--claim', 'groups=["admin"]', '--header', 'x-a=1')).toMatchObject(deny);
    expect(await decided('--plaintext', '--claim', 'groups=["user"]', '--header', 'x-a=2')).toMatchObject(deny);
    expect(await decided('--plaintext', '--claim', 'groups=["admin"]', '--header', 'x-a=1', 'X-A=2')).toMatchObject(
      allow,
    );
    expect(
      await decided('--plaintext', '--claim', 'groups=["admin"]', '--header', 'X-A=1', '--header', 'X-A=2'),
    ).toMatchObject(allow);
    expect(await decided('--plaintext', '--claim', 'groups=admin', '--header', 'x-a=2')).toMatchObject(allow);
    expect(await decided('--plaintext', '--tcp')).toMatchObject(deny);
  });

  it('takes the identity away where the two ends do not speak mutual TLS', async () => {
    const peer = (spec: object): string => JSON.stringify({ ...PEER, spec });
    const ask = async (...manifests: readonly string[]): Promise<string> => {
      const file = join(folder, 'more', 'more.yaml');
      await mkdir(join(folder, 'more'), { recursive: true });
      await writeFile(file, manifests.join('\n---\n'));
      const { stdout } = await authz(...ASK, '--path', '/api/x');
      await rm(join(folder, 'more'), { recursive: true });
      return stdout;
    };
    expect(await ask(peer({ mtls: { mode: 'STRICT' } }))).toContain('caller: cluster.local/ns/shop/sa/cart');
    const off = await ask(peer({ mtls: { mode: 'DISABLE' } }));
    expect(off).toContain('caller: no identity (PeerAuthentication disables mutual TLS on port 8080)');
    expect(off).toContain('DENY');
    const injected = JSON.stringify(SIDECARS);
    const service = JSON.stringify(SERVICE);
    expect(await ask(injected, service)).toContain('caller: cluster.local/ns/shop/sa/cart');
    expect(await ask(injected, service, JSON.stringify(PLAINTEXT))).toMatch(/caller: no identity \(.*DISABLE/);
  });

  it('warns on stderr of what Istio passes over in silence', async () => {
    const warnings: string[] = [];
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => warnings.push(String(chunk)) > 0);
    const spec = { action: 'CUSTOM', provider: { name: 'nobody' }, rules: [{}] };
    const custom = { ...PEER, kind: 'AuthorizationPolicy', metadata: { name: 'ext', namespace: 'shop' }, spec };
    const file = join(folder, 'ext.yaml');
    await writeFile(file, JSON.stringify(custom));
    const { stdout } = await authz(...ASK, '-o', 'json').finally(() => rm(file));
    expect(warnings.join('')).toBe(
      'warning: AuthorizationPolicy shop/ext: provider.name: `nobody` is no external authorizer: what the rules match is refused\n',
    );
    expect(JSON.parse(stdout)).toMatchObject({ decision: 'deny', determining: [{ name: 'ext' }] });
  });

  it('judges a token by the RequestAuthentications, at an instant, before any AuthorizationPolicy', async () => {
    const by = await signer('ES256');
    const good = await token(by, { iss: 'i', sub: 'u', groups: ['admin'], exp: NOW_SECONDS + 600 });
    const spec = { jwtRules: [{ issuer: 'i', jwksUri: 'https://i.example/jwks' }] };
    const file = join(folder, 'ra.yaml');
    const keys = join(folder, 'issuer.jwks');
    await writeFile(file, JSON.stringify({ ...PEER, kind: 'RequestAuthentication', spec }));
    await writeFile(keys, jwks(by));
    const ask = (...options: readonly string[]) =>
      authz('--to', 'shop/web', '--plaintext', '--header', 'x-a=2', `authorization=Bearer ${good}`, ...options);
    try {
      expect((await ask('--jwks', keys)).stdout).toContain('rules[1].when[0].values: saw `["admin"]`, matched `admin`');
      const late = await ask('--jwks', keys, '--at', '2026-01-01T00:12:00Z');
      expect(late.stdout).toMatch(/DENY +401 +shop\/default +<none> +Jwt is expired/);
      expect(late.stdout).toContain('www-authenticate: Bearer realm="http:///", error="invalid_token"');
      expect(JSON.parse((await ask('-o', 'json')).stdout)).toMatchObject({
        decision: 'deny',
        status: 401,
        determining: [{ kind: 'RequestAuthentication', namespace: 'shop', name: 'default' }],
        trace: { detail: 'jwt_authn_access_denied{Jwt_verification_fails}' },
        wwwAuthenticate: expect.stringContaining('invalid_token'),
      });
      await expect(ask('--at', 'noon')).rejects.toThrow('is not an RFC 3339 time');
      await expect(ask('--jwks', join(folder, 'none'))).rejects.toThrow('no such file');
      // What --claim says is taken as it is.
      expect(
        (await authz('--to', 'shop/web', '--plaintext', '--claim', 'groups=admin', '--header', 'x-a=2')).stdout,
      ).toContain('ALLOW');
    } finally {
      await Promise.all([rm(file), rm(keys)]);
    }
  });

  it('asks --ext-authz in the place of external authorizers', async () => {
    const mesh = JSON.stringify({
      extensionProviders: [{ name: 'opa', envoyExtAuthzGrpc: { service: 'opa.shop.svc.cluster.local', port: 9191 } }],
    });
    const settings = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: 'istio-system' },
      data: { mesh },
    };
    const spec = { action: 'CUSTOM', provider: { name: 'opa' }, rules: [{}] };
    const custom = { ...PEER, kind: 'AuthorizationPolicy', metadata: { name: 'ext', namespace: 'shop' }, spec };
    const file = join(folder, 'opa.yaml');
    await writeFile(file, [settings, custom].map((each) => JSON.stringify(each)).join('\n---\n'));
    try {
      expect((await authz(...ASK, '--path', '/api/x')).stdout).toContain('has nobody to answer for it');
      expect((await authz(...ASK, '--path', '/api/x', '--ext-authz', 'deny')).stdout).toContain(
        'access log: ext_authz_denied',
      );
      expect((await authz(...ASK, '--path', '/api/x', '--ext-authz', 'allow')).stdout).toContain(
        'matched ALLOW policy',
      );
    } finally {
      await rm(file);
    }
  });

  it('warns that a plaintext connection to a STRICT port never meets a policy', async () => {
    const warnings: string[] = [];
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => warnings.push(String(chunk)) > 0);
    const file = join(folder, 'strict.yaml');
    await writeFile(file, JSON.stringify({ ...PEER, spec: { mtls: { mode: 'STRICT' } } }));
    await authz('--to', 'shop/web', '--plaintext').finally(() => rm(file));
    expect(warnings.join('')).toContain('PeerAuthentication is STRICT on port 8080');
  });

  it('takes labels for a server that no manifest declares', async () => {
    const { stdout } = await authz(
      '--from',
      'shop/cart',
      '--to',
      'shop:8080',
      '--labels',
      'app=web',
      '--path',
      '/x',
      '-o',
      'json',
    );
    expect(JSON.parse(stdout)).toMatchObject({ decision: 'deny' });
  });

  it('refuses what it cannot use', async () => {
    await expect(authz('--from', 'shop/cart')).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(authz('--to', 'shop/web')).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(authz('--from', 'shop/carts', '--to', 'shop/web')).rejects.toThrow('did you mean `shop/cart`?');
    await expect(authz('--from', 'cart', '--to', 'shop/web')).rejects.toThrow('takes namespace/workload');
    await expect(authz(...ASK, '--ip', '1.2.3')).rejects.toThrow('`source.ip` is not an IP address');
    await expect(authz(...ASK, '--header', 'x')).rejects.toThrow('--header takes name=value');
    await expect(authz(...ASK, '--requests', 'x')).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(authz('--requests', join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_CONFIG_IO' });
    await expect(authz('--requests', folder)).rejects.toThrow('it is a folder');
    await expect(authz('-f', '-', '--requests', '-')).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });
});

describe('authz --requests', () => {
  const line = (id: unknown, path: string): string =>
    JSON.stringify({
      id,
      destination: { namespace: 'shop', workload: 'web', port: 8080 },
      source: { principal: 'cluster.local/ns/shop/sa/cart', ip: '10.0.0.5' },
      request: { method: 'GET', path },
    });

  it('answers each line of a file in order', async () => {
    const file = join(folder, 'requests.jsonl');
    await writeFile(file, `${line('1', '/api/x')}\n\n${line(2, '/x')}\r\n${line({ a: 1 }, '/api/%00')}`);
    const { stdout, exitCode } = await authz('--requests', file);
    const determining = [{ kind: 'AuthorizationPolicy', namespace: 'shop', name: 'web', rule: 0 }];
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((each) => JSON.parse(each) as unknown),
    ).toEqual([
      { id: '1', decision: 'allow', status: 200, determining, reason: 'matched ALLOW policy' },
      { id: 2, decision: 'deny', status: 403, determining: [], reason: 'no ALLOW policy matched' },
      { id: { a: 1 }, decision: 'deny', status: 400, determining: [], reason: 'path_normalization_failed' },
    ]);
    expect(exitCode).toBe(0);
  });

  it.each([
    ['{', null, 'JSON'],
    ['[]', null, 'must be a JSON object'],
    ['{"id":7}', 7, '`destination` is missing'],
    [line('x', '/').replace('"source"', '"sorce"'), 'x', 'did you mean `source`?'],
    [line('x', '/').replace('8080', '"8080"'), 'x', '`destination.port` is not a port'],
    [line('x', '/').replace('10.0.0.5', '10.0.0.'), 'x', '`source.ip` is not an IP address'],
    [line('x', '/').replace('"web"', '"wep"'), 'x', 'did you mean `web`?'],
    [line('x', '/').replace('"shop"', '"shopp"'), 'x', 'did you mean `shop/web`?'],
    [line('x', '/').replace('"GET"', 'null'), 'x', '`request.method` is not a text'],
    [line('x', '/').replace('"namespace":"shop",', ''), 'x', '`destination.namespace` is missing'],
  ])('answers %s with an error, goes on, and ends with 2', async (bad, id, message) => {
    const file = join(folder, 'bad.jsonl');
    await writeFile(file, `${bad}\n${line('after', '/api/x')}\n`);
    const { stdout, exitCode } = await authz('--requests', file);
    const [first, second] = stdout
      .trimEnd()
      .split('\n')
      .map((each) => JSON.parse(each) as unknown);
    expect(first).toEqual({ id, error: expect.stringMatching(/^line 1: /) });
    expect(first).toEqual({ id, error: expect.stringContaining(message) });
    expect(second).toMatchObject({ id: 'after', decision: 'allow' });
    expect(exitCode).toBe(2);
  });

  it('counts empty lines when it names a line, and passes over a byte order mark', async () => {
    const file = join(folder, 'marked.jsonl');
    await writeFile(file, `\uFEFF${line(1, '/api/x')}\n\n \n{\n`);
    const { stdout, exitCode } = await authz('--requests', file);
    const [first, second] = stdout.split('\n');
    expect(JSON.parse(first ?? '')).toMatchObject({ id: 1, decision: 'allow' });
    expect(second).toMatch(/^\{"id":null,"error":"line 4: /);
    expect(exitCode).toBe(2);
  });

  it('gives the same answers however the input is cut into chunks', async () => {
    const compiled = compileAuthorization(
      meshWith([authorizationPolicy({ rules: [{ to: [{ operation: { paths: ['/é*'] } }] }] })], {}),
    );
    const text = Array.from({ length: 50 }, (_, i) =>
      JSON.stringify({ id: `é${i}`, ...httpRequest({ path: i % 2 === 0 ? '/a' : '/b' }) }),
    ).join('\n');
    const answersTo = async (size: number): Promise<string> => {
      const written: string[] = [];
      const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size),
      );
      const output = { write: (chunk: string) => written.push(chunk) > 0 } as unknown as NodeJS.WritableStream;
      // eslint-disable-next-line typescript/require-await
      const input = (async function* () {
        yield* chunks;
      })();
      expect(await authorizeLines(compiled, { input, output })).toBe(0);
      return written.join('');
    };
    const whole = await answersTo(text.length);
    expect(whole.split('\n')).toHaveLength(51);
    for (const size of [1, 7, 1000]) expect(await answersTo(size)).toBe(whole);
  });
});
