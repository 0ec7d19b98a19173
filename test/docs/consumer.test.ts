/** The package as somebody else's project meets it: packed, installed, compiled against, imported, run. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REPOSITORY, run } from '../kit/command-line.ts';
import { MANIFESTS } from '../kit/policy-test-files.ts';

const MODULES = join(REPOSITORY, 'node_modules');
const TSC = join(MODULES, 'typescript/bin/tsc');

const VITEST_FILE = `import * as fc from 'fast-check';
import { expect } from 'vitest';
import { assertLaw, LAWS, type LawName, meshCommands, meshModel, world, type World } from 'meshproof/testing';
import { type MatcherResult, meshTest, toAllow } from 'meshproof/vitest';

const test = meshTest({ manifests: 'k8s' });
const read = { from: 'shop/web', to: 'shop/cart', path: '/items/1' };

test('matchers', async ({ mesh }) => {
  expect(mesh).toAllow(read);
  expect(mesh).not.toDeny(read);
  expect(mesh).toUseMutualTls(read);
  expect(mesh).toBeDeniedBy({ ...read, method: 'DELETE' }, 'no-deletes');
  await expect(mesh.request(read)).resolves.toAllow();
  expect(await mesh.request({ ...read, from: 'outside' })).toReject();
  const result: MatcherResult = toAllow(mesh, read);
  expect(result.pass).toBe(true);
  // @ts-expect-error a request is no text
  expect(() => expect(mesh).toAllow('shop/web')).toThrow();
});

test('kit', async () => {
  const name: LawName = 'order-is-irrelevant';
  expect(LAWS[name].starts).toBe(false);
  await assertLaw(name, { numRuns: 20 });
  const worlds: fc.Arbitrary<World> = world();
  const [within] = fc.sample(worlds, 1);
  if (within !== undefined) expect(meshModel(within).config).toBe(fc.sample(meshCommands({ world: within }), 1) && within.config);
});
`;

const NODE_FILE = `import assert from 'node:assert/strict';
import test from 'node:test';
import { Mesh } from 'meshproof';
import { assertLaw } from 'meshproof/testing';

test('a mesh', async () => {
  const mesh = await Mesh.start({ manifests: 'k8s' });
  const outcome = await mesh.request({ from: 'shop/web', to: 'shop/cart', path: '/items/1' });
  await mesh.close();
  assert.equal(outcome.result, 'allow');
});
test('a law', () => assertLaw('adding-deny-never-widens', { numRuns: 10 }));
`;

const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: false,
    types: ['node'],
  },
  include: ['*.ts'],
};

describe('an installed package', () => {
  let folder = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'meshproof-consumer-'));
    const source = join(folder, 'source');
    const project = join(folder, 'project');
    mkdirSync(join(project, 'node_modules/meshproof'), { recursive: true });
    mkdirSync(join(project, 'k8s'));
    mkdirSync(source);
    for (const name of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'schema', 'scenarios'])
      cpSync(join(REPOSITORY, name), join(source, name), { recursive: true });
    const built = await run(process.execPath, [TSC, '-p', 'tsconfig.build.json', '--outDir', join(source, 'dist')]);
    expect(built).toMatchObject({ code: 0 });
    const packed = await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: source });
    expect(packed.code).toBe(0);
    const archive = join(folder, packed.stdout.trim().split('\n').at(-1) ?? '');
    const unpacked = await run('tar', ['xzf', archive, '-C', 'node_modules/meshproof', '--strip-components=1'], {
      cwd: project,
    });
    expect(unpacked.code).toBe(0);
    for (const name of readdirSync(MODULES)) symlinkSync(join(MODULES, name), join(project, 'node_modules', name));
    const files = {
      'package.json': '{ "type": "module", "private": true }',
      'tsconfig.json': JSON.stringify(TSCONFIG),
      'k8s/mesh.yaml': MANIFESTS,
      'kit.test.ts': VITEST_FILE,
      'plain.mjs': NODE_FILE,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('types the matchers of expect, strictly and with its libraries checked', async () => {
    const { code, stdout } = await run(process.execPath, [TSC, '-p', '.'], { cwd: join(folder, 'project') });
    expect(stdout).toBe('');
    expect(code).toBe(0);
  });

  it('runs in vitest and in node:test', async () => {
    const cwd = join(folder, 'project');
    const [vitest, node] = await Promise.all([
      run(process.execPath, [join(MODULES, 'vitest/vitest.mjs'), 'run', '--root', '.', '--testTimeout=30000'], {
        cwd,
        env: { VITEST: '', VITEST_POOL_ID: '', VITEST_WORKER_ID: '' },
      }),
      run(process.execPath, ['--test', 'plain.mjs'], { cwd }),
    ]);
    expect(vitest.stdout + vitest.stderr).toMatch(/Tests\s+2 passed/);
    expect({ code: node.code, said: node.code === 0 ? '' : node.stdout }).toEqual({ code: 0, said: '' });
  });

  it('is a command with its schema and scenarios beside it', async () => {
    const bin = join(folder, 'project/node_modules/meshproof/dist/cli/main.js');
    const { code, stdout } = await run(
      process.execPath,
      [bin, 'test', 'node_modules/meshproof/scenarios/01-shop', '--level', 'model'],
      {
        cwd: join(folder, 'project'),
      },
    );
    expect(stdout).toMatch(/Tests {2}\d+ passed/);
    expect(code).toBe(0);
  });
});
