/**
 * Running a scenario from the command line: the options every such verb shares, the progress line, Ctrl-C.
 * @module
 */
import { type Command, Option } from 'commander';
import { formatDuration, MeshError, parseDuration } from '../core/index.ts';
import { DEFAULT_SCENARIO, type LoadedScenario, type Run, runScenario } from '../mesh/index.ts';
import { progressLine } from './render/progress.ts';

export interface ScenarioFlags {
  readonly seed?: string;
  readonly for?: string;
  readonly rotation: boolean;
}

export interface FinishedRun {
  readonly run: Run;
  /** Ctrl-C ended it before its time. */
  readonly interrupted: boolean;
}

/** Adds the argument and options that say which scenario runs, and how. */
export function scenarioOptions(command: Command): Command {
  return command
    .argument('[scenario]', 'a folder, a scenario.yaml, or one that ships, e.g. 01-shop', DEFAULT_SCENARIO)
    .addOption(new Option('--seed <seed>', 'seed of everything drawn').default(undefined, "the scenario's"))
    .addOption(new Option('--for <duration>', 'virtual time to run, e.g. 24h').default(undefined, "the scenario's"))
    .option('--no-rotation', 'renew no certificate');
}

/**
 * Runs a scenario with a progress line on standard error. Ctrl-C ends it at the next quarter of a virtual hour.
 * The mesh of the run is still open: dispose it.
 */
export async function runFromCli(scenario: string | LoadedScenario, flags: ScenarioFlags): Promise<FinishedRun> {
  if (flags.for !== undefined && parseDuration(flags.for) <= 0)
    throw new MeshError('ERR_USAGE', '`--for` must be more than nothing');
  const interrupt = new AbortController();
  // A second Ctrl-C ends the process at once.
  process.removeAllListeners('SIGINT').once('SIGINT', () => interrupt.abort());
  const started = performance.now();
  const progress = progressLine(process.stderr);
  const run = await runScenario(scenario, {
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
  const virtual = formatDuration(run.end - run.start);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const interrupted = interrupt.signal.aborted;
  process.stderr.write(`${interrupted ? 'interrupted: ' : ''}${virtual} of virtual time in ${seconds} s\n`);
  return { run, interrupted };
}
