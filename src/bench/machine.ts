/**
 * The machine a figure was taken on: without it a time says nothing.
 * @module
 */
import { IS_COMPILED } from './command-line.ts';
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  /** Cores this process may use. */
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly openssl: string;
  /** False: a clone's sources ran through a loader, which slows them down. */
  readonly compiled: boolean;
  /** Processes that wanted to run, averaged over a minute, as the bench began and ended: above `cores`, it was disturbed. */
  readonly load: { readonly before: number; readonly after: number };
}

export function loadNow(): number {
  return Number((loadavg()[0] ?? 0).toFixed(2));
}

/** @param before the load as the bench began */
export function machineOf(before: number): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.versions.node,
    openssl: process.versions.openssl,
    compiled: IS_COMPILED,
    load: { before, after: loadNow() },
  };
}

/** Whether absolute times of the two may be compared at all. */
export function isSameMachine(one: Machine, other: Machine): boolean {
  return (
    one.cpu === other.cpu && one.cores === other.cores && one.node === other.node && one.compiled === other.compiled
  );
}
