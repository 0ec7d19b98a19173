/**
 * Manifests from files: the twin of `parseManifests` that reads the file system.
 *
 * A folder stands for every `*.yaml`, `*.yml` and `*.json` below it, in the order of their paths, but for hidden folders,
 * `node_modules`, and files that are no manifests at all (`values.yaml`, `package.json`); `-` is standard input. A file
 * that is named twice is read once.
 * @module
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MeshError, messageOf } from '../core/errors.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { parseManifestFiles } from '../istio/parse-manifests.ts';
import type { DocumentCache, SourceText } from '../istio/yaml-reader.ts';
import { isManifestPath, manifestSource } from './manifest-files.ts';

const STDIN = '-';

/**
 * @param documents shared between configurations that have most documents in common
 * @throws MeshError `ERR_CONFIG_IO` where a path cannot be read or a folder holds no manifest; `ConfigError` with every
 * fault of the manifests
 */
export async function loadManifests(paths: string | readonly string[], documents?: DocumentCache): Promise<MeshConfig> {
  return parseManifestFiles(await readManifestFiles(paths), documents);
}

/** The texts alone. @throws MeshError `ERR_CONFIG_IO`; `ConfigError` where a text is not UTF-8 */
export async function readManifestFiles(paths: string | readonly string[]): Promise<readonly SourceText[]> {
  const files = new Map<string, ManifestFile>();
  for (const path of typeof paths === 'string' ? [paths] : paths) {
    for (const file of await manifestFiles(path)) {
      const key = file.path === STDIN ? STDIN : resolve(file.path);
      const known = files.get(key);
      files.set(key, known === undefined ? file : { ...known, named: known.named || file.named });
    }
  }
  return Promise.all([...files.values()].map(readManifest));
}

interface ManifestFile {
  readonly path: string;
  /** Not only met in a folder. */
  readonly named: boolean;
}

async function manifestFiles(path: string): Promise<readonly ManifestFile[]> {
  if (path === STDIN || !(await isFolder(path))) return [{ path, named: true }];
  const entries = await attempt(path, () => readdir(path, { recursive: true }));
  const files: ManifestFile[] = [];
  for (const entry of entries.filter(isManifestPath).sort()) {
    const file = join(path, entry);
    if (!(await isFolder(file))) files.push({ path: file, named: false });
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

async function readManifest({ path, named }: ManifestFile): Promise<SourceText> {
  if (path === STDIN) return manifestSource('<stdin>', await readStdin(), true);
  return manifestSource(path, await attempt(path, () => readFile(path)), named);
}

async function readStdin(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
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
