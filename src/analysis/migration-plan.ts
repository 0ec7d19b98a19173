/**
 * A plan from PERMISSIVE to STRICT, as a value.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { DestinationRule } from '../istio/destination-rule.ts';
import type { PeerAuthentication } from '../istio/peer-authentication.ts';
import type { SourcePosition } from '../istio/resource.ts';
import type { PlaintextPolicy } from './plaintext-policies.ts';

/** Why a call does not survive STRICT at its server. */
export type BreakCause =
  /** The caller has no sidecar, or nobody knows it. */
  | 'no-sidecar'
  /** A DestinationRule makes the caller's sidecar speak something else. */
  | 'client-tls'
  /** `enableAutoMtls: false`, and no DestinationRule says ISTIO_MUTUAL. */
  | 'auto-mtls-off'
  /** The configuration says mutual TLS; plaintext was seen all the same. */
  | 'plaintext-seen'
  /** The caller's sidecar sends plaintext for another reason, which `reason` tells. */
  | 'plaintext';

export interface BrokenCall {
  readonly from: string;
  /** `namespace/workload` */
  readonly to: string;
  /** Workload port. */
  readonly port: number;
  /** How often it was seen. */
  readonly count: number;
  readonly cause: BreakCause;
  readonly reason: string;
  /** The first line of the traffic that shows it: `traffic.jsonl:12`. */
  readonly seenAt?: string;
  /** The DestinationRule behind it, and where it is written. */
  readonly by?: PolicyRef;
  readonly at?: SourcePosition;
}

/** What the exact diff says of a step. */
export interface StepCheck {
  /** Classes of requests that are refused from now on; a step to STRICT has `plaintext callers` here. */
  readonly refused: readonly string[];
  /** Calls between sidecars that stop working, observed or not. */
  readonly unreachable: readonly string[];
  /** Classes that are let in from now on: none, unless mutual TLS was off. */
  readonly allowed: readonly string[];
  /** What could not be compared. */
  readonly undecided: readonly string[];
}

interface StepBase {
  readonly check: StepCheck;
  /** Observed calls that stop working. */
  readonly breaks: readonly BrokenCall[];
}

/** A caller needs a sidecar; with `restart` its manifests ask for one and its Pods run without. */
export interface SidecarStep extends StepBase {
  readonly kind: 'sidecar';
  readonly action: 'inject' | 'restart';
  readonly workload: string;
  readonly at?: SourcePosition;
  /** Observed calls that would break otherwise. */
  readonly repairs: readonly BrokenCall[];
}

/** A DestinationRule has to say ISTIO_MUTUAL. */
export interface ClientTlsStep extends StepBase {
  readonly kind: 'client-tls';
  readonly apply: DestinationRule;
  readonly at?: SourcePosition;
  readonly repairs: readonly BrokenCall[];
}

/** `enableAutoMtls` has to be on. */
export interface AutoMtlsStep extends StepBase {
  readonly kind: 'auto-mtls';
  readonly repairs: readonly BrokenCall[];
}

/** Servers become STRICT. */
export interface StrictStep extends StepBase {
  readonly kind: 'strict';
  readonly scope: 'workloads' | 'namespace' | 'mesh';
  /** The root namespace for `mesh`. */
  readonly namespace: string;
  /** The servers that change, `namespace/workload`. */
  readonly workloads: readonly string[];
  /** Resources to apply; empty where they are in force already. */
  readonly apply: readonly PeerAuthentication[];
  /** Of the last step: PeerAuthentications that say nothing more, as the exact diff without them shows. */
  readonly superfluous?: readonly PolicyRef[];
}

export type MigrationStep = SidecarStep | ClientTlsStep | AutoMtlsStep | StrictStep;

export interface MigrationPlan {
  /** Empty where every sidecar is STRICT already. The last one is mesh-wide STRICT. */
  readonly steps: readonly MigrationStep[];
  /** Observed calls that the plan breaks and cannot repair. */
  readonly broken: readonly BrokenCall[];
  /** AuthorizationPolicy rules that admit or refuse callers in the clear today. */
  readonly policies: readonly PlaintextPolicy[];
  /** Servers without a sidecar: STRICT does not reach them. */
  readonly unprotected: readonly string[];
  readonly notes: readonly string[];
}
