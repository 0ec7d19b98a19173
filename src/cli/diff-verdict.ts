/**
 * How `meshproof diff` ends.
 * @module
 */
import { EXIT } from './io.ts';
import { isWidening, type ReportedDiff } from './render/diff-report.ts';

/** What makes the exit code 1. */
export const FAIL_ON = ['widened', 'any', 'never'] as const;
export type FailOn = (typeof FAIL_ON)[number];

/** The wire answered a witness otherwise than predicted: the prediction is wrong, and nothing else can be trusted. */
export function disagrees({ findings }: ReportedDiff): boolean {
  return findings.some(({ replay }) => replay?.agrees === false);
}

/** What could not be compared may widen access: the gate stays shut. */
export function exitCodeOf(reported: ReportedDiff, failOn: FailOn): number {
  if (disagrees(reported)) return EXIT.findings;
  if (failOn === 'never') return EXIT.fine;
  const { findings, undecided } = reported;
  const fails = undecided.length > 0 || (failOn === 'any' ? findings.length > 0 : findings.some(isWidening));
  return fails ? EXIT.findings : EXIT.fine;
}
