/**
 * What lies outside the model, said where it matters.
 * @module
 */
import type { MeshConfig } from '../istio/mesh-config.ts';
import { tokenNotes } from './token-notes.ts';

export interface RunFacts {
  /** How many classes are listed at most, where there were more. */
  readonly cut: number | undefined;
  /** Arbitrary SPIFFE IDs combined in too many ways. */
  readonly narrowed: boolean;
  readonly hypothetical: boolean;
  /** Some finding is about calls of declared workloads. */
  readonly calls: boolean;
}

export function modelNotes(before: MeshConfig, after: MeshConfig, facts: RunFacts): readonly string[] {
  const policies = [...before.authorizationPolicies, ...after.authorizationPolicies];
  const keys = policies.flatMap(({ spec }) =>
    (spec.rules ?? []).flatMap((rule) => (rule.when ?? []).map(({ key }) => key)),
  );
  const notes: string[] = [];
  if (policies.some(({ spec }) => spec.action === 'CUSTOM')) {
    notes.push('CUSTOM: the external authorizer may answer either way; what depends on its answer says so');
  }
  if (keys.some((key) => key.startsWith('experimental.'))) {
    notes.push('dynamic metadata (`experimental.envoy.filters.…`) is opaque: it counts as absent');
  }
  if ([before, after].some(asksForwarded)) {
    notes.push(
      '`x-forwarded-for` is asked for as a header and as the remote address: the two are taken for independent',
    );
  }
  if (facts.calls && [before, after].some(({ sidecars }) => sidecars.some(({ spec }) => spec.egress !== undefined))) {
    notes.push('calls: what the egress of a Sidecar hides from workloads counts as visible to them');
  }
  notes.push(...tokenNotes(before, after));
  if (facts.hypothetical) notes.push('no workload is declared: labels of selectors stand for workloads');
  if (facts.narrowed) notes.push("identities: only those of Istio's own shape are compared");
  if (facts.cut !== undefined) notes.push(`no more than ${facts.cut} classes are listed for one workload`);
  return notes;
}

const FORWARDED = 'request.headers[x-forwarded-for]';

function asksForwarded({ authorizationPolicies }: MeshConfig): boolean {
  const rules = authorizationPolicies.flatMap(({ spec }) => spec.rules ?? []);
  const keys = rules.flatMap(({ when = [] }) => when.map(({ key }) => key.toLowerCase()));
  const asksAddress =
    keys.includes('remote.ip') ||
    rules.some(({ from = [] }) =>
      from.some(({ source }) => source.remoteIpBlocks !== undefined || source.notRemoteIpBlocks !== undefined),
    );
  return asksAddress && keys.includes(FORWARDED);
}
