/**
 * `meshproof bench [topic…]`
 * @module
 */
import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import {
  BENCH_SIZES,
  BENCH_TOPICS,
  type BenchExtras,
  type BenchResult,
  type BenchSize,
  type BenchTopic,
  compareResults,
  loadBench,
  readBaseline,
  renderComparison,
  renderHtml,
  renderText,
} from '../../bench/index.ts';
import { didYouMean, MeshError, messageOf } from '../../core/index.ts';
import { EXIT, exitWith } from '../io.ts';

interface BenchFlags {
  readonly size: BenchSize;
  readonly output: 'table' | 'json';
  readonly compare?: string;
  readonly html?: string;
}

const HELP = `
Topics:
  handshake   TLS and mutual TLS, full and resumed, by version, key and group
  rotation    issuing, renewing 100 to 10,000 workloads, herds and jitter
  authz       decisions over 2 to 100,000 rules
  diff        questions about policies over growing meshes
  mesh        requests through two sidecars, memory, virtual time
  start       the command line, cold

Competitors take turns in one run; ratios come with 95 % intervals. Those that are not installed are named as skipped.

Examples:
  $ meshproof bench start
  $ meshproof bench -o json > baseline.json
  $ meshproof bench --compare baseline.json --html bench.html

Exit code 1: --compare found something slower.`;

export function benchVerb(program: Command, extras: BenchExtras = {}): void {
  program
    .command('bench')
    .argument('[topic...]', `${BENCH_TOPICS.join(', ')} (default: all)`)
    .description('measure what handshakes, rotation and decisions cost, beside the alternatives')
    .addOption(new Option('--size <size>', 'smoke only shows that it runs').choices(BENCH_SIZES).default('full'))
    .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json']).default('table'))
    .option('--compare <file>', 'hold against an earlier run saved with -o json')
    .option('--html <file>', 'write a page with plots')
    .addHelpText('after', HELP)
    .action((topics: readonly string[], flags: BenchFlags) => bench(topics, flags, extras));
}

async function bench(topics: readonly string[], flags: BenchFlags, extras: BenchExtras): Promise<void> {
  const wanted = topics.length === 0 ? BENCH_TOPICS : topics.map(topicOf);
  // Before hours of measuring, not after.
  const baseline = flags.compare === undefined ? undefined : readBaseline(flags.compare);
  const results: BenchResult[] = [];
  for (const topic of wanted) {
    const { run } = await loadBench(topic, extras);
    const result = await run(flags.size, { progress: (text) => showProgress(`${topic}: ${text}`) });
    showProgress('');
    results.push(result);
    if (flags.output === 'table') process.stdout.write(`${renderText(result)}\n`);
  }
  if (flags.output === 'json') process.stdout.write(`${JSON.stringify({ results }, undefined, 1)}\n`);
  if (flags.html !== undefined) await save(flags.html, renderHtml(results));
  if (baseline === undefined) return;
  const comparisons = compareResults(results, baseline);
  // With -o json standard output is one document.
  (flags.output === 'json' ? process.stderr : process.stdout).write(renderComparison(comparisons));
  if (comparisons.some(({ verdict }) => verdict === 'slower')) exitWith(EXIT.findings);
}

function topicOf(name: string): BenchTopic {
  const known = BENCH_TOPICS.find((topic) => topic === name);
  if (known !== undefined) return known;
  throw new MeshError('ERR_USAGE', `unknown topic \`${name}\`${didYouMean(name, BENCH_TOPICS)}; see \`bench --help\``);
}

/** On a terminal only, over itself. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`);
}

async function save(file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((error: unknown) => {
    throw new MeshError('ERR_USAGE', `cannot write \`${file}\`: ${messageOf(error)}`);
  });
}
