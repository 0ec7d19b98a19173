/**
 * `meshproof doctor tls`: what this runtime does with resumed TLS sessions, and what the wire makes of the same clients.
 * @module
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { resumptionMatrix, type ResumptionRow } from '../../attack/index.ts';
import { instantOf } from '../../core/index.ts';
import { EXIT, exitWith, parseOutputFormat, writeOutput } from '../io.ts';
import { paintFor } from '../render/paint.ts';
import { renderTable } from '../render/table.ts';

export function doctorVerb(program: Command): void {
  const command = program
    .command('doctor')
    .description('look at the runtime this mesh runs on')
    .addHelpText('after', '\nExample:\n  $ meshproof doctor tls');
  command
    .command('tls')
    .description('resume TLS sessions of clients that should no longer get in: node:tls beside the wire')
    .option('-o, --output <format>', 'table, json or yaml', 'table')
    .addHelpText(
      'after',
      `
Every row is one client that connects twice and offers its session the second time. NODE says
whether a plain node:tls server calls it authorized at the two connections; STALE marks a yes that a full handshake would not give.
WIRE is what meshproof's listener says to the same client.

Examples:
  $ meshproof doctor tls
  $ meshproof doctor tls -o json | jq '[.rows[] | select(.node.stale)] | length'

Exit code 1: the wire resumed a session, or let somebody in whom a full handshake would refuse.`,
    )
    .action(doctorTls);
}

async function doctorTls(flags: { readonly output: string }): Promise<void> {
  const format = parseOutputFormat(flags.output);
  const rows = await resumptionMatrix({
    now: () => instantOf(Date.now()),
    wait: async (ms) => {
      process.stderr.write(`waiting ${(ms / 1000).toFixed(1)} s for a certificate to expire\n`);
      await wait(ms);
    },
  });
  const { node, openssl } = process.versions;
  writeOutput(format, { node, openssl, rows }, () => render(rows, { node, openssl }));
  if (rows.some(isWireWrong)) exitWith(EXIT.findings);
}

function isWireWrong({ client, wire }: ResumptionRow): boolean {
  return wire.resumed || (wire.second === 'accepted') !== (client === 'certificate');
}

function render(rows: readonly ResumptionRow[], versions: { readonly node: string; readonly openssl: string }): string {
  const paint = paintFor(process.stdout) ?? ((_role, text) => text);
  const table = renderTable(
    ['TLS', 'CLIENT', 'TICKETS', 'CONTEXT', 'NODE RESUMED', 'NODE AUTHORIZED', 'NODE SEES', 'WIRE'],
    rows.map(({ version, client, tickets, rotated, node, wire }) => [
      version.replace('TLSv', ''),
      client,
      tickets,
      rotated ? 'rotated' : 'same',
      node.resumed ? 'yes' : 'no',
      `${node.first} -> ${node.second}${node.stale ? ' STALE' : ''}`,
      node.identity === 'nobody' ? 'nobody' : (node.identity.split('/').at(-1) ?? ''),
      `${wire.first} -> ${wire.second}${wire.resumed ? ' RESUMED' : ''}`,
    ]),
  );
  const stale = rows.filter(({ node }) => node.stale).length;
  const wrong = rows.filter(isWireWrong).length;
  return `Node ${versions.node}, OpenSSL ${versions.openssl}

${table}
${paint(stale === 0 ? 'ok' : 'warn', `node:tls by itself: ${stale} of ${rows.length} clients count as authorized who should not`)}
${paint(wrong === 0 ? 'ok' : 'crit', `meshproof's wire: ${wrong} of ${rows.length}`)}
`;
}
