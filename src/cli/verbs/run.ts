/**
 * `meshproof run [scenario]`
 * @module
 */
import type { Command } from 'commander';
import { MeshError } from '../../core/index.ts';
import type { Capture } from '../../wire/index.ts';
import { EXIT, exitWith, parseOutputFormat, writeOutput } from '../io.ts';
import { assertWritable, writeWhole } from '../output-file.ts';
import { paintFor } from '../render/paint.ts';
import { renderRun, runReport } from '../render/run-report.ts';
import { metricsText, prepareFolder, writeRunFolder } from '../run-folder.ts';
import { runFromCli, type ScenarioFlags, scenarioOptions } from '../scenario-run.ts';

interface RunFlags extends ScenarioFlags {
  readonly out?: string;
  readonly metrics?: string;
  readonly capture?: string;
  readonly captureSecrets?: boolean;
  readonly output: string;
}

export function runVerb(program: Command): void {
  scenarioOptions(program.command('run'))
    .description('run a scenario on the virtual clock; prints dashboard, audit, access table and rotation summary')
    .option(
      '--out <folder>',
      'write report.txt, report.json, metrics.prom, access.log and events.jsonl there; made if need be',
    )
    .option('--metrics <file>', "write Istio's standard metrics in Prometheus text")
    .option('--capture <file>', 'write every byte on every link as pcapng, with virtual timestamps, for Wireshark')
    .option('--capture-secrets', 'put the TLS secrets into the capture, so that Wireshark decrypts it')
    .option('-o, --output <format>', 'table, json or yaml', 'table')
    .addHelpText(
      'after',
      `
Examples:
  $ meshproof run                          the shop of the brief, 24 virtual hours
  $ meshproof run --for 25h --no-rotation  what happens when certificates are not renewed
  $ meshproof run --for 1h --capture day.pcapng --capture-secrets
  $ meshproof run -o json | jq .services   the same figures as data
  $ meshproof run --out run                all of it as files: report, metrics, access log, events

Exit codes: 0 all went as the scenario expects, 1 an expectation failed (a request was lost, say) or an attempt of the
access table ended differently, 2 bad usage or input, 130 interrupted (what was seen until then is printed, no
file is written). Best practices are shown, not judged: \`meshproof audit\` does that.`,
    )
    .action(run);
}

async function run(scenario: string, flags: RunFlags): Promise<void> {
  const format = parseOutputFormat(flags.output);
  if (flags.out !== undefined) await prepareFolder(flags.out);
  if (flags.metrics !== undefined) await assertWritable(flags.metrics);
  if (flags.captureSecrets === true && flags.capture === undefined)
    throw new MeshError('ERR_USAGE', '--capture-secrets goes with --capture');
  if (flags.capture !== undefined) await assertWritable(flags.capture);
  let capture: Capture | undefined;
  const { run: result, interrupted } = await runFromCli(scenario, flags, (mesh) => {
    if (flags.capture !== undefined) capture = mesh.capture({ secrets: flags.captureSecrets === true });
  });
  await using _mesh = result.mesh;
  const report = runReport(result);
  writeOutput(format, report, () => renderRun(result, report, paintFor(process.stdout)));
  if (interrupted) {
    exitWith(EXIT.interrupted);
    return;
  }
  if (flags.out !== undefined) await writeRunFolder(flags.out, result, report);
  if (flags.metrics !== undefined) await writeWhole(flags.metrics, await metricsText(result));
  if (flags.capture !== undefined && capture !== undefined) {
    await writeWhole(flags.capture, capture.pcapng());
    const { connections, bytes } = capture.count;
    const kept = capture.truncated ? ', the end is not in the file: it is too long' : '';
    process.stderr.write(
      `captured ${connections} connections, ${bytes.up + bytes.down} bytes${kept}; open it with: ` +
        `wireshark -o tcp.try_heuristic_first:TRUE ${flags.capture}\n`,
    );
  }
  if (!result.ok) exitWith(EXIT.findings);
}
