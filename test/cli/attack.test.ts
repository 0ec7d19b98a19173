/** `meshproof attack` and `meshproof doctor` as a shell sees them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'meshproof-attack-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function meshproof(...args: readonly string[]): Finished {
  const env = { ...process.env, NO_COLOR: '1' };
  const run = spawnSync(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], { encoding: 'utf8', env });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

describe('meshproof attack', () => {
  it('lists what there is', () => {
    const { code, out } = meshproof('attack', 'list', '-o', 'json');
    expect(code).toBe(0);
    const rows: unknown = JSON.parse(out);
    expect(rows).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'ticket-replay' })]));
  });

  it('tells objective, steps, evidence and verdict, and ends well when an attack is refused', () => {
    const capture = join(folder, 'rogue.pcapng');
    const { code, out } = meshproof('attack', 'run', 'rogue-ca', '--capture', capture);
    expect(code).toBe(0);
    for (const part of ['objective', 'protection', 'steps', 'evidence', 'verdict     REFUSED at verify-server'])
      expect(out).toContain(part);
    expect(readFileSync(capture).readUInt32LE(0)).toBe(0x0a0d0d0a);
  });

  it('ends well when a twin falls', () => {
    const { code, out } = meshproof('attack', 'run', 'sniffer', '--twin');
    expect(code).toBe(0);
    expect(out).toContain('the secret IS in what the attacker has');
  });

  it('ends with 1 when an attack succeeds against the mesh as it is', () => {
    const open = join(folder, 'permissive.yaml');
    writeFileSync(
      open,
      'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: open, namespace: default }\nspec: { mtls: { mode: PERMISSIVE } }\n',
    );
    const { code, out } = meshproof(
      'attack',
      'run',
      'plaintext-downgrade',
      '-f',
      'scenarios/01-shop/k8s',
      open,
      '-o',
      'json',
    );
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ verdict: 'succeeded', application: { requests: 1 } });
  });

  it.each([
    [['run', 'snifer'], /no attack `snifer`.*did you mean `sniffer`/],
    [['run', 'sniffer', '--from', 'default/frontend'], /--from and --to go together/],
    [['run', 'sniffer', '--capture', '/nowhere/x.pcapng'], /cannot write/],
  ])('says what is wrong with %j', (args, message) => {
    const { code, err } = meshproof('attack', ...args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('meshproof doctor tls', () => {
  it('shows the runtime beside the wire, as data too', () => {
    const { code, out } = meshproof('doctor', 'tls', '-o', 'json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ node: process.versions.node, rows: expect.any(Array) });
  });
});

describe('meshproof run --capture', () => {
  it('writes a capture of the run', () => {
    const file = join(folder, 'run.pcapng');
    const { code, err } = meshproof('run', '--for', '1m', '--capture', file, '--capture-secrets');
    expect(code, err).toBe(0);
    expect(err).toContain('captured');
    // The secrets come before the packets.
    expect(readFileSync(file).includes('CLIENT_TRAFFIC_SECRET_0')).toBe(true);
  });

  it('has no secrets without a capture', () => {
    expect(meshproof('run', '--capture-secrets')).toMatchObject({ code: 2 });
  });
});
