/**
 * Questions about policies, answered exactly.
 * @module
 */
export { areEquivalent, diff } from './diff.ts';
export type { DiffOptions, Finding, FindingKind, FindingTarget, PolicyDiff } from './diff.ts';
export type { SideDecision } from './mesh-side.ts';
