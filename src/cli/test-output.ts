/**
 * The reporters of `meshproof test`: which are asked for, and where their text goes.
 * @module
 */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { didYouMean, MeshError, messageOf } from '../core/index.ts';
import { blobOf, type TestReport } from '../policytest/index.ts';
import { paintFor } from './render/paint.ts';
import { renderGithub, renderJunit, renderMarkdown, renderSarif } from './render/test-documents.ts';
import { renderHtml } from './render/test-page.ts';
import { renderDefault, renderDot, renderMinimal, renderTap, renderTree } from './render/test-text.ts';

interface Renderer {
  /** Where the text goes when no path is given; standard output where absent. */
  readonly path?: (report: TestReport) => string;
  render(report: TestReport, toTerminal: boolean): string;
}

const RENDERERS: Readonly<Record<string, Renderer>> = {
  default: { render: (report, colour) => `${renderDefault(report, colour ? paintFor(process.stdout) : undefined)}\n` },
  dot: { render: (report, colour) => `${renderDot(report, colour ? paintFor(process.stdout) : undefined)}\n` },
  minimal: { render: (report) => `${renderMinimal(report)}\n` },
  tree: { render: (report, colour) => `${renderTree(report, colour ? paintFor(process.stdout) : undefined)}\n` },
  tap: { render: renderTap },
  json: { render: (report) => `${JSON.stringify(report, undefined, 2)}\n` },
  junit: { render: renderJunit },
  sarif: { render: renderSarif },
  github: { render: (report) => renderGithub(report, inWorkspace(process.env['GITHUB_WORKSPACE'])) },
  markdown: { render: renderMarkdown },
  html: { path: () => '.meshproof/report.html', render: renderHtml },
  blob: {
    path: ({ shard }) =>
      `.meshproof/blob/report-${shard === undefined ? '1-of-1' : `${shard.index}-of-${shard.count}`}.json`,
    render: blobOf,
  },
};

export const REPORTERS: readonly string[] = Object.keys(RENDERERS);

export interface ReporterChoice {
  readonly name: string;
  readonly path?: string;
}

/** Text for people: not what a lone `--outputFile` is about. */
const FOR_PEOPLE: readonly string[] = ['default', 'dot', 'minimal', 'tree', 'github'];

/** What commander makes of the options below: `outputFile` and `outputFile.junit` are keys of their own. */
export type ReporterFlags = Readonly<Record<`outputFile${string}`, unknown>> & { readonly reporter: readonly string[] };

/** `--reporter name=path`, and as other test runners spell it `--outputFile path` and `--outputFile.name path`. */
export function addReporterOptions(command: Command): Command {
  const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];
  command.option('--reporter <name[=path]>', 'how to report; may be repeated', collect, []);
  command.option('--outputFile <path>', 'where the one reporter writes; --outputFile.junit where that one writes');
  for (const name of REPORTERS) command.addOption(new Option(`--outputFile.${name} <path>`).hideHelp());
  return command;
}

/**
 * The reporters that flags ask for, or else the usual ones.
 * @throws MeshError `ERR_USAGE`
 */
export function reportersOf(flags: ReporterFlags, environment: NodeJS.ProcessEnv): readonly ReporterChoice[] {
  const known = REPORTERS.join('|');
  const asked = flags.reporter.flatMap((text) => text.split(new RegExp(`,(?=(?:${known})(?:[=,]|$))`)));
  const choices = asked.length === 0 ? defaultReporters(environment) : asked.map((text) => parseReporter(text));
  const paths = new Map(
    Object.entries(flags).flatMap(([key, value]) => {
      const name = /^outputFile(?:\.(\w+))?$/.exec(key);
      return name === null || typeof value !== 'string' ? [] : [[name[1] ?? '', value] as const];
    }),
  );
  const lone = choices.filter(({ name }) => !FOR_PEOPLE.includes(name));
  for (const name of paths.keys()) {
    if (name === '' ? lone.length !== 1 : !choices.some((choice) => choice.name === name))
      throw new MeshError(
        'ERR_USAGE',
        name === ''
          ? '`--outputFile` needs one reporter that writes a file, such as `--reporter junit`'
          : `\`--outputFile.${name}\` needs \`--reporter ${name}\``,
      );
  }
  return choices.map((choice) => {
    const path = choice.path ?? paths.get(choice.name) ?? (choice === lone[0] ? paths.get('') : undefined);
    return path === undefined ? choice : { ...choice, path };
  });
}

/** GitHub annotates files by their path in the repository, wherever the command is run. */
function inWorkspace(workspace: string | undefined): (file: string) => string {
  return (file) => {
    if (workspace === undefined) return file;
    const path = relative(workspace, resolve(file));
    return path.startsWith('..') ? file : path;
  };
}

/** Reads `name` or `name=path`. @throws MeshError `ERR_USAGE` */
function parseReporter(text: string): ReporterChoice {
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  const path = equals < 0 ? undefined : text.slice(equals + 1);
  if (!REPORTERS.includes(name) || path === '') {
    const hint = didYouMean(name, REPORTERS);
    throw new MeshError('ERR_USAGE', `unknown reporter \`${text}\`: expected ${REPORTERS.join(', ')}${hint}`);
  }
  return { name, ...(path === undefined ? {} : { path }) };
}

/** What is reported where nothing was asked for. On GitHub, annotations and the step summary come on top. */
function defaultReporters(environment: NodeJS.ProcessEnv): readonly ReporterChoice[] {
  const onGithub = environment['GITHUB_ACTIONS'] === 'true';
  return [{ name: 'default' }, ...(onGithub ? [{ name: 'github' }] : [])];
}

/** @throws MeshError `ERR_USAGE` where a file cannot be written */
export async function writeReports(
  report: TestReport,
  choices: readonly ReporterChoice[],
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  for (const { name, path } of choices) {
    const renderer = RENDERERS[name];
    if (renderer === undefined) continue;
    const file = path ?? renderer.path?.(report);
    const text = renderer.render(report, file === undefined);
    if (file === undefined) process.stdout.write(text);
    else await writeReport(file, text);
    const summary = environment['GITHUB_STEP_SUMMARY'];
    if (name === 'github' && summary !== undefined) await appendFile(summary, renderMarkdown(report));
  }
}

export async function writeReport(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  } catch (cause) {
    throw new MeshError('ERR_USAGE', `cannot write \`${file}\`: ${messageOf(cause)}`, { cause });
  }
}
