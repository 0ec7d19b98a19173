/**
 * Modules of this package as processes of their own: the command line as a user starts it, servers, fleets.
 *
 * From an installed package, and from `npm run bench` in a clone, that is the compiled program; from a clone's sources,
 * as in its tests, they run through the loader.
 * @module
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `src` of a clone, or `dist`. */
const HERE = fileURLToPath(new URL('..', import.meta.url));
const ROOT = dirname(HERE.replace(/[/\\]$/, ''));
const IS_SOURCE = import.meta.url.endsWith('.ts');

/** A manifest folder that ships. */
export const SHOP: string = join(ROOT, 'scenarios', '01-shop', 'k8s');

/** Arguments of `node` that run a module of this package, by its path below `src`. */
export function moduleArguments(path: string): string[] {
  if (!IS_SOURCE) return [join(HERE, path.replace(/\.ts$/, '.js'))];
  return ['--import', createRequire(import.meta.url).resolve('tsx'), join(HERE, path)];
}

/** Whether the program runs as it was compiled; from a clone's sources its speed says little. */
export const IS_COMPILED: boolean = !IS_SOURCE;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly wallMs: number;
}

/** Runs `node` with these arguments to its end. */
export function runNode(args: readonly string[]): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, stdout: Buffer.concat(chunks).toString(), wallMs: performance.now() - start }),
    );
  });
}
