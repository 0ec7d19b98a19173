/**
 * Manifests out of a git revision, written as git writes them: `main:policies`, `HEAD~1:k8s/shop.yaml`, or a revision
 * alone for the whole tree. Read through `git cat-file --batch`; nothing is checked out.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { MeshError } from '../core/index.ts';
import type { MeshConfig } from '../istio/index.ts';
import { parseManifestFiles } from '../istio/parse-manifests.ts';
import type { DocumentCache, SourceText } from '../istio/yaml-reader.ts';
import { loadManifests, readManifestFiles } from '../mesh/load-manifests.ts';
import { isManifestPath, manifestSource } from '../mesh/manifest-files.ts';

const OUTPUT_BYTES_MAX = 512 * 1024 * 1024;

/**
 * A file, a folder, `-`, or a git revision; `shared` are manifests that belong to every
 * configuration, `documents` what has been parsed for another.
 * @throws MeshError `ERR_CONFIG_IO`; `ConfigError`
 */
export async function loadConfiguration(
  place: string,
  shared: readonly string[],
  documents: DocumentCache = new Map(),
): Promise<MeshConfig> {
  if (place === '-' || existsSync(place)) return loadManifests([...shared, place], documents);
  const files = filesAtRevision(place);
  return parseManifestFiles([...(await readManifestFiles(shared)), ...files], documents);
}

function filesAtRevision(place: string): readonly SourceText[] {
  const colon = place.indexOf(':');
  const revision = colon < 0 ? place : place.slice(0, colon);
  const path = (colon < 0 ? '' : place.slice(colon + 1)).replace(/\/+$/, '');
  const fail = (why: string): MeshError =>
    new MeshError('ERR_CONFIG_IO', `cannot read \`${place}\`: no such file or folder, and ${why}`);
  if (revision === '' || revision.startsWith('-')) throw fail('no git revision');
  if (git(['rev-parse', '--verify', '--quiet', `${revision}^{tree}`]) === undefined) {
    throw fail(`\`${revision}\` is no git revision here`);
  }
  const listed = git([
    'ls-tree',
    '-r',
    '-z',
    '--full-tree',
    '--name-only',
    revision,
    ...(path === '' ? [] : ['--', path]),
  ]);
  const names = (listed ?? '')
    .split('\0')
    .filter((name) => name !== '' && (name === path || isManifestPath(name.slice(path.length))));
  if (names.length === 0)
    throw fail(`\`${revision}\` has no manifest (*.yaml, *.yml, *.json) below \`${path || '/'}\``);
  const origins = names.map((name) => `${revision}:${name}`);
  const texts = blobs(origins);
  return names.map((name, i) => manifestSource(origins[i] ?? '', texts[i] ?? new Uint8Array(), name === path));
}

function git(args: readonly string[]): string | undefined {
  const { status, stdout, error } = spawnSync('git', args, { encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX });
  if (error !== undefined) throw new MeshError('ERR_CONFIG_IO', `cannot run git: ${error.message}`, { cause: error });
  return status === 0 ? stdout : undefined;
}

const NEWLINE = 0x0a;

/** `<id> blob <bytes>\n<content>\n`, one after the other. */
function blobs(names: readonly string[]): readonly Uint8Array[] {
  const { stdout } = spawnSync('git', ['cat-file', '--batch'], {
    input: `${names.join('\n')}\n`,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  const texts: Uint8Array[] = [];
  let at = 0;
  while (at < stdout.length) {
    const end = stdout.indexOf(NEWLINE, at);
    const bytes = Number(stdout.toString('utf8', at, end).split(' ').at(-1));
    texts.push(stdout.subarray(end + 1, end + 1 + bytes));
    at = end + 1 + bytes + 1;
  }
  return texts;
}
