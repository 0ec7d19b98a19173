/**
 * Turns of functions far faster than the clock's tick, and what they allocate.
 * @module
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Contender } from './rounds.ts';
import { median } from './statistics.ts';

/** A turn lasts about this long: a hundred thousand ticks of the clock, and far less than a scheduler's slice. */
const TURN_MS = 2;
const BATCH_MAX = 1 << 22;

/** A contender whose figure is nanoseconds a call of `once`, which is called often enough for the clock. */
export function perFastCall(name: string, once: () => void, options: { readonly every?: number } = {}): Contender {
  let batch = 0;
  return {
    name,
    ...options,
    turn: () => {
      if (batch === 0) batch = batchFor(once);
      const ms = loopMs(once, batch);
      const turn = { value: (1e6 * ms) / batch };
      // Compiled meanwhile: the next turn is filled again.
      if (ms < TURN_MS / 2) batch = 0;
      return turn;
    },
  };
}

function batchFor(once: () => void): number {
  let batch = 1;
  // The first calls run uncompiled, so the batch is found anew until the compiled code fills a turn.
  while (batch < BATCH_MAX && loopMs(once, batch) < TURN_MS) batch *= 2;
  return batch;
}

function loopMs(once: () => void, batch: number): number {
  const start = performance.now();
  for (let i = 0; i < batch; i++) once();
  return performance.now() - start;
}

const ALLOCATION_TRIES = 9;
const ALLOCATION_CALLS = 2_000;

/** Bytes of heap that a call of `once` takes, garbage included. */
export function bytesAllocated(once: () => void): number {
  const collect = garbageCollector();
  const tries = Array.from({ length: ALLOCATION_TRIES }, () => {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < ALLOCATION_CALLS; i++) once();
    return (process.memoryUsage().heapUsed - before) / ALLOCATION_CALLS;
  });
  // A collection in between makes a try too small, never too large: those are outvoted.
  return Math.max(0, median(tries));
}

/** `gc` without a flag on the command line. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  return typeof collect === 'function' ? () => void collect() : () => undefined;
}
