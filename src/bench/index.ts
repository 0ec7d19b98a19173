/**
 * Benches: what handshakes, rotation, decisions and start-up cost, beside what anyone would use instead.
 *
 * `bench.ts` says what a bench is; `rounds.ts` lets competitors take turns; one file or folder a question. Each is
 * loaded only when it is run.
 * @module
 */
import { assertNever } from '../core/index.ts';
import type { ExtraDecider } from './authz/contenders.ts';
import type { RunnableBench } from './bench.ts';
import { runnable } from './run-bench.ts';

export * from './bench.ts';
export * from './compare.ts';
export { renderHtml } from './render-html.ts';
export { renderText } from './render-text.ts';
export type { ExtraDecider } from './authz/contenders.ts';

/** What a clone adds to the packages that an installation has. */
export interface BenchExtras {
  readonly deciders?: readonly ExtraDecider[];
}

export const BENCH_TOPICS = ['handshake', 'rotation', 'authz', 'diff', 'mesh', 'start'] as const;
export type BenchTopic = (typeof BENCH_TOPICS)[number];

export async function loadBench(topic: BenchTopic, { deciders = [] }: BenchExtras = {}): Promise<RunnableBench> {
  switch (topic) {
    case 'authz':
      return runnable((await import('./authz/authz.ts')).authzBench(deciders));
    case 'handshake':
      return runnable((await import('./handshake/handshake.ts')).handshakeBench);
    case 'rotation':
      return runnable((await import('./rotation/rotation.ts')).rotationBench);
    case 'diff':
      return runnable((await import('./diff.ts')).diffBench);
    case 'mesh':
      return runnable((await import('./mesh/mesh.ts')).meshBench);
    case 'start':
      return runnable((await import('./start.ts')).startBench);
    default:
      return assertNever(topic);
  }
}
