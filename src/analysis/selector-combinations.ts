/**
 * Sets of selectors that can apply to one Pod at once and make a difference together that none of them makes alone.
 *
 * Why few at a time are enough: what a request meets is settled by one cause on either side (a policy that refuses or
 * lets in, the PeerAuthentication that sets the mode, or the mere presence of an ALLOW policy that does not match). A Pod
 * that carries the labels of those causes and no others meets the same causes, because whatever else selects it selects the
 * larger Pod, too, and did not change the outcome there. So an outcome that changes for some Pod changes for one with the
 * labels of at most two AuthorizationPolicies, two PeerAuthentications and two RequestAuthentications (the one whose rule
 * takes a token, or refuses it, on either side), one of them changed. CUSTOM policies refuse in pairs, too: two providers at
 * one workload are one too many.
 * @module
 */
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';
import type { PeerAuthentication } from '../istio/peer-authentication.ts';
import type { RequestAuthentication } from '../istio/request-authentication.ts';

export type Labels = Readonly<Record<string, string>>;

export interface SelectedChange {
  readonly policy: AuthorizationPolicy | PeerAuthentication | RequestAuthentication;
  /** The other side has none like it. */
  readonly changed: boolean;
}

interface Unit {
  readonly labels: Labels;
  readonly changed: boolean;
}

/** No more sets than this are looked at in one namespace. */
const COMBINATIONS_MAX = 5000;

/** And no more than this are tried, whether they differ or not. */
const TRIED_MAX = 200_000;

const NONE: Unit = { labels: {}, changed: false };

/** @param roots root namespaces: selectors of their PeerAuthentications are ignored */
export function combinations(
  near: readonly SelectedChange[],
  roots: ReadonlySet<string>,
): { readonly labels: readonly Labels[]; readonly isCut: boolean } {
  const access = near.flatMap(({ policy, changed }) =>
    policy.kind === 'AuthorizationPolicy' && policy.spec.action !== 'AUDIT' ? [{ policy, changed }] : [],
  );
  const peers = near.filter(
    ({ policy }) => policy.kind === 'PeerAuthentication' && !roots.has(policy.metadata.namespace),
  );
  const units = unitsOf([...access.map(unitOf), ...providerPairs(access)]);
  const tokens = near.filter(({ policy }) => policy.kind === 'RequestAuthentication');
  const filters = [NONE, ...pairs(unitsOf(tokens.map(unitOf)))];
  const modes = [NONE, ...pairs(unitsOf(peers.map(unitOf)))];
  const found = new Map<string, Labels>();
  let tried = 0;
  for (const set of together(modes, filters, units)) {
    if (++tried > TRIED_MAX) return { labels: [...found.values()], isCut: true };
    const key = keyOf(set.labels);
    if (!set.changed || found.has(key)) continue;
    if (found.size >= COMBINATIONS_MAX) return { labels: [...found.values()], isCut: true };
    found.set(key, set.labels);
  }
  return { labels: [...found.values()], isCut: false };
}

function* together(modes: readonly Unit[], filters: readonly Unit[], causes: readonly Unit[]): Generator<Unit> {
  for (const mode of modes) {
    for (const filter of filters) {
      const around = joined(mode, filter);
      if (around === undefined) continue;
      yield around;
      for (const cause of pairs(causes, !around.changed)) {
        const all = joined(around, cause);
        if (all !== undefined) yield all;
      }
    }
  }
}

function unitOf({ policy, changed }: SelectedChange): Unit {
  return { labels: policy.spec.selector?.matchLabels ?? {}, changed };
}

/** Policies of different authorizers, which refuse together. */
function providerPairs(
  access: readonly { readonly policy: AuthorizationPolicy; readonly changed: boolean }[],
): readonly Unit[] {
  const custom = access.filter(({ policy }) => policy.spec.action === 'CUSTOM');
  return custom.flatMap((one, i) =>
    custom.slice(i + 1).flatMap((other) => {
      if (one.policy.spec.provider?.name === other.policy.spec.provider?.name) return [];
      const both = joined(unitOf(one), unitOf(other));
      return both === undefined ? [] : [both];
    }),
  );
}

/** One unit for every set of labels. */
function unitsOf(all: readonly Unit[]): readonly Unit[] {
  const units = new Map<string, Unit>();
  for (const { labels, changed } of all) {
    const key = keyOf(labels);
    units.set(key, { labels, changed: changed || units.get(key)?.changed === true });
  }
  return [...units.values()];
}

/** Each on its own, and each two that can apply together; `changed`: only with one that is changed. */
function* pairs(units: readonly Unit[], changed = false): Generator<Unit> {
  yield* units;
  for (const [i, one] of units.entries()) {
    for (const other of units.slice(i + 1)) {
      if (changed && !one.changed && !other.changed) continue;
      const both = joined(one, other);
      if (both !== undefined) yield both;
    }
  }
}

function joined(one: Unit, other: Unit): Unit | undefined {
  const [a, b] = [one.labels, other.labels];
  const agree = Object.keys(a).every((key) => !Object.hasOwn(b, key) || a[key] === b[key]);
  return agree ? { labels: { ...a, ...b }, changed: one.changed || other.changed } : undefined;
}

export function distinctLabels(all: readonly Labels[]): readonly Labels[] {
  return [...new Map(all.map((labels) => [keyOf(labels), labels])).values()];
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
