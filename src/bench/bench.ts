/**
 * What a bench is and what it yields.
 *
 * A bench asks one question. It runs at a smoke size, which the tests use so that it cannot rot, and at a full one,
 * which is the one to quote. All competitors of a table take turns within one run, so that a busy machine disturbs all
 * alike; what is compared is the ratio of paired rounds, with its interval, and absolute figures stand beside it.
 *
 * Not asked: whether a figure is good enough. No test holds a threshold against time.
 * @module
 */
import type { Machine } from './machine.ts';
import type { Estimate, Growth, Point } from './statistics.ts';

export const BENCH_SIZES = ['smoke', 'full'] as const;
export type BenchSize = (typeof BENCH_SIZES)[number];

export type Unit = 'ns' | 'µs' | 'ms' | 's' | '/s' | 'bytes' | 'MB' | 'h/s' | 'x';

/** One competitor in one table. */
export interface Measurement {
  readonly name: string;
  /** Of the rounds. */
  readonly median: number;
  readonly unit: Unit;
  /** Whether more is better; else less is. */
  readonly moreIsBetter: boolean;
  /** One value a round. */
  readonly rounds: readonly number[];
  /** To the table's reference, from paired rounds: `median` is that many times the reference's. */
  readonly ratio?: Estimate;
  /** Further figures by name, such as `p99 ms` or `server CPU ms`. */
  readonly also: Readonly<Record<string, number>>;
}

/** Competitors that did the same work in the same rounds. */
export interface Table {
  /** Stable: figures of two runs are matched by it. */
  readonly title: string;
  /** Name of the measurement that ratios refer to. */
  readonly reference?: string;
  /** Name of the measurement below which nothing can go. */
  readonly floor?: string;
  readonly measurements: readonly Measurement[];
  /** What to know when reading it. */
  readonly note?: string;
}

/** How a figure grows with a size. */
export interface Curve {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly { readonly name: string; readonly points: readonly Point[]; readonly growth?: Growth }[];
}

/** A figure beside what we aim for. */
export interface Aim {
  readonly what: string;
  readonly limit: number;
  readonly atMost: boolean;
  readonly unit: Unit;
  readonly figure: number;
}

export interface Skipped {
  readonly what: string;
  readonly why: string;
}

/** What a bench found; the runner adds the rest. */
export interface Findings {
  readonly tables: readonly Table[];
  readonly curves?: readonly Curve[];
  readonly aims?: readonly Aim[];
  readonly skipped?: readonly Skipped[];
}

export interface BenchResult extends Required<Findings> {
  readonly name: string;
  readonly question: string;
  readonly size: BenchSize;
  readonly parameters: unknown;
  readonly machine: Machine;
  readonly seconds: number;
}

export interface BenchContext {
  /** Says what is being measured. */
  readonly progress: (text: string) => void;
}

export interface Bench<P = unknown> {
  readonly name: string;
  readonly question: string;
  readonly parameters: Readonly<Record<BenchSize, P>>;
  readonly measure: (parameters: P, context: BenchContext) => Promise<Findings>;
}

/** A bench whose parameters nobody outside it need know. */
export interface RunnableBench {
  readonly name: string;
  readonly question: string;
  readonly run: (size: BenchSize, context: BenchContext) => Promise<BenchResult>;
}

/** Whether an aim is reached. */
export function isReached({ figure, limit, atMost }: Aim): boolean {
  return atMost ? figure <= limit : figure >= limit;
}
