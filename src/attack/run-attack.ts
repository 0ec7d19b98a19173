/**
 * Runs an attack against a mesh, and finds a call to attack where none is named.
 * @module
 */
import { MeshError, Rng } from '../core/index.ts';
import type { Attack, AttackMesh, AttackReport, Victim } from './attack.ts';
import { findAttack } from './registry.ts';

export interface RunAttackOptions {
  /** The call to attack. @defaultValue the first one between two sidecars that the mesh allows */
  readonly victim?: Victim;
  /** Against the broken twin. @defaultValue false */
  readonly twin?: boolean;
  /** @defaultValue `meshproof` */
  readonly seed?: string;
}

/**
 * Runs one attack. It changes the mesh (policies of a twin, time, revocations): give it one of its own.
 * @throws MeshError `ERR_ATTACK` when there is no such attack, or nothing to attack
 *
 * @example
 * const report = await runAttack('rogue-ca', mesh);
 * report.verdict; // 'refused'
 */
export async function runAttack(
  attack: Attack | string,
  mesh: AttackMesh,
  options: RunAttackOptions = {},
): Promise<AttackReport> {
  const { victim = chooseVictim(mesh), twin = false, seed } = options;
  const chosen = typeof attack === 'string' ? findAttack(attack) : attack;
  return await chosen.run({ mesh, victim, twin, rng: new Rng(seed).fork(`attack/${chosen.name}`) });
}

const CALLS: readonly Pick<Victim, 'method' | 'path'>[] = [
  { method: 'GET', path: '/' },
  { method: 'POST', path: '/' },
];

/**
 * A call between two sidecars that the mesh allows: over mutual TLS if there is one.
 * @param candidates calls that are known to be made; all pairs of workloads where none of them fits
 * @throws MeshError `ERR_ATTACK` where there is none
 */
export function chooseVictim({ simulation }: AttackMesh, candidates: readonly Victim[] = []): Victim {
  const { config } = simulation.compiled;
  const names = config.workloads
    .filter(({ injected }) => injected)
    .map(({ namespace, name }) => `${namespace}/${name}`);
  let plaintext: Victim | undefined;
  for (const victim of [...candidates, ...pairs(names)]) {
    const outcome = predicted(simulation, victim);
    if (outcome?.result !== 'allow') continue;
    if (outcome.connection.security === 'mutual_tls') return victim;
    plaintext ??= victim;
  }
  if (plaintext !== undefined) return plaintext;
  throw new MeshError(
    'ERR_ATTACK',
    'no workload with a sidecar may call another one: name a call with --from and --to',
  );
}

function* pairs(names: readonly string[]): Iterable<Victim> {
  for (const call of CALLS)
    for (const from of names) for (const to of names) if (from !== to) yield { from, to, ...call };
}

/** Nothing for a workload that no Service selects. */
function predicted(
  simulation: AttackMesh['simulation'],
  victim: Victim,
): ReturnType<AttackMesh['simulation']['predict']> | undefined {
  try {
    return simulation.predict(victim);
  } catch (error) {
    if (error instanceof MeshError && error.code === 'ERR_REQUEST_INVALID') return undefined;
    throw error;
  }
}
