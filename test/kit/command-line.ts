/**
 * The command line as a user meets it: a process of its own, its exit code, and what it wrote where.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const REPOSITORY: string = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** Resolved from here, so that commands may run in any folder. */
const TSX = import.meta.resolve('tsx');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** @defaultValue the repository */
  readonly cwd?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with what stands on stderr so far; may end the process by the handle. */
  readonly onStart?: (process: { kill(signal: NodeJS.Signals): void }) => void;
  /** Closes our end of stdout after that many characters, as `head` does. */
  readonly closeAfter?: number;
}

/** `meshproof ARGS` */
export function meshproof(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  return run(process.execPath, ['--import', TSX, MAIN, ...args], options);
}

/** Any program, with its output. */
export function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const child = spawn(command, args, {
    cwd: options.cwd ?? REPOSITORY,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, ...options.env },
    stdio: 'pipe',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (options.closeAfter !== undefined && stdout.length >= options.closeAfter) child.stdout.destroy();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined).end(options.stdin ?? '');
  options.onStart?.({ kill: (signal) => void child.kill(signal) });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
