/** What the README shows is what happens: its transcript, its test and its commands. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { REPOSITORY, run } from '../kit/command-line.ts';

const README = await readFile(join(REPOSITORY, 'README.md'), 'utf8');
const VITEST = join(REPOSITORY, 'node_modules/vitest/vitest.mjs');

function block(language: string): string {
  const found = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'm').exec(README)?.[1];
  if (found === undefined) throw new Error(`README.md has no ${language} block`);
  return found;
}

describe('README.md', () => {
  it('shows lines of the real transcript, in their order', async () => {
    const transcript = (await readFile(join(REPOSITORY, 'scenarios/01-shop/expected.txt'), 'utf8')).split('\n');
    const [command, ...shown] = block('console').trimEnd().split('\n');
    expect(command).toBe('$ npm ci && npm start');
    expect(shown.length).toBeGreaterThan(15);
    const places = shown.map((line) => transcript.indexOf(line));
    expect(shown.filter((_, index) => places[index] === -1)).toEqual([]);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
  });

  it('shows a test of twelve lines that passes as it stands', async () => {
    const text = block('ts');
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(13);
    await mkdir(join(REPOSITORY, '.mesh'), { recursive: true });
    const folder = await mkdtemp(join(REPOSITORY, '.mesh', 'readme-'));
    try {
      await cp(join(REPOSITORY, 'scenarios/01-shop/k8s'), join(folder, 'k8s'), { recursive: true });
      await writeFile(join(folder, 'readme.test.ts'), text);
      const entry = join(REPOSITORY, 'src/index.ts');
      await writeFile(
        join(folder, 'vitest.config.ts'),
        `export default { resolve: { alias: { meshproof: ${JSON.stringify(entry)} } } };\n`,
      );
      const { code, stdout, stderr } = await run(process.execPath, [VITEST, 'run', '--root', folder], {
        cwd: folder,
        env: { VITEST: '', VITEST_POOL_ID: '', VITEST_WORKER_ID: '' },
      });
      expect({ code, output: code === 0 ? '' : stdout + stderr }).toEqual({ code: 0, output: '' });
      expect(stdout).toMatch(/Tests\s+1 passed/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('shows commands that run', async () => {
    const commands = block('sh').trimEnd().split('\n');
    expect(commands).toHaveLength(4);
    const tsx = import.meta.resolve('tsx');
    const results = await Promise.all(
      commands.map((command) => {
        const [npx, name, ...args] = command.split(' ');
        expect([npx, name]).toEqual(['npx', 'tsx']);
        return run(process.execPath, ['--import', tsx, ...args]);
      }),
    );
    expect(results.map(({ code }) => code)).toEqual([0, 1, 0, 0]);
    const [authz, audit, imported, dashboard] = results.map(({ stdout }) => stdout);
    expect(authz).toMatch(/^DENY\s+403/m);
    expect(audit).toContain('[FAIL] MSH102');
    expect(imported).toContain('Validate Order');
    expect(dashboard).toContain('Service Mesh Dashboard');
  });

  it('links to files that are there', async () => {
    const documents = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'];
    const broken: string[] = [];
    for (const document of documents) {
      const text = await readFile(join(REPOSITORY, document), 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g))
        if (!existsSync(resolve(REPOSITORY, dirname(document), target))) broken.push(`${document}: ${target}`);
    }
    expect(broken).toEqual([]);
  });
});

describe('examples/dashboard.ts', () => {
  it("prints what the brief's program prints of the same services, at the epoch", async () => {
    const golden = new URL('../unit/telemetry/golden/', import.meta.url);
    const [dashboard, audit] = await Promise.all(
      ['dashboard.txt', 'security-audit.txt'].map((name) => readFile(new URL(name, golden), 'utf8')),
    );
    const { code, stdout } = await run(process.execPath, [
      '--import',
      import.meta.resolve('tsx'),
      'examples/dashboard.ts',
    ]);
    expect(code).toBe(0);
    expect(stdout.trimEnd()).toBe(`${dashboard?.trimEnd()}\n${audit?.trimEnd()}`.replace('— 14:05', '— 00:00'));
  });
});
