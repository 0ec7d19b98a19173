/** Every example of the guide runs as it stands. */
import { readFileSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSuite, runSuite } from '../../src/policytest/index.ts';
import { LAWS } from '../../src/testing/index.ts';
import { REPOSITORY, run } from '../kit/command-line.ts';
import { folderWith } from '../kit/temporary-folder.ts';

const GUIDE = readFileSync(join(REPOSITORY, 'docs/guide/testing.md'), 'utf8');
const blocks = (language: string): readonly string[] =>
  [...GUIDE.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map((match) => match[1] ?? '');

/** What `meshproof` and its subpaths are in a clone. */
const SOURCES: Readonly<Record<string, string>> = {
  'meshproof/vitest': 'src/testing/vitest.ts',
  'meshproof/testing': 'src/testing/index.ts',
  meshproof: 'src/index.ts',
};

function inClone(code: string): string {
  return code.replace(
    /from '(meshproof(?:\/\w+)?)'/g,
    (_, name: string) => `from '${join(REPOSITORY, SOURCES[name] ?? name)}'`,
  );
}

describe('docs/guide/testing.md', () => {
  it('has a policy-test file that passes', async () => {
    const [text = ''] = blocks('yaml');
    const folder = folderWith({
      'x.mesh-test.yaml': text.replaceAll('../../scenarios', join(REPOSITORY, 'scenarios')),
    });
    const results = await runSuite(await loadSuite(`${folder}/x.mesh-test.yaml`));
    expect(results.length).toBeGreaterThan(25);
    // The matrix shows one thing on purpose: retool and admin-service may read nothing here.
    expect(results.filter(({ status }) => status !== 'passed').map(({ id, differences }) => [id, differences])).toEqual(
      [],
    );
  });

  it('has TypeScript that runs, in vitest and without', async () => {
    const code = blocks('ts').map(inClone);
    expect(code).toHaveLength(4);
    const folder = folderWith({ 'package.json': '{ "type": "module" }' });
    symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
    symlinkSync(join(REPOSITORY, 'scenarios'), join(folder, 'scenarios'));
    mkdirSync(join(folder, 'plain'));
    code.forEach((text, index) => {
      const plain = text.includes('node:assert');
      writeFileSync(join(folder, plain ? `plain/example-${index}.ts` : `example-${index}.test.ts`), text);
    });
    const vitest = await run(
      process.execPath,
      [join(REPOSITORY, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder, '--testTimeout=30000'],
      { cwd: folder },
    );
    expect(vitest.stdout + vitest.stderr).toMatch(/Tests\s+7 passed/);
    expect(vitest.code).toBe(0);
    const plain = await run(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), join(folder, 'plain/example-1.ts')],
      { cwd: folder },
    );
    expect(plain).toMatchObject({ code: 0, stderr: '' });
  });

  it('lists every law with its claim', () => {
    for (const { name, claim } of Object.values(LAWS)) expect(GUIDE).toContain(`| \`${name}\` | ${claim} |`);
  });
});
