/**
 * Questions about policies, answered exactly.
 * @module
 */
export { LINTS, lintRule, type LintCode, type LintRule, type LintSeverity } from './lint-codes.ts';
export type { Finding } from './lint-context.ts';
export { lint } from './lint.ts';
export {
  coverage,
  type CoverageFact,
  CoverageFold,
  type CoverageItem,
  type CoverageReport,
  joinCoverage,
} from './coverage.ts';
export { mutate, type Mutant, type MutationOperator } from './mutate.ts';
export { areEquivalent, diff } from './diff.ts';
export type { DiffOptions, Finding as DiffFinding, FindingKind, FindingTarget, PolicyDiff } from './diff.ts';
export type { SideDecision } from './mesh-side.ts';
