/**
 * Decisions through the command line: JSON lines in, JSON lines out, start-up left out.
 *
 * The floor is a process that does nothing but parse each line and write one of the same kind.
 * @module
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Table } from '../bench.ts';
import { moduleArguments, runNode, SHOP } from '../command-line.ts';
import { type Contender, takeTurns } from '../rounds.ts';

const PARSE_ONLY = `
const fs = require('node:fs');
let out = '';
for (const line of fs.readFileSync(process.argv[1], 'utf8').split('\\n')) {
  if (line === '') continue;
  const { id } = JSON.parse(line);
  out += JSON.stringify({ id, decision: 'allow', status: 200, determining: [], reason: 'matched ALLOW policy' }) + '\\n';
  if (out.length > 65536) { fs.writeSync(1, out); out = ''; }
}
fs.writeSync(1, out);
`;

const CALLERS = ['frontend', 'admin-service', 'retool', 'order-service'];
const PATHS = ['/api/orders', '/api/admin/users/1', '/api/v1/users/1', '/'];

/** Every turn is two processes of each contender. */
export async function jsonLines(lines: number, rounds: number): Promise<Table> {
  const folder = await mkdtemp(join(tmpdir(), 'meshproof-bench-'));
  try {
    const file = join(folder, 'requests.jsonl');
    await writeFile(file, Array.from({ length: lines }, (_, i) => lineOf(i)).join(''));
    await writeFile(join(folder, 'one.jsonl'), lineOf(0));
    const ours = (name: string): string[] => [
      ...moduleArguments('cli/main.ts'),
      'authz',
      '-f',
      SHOP,
      '--requests',
      join(folder, name),
    ];
    const bare = (name: string): string[] => ['-e', PARSE_ONLY, join(folder, name)];
    return await takeTurns(
      [linesPerSecond('meshproof', ours, lines), linesPerSecond('parse and write only', bare, lines)],
      {
        title: 'JSON lines through the command line',
        unit: '/s',
        moreIsBetter: true,
        rounds,
        warmUp: 0,
        reference: 'parse and write only',
        floor: 'parse and write only',
      },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What one more line costs: the time of all lines less that of one. */
function linesPerSecond(name: string, argumentsOf: (file: string) => string[], lines: number): Contender {
  return {
    name,
    turn: async () => {
      const [all, one] = [await run(argumentsOf('requests.jsonl'), lines), await run(argumentsOf('one.jsonl'), 1)];
      return { value: (1_000 * (lines - 1)) / Math.max(all - one, 1) };
    },
  };
}

async function run(args: readonly string[], lines: number): Promise<number> {
  const { code, stdout, wallMs } = await runNode(args);
  const answers = stdout.split('\n').length - 1;
  if (code !== 0 || answers !== lines) throw new Error(`exit ${code}, ${answers} answers to ${lines} lines`);
  return wallMs;
}

function lineOf(index: number): string {
  const [caller, path] = [CALLERS[index % 4] ?? '', PATHS[(index >> 2) % 4] ?? ''];
  const principal = `cluster.local/ns/default/sa/${caller}`;
  return `${JSON.stringify({
    id: String(index),
    destination: { workload: 'api-gateway', namespace: 'default', port: 8080 },
    source: { principal, ip: '10.0.0.5' },
    request: { method: 'GET', host: 'api-gateway', path },
  })}\n`;
}
