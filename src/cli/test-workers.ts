/**
 * Policy tests in several processes: each runs a shard and writes a blob, the blobs are joined.
 * @module
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MeshError } from '../core/index.ts';
import { joinReports, readBlob, type Shard, type TestReport } from '../policytest/index.ts';
import { EXIT } from './io.ts';

export interface WorkerRun {
  readonly files: readonly string[];
  readonly flags: readonly string[];
  readonly workers: number;
  readonly shard?: Shard;
}

/** @throws MeshError `ERR_USAGE` with what a worker said that could not do its part */
export async function runInWorkers({ files, flags, workers, shard }: WorkerRun): Promise<TestReport> {
  const folder = await mkdtemp(join(tmpdir(), 'meshproof-'));
  const { index, count } = shard ?? { index: 1, count: 1 };
  const leave = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', leave);
  try {
    const parts = Array.from({ length: workers }, async (_, k) => {
      const blob = join(folder, `${k}.json`);
      // Of the hashes that are `index - 1` modulo `count`, those of one class modulo `count * workers`.
      const part = `${index + count * k}/${count * workers}`;
      await runWorker([...files, ...flags, '--shard', part, '--reporter', `blob=${blob}`, '--pass-with-no-tests']);
      const report = readBlob(await readFile(blob, 'utf8'), blob);
      return { ...report, shard: { index: k + 1, count: workers } };
    });
    const joined = joinReports(await Promise.all(parts));
    return shard === undefined ? joined : { ...joined, shard };
  } finally {
    process.off('exit', leave);
    await rm(folder, { recursive: true, force: true });
  }
}

function runWorker(args: readonly string[]): Promise<void> {
  const [, program = ''] = process.argv;
  const child = spawn(process.execPath, [...process.execArgv, program, 'test', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = (): void => void child.kill();
  process.once('exit', stop);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('exit', stop);
      if (code === EXIT.fine || code === EXIT.findings) resolve();
      else reject(new MeshError('ERR_USAGE', said.trim().replace(/^meshproof: /, '')));
    });
  });
}
