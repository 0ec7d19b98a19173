/**
 * Who reaches whom: the connectivity map of a mesh, what a stolen identity reaches over several hops, and how much of
 * the space of requests each workload lets in.
 *
 * A hop counts when some request of the caller's identity gets in; what the caller's own sidecar would send is not
 * asked, since an attacker with the identity needs none.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { hitsOf } from './pattern-match.ts';
import type { Result, Walk } from './joint-walk.ts';
import { OTHER_PORT, type Subject } from './mesh-side.ts';
import { AccessMap } from './port-access.ts';

export type Reach = 'all' | 'some' | 'none';

export interface Connection {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  /** `all`: every request of that caller gets in; `some`: it depends on the request. */
  readonly reach: Exclude<Reach, 'none'>;
}

export interface Hop {
  readonly workload: string;
  /** How many hops it takes; 1: directly. */
  readonly hops: number;
  /** From the stolen identity to the workload. */
  readonly path: readonly string[];
}

export interface Permissiveness {
  readonly to: string;
  readonly port: number;
  /** Share of the finite class space that is let in: 0 nobody, 1 anybody. */
  readonly share: number;
  /** The share in the baseline, in the same classes; absent where the workload was not there. */
  readonly was?: number;
}

/** Callers without a sidecar and without an identity. */
export const OUTSIDE = 'outside';

/** Every pair of caller and port of which some request gets in; `outside` stands for callers without identity. */
export function connectivityMap(config: MeshConfig): readonly Connection[] {
  const map = new AccessMap(config);
  const callers = callersOf(map);
  return map.declaredPorts().flatMap((access) => {
    const walk = map.allowed(access);
    const reached = new Map<string, Reach>();
    return [...callers].flatMap(([from, principal]): readonly Connection[] => {
      const key = principal ?? '';
      const reach = reached.get(key) ?? reachOf(walk, principal);
      reached.set(key, reach);
      const to = nameOf(access.subject);
      return reach === 'none' || from === to ? [] : [{ from, to, port: access.setup.port, reach }];
    });
  });
}

function nameOf({ namespace, name }: Subject): string {
  return `${namespace}/${name}`;
}

function callersOf(map: AccessMap): ReadonlyMap<string, string | undefined> {
  const { settings, workloads } = map.side.config;
  const callers = new Map<string, string | undefined>([[OUTSIDE, undefined]]);
  for (const { namespace, name, serviceAccount, injected } of workloads) {
    const principal = `${settings.trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
    callers.set(`${namespace}/${name}`, injected ? principal : undefined);
  }
  return callers;
}

/** How much of a diagram is open to one identity. */
function reachOf({ root, levels }: Walk, principal: string | undefined): Reach {
  const memo = new Map<number, Reach>();
  const visit = (result: Result | undefined): Reach => {
    if (result === undefined) return 'none';
    if (result.kind === 'leaf') return 'all';
    const known = memo.get(result.id);
    if (known !== undefined) return known;
    const level = levels[result.level];
    let reach: Reach = 'none';
    if (level?.kind === 'classes' && level.name === 'principal') {
      const hits = principal === undefined ? undefined : hitsOf(level.values, principal).join('');
      const index = level.classes.findIndex((each) =>
        hits === undefined ? each.witness === undefined : each.witness !== undefined && each.hits.join('') === hits,
      );
      reach = visit(result.edges.find(({ classes }) => classes.includes(index))?.to);
    } else {
      const size = level?.kind === 'classes' ? level.classes.length : 2;
      const open = result.edges.map(({ to }) => visit(to));
      const covered = result.edges.reduce((sum, { classes }) => sum + classes.length, 0);
      if (open.every((each) => each === 'all') && covered === size) reach = 'all';
      else if (open.some((each) => each !== 'none')) reach = 'some';
    }
    memo.set(result.id, reach);
    return reach;
  };
  return visit(root);
}

/** What an attacker with a workload's identity reaches, and then with the identity of what was reached. */
export function blastRadius(
  config: MeshConfig,
  stolen: string,
  hopsMax: number = Number.POSITIVE_INFINITY,
): readonly Hop[] {
  const map = new AccessMap(config);
  if (stolen !== OUTSIDE) map.subject(stolen);
  if (!(hopsMax >= 1)) throw new MeshError('ERR_REQUEST_INVALID', 'the number of hops is at least 1');
  const next = new Map<string, Set<string>>();
  for (const { from, to } of connectivityMap(config)) next.set(from, (next.get(from) ?? new Set()).add(to));
  // Nobody has to show an identity: whoever has one may do all that a caller without one may.
  const open = next.get(OUTSIDE) ?? new Set<string>();
  const found = new Map<string, Hop>();
  let frontier: readonly Hop[] = [{ workload: stolen, hops: 0, path: [stolen] }];
  while (frontier.length > 0) {
    frontier = frontier.flatMap(({ workload, hops, path }) =>
      hops >= hopsMax
        ? []
        : [...new Set([...(next.get(workload) ?? []), ...open])].flatMap((to) => {
            if (to === stolen || found.has(to)) return [];
            const hop: Hop = { workload: to, hops: hops + 1, path: [...path, to] };
            found.set(to, hop);
            return [hop];
          }),
    );
  }
  return [...found.values()];
}

/**
 * How open every declared port is. Classes weigh the same within their attribute; which there are hangs on what the
 * policies ask for, so that a share alone says little about another configuration's. With a `baseline` both are measured
 * in the same classes: a port that lets in all it did and more has no smaller share.
 */
export function permissiveness(config: MeshConfig, baseline?: MeshConfig): readonly Permissiveness[] {
  const map = new AccessMap(config);
  const old = baseline === undefined ? undefined : new AccessMap(baseline, map);
  return map.declaredPorts().map((access) => {
    const to = nameOf(access.subject);
    const { port } = access.setup;
    const place = { to, port: port === OTHER_PORT ? 0 : port };
    if (old?.side.subject(to) === undefined) return { ...place, share: shareOf(map.allowed(access)) };
    const was = old.port({ to, port, traffic: access.traffic });
    return {
      ...place,
      share: shareOf(map.allowedBeside(access, was.program)),
      was: shareOf(old.allowedBeside(was, access.program)),
    };
  });
}

function shareOf({ root, levels }: Walk): number {
  const memo = new Map<number, number>();
  const visit = (result: Result): number => {
    if (result.kind === 'leaf') return 1;
    const known = memo.get(result.id);
    if (known !== undefined) return known;
    const level = levels[result.level];
    const size = level?.kind === 'classes' ? level.classes.length : 2;
    const share = result.edges.reduce((sum, { classes, to }) => sum + (classes.length / size) * visit(to), 0);
    memo.set(result.id, share);
    return share;
  };
  return root === undefined ? 0 : visit(root);
}
