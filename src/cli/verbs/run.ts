/**
 * `meshproof run [scenario]`
 * @module
 */
import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { formatDuration, MeshError, messageOf, parseDuration, type WorkloadRef } from '../../core/index.ts';
import { type Mesh, runScenario } from '../../mesh/index.ts';
import { EXIT, exitWith, parseOutputFormat, writeOutput } from '../io.ts';
import { paintFor } from '../render/paint.ts';
import { progressLine } from '../render/progress.ts';
import { renderRun, runReport } from '../render/run-report.ts';

interface RunFlags {
  readonly seed?: string;
  readonly for?: string;
  readonly rotation: boolean;
  readonly metrics?: string;
  readonly output: string;
}

export function runVerb(program: Command): void {
  program
    .command('run')
    .argument('[scenario]', 'a folder, a scenario.yaml, or one that ships, e.g. 01-shop', '01-shop')
    .description('run a scenario on the virtual clock; prints dashboard, audit, access table and rotation summary')
    .addOption(new Option('--seed <seed>', 'seed of everything drawn').default(undefined, "the scenario's"))
    .addOption(new Option('--for <duration>', 'virtual time to run, e.g. 24h').default(undefined, "the scenario's"))
    .option('--no-rotation', 'renew no certificate')
    .option('--metrics <file>', "write Istio's standard metrics in Prometheus text")
    .option('-o, --output <format>', 'table, json or yaml', 'table')
    .addHelpText(
      'after',
      `
Examples:
  meshproof run                          the shop of the brief, 24 virtual hours
  meshproof run --for 25h --no-rotation  what happens when certificates are not renewed
  meshproof run -o json | jq .services   the same figures as data

Exit code 1: a request was lost, an attempt went differently than expected.`,
    )
    .action(run);
}

async function run(scenario: string, flags: RunFlags): Promise<void> {
  const format = parseOutputFormat(flags.output);
  if (flags.for !== undefined && parseDuration(flags.for) <= 0)
    throw new MeshError('ERR_USAGE', '`--for` must be more than nothing');
  const interrupt = new AbortController();
  const onInterrupt = (): void => interrupt.abort();
  process.removeAllListeners('SIGINT').once('SIGINT', onInterrupt);
  const started = performance.now();
  const progress = progressLine(process.stderr);
  const result = await runScenario(scenario, {
    ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    ...(flags.for === undefined ? {} : { for: flags.for }),
    ...(flags.rotation ? {} : { rotation: false }),
    secrets: (name) => process.env[name],
    signal: interrupt.signal,
    onProgress: ({ at, start, end }) =>
      progress.show(
        (at - start) / (end - start),
        `virtual ${formatDuration(at - start)} of ${formatDuration(end - start)}`,
      ),
  }).finally(() => progress.clear());
  await using mesh = result.mesh;
  const report = runReport(result);
  writeOutput(format, report, () => renderRun(result, report, paintFor(process.stdout)));
  if (flags.metrics !== undefined) {
    const { prometheusText } = await import('../../telemetry/index.ts');
    const text = await prometheusText(mesh.events, { at: result.end, labelsOf: labelsOf(mesh) });
    await writeFile(flags.metrics, text).catch((error: unknown) => {
      throw new MeshError('ERR_USAGE', `cannot write \`${flags.metrics}\`: ${messageOf(error)}`);
    });
  }
  process.stderr.write(
    `${formatDuration(result.end - result.start)} of virtual time in ${((performance.now() - started) / 1000).toFixed(1)} s\n`,
  );
  if (!result.ok) exitWith(EXIT.findings);
  if (interrupt.signal.aborted) exitWith(EXIT.interrupted);
}

/** Pod labels by workload, for the labels of the metrics. */
function labelsOf(mesh: Mesh): (workload: WorkloadRef) => Readonly<Record<string, string>> {
  return ({ namespace, name }) => mesh.compiled.workload(`${namespace}/${name}`).labels;
}
