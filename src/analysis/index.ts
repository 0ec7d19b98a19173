/**
 * Questions about policies, answered exactly.
 * @module
 */
export { LINTS, lintRule, type LintCode, type LintRule, type LintSeverity } from './lint-codes.ts';
export type { Finding as LintFinding } from './lint-context.ts';
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
export { diff, diff as semanticDiff } from './diff.ts';
export type { DiffOptions, PolicyDiff } from './diff.ts';
export type { Undecided } from './undecided.ts';
export type { Finding as DiffFinding, FindingKind, FindingTarget } from './finding.ts';
export type { WitnessToken } from './token-model.ts';
export { carried, type TokenLocation } from './token-rules.ts';
export { keySourceOf, type Signer as TokenSigner, verifies } from './token-signers.ts';
export type { SideDecision } from './mesh-side.ts';
export { forbids, permits, whoCan } from './who-can.ts';
export type { Assertion, RequestClass, WhoCan } from './who-can.ts';
export type { PortQuestion, RequestScope } from './port-access.ts';
export { redundancy, type RedundantRule } from './redundancy.ts';
export { blastRadius, connectivityMap, OUTSIDE, permissiveness } from './connectivity.ts';
export type { Connection, Hop, Permissiveness, Reach } from './connectivity.ts';
export { allCaptured, containment, emptiness, equivalence, type Containment } from './query.ts';
export { planMigration } from './migration.ts';
export type * from './migration-plan.ts';
export { parseTraffic, UNKNOWN_CALLER, type ObservedCall } from './observed-traffic.ts';
export { plaintextPolicies, type PlaintextPolicy } from './plaintext-policies.ts';
