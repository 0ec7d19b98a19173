/**
 * OpenSSL's own timing client against a server: what the library costs without Node around it.
 * @module
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Contender } from '../rounds.ts';
import type { Identity } from './endpoint.ts';
import type { InstalledServer } from './installed-servers.ts';

/** `-time` takes whole seconds. */
const SECONDS = 1;

export interface TimingClient extends AsyncDisposable {
  readonly contender: Contender;
}

/** @param every in how many rounds it takes part: its turns are a second long */
export async function sTime(identity: Identity, server: InstalledServer, every: number): Promise<TimingClient> {
  const folder = await mkdtemp(join(tmpdir(), 'meshproof-bench-'));
  const [both, ca] = [join(folder, 'both.pem'), join(folder, 'ca.pem')];
  await writeFile(both, identity.cert + identity.key, { mode: 0o600 });
  await writeFile(ca, identity.ca);
  const args = ['s_time', '-connect', `127.0.0.1:${server.port}`, '-new', '-tls1_3', '-time', String(SECONDS)];
  const command = [...args, '-cert', both, '-CAfile', ca, '-verify', '2'];
  return {
    contender: {
      name: `openssl s_time to ${server.name}`,
      every,
      turn: async () => {
        const before = await server.cpuMs();
        const { count, userS, seconds } = await timingOf(command);
        const after = await server.cpuMs();
        return {
          value: (1_000 * seconds) / count,
          also: {
            'client CPU ms': (1_000 * userS) / count,
            ...(before === undefined || after === undefined ? {} : { 'server CPU ms': (after - before) / count }),
          },
        };
      },
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function timingOf(
  args: readonly string[],
): Promise<{ readonly count: number; readonly userS: number; readonly seconds: number }> {
  const start = performance.now();
  const text = await new Promise<string>((resolve, reject) => {
    const child = spawn('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
  const elapsed = (performance.now() - start) / 1_000;
  // 412 connections in 0.35s; 1177.14 connections/user sec, bytes read 0
  const found = /(\d+) connections in ([\d.]+)s; /.exec(text);
  const [count, userS] = [Number(found?.[1]), Number(found?.[2])];
  if (!(count > 0)) throw new Error('openssl s_time made no connection');
  // Whole seconds are all that it prints of the wall's time, so the wall's is our own.
  return { count, userS, seconds: elapsed };
}
