/** `meshproof bench`, run in this process at the size that only shows that it runs. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { benchVerb } from '../../src/cli/verbs/bench.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meshproof-test-'));
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

async function bench(...argv: readonly string[]): Promise<string> {
  const written: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    written.push(String(chunk));
    return true;
  });
  const program = new Command('meshproof').exitOverride();
  benchVerb(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
  await program.parseAsync(['bench', ...argv], { from: 'user' });
  return written.join('');
}

describe('bench', () => {
  it('prints the question, the machine, and tables', async () => {
    const text = await bench('diff', '--size', 'smoke');
    expect(text).toMatch(/^diff: What do questions about policies cost/);
    expect(text).toMatch(/cores, \d+ GB, .* Node \d+.*, OpenSSL \d.*, load \d/);
    expect(text).toContain('4 workloads, 2 policies');
  });

  it('writes JSON that --compare takes as a baseline, and a page', async () => {
    const [baseline, page] = [join(folder, 'baseline.json'), join(folder, 'bench.html')];
    await writeFile(baseline, await bench('diff', '--size', 'smoke', '-o', 'json', '--html', page));
    expect(await readFile(page, 'utf8')).toContain('<svg');
    const text = await bench('diff', '--size', 'smoke', '--compare', baseline);
    expect(text).toContain('Compared with the baseline:');
  });

  it('ends with 1 when something is slower than it was', async () => {
    const written = JSON.parse(await bench('diff', '--size', 'smoke', '-o', 'json'));
    // A baseline in which everything took next to nothing: no noise explains that.
    for (const { tables } of written.results)
      for (const { measurements } of tables) for (const one of measurements) one.rounds = [1e-6, 1e-6, 1e-6];
    const baseline = join(folder, 'fast.json');
    await writeFile(baseline, JSON.stringify(written));
    expect(await bench('diff', '--size', 'smoke', '--compare', baseline)).toMatch(/SLOWER +diff: 2 workloads/);
    expect(process.exitCode).toBe(1);
  });

  it.each([
    [['handshakes'], 'unknown topic `handshakes`'],
    [['diff', '--compare', '/nonexistent.json'], 'cannot read the baseline'],
  ])('refuses %j before it measures', async (argv, message) => {
    await expect(bench(...argv)).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: expect.stringContaining(message),
    });
  });

  it('refuses a size that there is not', async () => {
    await expect(bench('diff', '--size', 'huge')).rejects.toMatchObject({ code: 'commander.invalidArgument' });
  });
});
