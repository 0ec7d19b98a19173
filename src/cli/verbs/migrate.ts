/**
 * `meshproof migrate`: the way from PERMISSIVE to STRICT under the traffic that was seen.
 * @module
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { Option, type Command } from 'commander';
import { parseTraffic, planMigration, type ObservedCall } from '../../analysis/index.ts';
import { MeshError, messageOf } from '../../core/index.ts';
import { loadManifests } from '../../mesh/load-manifests.ts';
import { makeFolder } from '../../mesh/make-folder.ts';
import { EXIT, parseOutputFormat, writeOutput } from '../io.ts';
import { migrationText, stepFiles } from '../render/migration-report.ts';

interface MigrateOptions {
  readonly filename: readonly string[];
  readonly traffic?: string;
  readonly out?: string;
  readonly output: string;
}

const HELP = `
FILE holds the calls that were seen, one a line: \`shop/frontend -> shop/orders:8080 plaintext\`, a JSON object with from,
to, port, plaintext and count, the labels of istio_requests_total as JSON, or a server sidecar's JSON access log.

Exit codes: 0 every observed call survives the plan, 1 some call breaks and no step repairs it, 2 bad usage or input.

Examples:
  $ meshproof migrate -f k8s --traffic calls.txt
  $ kubectl logs deploy/orders -c istio-proxy | meshproof migrate -f k8s --traffic -
  $ meshproof migrate -f k8s --traffic calls.txt --out steps    writes steps/01-….yaml, …
`;

/** Adds `migrate` to the program. */
export function migrateVerb(program: Command): void {
  program
    .command('migrate')
    .description(
      'plan the way from PERMISSIVE to STRICT: order, callers that would break, policies that rely on plaintext',
    )
    .requiredOption('-f, --filename <path...>', 'manifests: files, folders, or - for standard input')
    .option('--traffic <file>', 'calls that were seen; - is standard input')
    .option('--out <folder>', 'write the manifests of every step')
    .addOption(new Option('-o, --output <format>', 'table, wide, json or yaml').default('table'))
    .addHelpText('after', HELP)
    .action(async (options: MigrateOptions) => {
      const format = parseOutputFormat(options.output);
      if (options.traffic === '-' && options.filename.includes('-')) {
        throw new MeshError('ERR_USAGE', 'standard input can be the manifests or the traffic, not both');
      }
      const plan = planMigration(await loadManifests(options.filename), await readTraffic(options.traffic));
      if (options.out !== undefined) await writeSteps(options.out, stepFiles(plan));
      writeOutput(format, plan, (wide) => migrationText(plan, wide));
      process.exitCode = plan.broken.length > 0 ? EXIT.findings : EXIT.fine;
    });
}

async function readTraffic(file: string | undefined): Promise<readonly ObservedCall[]> {
  if (file === undefined) return [];
  if (file === '-') return parseTraffic(await readAll(process.stdin), 'stdin');
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MeshError('ERR_USAGE', `cannot read \`${file}\`: ${messageOf(cause)}`, { cause });
  });
  return parseTraffic(text, file);
}

async function writeSteps(
  folder: string,
  files: readonly { readonly name: string; readonly text: string }[],
): Promise<void> {
  try {
    await makeFolder(folder);
    for (const { name, text } of files) await writeFile(join(folder, name), text);
  } catch (cause) {
    throw new MeshError('ERR_USAGE', `cannot write to \`${folder}\`: ${messageOf(cause)}`, { cause });
  }
}
