/**
 * What every verb shares: exit codes, the version, and the forms `-o` can take.
 * @module
 */
import { readFileSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import { stringify } from 'yaml';
import { didYouMean, MeshError } from '../core/index.ts';

/** The same in every output format. */
export const EXIT = { fine: 0, findings: 1, usage: 2, internal: 3, interrupted: 130 } as const;

export function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';
}

/** Says how the command ends, unless something worse was said before. */
export function exitWith(code: number): void {
  process.exitCode = Math.max(code, Number(process.exitCode ?? 0));
}

export type OutputFormat = 'table' | 'wide' | 'json' | 'yaml';

const FORMATS: Readonly<Record<string, OutputFormat>> = {
  table: 'table',
  short: 'table',
  log: 'table',
  wide: 'wide',
  json: 'json',
  yaml: 'yaml',
};

/** An option with a few values; a wrong one is told the nearest right one. */
export function choiceOption(flags: string, description: string, choices: readonly string[]): Option {
  const option = new Option(flags, `${description} (choices: ${choices.map((choice) => `"${choice}"`).join(', ')})`);
  return option.argParser((text: string) => {
    if (choices.includes(text)) return text;
    throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}${didYouMean(text, choices)}`);
  });
}

/** Work that never yields: while it runs, an interrupt ends the process at once instead of waiting for its turn. */
export function interruptible<T>(work: () => T): T {
  const listeners = process.listeners('SIGINT');
  process.removeAllListeners('SIGINT');
  try {
    return work();
  } finally {
    for (const listener of listeners) process.once('SIGINT', listener);
  }
}

/** Reads the value of `-o`. @throws MeshError `ERR_USAGE` */
export function parseOutputFormat(text: string): OutputFormat {
  const format = Object.hasOwn(FORMATS, text) ? FORMATS[text] : undefined;
  if (format === undefined) {
    throw new MeshError(
      'ERR_USAGE',
      `unknown output format \`${text}\`: expected table, wide, json or yaml${didYouMean(text, Object.keys(FORMATS))}`,
    );
  }
  return format;
}

/** Writes `value` in the asked form; `table` renders it for people. */
export function writeOutput(format: OutputFormat, value: unknown, table: (wide: boolean) => string): void {
  if (format === 'json') process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
  else if (format === 'yaml') process.stdout.write(stringify(value, { aliasDuplicateObjects: false }));
  else process.stdout.write(table(format === 'wide'));
}
