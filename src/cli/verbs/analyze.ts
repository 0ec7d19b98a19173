/**
 * `meshproof analyze PATH…`
 * @module
 */
import type { Command } from 'commander';
import { lint, type LintCode, type LintFinding, lintRule, LINTS, type LintSeverity } from '../../analysis/index.ts';
import { didYouMean, MeshError } from '../../core/index.ts';
import { ConfigError, type ConfigIssue } from '../../istio/index.ts';
import { loadManifests } from '../../mesh/load-manifests.ts';
import { EXIT, exitWith } from '../io.ts';
import { type SarifFinding, sarifLog } from '../render/sarif.ts';

interface AnalyzeFlags {
  readonly output: string;
  readonly failureThreshold: string;
  readonly outputThreshold: string;
  readonly suppress: readonly string[];
  readonly list?: boolean;
}

/** One line of the report: a lint, or a fault that keeps the configuration from being read. */
interface Message {
  readonly code: string;
  readonly aliases: readonly string[];
  readonly level: 'Error' | 'Warning' | 'Info';
  readonly origin: string;
  readonly reference?: string;
  readonly message: string;
}

const LEVELS = ['Info', 'Warning', 'Error'] as const;
const SEVERITY: Readonly<Record<LintSeverity, Message['level']>> = { error: 'Error', warning: 'Warning', info: 'Info' };

