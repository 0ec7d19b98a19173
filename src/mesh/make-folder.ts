/**
 * `mkdir -p`. Node's own recursive `mkdir` never comes back where a file system makes no folders, such as `/proc`.
 * @module
 */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { MeshError } from '../core/index.ts';

/** Makes `folder` and those above it that are missing. @throws what `mkdir` throws; MeshError `ERR_USAGE` for a file */
export async function makeFolder(folder: string): Promise<void> {
  const missing: string[] = [];
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = await stat(at).catch(() => undefined);
    if (found?.isDirectory()) break;
    if (found !== undefined) throw new MeshError('ERR_USAGE', `\`${at}\` is a file`);
    missing.push(at);
  }
  for (const path of missing.toReversed()) await mkdir(path);
}
