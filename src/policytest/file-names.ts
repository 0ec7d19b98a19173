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
 * The files that `pattern`, which is relative to `folder`, means; a folder as it is.
 * @throws MeshError `ERR_TEST_INVALID` where there is none
 */
export async function expandPath(pattern: string, folder: string): Promise<readonly string[]> {
  const full = isAbsolute(pattern) ? pattern : join(folder, pattern);
  if (!/[*?]/.test(pattern)) {
    await stat(full).catch((cause: unknown) => {
      throw new MeshError('ERR_TEST_INVALID', `no file or folder \`${displayPath(full)}\``, { cause });
    });
    return [full];
  }
  const root = full.slice(0, full.search(/[*?]/)).replace(/[^/\\]*$/, '');
  const wanted = globExpression(full.slice(root.length));
  const below = await filesBelow(root).catch(() => []);
  const matching = below.filter((file) => wanted.test(slashed(relative(root, file))));
  if (matching.length === 0)
    throw new MeshError('ERR_TEST_INVALID', `\`${pattern}\` matches no file below \`${displayPath(root)}\``);
  return matching.sort();
}

/** Symbolic links to files count as files: a mounted ConfigMap holds nothing else. Links to folders are not followed. */
async function filesBelow(folder: string): Promise<readonly string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(path)))) files.push(path);
    else if (entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
      files.push(...(await filesBelow(path)));
  }
  return files;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
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
  return path === '' ? '.' : path;
}
