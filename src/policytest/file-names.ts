/**
 * Names of files: globs, and the policy-test files below a folder.
 *
 * Globs know `*` and `?` within one name and `**` across folders. Hidden folders and `node_modules` are left out.
 * @module
 */
import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { MeshError } from '../core/index.ts';

const TEST_FILE = /\.mesh-test\.ya?ml$/;

/**
 * The policy-test files that `paths` mean: files as they are, folders recursively.
 * @throws MeshError `ERR_TEST_INVALID` where a path does not exist
 */
export async function findTestFiles(paths: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    const kind = await stat(path).catch(() => undefined);
    if (kind === undefined) throw new MeshError('ERR_TEST_INVALID', `no file or folder \`${path}\``);
    if (kind.isFile()) found.add(resolve(path));
    else for (const file of await filesBelow(resolve(path))) if (TEST_FILE.test(file)) found.add(file);
  }
  return [...found].sort();
}

/**
 * Expands `patterns`, which are relative to `folder`. What is no glob is passed on as it is.
 * @throws MeshError `ERR_TEST_INVALID` where a glob matches nothing
 */
export async function expandPaths(patterns: readonly string[], folder: string): Promise<readonly string[]> {
  const files: string[] = [];
  for (const pattern of patterns) {
    const full = isAbsolute(pattern) ? pattern : join(folder, pattern);
    if (!/[*?]/.test(pattern)) {
      files.push(full);
      continue;
    }
    const root = full.slice(0, full.search(/[*?]/)).replace(/[^/\\]*$/, '');
    const wanted = globExpression(full.slice(root.length));
    const below = await filesBelow(root).catch(() => []);
    const matching = below.filter((file) => wanted.test(slashed(relative(root, file))));
    if (matching.length === 0) throw new MeshError('ERR_TEST_INVALID', `\`${pattern}\` matches no file below ${root}`);
    files.push(...matching.sort());
  }
  return files;
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile()) files.push(path);
    else if (entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
      files.push(...(await filesBelow(path)));
  }
  return files;
}

function globExpression(glob: string): RegExp {
  const source = slashed(glob).replace(/\*\*\/|\*\*|[*?]|[.+^${}()|[\]]/g, (token) => {
    if (token === '**/') return '(?:[^/]+/)*';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    return token === '?' ? '[^/]' : `\\${token}`;
  });
  return new RegExp(`^${source}$`);
}

function slashed(path: string): string {
  return sep === '/' ? path : path.split(sep).join('/');
}

/** How results name a file: from the working folder, with slashes. */
export function displayPath(file: string): string {
  const path = slashed(relative(process.cwd(), file));
  return path === '' ? file : path;
}
