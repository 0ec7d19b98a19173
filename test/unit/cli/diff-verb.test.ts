/** `meshproof diff` as a program: exit codes, formats, git revisions. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'meshproof-diff-'));
const BEFORE = join(ROOT, 'scenarios/01-shop/k8s');
const AFTER = join(folder, 'policies');

function run(...args: readonly string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', join(ROOT, 'node_modules/tsx/dist/esm/index.mjs'), join(ROOT, 'src/cli/main.ts'), ...args],
    { cwd: folder, encoding: 'utf8', env: { PATH: process.env['PATH'], NO_COLOR: '1' } },
  );
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
});
