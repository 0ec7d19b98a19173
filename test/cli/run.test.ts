/**
 * The command line as a user meets it: exit codes, one clear line for every fault, files that are whole or not there.
 */
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Finished, meshproof } from '../kit/command-line.ts';
import { manifests, peerAuthenticationYaml, workloadYaml } from '../kit/small-world.ts';

const MANIFESTS = manifests(workloadYaml('client'), workloadYaml('server'), peerAuthenticationYaml('STRICT'));
const SCENARIO = `
apiVersion: meshproof.dev/v1alpha1
kind: Scenario
metadata: { name: small }
clock: { run: 10m }
manifests: [./k8s.yaml]
services:
  server: { latency: { p50: 5ms, p99: 50ms }, connections: 30 }
traffic:
  - { from: default/client, to: default/server, rps: 10 }
expect:
  - { lost: 0 }
`;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshproof-cli-'));
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  write('k8s.yaml', MANIFESTS);
  write('scenario.yaml', SCENARIO);
  write('misspelt-scenario.yaml', SCENARIO.replace('latency:', 'latncy:'));
  write('misspelt-manifest.yaml', MANIFESTS.replace('mtls: { mode', 'mtls: { mdoe'));
  write('misspelt.yaml', SCENARIO.replace('./k8s.yaml', './misspelt-manifest.yaml'));
  write('broken-manifest.yaml', 'spec: [1, 2\nkind: Service\n');
  write('broken.yaml', SCENARIO.replace('[./k8s.yaml]', '[./k8s.yaml'));
  write('no-such-folder.yaml', SCENARIO.replace('./k8s.yaml', './nowhere'));
  write('lost.yaml', `${SCENARIO}\nrotation: { enabled: false }\nca: { leafTtl: 5m }\n`);
});
afterAll(() => rmSync(folder, { recursive: true }));

const inFolder = (args: readonly string[]): Promise<Finished> => meshproof(args, { cwd: folder });

/** One line a fault, nothing of our insides. */
function expectOneClearLine({ stdout, stderr }: Finished): void {
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^meshproof: \S/);
  expect(stderr).not.toMatch(/\n\s+at |node:internal|\.ts:\d+|Error:/);
}

