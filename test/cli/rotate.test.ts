import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fleetYaml } from '../kit/fleet.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshproof-'));
  writeFileSync(join(folder, 'mesh.yaml'), fleetYaml(2));
});
afterAll(() => rmSync(folder, { recursive: true }));

function meshproof(...args: readonly string[]): {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], {
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

describe('meshproof rotate rehearse', () => {
  it('refutes a wrong order with exit code 1: what was lost, when, both certificates, the missing root', () => {
    const args = ['--leaf-ttl', '1h', '--probe', '5m', '--order', 'switch,distribute,drop', '-f', folder];
    const { code, out } = meshproof('rotate', 'rehearse', 'root', ...args);
    expect(code).toBe(1);
    expect(out).toMatch(/refuted: \d+ of \d+ real requests were lost/);
    expect(out).toMatch(/First request lost: 2026-01-01T00:59:\d\d\.\d+Z \(59m\d+s after the start\)/);
    expect(out).toMatch(/untrusted_root at verify-(server|client)/);
    expect(out).toMatch(/missing: root 2 \(serial [0-9a-f]+\) in the bundle of the (client|server)/);
    expect(out.match(/ {4}serial {4}[0-9a-f]+/g)).toHaveLength(2);
    expect(out.match(/ {4}issuer {4}CN=Intermediate CA,O=cluster.local \(serial [0-9a-f]+\)/g)).toHaveLength(2);
  });

  it('is quiet about a safe one, as data too', () => {
    const args = ['--leaf-ttl', '1h', '--probe', '10m', '-f', folder, '-o', 'json'];
    const { code, out } = meshproof('rotate', 'rehearse', 'root', ...args);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ ok: true, probesLost: 0, steps: [{}, {}, {}] });
  });

  it.each([
    [['root', '--order', 'swap'], 'unknown step `swap`'],
    [['root', '--order', 'distribte,drop'], 'did you mean `distribute`?'],
    [['leaf', '--order', 'drop'], 'a rehearsal of leaf has no `--order`: it belongs to root and trust-domain'],
    [['leaf', '--outage', '2h'], 'has no `--outage`: it belongs to ca-outage'],
    [['ca-outage', '--news', 'push'], 'has no `--news`: it belongs to root'],
    [['leaf', '--leaf-ttl', '100d'], '`--leaf-ttl` 100d is above the limit of 2160h'],
    [['rot'], 'leaf, root, trust-domain, ca-outage, clock-skew'],
    [['root', '--every', '0s'], 'must be more than nothing'],
    [['clock-skew', '--workload', 'shop/w9', '-f', 'FOLDER'], 'no workload `shop/w9`'],
  ])('%j is bad usage', (args, message) => {
    const { code, err } = meshproof('rotate', 'rehearse', ...args.map((arg) => (arg === 'FOLDER' ? folder : arg)));
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});

describe('meshproof certs', () => {
  it('has the columns of istioctl proxy-config secret', () => {
    const { code, out } = meshproof('certs', 'shop/w0', '-f', folder);
    expect(code).toBe(0);
    const [head, leaf, root, ...rest] = out.trimEnd().split('\n');
    expect(head).toMatch(
      /^RESOURCE NAME {5}TYPE {11}STATUS {5}VALID CERT {5}SERIAL NUMBER {24}NOT AFTER {16}NOT BEFORE$/,
    );
    expect(leaf).toMatch(
      /^default {11}Cert Chain {5}ACTIVE {5}true {11}[0-9a-f]{32} {5}2026-01-02T00:00:00Z {5}2025-12-31T23:58:00Z$/,
    );
    expect(root).toMatch(/^ROOTCA {12}CA {13}ACTIVE {5}true/);
    expect(rest).toEqual([]);
  });

  it('dumps secrets that tools can read, and never a key', () => {
    const { out } = meshproof('certs', 'shop/w0', '-f', folder, '-o', 'json', '--at', '13h');
    const { dynamicActiveSecrets: secrets } = JSON.parse(out);
    const pem = Buffer.from(secrets[0].secret.tlsCertificate.certificateChain.inlineBytes, 'base64').toString();
    expect(new X509Certificate(pem).subjectAltName).toBe('URI:spiffe://cluster.local/ns/shop/sa/w0');
    expect(secrets[0].secret.tlsCertificate.privateKey.inlineBytes).toBe('W3JlZGFjdGVkXQ==');
    expect(secrets.map(({ name }: { name: string }) => name)).toEqual(['default', 'ROOTCA']);
  });

  it('lists all workloads, and says so where there is none of that name', () => {
    const { out } = meshproof('certs', '-f', folder);
    expect(out.split('\n').filter((line) => line.startsWith('shop/'))).toHaveLength(4);
    const wrong = meshproof('certs', 'shop/w', '-f', folder);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toContain('no workload `shop/w` with a sidecar');
  });
});
