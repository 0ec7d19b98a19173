/**
 * The command line as a process of its own, as a user starts it.
 *
 * From an installed package that is the compiled program. From a clone the sources are compiled first where start-up is
 * what is measured, and run through the loader where it is not.
 * @module
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
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

/** Arguments of `node` that run the compiled program; compiles a clone's sources first. */
export function compiledArguments(): string[] {
  if (!IS_SOURCE) return moduleArguments('cli/main.ts');
  const require = createRequire(import.meta.url);
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  if (existsSync(compiler)) execFileSync(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json')]);
  return [join(ROOT, 'dist', 'cli', 'main.js')];
}

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
