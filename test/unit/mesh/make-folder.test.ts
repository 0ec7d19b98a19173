import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolder } from '../../../src/mesh/make-folder.ts';

let base = '';
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'meshproof-folder-'));
});
afterEach(() => rm(base, { recursive: true }));

describe('makeFolder', () => {
  it('makes what is missing, and is content with what is there', async () => {
    const deep = join(base, 'a', 'b', 'c');
    await makeFolder(deep);
    await makeFolder(deep);
    expect((await stat(deep)).isDirectory()).toBe(true);
  });

  it('refuses a file, and a folder below one', async () => {
    const file = join(base, 'file');
    await writeFile(file, '');
    await expect(makeFolder(file)).rejects.toThrow('is a file');
    await expect(makeFolder(join(file, 'below'))).rejects.toThrow('is a file');
  });

  it.runIf(existsSync('/proc/self'))('comes back from where no folder can be made', async () => {
    await expect(makeFolder('/proc/nowhere/a/b')).rejects.toThrow(/ENOENT|EPERM|EACCES/);
  });
});
