/**
 * `run --out DIR`: everything a run has to say, as files, for a CI artifact or for looking at later.
 * @module
 */
import { join } from 'node:path';
import { MeshError, messageOf, type WorkloadRef } from '../core/index.ts';
import type { Mesh, Run } from '../mesh/index.ts';
import { accessLog, prometheusText } from '../telemetry/index.ts';
import { makeFolder } from '../mesh/make-folder.ts';
import { assertWritable, writeWhole } from './output-file.ts';
import { renderRun, type RunReport } from './render/run-report.ts';

/**
 * Makes the folder before the work begins.
 * @throws MeshError `ERR_USAGE`
 */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
  } catch (error) {
    throw new MeshError('ERR_USAGE', `cannot make the folder \`${folder}\`: ${messageOf(error)}`);
  }
  await assertWritable(join(folder, 'report.json'));
}

/** Writes each file whole; other files in the folder are left alone. */
export async function writeRunFolder(folder: string, run: Run, report: RunReport): Promise<void> {
  const { mesh } = run;
  const files: Readonly<Record<string, string>> = {
    'report.txt': renderRun(run, report),
    'report.json': `${JSON.stringify(report, undefined, 2)}\n`,
    'metrics.prom': await metricsText(run),
    'access.log': lines(accessLog(mesh.events)),
    'events.jsonl': lines(Array.from(mesh.events, (event) => JSON.stringify(event))),
  };
  for (const [name, text] of Object.entries(files)) await writeWhole(join(folder, name), text);
}

/** Istio's standard metrics at the end of a run. */
export function metricsText({ mesh, end }: Run): Promise<string> {
  return prometheusText(mesh.events, { at: end, labelsOf: labelsOf(mesh) });
}

/** Pod labels by workload, for the labels of the metrics. */
function labelsOf(mesh: Mesh): (workload: WorkloadRef) => Readonly<Record<string, string>> {
  return ({ namespace, name }) => mesh.compiled.workload(`${namespace}/${name}`).labels;
}

function lines(texts: Iterable<string>): string {
  return Array.from(texts, (text) => `${text}\n`).join('');
}
