/**
 * What an attack is, and what it has to show for itself.
 *
 * An attack is rules on the wire's seam plus credentials. It never reaches into the mesh: it may stand on a path, hold
 * a key it should not have, or speak to a port. Each runs twice: against the mesh as it is, and against a *broken twin*
 * in which one protection is missing and the attack succeeds, so that a refusal is never vacuous.
 * @module
 */
import type { RefusalStage, Rng } from '../core/index.ts';
import type { Simulation } from '../sim/index.ts';

/** What an attack needs of a mesh; the public `Mesh` is one. */
export interface AttackMesh {
  readonly simulation: Simulation;
  /** Applies policies, as YAML. */
  apply(yaml: string): Promise<void>;
}

/** The call that is attacked. */
export interface Victim {
  /** `namespace/workload` of a caller with a sidecar. */
  readonly from: string;
  /** `namespace/workload[:port]` */
  readonly to: string;
  readonly method: string;
  readonly path: string;
}

export interface AttackContext {
  readonly mesh: AttackMesh;
  readonly victim: Victim;
  readonly rng: Rng;
  /** Run against the broken twin. */
  readonly twin: boolean;
}

export interface Attack {
  readonly name: string;
  readonly title: string;
  /** What the attacker wants, and by what means. */
  readonly tries: string;
  /** What protects against it. */
  readonly defence: string;
  /** What is broken in the twin. */
  readonly broken: string;
  run(context: AttackContext): Promise<AttackReport>;
}

/** What went over the link under attack, or to the attacker. */
export interface Captured {
  readonly connections: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** Bytes of the application's that the attacker could read. */
  readonly plaintextBytes: number;
  /** The secret is somewhere in what the attacker could read. */
  readonly secretFound: boolean;
  /** The beginning of what the attacker has, printable characters as they are. */
  readonly excerpt: string;
}

export interface AttackRefusal {
  readonly stage: RefusalStage;
  /** Stable reason code. */
  readonly reason: string;
  readonly detail: string;
  readonly side: 'client' | 'server';
}

export interface AttackReport {
  readonly attack: string;
  readonly title: string;
  readonly tries: string;
  readonly twin: boolean;
  /** The protection at work; in a twin, what is broken. */
  readonly protection: string;
  readonly victim: Victim;
  readonly steps: readonly string[];
  readonly captured: Captured;
  readonly verdict: 'refused' | 'succeeded';
  /** Where and why; absent where nothing was refused because nothing could be (a sniffer is not noticed). */
  readonly refusal?: AttackRefusal;
  /** What reached the attacked application because of the attack. */
  readonly application: { readonly requests: number; readonly bytes: number };
  readonly evidence: readonly { readonly what: string; readonly seen: string }[];
}
