/** `meshproof diff` as a program: exit codes, formats, git revisions. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'meshproof-diff-'));
const BEFORE = join(ROOT, 'scenarios/01-shop/k8s');
const AFTER = join(folder, 'policies');

const COMMAND = ['--import', join(ROOT, 'node_modules/tsx/dist/esm/index.mjs'), join(ROOT, 'src/cli/main.ts')];
/** By then the walk of the tangled policies is under way, which takes longer. */
const INTERRUPT_AFTER_MS = 2500;

function run(...args: readonly string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...COMMAND, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], NO_COLOR: '1' },
  });
  return { code: status, out: stdout, err: stderr };
}

function git(...args: readonly string[]): void {
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com'];
  expect(spawnSync('git', [...identity, ...args], { cwd: folder }).status).toBe(0);
}

beforeAll(() => {
  cpSync(BEFORE, AFTER, { recursive: true });
  git('init', '-q', '-b', 'main');
  git('add', '.');
  git('commit', '-q', '-m', 'before');
  const file = join(AFTER, '30-istio.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('paths: ["/api/*"]', 'paths: ["/*"]'));
  writeFileSync(join(folder, 'nothing.yaml'), '');
  const entangled = Array.from({ length: 24 }, (_, i) => ({
    when: [{ key: 'request.headers[g]', values: [`a${i}*`], notValues: [`*b${i}`] }],
  }));
  const policies = Array.from({ length: 8 }, (_, i) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: `tangled-${i}`, namespace: 'default' },
    spec: { selector: { matchLabels: { app: `tangled-${i}` } }, rules: entangled.slice(i % 2, 24 - i) },
  }));
  writeFileSync(join(folder, 'tangled.yaml'), policies.map((policy) => JSON.stringify(policy)).join('\n---\n'));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('meshproof diff', () => {
  it('compares a git revision with a folder and fails on widened access', () => {
    const { code, out } = run('diff', 'main:policies', 'policies');
    expect(code).toBe(1);
    expect(out).toContain('NEWLY ALLOWED (1)');
    expect(out).toContain('path any except `/api/*`');
    expect(out).toContain('policies/30-istio.yaml:33');
  });

  it('finds nothing between equal configurations', () => {
    expect(run('diff', BEFORE, 'main:policies')).toMatchObject({
      code: 0,
      out: 'no request is answered differently\n',
    });
  });

  it.each([
    [['--fail-on', 'never'], 0],
    [['--fail-on', 'any'], 1],
  ] as const)('exits by %j', (args, code) => {
    expect(run('diff', 'main:policies', 'policies', ...args).code).toBe(code);
  });

  it('narrowing access fails only where any change does', () => {
    expect(run('diff', 'policies', 'main:policies').code).toBe(0);
    expect(run('diff', 'policies', 'main:policies', '--fail-on', 'any').code).toBe(1);
  });

  it('writes json, markdown and sarif, and replays', () => {
    const json: unknown = JSON.parse(run('diff', 'main:policies', 'policies', '-o', 'json', '--replay').out);
    expect(json).toMatchObject({ findings: [{ kind: 'newly-allowed', replay: { agrees: true } }] });
    expect(run('diff', 'main:policies', 'policies', '-o', 'markdown').out).toContain('**Access widens**');
    const sarif: unknown = JSON.parse(run('diff', 'main:policies', 'policies', '-o', 'sarif').out);
    expect(sarif).toMatchObject({
      version: '2.1.0',
      runs: [
        {
          results: [
            {
              ruleId: 'newly-allowed',
              locations: [
                {
                  physicalLocation: { artifactLocation: { uri: 'policies/30-istio.yaml' }, region: { startLine: 33 } },
                },
              ],
            },
          ],
        },
      ],
    });
  });

  it('says what cannot be read', () => {
    expect(run('diff', 'nowhere:policies', 'policies')).toMatchObject({
      code: 2,
      err: expect.stringContaining('no git revision'),
    });
    expect(run('diff', 'main:none', 'policies').code).toBe(2);
    expect(run('diff', '--', '-x:policies', 'policies').code).toBe(2);
  });

  it('says of which side it is what cannot be used, and where', () => {
    writeFileSync(
      join(folder, 'bad.yaml'),
      'kind: AuthorizationPolicy\napiVersion: security.istio.io/v1\nspec:\n  rulez: []\n',
    );
    mkdirSync(join(folder, 'empty'), { recursive: true });
    const usage = (...args: readonly string[]): string => {
      const { code, out, err } = run('diff', ...args);
      expect([code, out], args.join(' ')).toEqual([2, '']);
      expect(err).not.toMatch(/^ {4}at /m);
      return err;
    };
    expect(usage('policies', 'bad.yaml')).toMatch(/AFTER \(`bad\.yaml`\).*\nbad\.yaml:4:3: .*did you mean `rules`\?/s);
    expect(usage('bad.yaml', 'policies')).toContain('BEFORE (`bad.yaml`)');
    expect(usage('main:policies', 'policies', '--with', 'nowhere')).toContain('`main:policies` with `nowhere`');
    expect(usage('empty', 'policies')).toContain('no manifest');
    expect(usage('-', '-')).toContain('standard input can be read once');
    expect(usage('policies', 'main:policies', '--with', '-')).toContain('standard input can be read once');
    expect(usage('policies', 'main:policies', '--fail-on', 'widend')).toContain('did you mean `widened`?');
    expect(usage('policies', 'main:policies', '-o', 'jsn')).toContain('did you mean `json`?');
    expect(usage('policies')).toContain("missing required argument 'after'");
  });

  it('takes shared manifests before or after the sides, several times, and says where they are missing', () => {
    mkdirSync(join(folder, 'rules'), { recursive: true });
    cpSync(join(AFTER, '30-istio.yaml'), join(folder, 'rules/istio.yaml'));
    const others = readdirSync(AFTER).filter((name) => name !== '30-istio.yaml');
    const shared = others.flatMap((name) => ['--with', join('policies', name)]);
    const found = run('diff', ...shared, 'main:policies/30-istio.yaml', 'rules');
    expect(found).toMatchObject({ code: 1, out: expect.stringContaining('path any except `/api/*`') });
    expect(run('diff', 'main:policies/30-istio.yaml', 'rules', ...shared).out).toBe(found.out);
    expect(run('diff', 'rules', 'main:policies').out).toContain('only AFTER declares workloads');
  });

  it('reads one side from standard input', () => {
    const input = readFileSync(join(AFTER, '30-istio.yaml'), 'utf8');
    const others = readdirSync(AFTER).filter((name) => name !== '30-istio.yaml');
    const shared = others.flatMap((name) => ['--with', join('policies', name)]);
    const { status, stdout } = spawnSync(process.execPath, [...COMMAND, 'diff', 'main:policies', '-', ...shared], {
      cwd: folder,
      encoding: 'utf8',
      input,
    });
    expect([status, stdout]).toEqual([1, expect.stringContaining('<stdin>:33')]);
  });

  it('keeps its exit code where the reader goes away, and ends at once when it is interrupted', async () => {
    const ended = (child: ChildProcess): Promise<unknown> =>
      new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
    const wide = spawn(
      process.execPath,
      [...COMMAND, 'diff', 'nothing.yaml', 'policies', '--fail-on', 'any', '-o', 'json'],
      {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    wide.stdout.destroy();
    expect(await ended(wide)).toBe(1);
    const tangled = spawn(process.execPath, [...COMMAND, 'diff', 'tangled.yaml', 'policies'], {
      cwd: folder,
      stdio: 'ignore',
    });
    const end = ended(tangled);
    setTimeout(() => tangled.kill('SIGINT'), INTERRUPT_AFTER_MS);
    expect([130, 'SIGINT']).toContain(await end);
  });
});
