/**
 * Two proxies of other makers as a pair of sidecars, where they are installed: plaintext in, mutual TLS between them,
 * plaintext out to a server of Node's.
 * @module
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DisposeStack } from '../../core/index.ts';
import type { Skipped } from '../bench.ts';
import type { Identities } from '../handshake/endpoint.ts';
import { type Files, freePort, startProgram, writeFiles } from '../handshake/installed-servers.ts';
import { CONCURRENCY, plainServer, throughProxy, type Way } from './request-contenders.ts';

interface Ports {
  readonly entry: number;
  readonly between: number;
  readonly server: number;
}

interface Sides {
  readonly client: Files;
  readonly server: Files;
}

interface PairRecipe {
  readonly name: string;
  readonly command: string;
  readonly configuration: (sides: Sides, ports: Ports, folder: string) => string;
  readonly arguments: (configuration: string, folder: string) => readonly string[];
}

/** Both sidecars in one process of one worker, as both of ours are. */
const RECIPES: readonly PairRecipe[] = [
  {
    name: 'a pair of nginx',
    command: 'nginx',
    configuration: nginxPair,
    arguments: (configuration, folder) => ['-p', folder, '-c', configuration, '-e', 'stderr'],
  },
  {
    name: 'a pair of HAProxy',
    command: 'haproxy',
    configuration: haproxyPair,
    arguments: (configuration) => ['-db', '-q', '-f', configuration],
  },
];

function nginxPair({ client, server }: Sides, { entry, between, server: behind }: Ports, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const upstream = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;';
  return `
daemon off; master_process off; pid ${join(folder, 'nginx.pid')};
events {}
http {
  access_log off; keepalive_requests 1000000;
  ${temporary.map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join(' ')}
  upstream sidecar { server 127.0.0.1:${between}; keepalive ${CONCURRENCY}; keepalive_requests 1000000; }
  upstream application { server 127.0.0.1:${behind}; keepalive ${CONCURRENCY}; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${entry};
    location / {
      proxy_pass https://sidecar; ${upstream}
      proxy_ssl_certificate ${client.cert}; proxy_ssl_certificate_key ${client.key};
      proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse off;
    }
  }
  server {
    listen 127.0.0.1:${between} ssl;
    ssl_certificate ${server.cert}; ssl_certificate_key ${server.key};
    ssl_client_certificate ${server.ca}; ssl_verify_client on; ssl_protocols TLSv1.3;
    location / { proxy_pass http://application; ${upstream} }
  }
}
`;
}

function haproxyPair({ client, server }: Sides, { entry, between, server: behind }: Ports): string {
  return `
global
  nbthread 1
defaults
  mode http
  http-reuse always
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend outbound
  bind 127.0.0.1:${entry}
  default_backend sidecar
backend sidecar
  server sidecar 127.0.0.1:${between} ssl crt ${client.both} ca-file ${client.ca} verify required
frontend inbound
  bind 127.0.0.1:${between} ssl crt ${server.both} ca-file ${server.ca} verify required
  default_backend application
backend application
  server application 127.0.0.1:${behind}
`;
}

export async function proxyPairs(
  identities: Identities,
): Promise<{ readonly ways: readonly Way[]; readonly skipped: readonly Skipped[] }> {
  const ways: Way[] = [];
  const skipped: Skipped[] = [];
  for (const recipe of RECIPES) {
    const way = await start(recipe, identities);
    if (way === undefined) skipped.push({ what: recipe.name, why: `no \`${recipe.command}\` on the path` });
    else ways.push(way);
  }
  return { ways, skipped };
}

async function start(recipe: PairRecipe, identities: Identities): Promise<Way | undefined> {
  const stack = new DisposeStack();
  try {
    const folder = await temporaryFolder(stack);
    const sides = {
      client: await writeFiles(await temporaryFolder(stack), identities.client),
      server: await writeFiles(await temporaryFolder(stack), identities.server),
    };
    const ports = { entry: await freePort(), between: await freePort(), server: await plainServer(stack) };
    const file = join(folder, 'pair.conf');
    await writeFile(file, recipe.configuration(sides, ports, folder));
    const { name, command } = recipe;
    const program = await startProgram({ name, command, args: recipe.arguments(file, folder), port: ports.entry });
    if (program !== undefined) {
      stack.defer(async () => program[Symbol.asyncDispose]());
      return throughProxy(name, ports.entry, () => stack.close());
    }
  } catch (error) {
    await stack.close();
    throw error;
  }
  await stack.close();
  return undefined;
}

async function temporaryFolder(stack: DisposeStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'meshproof-bench-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
