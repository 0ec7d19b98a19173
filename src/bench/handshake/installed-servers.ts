/**
 * Servers of other makers that end mutual TLS, where they are installed: OpenSSL's own, nginx, HAProxy. One worker each,
 * no tickets, no cache of sessions, TLS 1.3 only, an answer of their own to any request.
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Skipped } from '../bench.ts';
import type { Identity } from './endpoint.ts';
import type { Listening } from './server.ts';

export interface InstalledServer extends Listening, AsyncDisposable {
  readonly name: string;
}

export interface Files {
  readonly folder: string;
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  /** Certificate and key in one, as HAProxy wants them. */
  readonly both: string;
}

interface Recipe {
  readonly name: string;
  readonly command: string;
  readonly arguments: (files: Files, port: number) => Promise<readonly string[]>;
}

const RECIPES: readonly Recipe[] = [
  {
    name: 'openssl s_server',
    command: 'openssl',
    arguments: async ({ cert, key, ca }, port) => {
      const files = ['-cert', cert, '-key', key, '-CAfile', ca];
      const options = ['-Verify', '2', '-verify_return_error', '-tls1_3', '-num_tickets', '0', '-www', '-quiet'];
      return ['s_server', '-accept', `127.0.0.1:${port}`, ...files, ...options];
    },
  },
  {
    name: 'nginx',
    command: 'nginx',
    arguments: async (files, port) => {
      await writeFile(join(files.folder, 'nginx.conf'), nginxConfiguration(files, port));
      return ['-p', files.folder, '-c', join(files.folder, 'nginx.conf'), '-e', 'stderr'];
    },
  },
  {
    name: 'HAProxy',
    command: 'haproxy',
    arguments: async (files, port) => {
      await writeFile(join(files.folder, 'haproxy.cfg'), haproxyConfiguration(files, port));
      return ['-db', '-q', '-f', join(files.folder, 'haproxy.cfg')];
    },
  },
];

function nginxConfiguration({ folder, cert, key, ca }: Files, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off; master_process off; pid ${join(folder, 'nginx.pid')};
events {}
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join(' ')}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${cert}; ssl_certificate_key ${key};
    ssl_client_certificate ${ca}; ssl_verify_client on;
    ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_session_cache off;
    location / { return 200 "x"; }
  }
}
`;
}

function haproxyConfiguration({ both, ca }: Files, port: number): string {
  return `
global
  nbthread 1
  tune.ssl.cachesize 0
defaults
  mode http
  timeout connect 10s
  timeout client 10s
  timeout server 10s
frontend bench
  bind 127.0.0.1:${port} ssl crt ${both} ca-file ${ca} verify required ssl-min-ver TLSv1.3 no-tls-tickets
  http-request return status 200 content-type text/plain string x
`;
}

/** Starts those that are installed. */
export async function startInstalled(
  identity: Identity,
): Promise<{ readonly servers: readonly InstalledServer[]; readonly skipped: readonly Skipped[] }> {
  const servers: InstalledServer[] = [];
  const skipped: Skipped[] = [];
  for (const recipe of RECIPES) {
    const server = await start(recipe, identity);
    if (server === undefined) skipped.push({ what: recipe.name, why: `no \`${recipe.command}\` on the path` });
    else servers.push(server);
  }
  return { servers, skipped };
}

async function start(recipe: Recipe, identity: Identity): Promise<InstalledServer | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'meshproof-bench-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const [files, port] = [await writeFiles(folder, identity), await freePort()];
  const args = await recipe.arguments(files, port);
  const running = await startProgram({ name: recipe.name, command: recipe.command, args, port }).catch(
    async (error: unknown) => {
      await remove();
      throw error;
    },
  );
  if (running === undefined) {
    await remove();
    return undefined;
  }
  return {
    ...running,
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await remove();
    },
  };
}

export interface ProgramOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Where it is going to listen. */
  readonly port: number;
}

/** Starts a server and waits until it listens; `undefined` where the program is not installed. */
export async function startProgram({
  name,
  command,
  args,
  port,
}: ProgramOptions): Promise<InstalledServer | undefined> {
  const child = spawn(command, args, { stdio: 'ignore' });
  const gone = new Promise<'gone'>((resolve) => {
    child.once('error', () => resolve('gone'));
    child.once('exit', () => resolve('gone'));
  });
  if ((await Promise.race([gone, answers(port)])) === 'gone') {
    if (child.pid === undefined) return undefined;
    throw new Error(`${name} ended at once, with ${child.exitCode}`);
  }
  return {
    name,
    port,
    cpuMs: () => cpuOf(child),
    async [Symbol.asyncDispose]() {
      child.kill();
      await gone;
    },
  };
}

export async function writeFiles(folder: string, { cert, key, ca }: Identity): Promise<Files> {
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  return {
    folder,
    cert: await write('cert.pem', cert),
    key: await write('key.pem', key),
    ca: await write('ca.pem', ca),
    both: await write('both.pem', cert + key),
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === 'object' ? address.port : 0;
}

const POLL_MS = 50;
const POLLS_MAX = 200;

/** Waits until somebody listens. */
async function answers(port: number): Promise<'listening'> {
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return 'listening';
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`nobody listens on port ${port}`);
}

/** Length of a tick of Linux's process accounting. */
const TICK_MS = 10;

/** From Linux's process table; other systems do not tell. */
async function cpuOf({ pid }: ChildProcess): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // After the name, which may hold anything, fields 14 and 15: ticks in user and in system mode.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [fields?.[11], fields?.[12]];
  return user === undefined || system === undefined ? undefined : TICK_MS * (Number(user) + Number(system));
}
