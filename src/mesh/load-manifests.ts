/**
 * Reads manifests from files, folders and standard input: the file system's part of `parseManifests`.
 * @module
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError, messageOf } from '../core/index.ts';
import { type MeshConfig, parseManifestFiles, type SourceText } from '../istio/index.ts';

const MANIFEST = /\.(ya?ml|json)$/i;

/**
 * Files and folders (with the folders below them) of YAML or JSON manifests, in the order given, folders by name; `-` is
 * standard input.
 * @throws MeshError `ERR_CONFIG_IO`, ConfigError
 */
export async function loadManifests(paths: string | readonly string[]): Promise<MeshConfig> {
  const sources: SourceText[] = [];
  for (const path of [paths].flat()) sources.push(...(await readSources(path)));
  return parseManifestFiles(sources);
}

async function readSources(path: string): Promise<readonly SourceText[]> {
  if (path === '-') return [{ origin: '<stdin>', text: await readStdin() }];
  const found = await stat(path).catch((error: unknown) => {
    throw new MeshError('ERR_CONFIG_IO', `cannot read \`${path}\`: ${messageOf(error)}`);
  });
  if (found.isFile()) return [{ origin: path, text: await readFile(path, 'utf8') }];
  const names = (await readdir(path, { recursive: true })).filter((name) => MANIFEST.test(name)).sort();
  if (names.length === 0) throw new MeshError('ERR_CONFIG_IO', `\`${path}\` holds no .yaml, .yml or .json file`);
  return Promise.all(names.map(async (name) => ({ origin: join(path, name), text: await readFile(join(path, name), 'utf8') })));
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
