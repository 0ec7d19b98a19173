/**
 * `meshproof test --watch`: runs, then again whenever a test file or a manifest changes.
 * @module
 */
import { watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf } from '../core/index.ts';
import { findTestFiles, loadSuite } from '../policytest/index.ts';

/** Editors write a file in several strokes. */
const SETTLE_MS = 100;

/** Ends only by a signal. @param paths test files, and folders that hold some */
export async function watchAndRun(paths: readonly string[], run: () => Promise<void>): Promise<void> {
  const watched = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  const again = async (): Promise<void> => {
    if (process.stdout.isTTY) process.stdout.write('\u001b[2J\u001b[H');
    try {
      await run();
    } catch (error) {
      process.stderr.write(`meshproof: ${messageOf(error)}\n`);
    }
    // Test files may name other manifests than before.
    for (const folder of await foldersOf(paths)) follow(folder);
    process.stderr.write('watching for changes; Ctrl-C ends\n');
  };
  const follow = (folder: string): void => {
    if (watched.has(folder)) return;
    watched.add(folder);
    const watcher = watch(folder, { recursive: true }, (_event, file) => {
      if (file === null || !/\.(?:ya?ml|json)$/.test(file) || /(?:^|\/)(?:\.|node_modules)/.test(file)) return;
      clearTimeout(timer);
      timer = setTimeout(() => {
        running = running.then(again);
      }, SETTLE_MS);
    });
    // A folder that is removed is watched again once a run finds it.
    watcher.on('error', () => {
      watcher.close();
      watched.delete(folder);
    });
  };
  let running = again();
  await running;
}

/** Folders of the test files, and of the manifests that those which can be read name. */
async function foldersOf(paths: readonly string[]): Promise<ReadonlySet<string>> {
  const named = paths.length === 0 ? ['.'] : paths;
  const files = await findTestFiles(named).catch(() => []);
  const suites = await Promise.allSettled(files.map((file) => loadSuite(file)));
  const manifests = suites.flatMap((suite) => (suite.status === 'fulfilled' ? suite.value.manifests : []));
  const folders = new Set<string>();
  for (const path of [...named, ...manifests]) {
    const kind = await stat(path).catch(() => undefined);
    if (kind !== undefined) folders.add(resolve(kind.isDirectory() ? path : dirname(path)));
  }
  return folders;
}
