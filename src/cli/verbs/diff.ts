/**
 * `meshproof diff BEFORE AFTER`: what a change of policies lets in, before it ships.
 * @module
 */
import { Option, type Command } from 'commander';
import { stringify } from 'yaml';
import { diff, type DiffOptions } from '../../analysis/index.ts';
import type { DocumentCache, MeshConfig } from '../../istio/index.ts';
import { loadConfiguration } from '../git-manifests.ts';
import { EXIT, readVersion } from '../io.ts';
import { diffMarkdown, diffSarif, diffText, isWidening, type ReportedDiff } from '../render/diff-report.ts';
import { paintFor } from '../render/paint.ts';

interface DiffVerbOptions {
  readonly with?: readonly string[];
  readonly failOn: 'widened' | 'any' | 'never';
  readonly output: 'table' | 'wide' | 'json' | 'yaml' | 'markdown' | 'sarif';
  readonly replay?: boolean;
  readonly sameOutcome?: boolean;
  readonly identities?: 'istio' | 'spiffe';
}

const HELP = `
BEFORE and AFTER are files, folders, or git revisions such as main:policies. Every class of requests that is answered
differently is listed once, with the smallest request that shows it and the policy that decides on either side.

Exit codes: 0 nothing that --fail-on names, 1 findings, 2 bad usage or manifests.

Examples:
  $ meshproof diff main:policies policies
  $ meshproof diff --with k8s main:policies policies -o markdown > comment.md
  $ meshproof diff before after --replay --fail-on any
`;

/** Adds \`diff\` to the program. */
export function diffVerb(program: Command): void {
  program
    .command('diff <before> <after>')
    .description('compare two configurations exactly: which requests are answered differently')
    .option('--with <path...>', 'manifests that both sides share: workloads, services')
    .addOption(
      new Option('--fail-on <change>', 'what makes the exit code 1')
        .choices(['widened', 'any', 'never'])
        .default('widened'),
    )
    .option('--same-outcome', 'list also what keeps its outcome and is decided by another policy')
    .option('--replay', 'send every witness over real mutual TLS, before and after')
    .addOption(
      new Option('--identities <shape>', "callers: of the shape Istio's CA issues, or any SPIFFE ID").choices([
        'istio',
        'spiffe',
      ]),
    )
    .addOption(
      new Option('-o, --output <format>', 'output format')
        .choices(['table', 'wide', 'json', 'yaml', 'markdown', 'sarif'])
        .default('table'),
    )
    .addHelpText('after', HELP)
    .action(async (before: string, after: string, options: DiffVerbOptions) => {
      process.exitCode = await compare(before, after, options);
    });
}

async function compare(before: string, after: string, options: DiffVerbOptions): Promise<number> {
  const shared = options.with ?? [];
  const documents: DocumentCache = new Map();
  const one = await loadConfiguration(before, shared, documents);
  const two = await loadConfiguration(after, shared, documents);
  const { identities, sameOutcome = false } = options;
  const diffOptions: DiffOptions = { sameOutcome, ...(identities === undefined ? {} : { identities }) };
  const found: ReportedDiff = diff(one, two, diffOptions);
  const reported = options.replay === true ? await replayed(found, one, two) : found;
  process.stdout.write(render(reported, options.output));
  const disagrees = reported.findings.some(({ replay }) => replay?.agrees === false);
  return disagrees || fails(reported, options.failOn) ? EXIT.findings : EXIT.fine;
}

async function replayed(found: ReportedDiff, before: MeshConfig, after: MeshConfig): Promise<ReportedDiff> {
  const { replayFindings } = await import('../diff-replay.ts');
  const replays = await replayFindings(found.findings, before, after);
  return {
    ...found,
    findings: found.findings.map((finding, i) => {
      const replay = replays[i];
      return replay === undefined ? finding : { ...finding, replay };
    }),
  };
}

/** What could not be compared may widen access: the gate stays shut. */
function fails({ findings, undecided }: ReportedDiff, failOn: DiffVerbOptions['failOn']): boolean {
  if (failOn === 'never') return false;
  if (undecided.length > 0) return true;
  return failOn === 'any' ? findings.length > 0 : findings.some(isWidening);
}

function render(reported: ReportedDiff, format: DiffVerbOptions['output']): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(reported, undefined, 2)}\n`;
    case 'yaml':
      return stringify(JSON.parse(JSON.stringify(reported)));
    case 'markdown':
      return diffMarkdown(reported);
    case 'sarif':
      return `${JSON.stringify(diffSarif(reported, readVersion()), undefined, 2)}\n`;
    default:
      return diffText(reported, paintFor(process.stdout), format === 'wide');
  }
}
