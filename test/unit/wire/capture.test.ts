/** Captures: what is in the file, read by a reader of our own and, where it is installed, by tshark. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseInstant } from '../../../src/core/index.ts';
import { Mesh } from '../../../src/mesh/index.ts';
import type { Capture } from '../../../src/wire/index.ts';
import { hasTool } from '../../kit/external-tools.ts';

const SECRET = 'card-4111111111111111';
const CALL = {
  from: 'default/order-service',
  to: 'default/payment-service',
  method: 'POST',
  path: '/payments',
  headers: { cookie: SECRET },
  body: 'x'.repeat(4_000),
};
const folder = mkdtempSync(join(tmpdir(), 'meshproof-capture-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** One call, six virtual hours into the day, on a connection that is opened and closed. */
async function captured(options: { readonly secrets?: boolean; readonly plaintext?: boolean }): Promise<Capture> {
  await using mesh = await Mesh.start({ manifests: 'scenarios/01-shop/k8s', start: '2026-01-01T00:00:00Z' });
  if (options.plaintext === true)
    await mesh.apply(
      'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: default, namespace: istio-system }\nspec: { mtls: { mode: DISABLE } }',
    );
  await mesh.clock.advance('6h');
  const capture = mesh.capture({ links: [{ to: CALL.to }], ...(options.secrets === true && { secrets: true }) });
  expect(await mesh.simulation.request(CALL, { fresh: true })).toMatchObject({ status: 200 });
  // The relay learns of the end a turn later.
  for (let i = 0; i < 100 && mesh.simulation.seam.relays > 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 5));
  return capture;
}

interface Block {
  readonly type: number;
  readonly body: Buffer;
}

/** Blocks by their lengths, both of which must agree. */
function blocksOf(file: Uint8Array): readonly Block[] {
  const bytes = Buffer.from(file);
  const blocks: Block[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at + 4);
    expect(bytes.readUInt32LE(at + length - 4)).toBe(length);
    expect(length % 4).toBe(0);
    blocks.push({ type: bytes.readUInt32LE(at), body: bytes.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return blocks;
}

const SECTION = 0x0a0d0d0a;
const SECRETS = 10;
const PACKET = 6;

describe('a capture', () => {
  it('is pcapng: section, interface, names, secrets, then packets', async () => {
    const capture = await captured({ secrets: true });
    const types = blocksOf(capture.pcapng()).map(({ type }) => type);
    expect(types.slice(0, 4)).toEqual([SECTION, 1, 4, SECRETS]);
    expect(new Set(types.slice(4))).toEqual(new Set([PACKET]));
    expect(blocksOf(capture.pcapng({ secrets: false })).some(({ type }) => type === SECRETS)).toBe(false);
  });

  it('has no secrets to give unless it was asked to keep them', async () => {
    const capture = await captured({});
    expect(capture.keyLog).toBe('');
    expect(blocksOf(capture.pcapng({ secrets: true })).some(({ type }) => type === SECRETS)).toBe(false);
  });

  it('keeps the lines of the key log', async () => {
    const lines = (await captured({ secrets: true })).keyLog.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) expect(line).toMatch(/^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]+$/);
  });

  it('stamps packets with virtual time, in strict order', async () => {
    const stamps = blocksOf((await captured({})).pcapng())
      .filter(({ type }) => type === PACKET)
      .map(({ body }) => (BigInt(body.readUInt32LE(4)) << 32n) | BigInt(body.readUInt32LE(8)));
    const sixHours = BigInt(parseInstant('2026-01-01T06:00:00Z')) * 1_000_000n;
    expect(stamps[0]).toBe(sixHours);
    expect(stamps.every((at, i) => i === 0 || at >= (stamps[i - 1] ?? 0n))).toBe(true);
    expect((stamps.at(-1) ?? 0n) - sixHours).toBeLessThan(1_000_000n);
  });

  it('holds ciphertext, or the secret where there is no TLS', async () => {
    expect((await captured({})).contains(SECRET)).toBe(false);
    const open = await captured({ plaintext: true });
    expect(open.contains(SECRET)).toBe(true);
    expect(Buffer.from(open.pcapng()).includes(SECRET)).toBe(true);
  });

  it('counts what it no longer keeps', async () => {
    await using mesh = await Mesh.start({ manifests: 'scenarios/01-shop/k8s' });
    const capture = mesh.capture({ limitBytes: 500 });
    await mesh.simulation.request(CALL, { fresh: true });
    expect(capture.truncated).toBe(true);
    expect(capture.streams().reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(500);
    expect(capture.count.bytes.up).toBeGreaterThan(4_000);
  });

  it('stops when it is disposed', async () => {
    await using mesh = await Mesh.start({ manifests: 'scenarios/01-shop/k8s' });
    const capture = mesh.capture();
    capture[Symbol.dispose]();
    await mesh.simulation.request(CALL, { fresh: true });
    expect(capture.count).toEqual({ connections: 0, bytes: { up: 0, down: 0 } });
  });
});

// Skipped only where tshark is missing and nobody demands it.
describe.skipIf(!hasTool('tshark', '--version'))('a capture in tshark (skipped where it is not installed)', () => {
  function tshark(capture: Uint8Array, ...args: readonly string[]): string {
    const file = join(folder, `${Math.trunc(performance.now() * 1000)}.pcapng`);
    writeFileSync(file, capture);
    const run = spawnSync('tshark', ['-r', file, '-d', 'tcp.port==8080,tls', ...args], { encoding: 'utf8' });
    expect(run.status, run.stderr).toBe(0);
    return run.stdout;
  }

  it('decrypts with the secrets inside', async () => {
    const capture = await captured({ secrets: true });
    const http = tshark(
      capture.pcapng(),
      '-Y',
      'http',
      '-T',
      'fields',
      '-e',
      'http.cookie',
      '-e',
      'http.response.code',
    );
    expect(http).toContain(SECRET);
    expect(http).toContain('200');
    const uris = tshark(
      capture.pcapng(),
      '-Y',
      'tls.handshake.certificate',
      '-T',
      'fields',
      '-e',
      'x509ce.uniformResourceIdentifier',
    );
    expect(uris).toContain('spiffe://cluster.local/ns/default/sa/payment-service');
    expect(uris).toContain('spiffe://cluster.local/ns/default/sa/order-service');
  });

  it('shows no plaintext without them, and still what TLS does not hide', async () => {
    const bytes = (await captured({ secrets: true })).pcapng({ secrets: false });
    expect(tshark(bytes, '-Y', 'http')).toBe('');
    expect(tshark(bytes, '-V')).not.toContain(SECRET);
    expect(tshark(bytes, '-T', 'fields', '-e', 'tls.handshake.extensions_server_name')).toContain(
      'outbound_.8080_._.payment-service.default.svc.cluster.local',
    );
  });

  it('is well-formed: checksums, sequence numbers, order', async () => {
    const bytes = (await captured({ secrets: true })).pcapng();
    const strict = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE'];
    const wrong = 'tcp.checksum.status == 0 or ip.checksum.status == 0 or tcp.analysis.flags or _ws.malformed';
    expect(tshark(bytes, ...strict, '-Y', wrong)).toBe('');
    expect(tshark(bytes, '-Y', 'tcp.flags.syn == 1 or tcp.flags.fin == 1').trim().split('\n')).toHaveLength(4);
    expect(tshark(bytes, '-N', 'n', '-c', '1')).toContain('order-service.default');
    expect(tshark(bytes, '-c', '1', '-t', 'ud')).toContain('2026-01-01 06:00:00');
  });
});
