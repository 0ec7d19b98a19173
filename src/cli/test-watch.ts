/**
 * `meshproof test --watch`: runs, then again whenever a manifest or test file below the folders changes.
 * @module
 */
import { watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf } from '../core/index.ts';

/** Editors write a file in several strokes. */
const SETTLE_MS = 100;

/** Ends only by a signal. */
export async function watchAndRun(paths: readonly string[], run: () => Promise<void>): Promise<void> {
  const again = async (): Promise<void> => {
    if (process.stdout.isTTY) process.stdout.write('\u001b[2J\u001b[H');
    try {
      await run();
    } catch (error) {
      process.stderr.write(`meshproof: ${messageOf(error)}\n`);
    }
    process.stderr.write('watching for changes; Ctrl-C ends\n');
  };
  let running = again();
  let timer: NodeJS.Timeout | undefined;
  const folders = new Set<string>();
  for (const path of paths.length === 0 ? ['.'] : paths)
    folders.add((await stat(path)).isDirectory() ? path : dirname(path));
  for (const folder of folders) {
    watch(folder, { recursive: true }, (_event, file) => {
      if (file === null || !/\.(?:ya?ml|json)$/.test(file) || /(?:^|\/)(?:\.|node_modules)/.test(file)) return;
      clearTimeout(timer);
      timer = setTimeout(() => {
        running = running.then(again);
      }, SETTLE_MS);
    });
  }
  await running;
}
