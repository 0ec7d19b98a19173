/**
 * Questions about policies, answered exactly.
 * @module
 */
export { diff, diff as semanticDiff } from './diff.ts';
export type { DiffOptions, Finding, FindingKind, FindingTarget, PolicyDiff } from './diff.ts';
export type { SideDecision } from './mesh-side.ts';
export { forbids, permits, whoCan } from './who-can.ts';
export type { Assertion, RequestClass, WhoCan } from './who-can.ts';
export type { PortQuestion, RequestScope } from './port-access.ts';
export { redundancy, type RedundantRule } from './redundancy.ts';
export { blastRadius, connectivityMap, OUTSIDE, permissiveness } from './connectivity.ts';
export type { Connection, Hop, Permissiveness, Reach } from './connectivity.ts';
export { allCaptured, containment, emptiness, equivalence, type Containment } from './query.ts';