export function analyzeVerb(program: Command): void {
  program
    .command('analyze')
    .argument('[paths...]', 'files and folders of manifests; - is standard input')
    .description('validate manifests as istiod would, and find what it would not')
    .option('-o, --output <format>', 'log, json, yaml or sarif', 'log')
    .option('--failure-threshold <level>', 'exit 1 from this level on: Info, Warning or Error', 'Error')
    .option('--output-threshold <level>', 'show from this level on', 'Info')
    .option(
      '-S, --suppress <code=resource>',
      'hide a code, for all resources or one: MSH021 or "IST0102=Namespace shop"; may be repeated',
      collect,
      [],
    )
    .option('-L, --list', 'list every code')
    .addHelpText(
      'after',
      `
Examples:
  $ meshproof analyze k8s/
  $ kustomize build overlays/prod | meshproof analyze -
  $ meshproof analyze k8s/ -o sarif > analyze.sarif`,
    )
    .action(analyze);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function analyze(paths: readonly string[], flags: AnalyzeFlags): Promise<void> {
  if (flags.list === true) {
    for (const { code, severity, title, aliases } of listed()) {
      process.stdout.write(
        `${code}  ${SEVERITY[severity].padEnd(7)}  ${title}${aliases.length > 0 ? ` (${aliases.join(', ')})` : ''}\n`,
      );
    }
    return;
  }
  if (paths.length === 0)
    throw new MeshError('ERR_USAGE', 'name the manifests to analyze, e.g. `meshproof analyze k8s/`');
  for (const rule of flags.suppress) refuseUnknownCode(rule);
  const shown = LEVELS.indexOf(levelOf(flags.outputThreshold));
  const failing = LEVELS.indexOf(levelOf(flags.failureThreshold));
  const { findings, invalid } = await examine(paths);
  const visible = findings.filter(
    (message) => LEVELS.indexOf(message.level) >= shown && !isSuppressed(message, flags.suppress),
  );
  await print(flags.output, visible, paths);
  if (invalid) exitWith(EXIT.usage);
  else if (visible.some(({ level }) => LEVELS.indexOf(level) >= failing)) exitWith(EXIT.findings);
}

async function examine(
  paths: readonly string[],
): Promise<{ readonly findings: readonly Message[]; readonly invalid: boolean }> {
  try {
    return { findings: lint(await loadManifests(paths)).map(fromFinding), invalid: false };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { findings: error.issues.map(fromIssue), invalid: true };
  }
}

function refuseUnknownCode(rule: string): void {
  const code = rule.split('=')[0] ?? '';
  const known = listed().flatMap((lint) => [lint.code, ...lint.aliases]);
  if (known.includes(code)) return;
  throw new MeshError(
    'ERR_USAGE',
    `unknown code \`${code}\` in --suppress${didYouMean(code, known)}; --list shows all`,
  );
}

function levelOf(text: string): Message['level'] {
  const found = LEVELS.find((level) => level.toLowerCase() === text.toLowerCase());
  if (found === undefined)
    throw new MeshError('ERR_USAGE', `unknown level \`${text}\`: expected Info, Warning or Error`);
  return found;
}

function fromFinding({ code, aliases, severity, message, resource, position }: LintFinding): Message {
  return {
    code,
    aliases,
    level: SEVERITY[severity],
    origin: `${resource.kind} ${resource.namespace === '' ? '' : `${resource.namespace}/`}${resource.name}`,
    ...(position === undefined ? {} : { reference: `${position.file}:${position.line}:${position.column}` }),
    message,
  };
}

function fromIssue({ file, line, column, path, message, resource }: ConfigIssue): Message {
  return {
    code: INVALID.code,
    aliases: [],
    level: 'Error',
    origin: resource ?? 'manifest',
    ...(file === undefined ? {} : { reference: `${file}:${line}:${column}` }),
    message: path === '' ? message : `${path}: ${message}`,
  };
}

/** `CODE`, or `CODE=Kind namespace/name` with `*` for anything. */
function isSuppressed({ code, aliases, origin }: Message, rules: readonly string[]): boolean {
  return rules.some((rule) => {
    const [wanted = '', resource = '*'] = rule.split('=');
    if (wanted !== code && !aliases.includes(wanted)) return false;
    return new RegExp(
      `^${resource
        .split('*')
        .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
        .join('.*')}$`,
    ).test(origin);
  });
}

async function print(format: string, messages: readonly Message[], paths: readonly string[]): Promise<void> {
  switch (format) {
    case 'json':
      process.stdout.write(`${JSON.stringify(messages, undefined, 2)}\n`);
      return;
    case 'yaml': {
      const { stringify } = await import('yaml');
      process.stdout.write(stringify(messages));
      return;
    }
    case 'sarif':
      process.stdout.write(
        `${JSON.stringify(
          sarifLog(
            listed().map(({ code, title, aliases }) => ({ id: code, title, tags: aliases })),
            messages.map(sarifFinding),
          ),
          undefined,
          2,
        )}\n`,
      );
      return;
    case 'log':
    case 'table':
      for (const { level, code, origin, reference, message } of messages) {
        process.stdout.write(
          `${level} [${code}] (${origin}${reference === undefined ? '' : ` ${reference}`}) ${message}\n`,
        );
      }
      if (messages.length === 0)
        process.stderr.write(`✔ No validation issues found when analyzing ${paths.join(', ')}.\n`);
      return;
    default:
      throw new MeshError('ERR_USAGE', `unknown output format \`${format}\`: expected log, json, yaml or sarif`);
  }
}

interface ListedCode {
  readonly code: string;
  readonly severity: LintSeverity;
  readonly title: string;
  readonly aliases: readonly string[];
}

/** What keeps a configuration from being read has the code istioctl gives it. */
const INVALID: ListedCode = {
  code: 'IST0106',
  severity: 'error',
  title: 'Istio would refuse the manifest',
  aliases: [],
};

/** Every code that a report may hold. */
function listed(): readonly ListedCode[] {
  return [INVALID, ...Object.keys(LINTS).flatMap((code) => (isLintCode(code) ? [{ code, ...lintRule(code) }] : []))];
}

function isLintCode(code: string): code is LintCode {
  return Object.hasOwn(LINTS, code);
}

function sarifFinding({ code, level, message, origin, reference }: Message): SarifFinding {
  const [file, line, column] = reference === undefined ? [] : (/^(.*):(\d+):(\d+)$/.exec(reference)?.slice(1) ?? []);
  return {
    ruleId: code,
    level: level === 'Info' ? 'note' : level === 'Warning' ? 'warning' : 'error',
    message: `${origin}: ${message}`,
    ...(file === undefined ? {} : { file, line: Number(line), column: Number(column) }),
    fingerprint: `${origin}\n${message}`,
  };
}
