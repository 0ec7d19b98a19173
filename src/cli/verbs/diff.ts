/**
 * `meshproof diff BEFORE AFTER`: what a change of policies lets in, before it ships.
 * @module
 */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { diff, type DiffOptions } from '../../analysis/index.ts';
import type { MeshConfig } from '../../istio/index.ts';
import { disagrees, exitCodeOf, FAIL_ON, type FailOn } from '../diff-verdict.ts';
import { loadSides } from '../diff-sides.ts';
import { choiceOption, interruptible } from '../io.ts';
import { diffMarkdown } from '../render/diff-markdown.ts';
import { diffText, replaySummary, type ReportedDiff } from '../render/diff-report.ts';
import { diffSarif } from '../render/diff-sarif.ts';
import { paintFor } from '../render/paint.ts';

const IDENTITIES = ['istio', 'spiffe'] as const;
const FORMATS = ['table', 'wide', 'json', 'yaml', 'markdown', 'sarif'] as const;

interface DiffVerbOptions {
  readonly with?: readonly string[];
  readonly failOn: FailOn;
  readonly output: (typeof FORMATS)[number];
  readonly replay?: boolean;
  readonly sameOutcome?: boolean;
  readonly identities?: (typeof IDENTITIES)[number];
}

const HELP = `
BEFORE and AFTER are files, folders, or git revisions such as main:policies. Every class of requests that is answered
differently is listed once, with the smallest request that shows it and the policy that decides on either side.

Exit codes: 0 nothing that --fail-on names, 1 findings (and a replay that disagrees, whatever --fail-on says), 2 bad usage
or manifests.

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
    .option(
      '--with <path>',
      'manifests that both sides share (workloads, services); may be given several times',
      collect,
    )
    .addOption(choiceOption('--fail-on <change>', 'what makes the exit code 1', FAIL_ON).default('widened'))
    .option('--same-outcome', 'list also what keeps its outcome and is decided by another policy')
    .option('--replay', 'send every witness over real mutual TLS, before and after')
    .addOption(
      choiceOption('--identities <shape>', "callers: of the shape Istio's CA issues, or any SPIFFE ID", IDENTITIES),
    )
    .addOption(choiceOption('-o, --output <format>', 'output format', FORMATS).default('table'))
    .addHelpText('after', HELP)
    .action(async (before: string, after: string, options: DiffVerbOptions) => {
      process.exitCode = await compare(before, after, options);
    });
}

function collect(path: string, paths: readonly string[] = []): readonly string[] {
  return [...paths, path];
}

async function compare(before: string, after: string, options: DiffVerbOptions): Promise<number> {
  const shared = options.with ?? [];
  const [one, two] = await loadSides({ before, after }, shared);
  const { identities, sameOutcome = false } = options;
  const diffOptions: DiffOptions = { sameOutcome, ...(identities === undefined ? {} : { identities }) };
  const found: ReportedDiff = interruptible(() => withWarning(diff(one, two, diffOptions), one, two));
  const reported = options.replay === true ? await replayed(found, one, two) : found;
  const code = exitCodeOf(reported, options.failOn);
  // Set before anything is written: whoever reads may be gone before the end.
  process.exitCode = code;
  process.stdout.write(render(reported, options.output, placeOf(two) ?? placeOf(one) ?? after));
  const forPeople = options.output === 'table' || options.output === 'wide' || options.output === 'markdown';
  if (disagrees(reported) && !forPeople) process.stderr.write(`meshproof: ${replaySummary(reported).join('\n')}\n`);
  return code;
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

/** Where a finding is shown that has no place of its own. */
function placeOf({ authorizationPolicies, peerAuthentications }: MeshConfig): string | undefined {
  return [...authorizationPolicies, ...peerAuthentications].find(({ origin }) => origin !== undefined)?.origin?.file;
}

/** One side with workloads and one without: hardly what was meant. */
function withWarning(found: ReportedDiff, before: MeshConfig, after: MeshConfig): ReportedDiff {
  const [one, two] = [before.workloads.length > 0, after.workloads.length > 0];
  if (one === two) return found;
  const note = `only ${one ? 'BEFORE' : 'AFTER'} declares workloads: give manifests that both sides share with --with`;
  return { ...found, notes: [...found.notes, note] };
}

function render(reported: ReportedDiff, format: DiffVerbOptions['output'], place: string): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(reported, undefined, 2)}\n`;
    case 'yaml':
      return stringify(JSON.parse(JSON.stringify(reported)));
    case 'markdown':
      return diffMarkdown(reported);
    case 'sarif':
      return `${JSON.stringify(diffSarif(reported, place), undefined, 2)}\n`;
    default:
      return diffText(reported, paintFor(process.stdout), format === 'wide');
  }
}
