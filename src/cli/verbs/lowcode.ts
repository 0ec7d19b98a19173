/**
 * `meshproof lowcode platforms`, `meshproof lowcode import FILE`
 * @module
 */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { MeshError, messageOf } from '../../core/index.ts';
import {
  auditClient,
  formatLowCodePlatforms,
  importLowCode,
  LOW_CODE_PLATFORMS_SOURCE,
  type LowCodeClient,
  type LowCodeFinding,
  lowCodePlatforms,
} from '../../lowcode/index.ts';
import { alignColumns } from '../../telemetry/index.ts';
import { EXIT, exitWith, parseOutputFormat, writeOutput } from '../io.ts';
import { lowCodeFindingLines } from '../render/lowcode-findings.ts';

interface ImportFlags {
  readonly gatewayHost?: readonly string[];
  readonly output: string;
}

export function lowcodeVerb(program: Command): void {
  const lowcode = program
    .command('lowcode')
    .description('low-code platforms and their exports')
    .addHelpText(
      'after',
      `
Examples:
  $ meshproof lowcode platforms
  $ meshproof lowcode import retool_config.yaml -o json`,
    );
  lowcode
    .command('platforms')
    .description('the catalogue of low-code platforms')
    .option('-o, --output <format>', 'table, wide, json or yaml', 'table')
    .addHelpText('after', '\nExample:\n  $ meshproof lowcode platforms -o wide')
    .action(platforms);
  lowcode
    .command('import')
    .argument('<file>', 'an export: Retool, Power Automate, Logic Apps, Appsmith or OpenAPI; - for standard input')
    .description('read an export into the neutral client model, and say what is wrong with its calls')
    .option('--gateway-host <host...>', 'hosts that lead to the API gateway')
    .option('-o, --output <format>', 'table, json or yaml', 'table')
    .addHelpText(
      'after',
      `
Findings go to standard error in table form, and into the value of json and yaml. Values of secrets are never read.

Examples:
  $ meshproof lowcode import retool_config.yaml
  $ meshproof lowcode import flow.json --gateway-host api.example.com -o yaml

Exit codes: 0 nothing found, 1 an error was found in the export, 2 the export cannot be read.`,
    )
    .action(importFile);
}

function platforms(flags: { readonly output: string }): void {
  const format = parseOutputFormat(flags.output);
  const value = { source: LOW_CODE_PLATFORMS_SOURCE, platforms: lowCodePlatforms };
  writeOutput(format, value, (wide) => (wide ? `${wideTable()}\n` : `${formatLowCodePlatforms()}\n`));
}

function wideTable(): string {
  const rows = lowCodePlatforms.map(({ name, type, pricing, importFrom = '<none>' }) => [
    name,
    type,
    pricing,
    importFrom,
  ]);
  const lines = alignColumns([['PLATFORM', 'TYPE', 'PRICING', 'IMPORTS'], ...rows]);
  return [...lines, '', `Source: ${LOW_CODE_PLATFORMS_SOURCE}.`].join('\n');
}

async function importFile(file: string, flags: ImportFlags): Promise<void> {
  const format = parseOutputFormat(flags.output);
  const { text, name } = await readExport(file);
  const client = importLowCode(text, { file: name });
  const findings = auditClient(client, flags.gatewayHost === undefined ? {} : { gatewayHosts: flags.gatewayHost });
  writeOutput(format, { ...client, findings }, () => table(client));
  if (format === 'table' || format === 'wide')
    for (const line of lowCodeFindingLines(findings)) process.stderr.write(`${line}\n`);
  if (findings.some(isError)) exitWith(EXIT.findings);
}

function isError({ severity }: LowCodeFinding): boolean {
  return severity === 'error';
}

async function readExport(file: string): Promise<{ readonly text: string; readonly name: string }> {
  try {
    if (file !== '-') return { text: await readFile(file, 'utf8'), name: file };
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
    return { text: Buffer.concat(chunks).toString('utf8'), name: '<stdin>' };
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const why = missing ? 'no such file' : messageOf(cause);
    throw new MeshError('ERR_CONFIG_IO', `cannot read \`${file}\`: ${why}`, { cause });
  }
}

function table({ tool, app, trigger, calls, resources, secrets, ignored }: LowCodeClient): string {
  const lines = [`Tool: ${tool}`, `App: ${app}`, ...(trigger === undefined ? [] : [`Trigger: ${trigger}`])];
  if (resources.length > 0) {
    const rows = resources.map((each) => [
      each.name,
      each.type,
      each.type === 'rest_api' ? each.baseUrl : `${each.host}:${each.port}/${each.database}`,
    ]);
    lines.push('', ...alignColumns([['RESOURCE', 'TYPE', 'TARGET'], ...rows]));
  }
  if (calls.length > 0) {
    const rows = calls.map(({ id, method, url, resource = '-', after }) => [
      id,
      method,
      url,
      resource,
      after.join(', ') || '-',
    ]);
    lines.push('', ...alignColumns([['CALL', 'METHOD', 'URL', 'RESOURCE', 'AFTER'], ...rows]));
  }
  lines.push('', `Secrets: ${secrets.join(', ') || 'none'}`);
  for (const { what, where } of ignored) lines.push(`Ignored: ${what} (${where.file}:${where.line})`);
  return `${lines.join('\n')}\n`;
}
