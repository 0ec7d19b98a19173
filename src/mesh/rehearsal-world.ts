/**
 * Where a rehearsal or forecast takes place: the mesh, its traffic and its rotation settings, from a scenario or from
 * plain manifests.
 * @module
 */
import { MeshError, parseDuration } from '../core/index.ts';
import { DEFAULT_ROTATION_POLICY } from '../pki/index.ts';
import { derivedTraffic } from './derived-traffic.ts';
import { loadManifests } from './load-manifests.ts';
import { Mesh, type MeshOptions } from './mesh.ts';
import type { RotationTimes } from './rehearsal-plans.ts';
import { loadScenario } from './scenario-file.ts';
import { scenarioMesh } from './scenario-mesh.ts';
import type { FlowFile, ServiceFile } from './scenario-schema.ts';

export interface RehearsalWorld {
  readonly mesh: MeshOptions;
  readonly traffic: readonly FlowFile[];
  readonly services: Readonly<Record<string, ServiceFile>>;
  /** The scenario's own. */
  readonly seed?: string;
  readonly times: RotationTimes;
}

/** A scenario's mesh and traffic; its events do not happen. @throws MeshError `ERR_SCENARIO_…`, `ERR_CONFIG_…` */
export async function scenarioWorld(scenario?: string): Promise<RehearsalWorld> {
  const { scenario: file, folder } = await loadScenario(scenario);
  const { options, applications } = await scenarioMesh(file, folder);
  const mesh = { ...options, applications };
  return {
    mesh,
    traffic: file.traffic ?? (await derivedFrom(mesh)),
    services: file.services ?? {},
    seed: String(file.seed ?? file.metadata.name),
    times: timesOf(mesh),
  };
}

/** Manifests, with traffic that their policies allow. @throws MeshError `ERR_CONFIG_…`, `ERR_REHEARSAL` */
export async function manifestWorld(
  paths: string | readonly string[],
  options: Omit<MeshOptions, 'manifests' | 'yaml' | 'config'> = {},
): Promise<RehearsalWorld> {
  const mesh = { ...options, config: await loadManifests(paths) };
  return { mesh, traffic: await derivedFrom(mesh), services: {}, times: timesOf(mesh) };
}

async function derivedFrom(options: MeshOptions): Promise<readonly FlowFile[]> {
  await using mesh = await Mesh.start(options);
  const flows = derivedTraffic(mesh);
  if (flows.length === 0) throw new MeshError('ERR_REHEARSAL', 'no workload with a sidecar may call another one');
  return flows;
}

function timesOf({ ca, rotation }: MeshOptions): RotationTimes {
  const { ttlMs, graceRatio, jitterRatio } = DEFAULT_ROTATION_POLICY;
  return {
    ttlMs: ca?.leafTtl === undefined ? ttlMs : parseDuration(ca.leafTtl),
    graceRatio: rotation?.graceRatio ?? graceRatio,
    jitterRatio: rotation?.jitterRatio ?? jitterRatio,
  };
}
