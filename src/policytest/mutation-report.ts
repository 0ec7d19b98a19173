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
  /** Share of the mutants that differ from the original that some test noticed; 1 where there are none. */
  readonly score: number;
}

export function mutationReport(mutants: readonly MutantResult[]): MutationReport {
  const count = (fate: MutantFate): number => mutants.filter((mutant) => mutant.fate === fate).length;
  const [killed, survived, equivalent] = [count('killed'), count('survived'), count('equivalent')];
  return { mutants, killed, survived, equivalent, score: killed + survived === 0 ? 1 : killed / (killed + survived) };
}

export function joinMutation(reports: readonly MutationReport[]): MutationReport {
  const mutants = reports.flatMap((report) => report.mutants);
  const key = ({ suite, id }: MutantResult): string => `${suite}\n${id}`;
  return mutationReport([...mutants].sort((a, b) => (key(a) < key(b) ? -1 : 1)));
}
