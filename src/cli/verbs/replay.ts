/**
 * `meshproof replay FILE`
 * @module
 */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { MeshError, messageOf } from '../../core/index.ts';
import { readCounterexample } from '../../testing/counterexample.ts';
import { MESHPROOF } from '../../testing/laws.ts';
import { stepText } from '../../testing/mesh-steps.ts';
import { requestText } from '../../testing/world.ts';
import { EXIT, exitWith, parseOutputFormat, writeOutput } from '../io.ts';

export function replayVerb(program: Command): void {
  program
    .command('replay')
    .argument('<file>', 'a counterexample that a law of meshproof/testing left behind')
    .description('check a law again on the counterexample of a file')
    .option('-o, --output <format>', 'table, json or yaml', 'table')
    .addHelpText(
      'after',
      `
Exit codes: 0 the law holds, 1 it is still broken, 2 the file cannot be read.

Example:
  $ meshproof replay .meshproof/counterexamples/adding-deny-never-widens-42.yaml`,
    )
    .action(replayAction);
}

async function replayAction(file: string, { output }: { readonly output: string }): Promise<void> {
  const format = parseOutputFormat(output);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MeshError('ERR_USAGE', `cannot read \`${file}\`: ${messageOf(cause)}`, { cause });
  });
  const { law, sample, violation, found } = readCounterexample(text, file);
  const now = await law.check(sample, MESHPROOF);
  const [title, asked] =
    sample.steps === undefined
      ? ['requests', sample.world.requests.map((request) => requestText(request))]
      : ['steps', sample.steps.map((step) => stepText(step))];
  writeOutput(
    format,
    {
      law: law.name,
      claim: law.claim,
      found: violation,
      holds: now === undefined,
      ...(now === undefined ? {} : { violation: now }),
    },
    () =>
      [
        `law       ${law.name}: ${law.claim}`,
        `found     ${violation}${found === undefined ? '' : ` (seed ${found.seed}, path ${found.path})`}`,
        now === undefined ? 'now       the law holds: this counterexample is one no more' : `now       ${now}`,
        title,
        ...asked.map((line) => `  ${line}`),
        '',
      ].join('\n'),
  );
  if (now !== undefined) exitWith(EXIT.findings);
}