describe('faults of the user', () => {
  const faults = [
    {
      name: 'a misspelt field in a scenario',
      args: ['run', 'misspelt-scenario.yaml'],
      says: /misspelt-scenario\.yaml:8:13: .*`latncy`; did you mean `latency`\?/,
    },
    {
      name: 'a misspelt field in a manifest',
      args: ['run', 'misspelt.yaml'],
      says: /misspelt-manifest\.yaml:\d+:\d+.*mdoe.*did you mean `mode`/,
    },
    { name: 'broken YAML in a scenario', args: ['run', 'broken.yaml'], says: /broken\.yaml:\d+:\d+: / },
    {
      name: 'broken YAML in a manifest',
      args: ['audit', '-f', 'broken-manifest.yaml'],
      says: /broken-manifest\.yaml:\d+:\d+/,
    },
    {
      name: 'a scenario nobody knows',
      args: ['run', '01-shpo'],
      says: /no scenario `01-shpo`.*did you mean `01-shop`\?/,
    },
    {
      name: 'a folder that is not there',
      args: ['run', 'no-such-folder.yaml'],
      says: /nowhere`: no such file or folder/,
    },
    { name: 'an unknown verb', args: ['rnu'], says: /unknown command `rnu`; did you mean `run`\?/ },
    {
      name: 'an unknown option',
      args: ['run', '--sede', 'x'],
      says: /unknown option '--sede'\n\(Did you mean --seed\?\)/,
    },
    {
      name: 'an unknown output format',
      args: ['run', '-o', 'jsn'],
      says: /unknown output format `jsn`.*did you mean `json`\?/,
    },
    { name: 'no duration', args: ['run', '--for', 'soon'], says: /`soon`/ },
    {
      name: 'a metrics file in no folder',
      args: ['run', '--metrics', 'nowhere/m.prom'],
      says: /cannot write `nowhere\/m\.prom`: no such folder/,
    },
    { name: 'a low-code export that is none', args: ['lowcode', 'import', 'k8s.yaml'], says: /k8s\.yaml/ },
  ] as const;

  it.concurrent.each(faults)('$name: one clear line, exit code 2', async ({ args, says }) => {
    const finished = await inFolder(args);
    expect(finished.stderr).toMatch(says);
    expect(finished.code).toBe(2);
    expectOneClearLine(finished);
  });

  it('a busy port: says which, and what to do', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const busy = `${SCENARIO}\nlisten: { "default/server:8080": ${port} }\n`;
    writeFileSync(join(folder, 'busy.yaml'), busy);
    try {
      const finished = await inFolder(['run', 'busy.yaml']);
      expectOneClearLine(finished);
      expect(finished.code).toBe(2);
      expect(finished.stderr).toContain(`cannot listen on 127.0.0.1:${port}: the port is in use`);
    } finally {
      server.close();
    }
    expect((await inFolder(['run', 'busy.yaml'])).code).toBe(0);
  });
});

describe('run', () => {
  it('writes all it has to say into a folder, and nothing where there can be none', async () => {
    const out = join(folder, 'made', 'for', 'it');
    const { code, stdout } = await inFolder(['run', 'scenario.yaml', '--out', out]);
    expect(code).toBe(0);
    expect(readdirSync(out).toSorted()).toEqual([
      'access.log',
      'events.jsonl',
      'metrics.prom',
      'report.json',
      'report.txt',
    ]);
    const read = (name: string): string => readFileSync(join(out, name), 'utf8');
    expect(read('report.txt')).toBe(stdout);
    expect(JSON.parse(read('report.json'))).toMatchObject({ services: [{ name: 'server' }] });
    expect(read('metrics.prom')).toMatch(/^istio_requests_total\{/m);
    expect(read('access.log')).toMatch(/^\[2026-01-01T00:00:00.*"GET \/ HTTP\/1.1" 200 - via_upstream /m);
    const events = read('events.jsonl').trimEnd().split('\n');
    expect(JSON.parse(events[0] ?? '')).toMatchObject({ kind: 'mesh.started', seq: 0 });
    expect(events.some((line) => line.includes('"kind":"certificate.issued"'))).toBe(true);
    expectOneClearLine(await inFolder(['run', 'scenario.yaml', '--out', 'scenario.yaml']));
  });

  it('writes the metrics whole, and the same figures as json and yaml', async () => {
    const [json, yaml] = await Promise.all([
      inFolder(['run', 'scenario.yaml', '-o', 'json', '--metrics', 'metrics.prom']),
      inFolder(['run', '.', '-o', 'yaml']),
    ]);
    expect([json.code, yaml.code]).toEqual([0, 0]);
    // Serial numbers are not drawn from the seed.
    const withoutSerials = (key: string, value: unknown): unknown => (key === 'serial' ? undefined : value);
    const report = JSON.parse(json.stdout, withoutSerials);
    expect(JSON.parse(JSON.stringify(parse(yaml.stdout)), withoutSerials)).toEqual(report);
    expect(report).toMatchObject({ ok: true, services: [{ name: 'server', requestsTotal: 6_000, connections: 30 }] });
    expect(report.bestPractices.map(({ code }: { code: string }) => code)).toContain('MSH101');
    const metrics = readFileSync(join(folder, 'metrics.prom'), 'utf8');
    expect(metrics).toMatch(/^istio_requests_total\{.*connection_security_policy="mutual_tls".*\} /m);
    expect(readdirSync(folder).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  it('ends with 1 when requests are lost, and names the first loss', async () => {
    const { code, stdout } = await inFolder(['run', 'lost.yaml']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/FAIL {2}at 10m: 0 requests lost in all flows/);
    expect(stdout).toMatch(/First loss: .*client -> server.*expired/);
  });

  it('is ended by Ctrl-C with 130: what was seen is printed, no file is left half written', async () => {
    const { code, stdout, stderr } = await meshproof(['run', '.', '--for', '100000h', '--metrics', 'late.prom'], {
      cwd: folder,
      onStart: (started) => void whenRunning(started.pid).then(() => started.kill('SIGINT')),
    });
    expect(code).toBe(130);
    expect(stdout).toContain('Service Mesh Dashboard');
    expect(stderr).toMatch(/^interrupted: /);
    expect(readdirSync(folder).filter((name) => name.includes('late.prom'))).toEqual([]);
  });

  it('does not mind a reader that goes away', async () => {
    const { code, stderr } = await meshproof(['run', '.'], { cwd: folder, closeAfter: 1 });
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/EPIPE|\n\s+at /);
  });
});

describe('audit and lowcode', () => {
  it.concurrent('audit of manifests alone fails where a service has no policy', async () => {
    const { code, stdout } = await inFolder(['audit', '-f', 'k8s.yaml', '-o', 'json']);
    expect(code).toBe(1);
    const { ok, bestPractices } = JSON.parse(stdout);
    expect(ok).toBe(false);
    expect(bestPractices).toMatchObject([
      { code: 'MSH101', result: 'pass' },
      { code: 'MSH102', result: 'fail' },
      { code: 'MSH106', result: 'pass' },
      { code: 'MSH107', result: 'pass' },
    ]);
  });

  it.concurrent('audit of a scenario judges what happened as well', async () => {
    const { code, stdout } = await inFolder(['audit', 'lost.yaml']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/\[FAIL\] MSH104 Automatic certificate rotation/);
  });

  it.concurrent('lowcode platforms lists the catalogue', async () => {
    const { code, stdout } = await inFolder(['lowcode', 'platforms']);
    expect(code).toBe(0);
    expect(stdout).toContain(' Retool: Internal Tools — Free tier + $10/user\n');
    expect(stdout.trimEnd().split('\n')).toHaveLength(7);
  });
});

/** Resolves when the process has sockets open: the mesh runs, and Ctrl-C is listened for. */
async function whenRunning(pid: number): Promise<void> {
  const sockets = (): number => {
    if (process.platform !== 'linux') return -1;
    try {
      const folder = `/proc/${pid}/fd`;
      return readdirSync(folder).filter((fd) => readlinkSync(join(folder, fd)).startsWith('socket:')).length;
    } catch {
      // A descriptor that went away while they were counted.
      return 0;
    }
  };
  if (sockets() < 0) await new Promise((resolve) => setTimeout(resolve, 8_000));
  else while (sockets() < 60) await new Promise((resolve) => setTimeout(resolve, 50));
}
