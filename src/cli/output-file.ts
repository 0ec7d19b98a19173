/**
 * Files that verbs write: whole or not at all.
 * @module
 */
import { constants } from 'node:fs';
import { access, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MeshError, messageOf } from '../core/index.ts';

/**
 * Checks, before the work begins, that `file` can be written when it is done.
 * @throws MeshError `ERR_USAGE`
 */
export async function assertWritable(file: string): Promise<void> {
  const existing = await stat(file).catch(() => undefined);
  if (existing?.isDirectory()) throw cannotWrite(file, 'it is a folder');
  await access(dirname(file), constants.W_OK).catch((error: unknown) => {
    throw cannotWrite(file, isCode(error, 'ENOENT') ? 'no such folder' : 'permission denied');
  });
}

/** Writes under another name first: whoever reads `file` finds the old text or the new one, never half of it. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const draft = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
  try {
    await writeFile(draft, text);
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw cannotWrite(file, messageOf(error));
  }
}

function cannotWrite(file: string, why: string): MeshError {
  return new MeshError('ERR_USAGE', `cannot write \`${file}\`: ${why}`);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
