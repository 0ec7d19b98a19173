/**
 * The `openssl` program as an independent reader and judge.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasTool } from './external-tools.ts';

export const HAS_OPENSSL: boolean = hasTool('openssl', 'version');

export interface OpensslResult {
  readonly ok: boolean;
  readonly output: string;
}

/** Runs `openssl`; each `@name` among the arguments becomes the path of a file, with the content given under that name. */
export function openssl(args: readonly string[], files: Readonly<Record<string, string | Uint8Array>>): OpensslResult {
  const folder = mkdtempSync(join(tmpdir(), 'meshproof-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const argv = args.map((arg) => (arg.startsWith('@') ? join(folder, arg.slice(1)) : arg));
    const { status, stdout, stderr } = spawnSync('openssl', argv, { encoding: 'utf8' });
    return { ok: status === 0, output: `${stdout}${stderr}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
