/**
 * Jobs for a fleet, each in a process of its own.
 * @module
 */
import type { KeyAlgorithm } from '../pki/index.ts';
import { moduleArguments, runNode } from './command-line.ts';

export interface FleetJob {
  /**
   * `connect`: start, then one request over every link of the ring. `rotate`: until everybody has renewed once. `day`:
   * 24 virtual hours. `traffic`: the same, with a real handshake at either end of everybody after each renewal.
   */
  readonly kind: 'connect' | 'rotate' | 'day' | 'traffic';
  readonly workloads: number;
  readonly key: KeyAlgorithm;
}

interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface FleetReport {
  readonly startUp: Spent;
  readonly work: Spent;
  readonly rotations: number;
  readonly handshakes: number;
  /** What the mesh took by starting. */
  readonly startedMb: number;
  /** What it had taken by the end. */
  readonly grownMb: number;
  /** The most the whole process ever held. */
  readonly peakMb: number;
}

export async function runFleet(job: FleetJob): Promise<FleetReport> {
  const { code, stdout } = await runNode([...moduleArguments('bench/fleet-process.ts'), JSON.stringify(job)]);
  if (code !== 0) throw new Error(`a fleet of ${job.workloads} ended with ${code}`);
  return JSON.parse(stdout);
}
