/**
 * What became of mutants, as plain data that shards can write down and others join.
 * @module
 */
import type { MutationOperator } from '../analysis/index.ts';
import type { MeshRequest, OutcomeResult } from '../sim/index.ts';

export type MutantFate = 'killed' | 'survived' | 'equivalent';

export interface MutantResult {
  readonly id: string;
  readonly suite: string;
  /** Place among all mutants of its suite: what joined shards are sorted by. */
  readonly order: number;
  readonly operator: MutationOperator;
  readonly file?: string;
  readonly line?: number;
  readonly fate: MutantFate;
  /** Id of the test that noticed. */
  readonly killedBy?: string;
  /** Where no request a test can send shows it: in words, what the exact diff found. */
  readonly difference?: string;
  /** A request that tells the mutant from the original: what a missing test would ask. */
  readonly witness?: {
    readonly request: MeshRequest;
    readonly original: OutcomeResult;
    readonly mutant: OutcomeResult;
    /** What differs where the result is the same, e.g. plaintext instead of mutual TLS. */
    readonly detail?: string;
  };
}

export interface MutationReport {
  readonly mutants: readonly MutantResult[];
  readonly killed: number;
  readonly survived: number;
  readonly equivalent: number;
  /** Suites that were not judged, because one of their tests fails on the policies as they are. */
  readonly unjudged: readonly { readonly suite: string; readonly failing: string }[];
  /**
   * Share of the mutants that differ from the original that some test noticed; 1 where there are none, 0 where a suite
   * was not judged.
   */
  readonly score: number;
}

export function mutationReport(
  mutants: readonly MutantResult[],
  unjudged: MutationReport['unjudged'] = [],
): MutationReport {
  const count = (fate: MutantFate): number => mutants.filter((mutant) => mutant.fate === fate).length;
  const [killed, survived, equivalent] = [count('killed'), count('survived'), count('equivalent')];
  const noticed = killed + survived === 0 ? 1 : killed / (killed + survived);
  return { mutants, killed, survived, equivalent, unjudged, score: unjudged.length > 0 ? 0 : noticed };
}

/** @param suites all of them, in the order of the report */
export function joinMutation(reports: readonly MutationReport[], suites: readonly string[]): MutationReport {
  const place = ({ suite }: { readonly suite: string }): number => suites.indexOf(suite);
  const mutants = reports.flatMap((report) => report.mutants);
  const unjudged = new Map(reports.flatMap((report) => report.unjudged.map((each) => [each.suite, each] as const)));
  return mutationReport(
    mutants.sort((a, b) => place(a) - place(b) || a.order - b.order),
    [...unjudged.values()].sort((a, b) => place(a) - place(b)),
  );
}
