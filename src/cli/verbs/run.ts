/**
 * `meshproof run [scenario]`
 * @module
 */
import type { Command } from 'commander';
import type { WorkloadRef } from '../../core/index.ts';
import type { Mesh } from '../../mesh/index.ts';
import { EXIT, exitWith, parseOutputFormat, writeOutput } from '../io.ts';
import { assertWritable, writeWhole } from '../output-file.ts';
import { paintFor } from '../render/paint.ts';
import { renderRun, runReport } from '../render/run-report.ts';
import { runFromCli, type ScenarioFlags, scenarioOptions } from '../scenario-run.ts';

interface RunFlags extends ScenarioFlags {
  readonly metrics?: string;
  readonly output: string;
}

export function runVerb(program: Command): void {
  scenarioOptions(program.command('run'))
    .description('run a scenario on the virtual clock; prints dashboard, audit, access table and rotation summary')
    .option('--metrics <file>', "write Istio's standard metrics in Prometheus text")
    .option('-o, --output <format>', 'table, json or yaml', 'table')
    .addHelpText(
      'after',
      `
Examples:
  $ meshproof run                          the shop of the brief, 24 virtual hours
  $ meshproof run --for 25h --no-rotation  what happens when certificates are not renewed
  $ meshproof run -o json | jq .services   the same figures as data

Exit codes: 0 all went as expected, 1 a request was lost or an attempt went differently than expected, 2 bad usage or
input, 130 interrupted (what was seen until then is printed, --metrics writes nothing).`,
    )
    .action(run);
}

async function run(scenario: string, flags: RunFlags): Promise<void> {
  const format = parseOutputFormat(flags.output);
  if (flags.metrics !== undefined) await assertWritable(flags.metrics);
  const { run: result, interrupted } = await runFromCli(scenario, flags);
  await using mesh = result.mesh;
  const report = runReport(result);
  writeOutput(format, report, () => renderRun(result, report, paintFor(process.stdout)));
  if (interrupted) {
    exitWith(EXIT.interrupted);
    return;
  }
  if (flags.metrics !== undefined) {
    const { prometheusText } = await import('../../telemetry/index.ts');
    await writeWhole(flags.metrics, await prometheusText(mesh.events, { at: result.end, labelsOf: labelsOf(mesh) }));
  }
  if (!result.ok) exitWith(EXIT.findings);
}

/** Pod labels by workload, for the labels of the metrics. */
function labelsOf(mesh: Mesh): (workload: WorkloadRef) => Readonly<Record<string, string>> {
  return ({ namespace, name }) => mesh.compiled.workload(`${namespace}/${name}`).labels;
}
