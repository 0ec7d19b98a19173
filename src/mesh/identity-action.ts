/**
 * What an operator, or bad luck, does to identities while a mesh runs: the steps of scenarios and rehearsals.
 * @module
 */
import { assertNever, formatDuration } from '../core/index.ts';
import type { CertificateAgent, RootStep } from '../sim/index.ts';
import type { Mesh } from './mesh.ts';

/**
 * How workloads hear of the roots that are given out: each with its next certificate (Istio's default), all at once, or
 * all at once with the order to get a new certificate (Istio with `ISTIO_MULTIROOT_MESH`).
 */
export const TRUST_NEWS = ['renewal', 'push', 'push-and-renew'] as const;
export type TrustNews = (typeof TRUST_NEWS)[number];

/** Workloads by `namespace/workload`. */
export type WorkloadSelection = 'all' | readonly string[];

export type IdentityAction =
  | { readonly kind: 'root'; readonly step: RootStep | 'restore' | 'renew'; readonly news?: TrustNews }
  | { readonly kind: 'intermediate' }
  | { readonly kind: 'trust-domain'; readonly trustDomain: string; readonly aliases: readonly string[] }
  | { readonly kind: 'ca'; readonly available: boolean }
  | {
      readonly kind: 'csr';
      readonly workloads: WorkloadSelection;
      readonly latencyMs: number;
      readonly refusal?: string;
    }
  | { readonly kind: 'clock'; readonly workloads: WorkloadSelection; readonly skewMs: number }
  | { readonly kind: 'renew'; readonly workloads: WorkloadSelection }
  | { readonly kind: 'rotation'; readonly workloads: WorkloadSelection; readonly on: boolean }
  | { readonly kind: 'revoke'; readonly workloads: WorkloadSelection };

/** Does it, at this instant. @throws MeshError `ERR_REQUEST_INVALID` for workloads that do not exist */
export async function performIdentityAction(mesh: Mesh, action: IdentityAction): Promise<void> {
  const { ca } = mesh.simulation;
  mesh.events.append({ kind: 'note', text: describeIdentityAction(action) });
  switch (action.kind) {
    case 'root':
      moveRoot(mesh, action.step, action.news ?? 'renewal');
      return;
    case 'intermediate':
      ca.rotateIntermediate();
      return;
    case 'trust-domain':
      await mesh.setTrustDomain(action.trustDomain, action.aliases);
      return;
    case 'ca':
      ca.available = action.available;
      return;
    case 'csr': {
      const { latencyMs, refusal } = action;
      for (const agent of selected(mesh, action.workloads))
        agent.csr = { latencyMs, ...(refusal === undefined ? {} : { refusal }) };
      return;
    }
    case 'clock':
      for (const agent of selected(mesh, action.workloads)) agent.stepClock(action.skewMs);
      return;
    case 'renew':
      for (const agent of selected(mesh, action.workloads)) agent.renew();
      return;
    case 'rotation':
      for (const agent of selected(mesh, action.workloads)) {
        if (action.on) agent.resume();
        else agent.suspend();
      }
      return;
    case 'revoke':
      for (const agent of selected(mesh, action.workloads)) {
        const svid = agent.current();
        if (svid !== undefined) ca.revoke(svid.serial);
      }
      return;
    default:
      assertNever(action);
  }
}

function moveRoot(mesh: Mesh, step: RootStep | 'restore' | 'renew', news: TrustNews): void {
  const { ca } = mesh.simulation;
  if (step === 'restore') ca.restoreRoots();
  else if (step === 'renew') ca.renewRoot();
  else ca.rotateRoot(step);
  // Another signer is no news to those who verify.
  if (news !== 'renewal' && step !== 'switch') mesh.simulation.pushTrust({ renew: news === 'push-and-renew' });
}

function selected(mesh: Mesh, workloads: WorkloadSelection): readonly CertificateAgent[] {
  if (workloads === 'all') return [...mesh.simulation.agents()].map(({ agent }) => agent);
  return workloads.flatMap((name) => mesh.simulation.agent(name) ?? []);
}

const ROOT_TEXT: Readonly<Record<RootStep | 'restore' | 'renew', string>> = {
  distribute: 'root: give out the new root beside the old one',
  switch: 'root: sign under the new root',
  drop: 'root: give out the new root alone',
  restore: 'root: give out every root again',
  renew: 'root: renew with the same key',
};
const NEWS_TEXT: Readonly<Record<TrustNews, string>> = {
  renewal: '',
  push: ', pushed to all',
  'push-and-renew': ', pushed to all, with new certificates',
};

/** One line for people. */
export function describeIdentityAction(action: IdentityAction): string {
  switch (action.kind) {
    case 'root':
      return ROOT_TEXT[action.step] + (action.step === 'switch' ? '' : NEWS_TEXT[action.news ?? 'renewal']);
    case 'intermediate':
      return 'intermediate: a new one under the same root';
    case 'trust-domain': {
      const aliases = action.aliases.length === 0 ? 'no alias' : `alias ${action.aliases.join(', ')}`;
      return `trust domain: ${action.trustDomain}, ${aliases}`;
    }
    case 'ca':
      return action.available ? 'certificate authority: available' : 'certificate authority: down';
    case 'csr': {
      const answered = action.refusal === undefined ? `answered after ${formatDuration(action.latencyMs)}` : 'refused';
      return `certificate requests of ${namesOf(action.workloads)}: ${answered}`;
    }
    case 'clock':
      return `clock of ${namesOf(action.workloads)}: ${formatSkew(action.skewMs)}`;
    case 'renew':
      return `new certificates: ${namesOf(action.workloads)}`;
    case 'rotation':
      return `rotation ${action.on ? 'on' : 'off'}${action.workloads === 'all' ? '' : `: ${namesOf(action.workloads)}`}`;
    case 'revoke':
      return `revoked: the certificates of ${namesOf(action.workloads)}`;
    default:
      return assertNever(action);
  }
}

/** `5m ahead`, `2m1s behind`, `right` */
export function formatSkew(skewMs: number): string {
  if (skewMs === 0) return 'right';
  return `${formatDuration(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead' : 'behind'}`;
}

function namesOf(workloads: WorkloadSelection): string {
  return workloads === 'all' ? 'all' : workloads.join(', ');
}
