/**
 * Whole comparisons, each in a process of its own.
 * @module
 */
import { moduleArguments, runNode } from './command-line.ts';

export interface DiffJob {
  /** Workloads, and policies. */
  readonly size: number;
  /** Policies that differ. */
  readonly changed: number;
  /** DestinationRules, all of which differ. */
  readonly clients: number;
}

export interface DiffReport {
  readonly wallMs: number;
  /** Of all threads. */
  readonly cpuMs: number;
  /** The most the whole process ever held. */
  readonly peakMb: number;
}

export async function runDiff(job: DiffJob): Promise<DiffReport> {
  const { code, stdout } = await runNode([...moduleArguments('bench/diff-process.ts'), JSON.stringify(job)]);
  if (code !== 0) throw new Error(`a comparison of ${job.size} workloads ended with ${code}`);
  return JSON.parse(stdout);
}
