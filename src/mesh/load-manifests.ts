/**
 * Manifests from files: the twin of `parseManifests` that reads the file system.
 *
 * A folder stands for every `*.yaml`, `*.yml` and `*.json` below it, in the order of their paths; `-` is standard input.
 * Hidden folders are left out: a mounted ConfigMap keeps every file once more in one. A file that is named twice is read
 * once.
 * @module
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MeshError, messageOf } from '../core/errors.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { parseManifestFiles } from '../istio/parse-manifests.ts';

const MANIFEST = /\.(?:ya?ml|json)$/;
/** `.git/x.yaml`, `..data/x.yaml` */
const HIDDEN_FOLDER = /(?:^|[\\/])\.[^\\/]*[\\/]/;
const STDIN = '-';

/**
 * @throws MeshError `ERR_CONFIG_IO` where a path cannot be read or a folder holds no manifest; `ConfigError` with every
 * fault of the manifests
 */
export async function loadManifests(paths: string | readonly string[]): Promise<MeshConfig> {
  return parseManifestFiles(await readManifestFiles(paths));
}

/** The texts alone. @throws MeshError `ERR_CONFIG_IO` */
export async function readManifestFiles(
  paths: string | readonly string[],
): Promise<readonly { readonly origin: string; readonly text: string }[]> {
  const files: string[] = [];
  const seen = new Set<string>();
  for (const path of typeof paths === 'string' ? [paths] : paths) {
    for (const file of await manifestFiles(path)) {
      const key = file === STDIN ? STDIN : resolve(file);
      if (!seen.has(key)) files.push(file);
      seen.add(key);
    }
  }
  return Promise.all(files.map(readManifest));
}

async function manifestFiles(path: string): Promise<readonly string[]> {
  if (path === STDIN) return [STDIN];
  if (!(await isFolder(path))) return [path];
  const entries = await attempt(path, () => readdir(path, { recursive: true }));
  const files: string[] = [];
  for (const entry of entries.filter((name) => MANIFEST.test(name) && !HIDDEN_FOLDER.test(name)).sort()) {
    const file = join(path, entry);
    if (!(await isFolder(file))) files.push(file);
  }
  if (files.length === 0) {
    throw new MeshError('ERR_CONFIG_IO', `no manifest (*.yaml, *.yml, *.json) below \`${path}\``, {
      details: { path },
    });
  }
  return files;
}

async function isFolder(path: string): Promise<boolean> {
  return (await attempt(path, () => stat(path))).isDirectory();
}

async function readManifest(file: string): Promise<{ readonly origin: string; readonly text: string }> {
  if (file === STDIN) return { origin: '<stdin>', text: await readStdin() };
  return { origin: file, text: await attempt(file, () => readFile(file, 'utf8')) };
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTDIR: 'a part of the path is no folder',
  ELOOP: 'too many symbolic links',
};

async function attempt<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
    const reason = REASONS[code] ?? messageOf(cause);
    throw new MeshError('ERR_CONFIG_IO', `cannot read \`${path}\`: ${reason}`, { cause, details: { path } });
  }
}
