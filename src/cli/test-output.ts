/**
 * The reporters of `meshproof test`: which are asked for, and where their text goes.
 * @module
 */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { didYouMean, MeshError, messageOf } from '../core/index.ts';
import { blobOf, type TestReport } from '../policytest/index.ts';
import { paintFor } from './render/paint.ts';
import { renderGithub, renderJunit, renderMarkdown, renderSarif } from './render/test-documents.ts';
import { renderHtml } from './render/test-page.ts';
import { renderDefault, renderMinimal, renderTap, renderTree } from './render/test-text.ts';

interface Renderer {
  /** Where the text goes when no path is given; standard output where absent. */
  readonly path?: (report: TestReport) => string;
  render(report: TestReport, toTerminal: boolean): string;
}

const RENDERERS: Readonly<Record<string, Renderer>> = {
  default: { render: (report, colour) => `${renderDefault(report, colour ? paintFor(process.stdout) : undefined)}\n` },
  minimal: { render: (report) => `${renderMinimal(report)}\n` },
  tree: { render: (report, colour) => `${renderTree(report, colour ? paintFor(process.stdout) : undefined)}\n` },
  tap: { render: renderTap },
  json: { render: (report) => `${JSON.stringify(report, undefined, 2)}\n` },
  junit: { render: renderJunit },
  sarif: { render: renderSarif },
  github: { render: renderGithub },
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

/** Reads `name` or `name=path`. @throws MeshError `ERR_USAGE` */
export function parseReporter(text: string): ReporterChoice {
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
export function defaultReporters(environment: NodeJS.ProcessEnv): readonly ReporterChoice[] {
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
