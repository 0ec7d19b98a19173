import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { getVerb } from '../../../src/cli/verbs/get.ts';
import { tlsCheckVerb } from '../../../src/cli/verbs/tls-check.ts';

const MANIFESTS = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z" }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: cart, namespace: shop }
spec: { host: cart }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { selector: { app: cart }, ports: [ { name: http, port: 80, targetPort: 8080 } ] }
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshproof-get-'));
  writeFileSync(join(folder, 'all.yaml'), MANIFESTS);
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

/** What a command line writes to stdout and stderr. */
async function run(...args: readonly string[]): Promise<{ readonly out: string; readonly err: string }> {
  const written = { out: '', err: '' };
  const capture = (key: 'out' | 'err') => (text: string | Uint8Array) => {
    written[key] += String(text);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(capture('out'));
  vi.spyOn(process.stderr, 'write').mockImplementation(capture('err'));
  const program = new Command().exitOverride();
  getVerb(program);
  tlsCheckVerb(program);
  await program.parseAsync([...args, '-f', folder], { from: 'user' });
  return written;
}

describe('get', () => {
  it('prints kubectl’s columns, with the namespace where all are asked for', async () => {
    expect((await run('get', 'pa', '-A', '--at', '2026-01-03T03:00:00Z')).out).toBe(
      'NAMESPACE   NAME      MODE     AGE\ndefault     default            <unknown>\nshop        default   STRICT   2d3h\n',
    );
    expect((await run('get', 'destinationrules', '-n', 'shop')).out).toBe(
      'NAME   HOST   AGE\ncart   cart   <unknown>\n',
    );
  });

  it.each([
    ['2026-01-01T00:00:59Z', '59s'],
    ['2026-01-01T00:09:05Z', '9m5s'],
    ['2026-01-01T02:30:00Z', '150m'],
    ['2026-01-01T05:20:00Z', '5h20m'],
    ['2026-01-02T12:00:00Z', '36h'],
    ['2026-03-02T00:00:00Z', '60d'],
    ['2028-01-11T00:00:00Z', '2y10d'],
    ['2025-01-01T00:00:00Z', '0s'],
  ])('shortens an age at %s to %s', async (at, age) => {
    expect((await run('get', 'pa', '-n', 'shop', '--at', at)).out).toContain(`STRICT   ${age}\n`);
  });

  it('says that there is nothing on stderr, and nothing on stdout', async () => {
    expect(await run('get', 'ap', '-n', 'shop')).toEqual({ out: '', err: 'No resources found in shop namespace.\n' });
    expect(JSON.parse((await run('get', 'ra', '-A', '-o', 'json')).out)).toEqual([]);
  });

  it('writes the resources themselves as JSON and YAML', async () => {
    const { out } = await run('get', 'dr', 'cart', '-n', 'shop', '-o', 'json');
    expect(JSON.parse(out)).toMatchObject([
      { kind: 'DestinationRule', metadata: { name: 'cart' }, spec: { host: 'cart' } },
    ]);
    expect((await run('get', 'dr', '-A', '-o', 'yaml')).out).toContain('kind: DestinationRule');
  });

  it('refuses a name that nothing has', async () => {
    await expect(run('get', 'dr', 'crt', '-n', 'shop')).rejects.toThrow(
      'no destinationrule `crt` in namespace shop; did you mean `cart`?',
    );
  });

  it('refuses an unknown kind with a suggestion', async () => {
    await expect(run('get', 'destinationrulez')).rejects.toThrow(/unknown kind `destinationrulez`.*did you mean/);
  });
});

describe('tls-check', () => {
  it('reads manifests and prints one row for each port', async () => {
    const { out } = await run('tls-check');
    expect(out.split('\n')[1]).toMatch(/^cart\.shop\.svc\.cluster\.local:80 +UNKNOWN +- +- +- +cart\/shop$/);
    expect(JSON.parse((await run('tls-check', '-o', 'json')).out)).toMatchObject([
      { host: 'cart.shop.svc.cluster.local', status: 'UNKNOWN', endpoints: [] },
    ]);
  });

  it.each([
    [['crt'], /no service `crt` seen from namespace default; did you mean `cart\.shop`|did you mean `cart`/],
    [['cart.shop:81'], /cart\.shop\.svc\.cluster\.local has no port `81`: expected 80/],
    [['-n', 'shpo'], /no namespace `shpo` in the manifests; did you mean `shop`\?/],
  ])('refuses names that mean nothing, which would look like no conflict: %j', async (args, message) => {
    await expect(run('tls-check', ...args)).rejects.toThrow(message);
  });

  it('names the nearest workload where the caller is unknown', async () => {
    await expect(run('tls-check', '--from', 'shop/nobody')).rejects.toThrow(/no workload `shop\/nobody`/);
  });
});
