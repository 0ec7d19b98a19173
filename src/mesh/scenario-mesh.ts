/**
 * A scenario's mesh: its manifests, authority and workloads as the options `Mesh.start` takes.
 * @module
 */
import { isAbsolute, join } from 'node:path';
import { DEFAULT_EPOCH, type Instant, parseDuration, parseInstant } from '../core/index.ts';
import { type Application, type CsrPath, echoApplication } from '../sim/index.ts';
import { loadManifests } from './load-manifests.ts';
import type { MeshOptions } from './mesh.ts';
import type { CsrFile } from './scenario-event-schema.ts';
import { scenarioGateways } from './scenario-gateways.ts';
import type { ScenarioFile, ServiceFile } from './scenario-schema.ts';

/** @throws ConfigError, MeshError `ERR_CONFIG_IO` */
export async function scenarioMesh(
  scenario: ScenarioFile,
  folder: string,
  /** Instead of the scenario's own. */
  begins?: Instant,
): Promise<{ readonly options: MeshOptions; readonly applications: Readonly<Record<string, Application>> }> {
  const { manifests, clock, ca, rotation, services, workloads, listen, gateways } = scenario;
  const config = await loadManifests(manifests.map((path) => (isAbsolute(path) ? path : join(folder, path))));
  const applications: Record<string, Application> = {};
  for (const workload of config.workloads) {
    const service = services?.[workload.name];
    if (service?.responses !== undefined)
      applications[`${workload.namespace}/${workload.name}`] = answering(service, echoApplication(workload));
  }
  const options: MeshOptions = {
    config,
    ...(clock?.start === undefined ? {} : { start: clock.start }),
    ca: {
      ...(ca?.leafTtl === undefined ? {} : { leafTtl: ca.leafTtl }),
      ...(ca?.key === undefined ? {} : { key: ca.key }),
      ...(ca?.rootTtl === undefined ? {} : { rootTtl: ca.rootTtl }),
      ...(ca?.rootAge === undefined ? {} : { rootAge: ca.rootAge }),
      ...(ca?.renewRoot === undefined ? {} : { renewRoot: ca.renewRoot }),
    },
    rotation: {
      ...(rotation?.graceRatio === undefined ? {} : { graceRatio: rotation.graceRatio }),
      ...(rotation?.jitterRatio === undefined ? {} : { jitterRatio: rotation.jitterRatio }),
    },
    ...(listen === undefined ? {} : { listen }),
    ...(gateways && {
      gateways: await scenarioGateways(gateways, {
        folder,
        start: begins ?? (clock?.start === undefined ? DEFAULT_EPOCH : parseInstant(clock.start)),
      }),
    }),
    workloads: Object.fromEntries(
      Object.entries(workloads ?? {}).map(([name, { skew, csr }]) => [
        name,
        {
          ...(skew === undefined ? {} : { clockSkewMs: parseDuration(skew) }),
          ...(csr === undefined ? {} : { csr: csrPath(csr) }),
        },
      ]),
    ),
  };
  return { options, applications };
}

function csrPath({ latency, refuse }: CsrFile): CsrPath {
  return {
    ...(latency === undefined ? {} : { latencyMs: parseDuration(latency) }),
    ...(refuse === undefined ? {} : { refusal: refuse }),
  };
}

/** The declared responses in front of `otherwise`. */
function answering(service: ServiceFile, otherwise: Application): Application {
  const responses = service.responses ?? [];
  return (request) => {
    const path = request.path.replace(/\?.*$/, '');
    const found = responses.find(
      (response) => response.path === path && (response.method ?? request.method) === request.method,
    );
    if (found === undefined) return otherwise(request);
    return {
      status: found.status ?? 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(found.body ?? {}),
    };
  };
}
