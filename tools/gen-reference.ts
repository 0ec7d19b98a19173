/**
 * Writes what the reference says and the code knows: `npx tsx tools/gen-reference.ts`. A test holds them together.
 * @module
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES } from '../src/core/index.ts';
import { FINDING_CODES } from '../src/lowcode/index.ts';
import { AUDIT_CHECKS } from '../src/telemetry/index.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const HEAD = '<!-- Written by tools/gen-reference.ts. -->\n\n';

/** `docs/reference/errors.md` */
export function errorsReference(): string {
  const table = (head: string, rows: readonly (readonly [string, string])[]): string =>
    [`| ${head} | meaning |`, '|---|---|', ...rows.map(([code, meaning]) => `| \`${code}\` | ${meaning} |`)].join('\n');
  return `${HEAD}# Errors and findings

What bad input or a hostile world can cause is a \`MeshError\` with one of these codes; on the command line it is one clear
line on standard error and exit code 2. A denied request or a refused handshake is no error: it is a result. Everything else
is a bug of meshproof (exit code 3).

${table('code', Object.entries(ERROR_CODES))}

## Audit checks

${table(
  'check',
  Object.entries(AUDIT_CHECKS).map(([code, title]) => [code, title]),
)}

## Findings in low-code exports

${table(
  'code',
  Object.entries(FINDING_CODES).map(([code, { severity, meaning }]) => [code, `${severity}: ${meaning}`]),
)}
`;
}

/** `docs/reference/cli.md` */
export function cliReference(): string {
  const top = help();
  const sections = verbsIn(top).flatMap((verb) => {
    const text = help(verb);
    const below = verbsIn(text).map((each) => section(`${verb} ${each}`, help(verb, each), '###'));
    return [section(verb, text, '##'), ...below];
  });
  return `${HEAD}# Command line

Data on standard output, everything else on standard error. \`NO_COLOR\` is honoured. Exit codes, the same in every output
format: **0** fine, **1** findings, **2** bad usage or invalid input, **3** internal error, **130** interrupted.

\`\`\`text
${top.trimEnd()}
\`\`\`

${sections.join('\n\n')}
`;
}

function section(verb: string, text: string, level: string): string {
  return `${level} ${verb}\n\n\`\`\`text\n${text.trimEnd()}\n\`\`\``;
}

/** What `meshproof … --help` prints. */
function help(...verbs: readonly string[]): string {
  const argv = ['--import', import.meta.resolve('tsx'), MAIN, ...verbs, '--help'];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  if (status !== 0) throw new Error(`meshproof ${verbs.join(' ')} --help ended with ${status}: ${stderr}`);
  return stdout
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** The names below `Commands:`. */
export function verbsIn(text: string): readonly string[] {
  const commands = /\nCommands:\n([^]*?)(?:\n\n|$)/.exec(text)?.[1] ?? '';
  return [...commands.matchAll(/^ {2}(\S+)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
}

if (import.meta.filename === process.argv[1]) {
  writeFileSync(new URL('../docs/reference/errors.md', import.meta.url), errorsReference());
  writeFileSync(new URL('../docs/reference/cli.md', import.meta.url), cliReference());
}
