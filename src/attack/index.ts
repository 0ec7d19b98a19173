/**
 * Adversaries: each an attack with its broken twin, on the wire's seam and with credentials of its own; and what the
 * runtime's TLS does with resumed sessions.
 * @module
 */
export type { Attack, AttackContext, AttackMesh, AttackRefusal, AttackReport, Captured, Victim } from './attack.ts';
export {
  CLIENT_STATES,
  type ClientState,
  type MatrixClock,
  resumptionMatrix,
  type ResumptionRow,
} from './resumption-matrix.ts';
export { attacks, findAttack } from './registry.ts';
export { chooseVictim, runAttack, type RunAttackOptions } from './run-attack.ts';
