/**
 * `meshproof who-can`: every class of callers and requests that a port lets in.
 * @module
 */
import { Option, type Command } from 'commander';
import { whoCan, type WhoCan } from '../../analysis/index.ts';
import { MeshError } from '../../core/index.ts';
import { loadManifests } from '../../mesh/load-manifests.ts';
import { EXIT, parseOutputFormat, writeOutput } from '../io.ts';
import { decisionText, requestText } from '../render/diff-report.ts';

interface WhoCanOptions {
  readonly filename: readonly string[];
  readonly to: string;
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly tcp?: boolean;
  readonly output: string;
}

const HELP = `
Examples:
  $ meshproof who-can -f k8s --to default/api-gateway:8080
  $ meshproof who-can -f k8s --to default/api-gateway --method DELETE --path /api/admin/users/1
`;

/** Adds `who-can` to the program. */
export function whoCanVerb(program: Command): void {
  program
    .command('who-can')
    .description('list every class of callers and requests that a workload port lets in')
    .requiredOption('-f, --filename <path...>', 'manifests: files, folders, or - for standard input')
    .requiredOption('--to <workload>', 'the server: namespace/workload[:port]')
    .option('--method <method>', 'only requests with this method')
    .option('--path <path>', 'only requests with this path, as it arrives')
    .option('--host <host>', 'only requests with this Host header')
    .option('--tcp', 'raw TCP connections instead of HTTP requests')
    .addOption(new Option('-o, --output <format>', 'table, wide, json or yaml').default('table'))
    .addHelpText('after', HELP)
    .action(async (options: WhoCanOptions) => {
      const format = parseOutputFormat(options.output);
      const answer = whoCan(await loadManifests(options.filename), {
        ...parseTarget(options.to),
        ...(options.tcp === true ? { traffic: 'tcp' as const } : {}),
        ...(options.method === undefined ? {} : { method: options.method }),
        ...(options.path === undefined ? {} : { path: options.path }),
        ...(options.host === undefined ? {} : { host: options.host }),
      });
      writeOutput(format, answer, () => text(answer));
      process.exitCode = EXIT.fine;
    });
}

/** `namespace/workload[:port]`. @throws MeshError `ERR_USAGE` */
export function parseTarget(text: string): { readonly to: string; readonly port?: number } {
  const [, to, port] = /^([^/:]+\/[^/:]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (to === undefined) throw new MeshError('ERR_USAGE', `--to takes namespace/workload[:port], not \`${text}\``);
  return { to, ...(port === undefined ? {} : { port: Number(port) }) };
}

function text({ to, allowed, cut }: WhoCan): string {
  const place = `${to.namespace}/${to.workload}${to.port === undefined ? '' : `:${to.port}`}`;
  if (allowed.length === 0) return `nobody reaches ${place}\n`;
  const lines = allowed.flatMap(({ summary, witness, by }) => [
    `  ${summary}`,
    `    e.g.  ${requestText(witness)}`,
    `    by    ${decisionText(by)}`,
  ]);
  return `${[`${place} lets in:`, ...lines, ...(cut ? ['  and more'] : [])].join('\n')}\n`;
}
