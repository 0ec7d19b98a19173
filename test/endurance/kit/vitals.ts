/** What a process holds: sockets, timers and heap, after garbage collection. */
import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** Long runs are behind MESHPROOF_LONG=1; the suite has small ones. */
export const LONG: boolean = process.env['MESHPROOF_LONG'] === '1';

export interface Vitals {
  readonly sockets: number;
  readonly timers: number;
  readonly heapMb: number;
  readonly rssMb: number;
}

const MB = 1_048_576;

export function vitals(): Vitals {
  if (typeof collect === 'function') {
    collect();
    collect();
  }
  const resources = process.getActiveResourcesInfo();
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  return {
    sockets: resources.filter((kind) => /TCP|TLS|Pipe|UDP/.test(kind)).length,
    timers: resources.filter((kind) => /Timeout|Immediate/.test(kind)).length,
    heapMb: Math.round(((heapUsed + external + arrayBuffers) / MB) * 10) / 10,
    rssMb: Math.round(rss / MB),
  };
}

/** Vitals once nothing moves any more: sockets close a turn or two after their owners. */
export async function settledVitals(before: Vitals): Promise<Vitals> {
  // What was awaited last is still referred to until its turn is over.
  await wait(100);
  let now = vitals();
  for (let i = 0; i < 50 && (now.sockets > before.sockets || now.timers > before.timers); i++) {
    await wait(20);
    now = vitals();
  }
  return now;
}

/** Figures of a long run belong to its record. */
export function record(what: string, figures: Readonly<Record<string, unknown>>): void {
  if (LONG) process.stderr.write(`${what}: ${JSON.stringify(figures)}\n`);
}
