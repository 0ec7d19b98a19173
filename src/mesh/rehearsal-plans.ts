/**
 * The playbooks of identity operations, as timelines.
 *
 * Between two steps a playbook waits until every workload has asked for a certificate: what is given out reaches a
 * workload with its next certificate, and a leaf of the old root or name is in use until then.
 * @module
 */
import { didYouMean, HOUR_MS, MeshError, MINUTE_MS } from '../core/index.ts';
import type { RotationPolicy } from '../pki/index.ts';
import { ROOT_STEPS, type RootStep } from '../sim/index.ts';
import type { TrustNews, WorkloadSelection } from './identity-action.ts';
import type { RehearsalPlan, RehearsalStep } from './rehearse.ts';

export type RotationTimes = Pick<RotationPolicy, 'ttlMs' | 'graceRatio' | 'jitterRatio'>;

/** Room for a renewal that has to be tried again. */
const SLACK_MS: number = 2 * MINUTE_MS;

/** In this time every workload renews at least once. */
export function fullRotationMs({ ttlMs, graceRatio, jitterRatio }: RotationTimes): number {
  return Math.ceil(ttlMs * (1 - Math.max(0, graceRatio - jitterRatio)) + SLACK_MS);
}

/** Before this no workload renews what it got at the start. */
export function firstRotationMs({ ttlMs, graceRatio, jitterRatio }: RotationTimes): number {
  return Math.floor(ttlMs * (1 - Math.min(1, graceRatio + jitterRatio)));
}

/** Renewal as planned, and once all at once: a rolling restart in one instant. */
export function leafRotationPlan(times: RotationTimes, options: { readonly forMs?: number } = {}): RehearsalPlan {
  const { forMs = 2 * times.ttlMs } = options;
  return {
    name: 'leaf rotation',
    steps: [{ afterMs: Math.min(HOUR_MS, forMs / 4), action: { kind: 'renew', workloads: 'all' } }],
    forMs,
  };
}

export interface RootRotationOptions {
  /** @defaultValue distribute, switch, drop */
  readonly order?: readonly RootStep[];
  /** Time before each step, and after the last. @defaultValue a full rotation */
  readonly everyMs?: number;
  readonly news?: TrustNews;
  readonly forMs?: number;
}

export function rootRotationPlan(times: RotationTimes, options: RootRotationOptions = {}): RehearsalPlan {
  const { order = ROOT_STEPS, everyMs = fullRotationMs(times), news = 'renewal' } = options;
  const steps = order.map((step, index): RehearsalStep => {
    return { afterMs: everyMs * (index + 1), action: { kind: 'root', step, news } };
  });
  return { name: `root rotation: ${order.join(', ')}`, steps, forMs: options.forMs ?? everyMs * (order.length + 1) };
}

/** `switch`: the new name, the old one as its alias; `drop`: the new name alone. */
export const TRUST_DOMAIN_STEPS = ['switch', 'drop'] as const;
export type TrustDomainStep = (typeof TRUST_DOMAIN_STEPS)[number];

export interface TrustDomainOptions {
  readonly from: string;
  readonly to: string;
  /** @defaultValue switch, drop */
  readonly order?: readonly TrustDomainStep[];
  readonly everyMs?: number;
  readonly forMs?: number;
}

export function trustDomainPlan(times: RotationTimes, options: TrustDomainOptions): RehearsalPlan {
  const { from, to, order = TRUST_DOMAIN_STEPS, everyMs = fullRotationMs(times) } = options;
  const steps = order.map((step, index): RehearsalStep => {
    const aliases = step === 'switch' ? [from] : [];
    return { afterMs: everyMs * (index + 1), action: { kind: 'trust-domain', trustDomain: to, aliases } };
  });
  return {
    name: `trust domain ${from} to ${to}: ${order.join(', ')}`,
    steps,
    forMs: options.forMs ?? everyMs * (order.length + 1),
  };
}

export interface OutageOptions {
  readonly outageMs: number;
  /** @defaultValue the earliest instant at which a workload may renew: the worst */
  readonly afterMs?: number;
  readonly forMs?: number;
}

export function caOutagePlan(times: RotationTimes, options: OutageOptions): RehearsalPlan {
  const { outageMs, afterMs = firstRotationMs(times) } = options;
  return {
    name: `outage of the certificate authority`,
    steps: [
      { afterMs, action: { kind: 'ca', available: false } },
      { afterMs: afterMs + outageMs, action: { kind: 'ca', available: true } },
    ],
    forMs: options.forMs ?? afterMs + outageMs + times.ttlMs,
  };
}

export interface SkewOptions {
  readonly workloads: WorkloadSelection;
  readonly skewMs: number;
  readonly afterMs?: number;
  readonly forMs?: number;
}

export function clockSkewPlan(times: RotationTimes, options: SkewOptions): RehearsalPlan {
  const { workloads, skewMs, afterMs = Math.min(HOUR_MS, times.ttlMs / 4) } = options;
  return {
    name: 'clock skew',
    steps: [{ afterMs, action: { kind: 'clock', workloads, skewMs } }],
    forMs: options.forMs ?? 2 * times.ttlMs,
  };
}

/** Checks an order as people write it: known steps, each once. @throws MeshError `ERR_USAGE` */
export function stepOrder<S extends string>(text: string, steps: readonly S[]): readonly S[] {
  const order = text.split(',').map((word) => {
    const step = steps.find((known) => known === word.trim());
    if (step === undefined)
      throw new MeshError(
        'ERR_USAGE',
        `unknown step \`${word}\`: expected an order of ${steps.join(', ')}${didYouMean(word.trim(), steps)}`,
      );
    return step;
  });
  if (new Set(order).size !== order.length) throw new MeshError('ERR_USAGE', `\`${text}\` names a step twice`);
  return order;
}
