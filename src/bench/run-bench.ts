/**
 * Runs a bench at a size, and says on what machine.
 * @module
 */
import type { Bench, BenchContext, BenchResult, BenchSize, RunnableBench } from './bench.ts';
import { loadNow, machineOf } from './machine.ts';

/** Hides the type of a bench's parameters, so that benches fit in one list. */
export function runnable<P>(bench: Bench<P>): RunnableBench {
  const { name, question } = bench;
  return { name, question, run: (size, context) => runBench(bench, size, context) };
}

async function runBench<P>(bench: Bench<P>, size: BenchSize, context: BenchContext): Promise<BenchResult> {
  const { name, question } = bench;
  const before = loadNow();
  const start = performance.now();
  const parameters = bench.parameters[size];
  const { tables, curves = [], aims = [], skipped = [] } = await bench.measure(parameters, context);
  const seconds = Number(((performance.now() - start) / 1_000).toFixed(1));
  return { name, question, size, parameters, machine: machineOf(before), seconds, tables, curves, aims, skipped };
}
