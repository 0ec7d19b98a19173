/**
 * One finding of a policy diff: a class of requests that is answered differently, and what decides on either side.
 * @module
 */
import type { AuthorizationRequest } from '../policy/request.ts';
import type { Traffic } from './access-program.ts';
import type { SideDecision } from './mesh-side.ts';
import type { RegionText } from './region.ts';
import type { WitnessToken } from './token-model.ts';

export type FindingKind =
  | 'newly-allowed'
  | 'newly-denied'
  | 'mtls-weakened'
  | 'mtls-strengthened'
  | 'now-reachable'
  | 'now-unreachable'
  /** The decision stays, and another policy makes it. */
  | 'same-outcome';

export interface FindingTarget {
  readonly namespace: string;
  readonly workload: string;
  /** Workload ports; empty where every port is meant. */
  readonly ports: readonly number[];
  /** Those of `ports` that policies name and nothing declares. */
  readonly undeclared?: readonly number[];
  /** Every port that nothing declares or names is meant, too. */
  readonly otherPorts: boolean;
  /** No workload of that kind is declared: it stands for any with the labels that a selector asks for. */
  readonly hypothetical: boolean;
}

export interface Finding {
  readonly kind: FindingKind;
  readonly targets: readonly FindingTarget[];
  /** The class of requests in words. */
  readonly summary: string;
  /**
   * Where more than a few classes have the same causes they are one finding: each of them in words. `summary` and
   * `requests` then say what they have in common, and the witness is of one of them.
   */
  readonly classes?: readonly string[];
  /** The same, attribute by attribute; attributes that make no difference are left out. */
  readonly requests: RegionText;
  /** `any`: requests and raw connections alike; the witness is one of them. */
  readonly traffic: Traffic | 'any';
  /** The smallest request of the class, to the first target, as `authz --requests` takes it. */
  readonly witness: AuthorizationRequest;
  /** How external authorizers have to answer for the witness to tell the sides apart. */
  readonly verdicts: Readonly<Record<string, 'allow' | 'deny'>>;
  /** Of a finding about calls between declared workloads. */
  readonly calls?: FindingCalls;
  /** How the witness's token travels and who signed it; absent where it has none. */
  readonly token?: WitnessToken;
  readonly before: SideDecision;
  readonly after: SideDecision;
}

export interface FindingCalls {
  /** Who calls, `namespace/workload`; the first one sends the witness. With `classes`: each some of the targets. */
  readonly from: readonly string[];
  /** The name by which the witness is sent: `host:port`. */
  readonly to: string;
  /** Whom its certificate names on either side, as `td/ns/NAMESPACE/sa/ACCOUNT`; absent: no identity is shown. */
  readonly as: { readonly before?: string; readonly after?: string };
}
