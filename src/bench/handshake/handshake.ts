/**
 * What a handshake costs: by what is proved, by version, by key, by group, and by who ends it.
 *
 * Servers run in a process of their own, so CPU time is told apart by side. Client and server exchange one byte: only
 * then is a TLS 1.3 handshake over for both. meshproof never resumes a session (every connection is verified afresh), so
 * it has no resumed rows. Goal: a full mutual handshake at most 1.15 times that of bare `node:tls`. Not asked: many
 * handshakes at once, or long chains.
 * @module
 */
import { createSecureContext } from 'node:tls';
import { DisposeStack } from '../../core/index.ts';
import type { KeyAlgorithm } from '../../pki/index.ts';
import type { TlsVersion } from '../../wire/index.ts';
import type { Aim, Bench, BenchContext, Findings, Measurement, Skipped, Table } from '../bench.ts';
import { type Contender, measurementOf, perCall, takeTurns } from '../rounds.ts';
import { bareOperations, opensslSpeedMs } from './asymmetric-operations.ts';
import { type Client, meshproofClient, plaintextClient, tlsClient } from './clients.ts';
import { type Endpoint, type Identities, identitiesOf } from './endpoint.ts';
import { handshakes } from './handshake-turn.ts';
import { startInstalled } from './installed-servers.ts';
import { ServerProcess } from './server.ts';
import { sTime } from './s-time.ts';

export interface HandshakeParameters {
  readonly rounds: number;
  /** Handshakes a turn. */
  readonly count: number;
  readonly keys: readonly KeyAlgorithm[];
  readonly versions: readonly TlsVersion[];
  readonly groups: readonly string[];
  /** Servers of other makers, and `openssl speed`. */
  readonly installed: boolean;
}

export const handshakeBench: Bench<HandshakeParameters> = {
  name: 'handshake',
  question: 'What does a handshake cost, beside bare node:tls and the operations it cannot do without?',
  parameters: {
    smoke: { rounds: 1, count: 2, keys: ['ecdsa-p256'], versions: ['TLSv1.3'], groups: ['X25519'], installed: false },
    full: {
      rounds: 20,
      count: 20,
      keys: ['ecdsa-p256', 'ecdsa-p384', 'ed25519', 'rsa-2048'],
      versions: ['TLSv1.3', 'TLSv1.2'],
      groups: ['X25519', 'P-256', 'X25519MLKEM768'],
      installed: true,
    },
  },
  measure,
};

const BARE = 'node:tls, mutual';
const OURS = 'meshproof, mutual';
/** Every chain is one that was never seen before. */
const UNKNOWN = 'meshproof, mutual, unknown peers';
const FLOOR = 'asymmetric operations';

async function measure(parameters: HandshakeParameters, context: BenchContext): Promise<Findings> {
  await using servers = await ServerProcess.start();
  const { keys, versions, groups, installed } = parameters;
  const tables: Table[] = [];
  const skipped: Skipped[] = [];
  const aims: Aim[] = [];
  for (const key of keys) {
    const identities = identitiesOf(key);
    for (const version of versions) {
      context.progress(`${version}, ${key}`);
      const table = await proofs({ servers, identities, version, key, parameters });
      tables.push(table);
      if (key === 'ecdsa-p256') aims.push(...aimsOf(table, `${version}, ${key}`));
    }
  }
  context.progress('groups');
  const known = groups.filter(isKnownGroup);
  skipped.push(...groups.filter((group) => !known.includes(group)).map(unknownGroup));
  tables.push(await byGroup(servers, known, parameters));
  if (installed) {
    context.progress('other servers');
    const found = await byServer(servers, parameters);
    tables.push(found.table);
    skipped.push(...found.skipped);
  } else skipped.push({ what: 'openssl, nginx, HAProxy', why: 'not at this size' });
  return { tables, aims, skipped };
}

function aimsOf(table: Table, where: string): Aim[] {
  const [bare, ours, unknown] = [BARE, OURS, UNKNOWN].map((name) => measurementOf(table, name));
  if (bare === undefined || ours === undefined || unknown === undefined) return [];
  const cpu = ({ also }: Measurement): number => (also['client CPU ms'] ?? Number.NaN) + (also['server CPU ms'] ?? 0);
  const aim = (by: string, figure: number): Aim => ({
    what: `full mutual handshake over bare node:tls, ${where}, ${by}`,
    limit: 1.15,
    atMost: true,
    unit: 'x',
    figure,
  });
  return [
    aim('latency', ours.ratio?.value ?? Number.NaN),
    aim('CPU time of both sides', cpu(ours) / cpu(bare)),
    aim('CPU time, peers never seen before', cpu(unknown) / cpu(bare)),
  ];
}

interface ProofOptions {
  readonly servers: ServerProcess;
  readonly identities: Identities;
  readonly version: TlsVersion;
  readonly key: KeyAlgorithm;
  readonly parameters: HandshakeParameters;
}

/** From nothing proved to both sides proved; full and resumed. */
async function proofs({ servers, identities, version, key, parameters }: ProofOptions): Promise<Table> {
  const { rounds, count, installed } = parameters;
  const { server, client } = identities;
  const base: Omit<Endpoint, 'kind' | 'mutual'> = { identity: server, version, says: 'byte' };
  const pairing = async (
    name: string,
    own: Client,
    endpoint: Pick<Endpoint, 'kind' | 'mutual' | 'memory'>,
  ): Promise<Contender> =>
    handshakes({ name, client: own, server: await servers.open({ ...base, ...endpoint }) }, count);
  const bare = (mutual: boolean, resume: boolean): Client => tlsClient({ identity: client, mutual, version, resume });
  await using ours = meshproofClient(client, version, 'remembers');
  await using forgetful = meshproofClient(client, version, 'forgets');
  const contenders = [
    await pairing(BARE, bare(true, false), { kind: 'node:tls', mutual: true }),
    await pairing(OURS, ours, { kind: 'meshproof', mutual: true }),
    await pairing(UNKNOWN, forgetful, { kind: 'meshproof', mutual: true, memory: 'forgets' }),
    await pairing('node:tls, mutual, resumed', bare(true, true), { kind: 'node:tls', mutual: true }),
    await pairing('node:tls, server only', bare(false, false), { kind: 'node:tls', mutual: false }),
    await pairing('node:tls, server only, resumed', bare(false, true), { kind: 'node:tls', mutual: false }),
    await pairing('plaintext', plaintextClient(), { kind: 'plaintext', mutual: false }),
    perCall(FLOOR, bareOperations(key), { batch: 4 }),
  ];
  const speedMs = installed ? await opensslSpeedMs(key, 1) : undefined;
  const note =
    speedMs === undefined ? undefined : `openssl speed puts the asymmetric operations at ${speedMs.toFixed(3)} ms`;
  const options = { title: `${version}, ${key}`, unit: 'ms', rounds, floor: FLOOR } as const;
  return await takeTurns(contenders, note === undefined ? options : { ...options, note });
}

function isKnownGroup(group: string): boolean {
  try {
    createSecureContext({ ecdhCurve: group });
    return true;
  } catch {
    return false;
  }
}

function unknownGroup(group: string): Skipped {
  return { what: group, why: `OpenSSL ${process.versions.openssl} does not have it` };
}

async function byGroup(
  servers: ServerProcess,
  groups: readonly string[],
  { rounds, count }: HandshakeParameters,
): Promise<Table> {
  const { server, client } = identitiesOf('ecdsa-p256');
  const contenders: Contender[] = [];
  for (const group of groups) {
    const endpoint = {
      kind: 'node:tls',
      identity: server,
      mutual: true,
      version: 'TLSv1.3',
      group,
      says: 'byte',
    } as const;
    const own = tlsClient({ identity: client, mutual: true, version: 'TLSv1.3', group });
    contenders.push(await handshakes({ name: group, client: own, server: await servers.open(endpoint) }, count));
  }
  return takeTurns(contenders, { title: 'Mutual TLS 1.3 of node:tls, by group', unit: 'ms', rounds });
}

const REQUEST = 'GET / HTTP/1.0\r\nHost: backend\r\n\r\n';
/** Turns of `s_time` are a second long. */
const TIMING_ROUNDS = 4;

/** One client of node:tls, and whoever is there to end its mutual TLS. */
async function byServer(
  servers: ServerProcess,
  { rounds, count }: HandshakeParameters,
): Promise<{ readonly table: Table; readonly skipped: readonly Skipped[] }> {
  const { server: identity, client } = identitiesOf('ecdsa-p256');
  await using stack = new DisposeStack();
  const own = tlsClient({ identity: client, mutual: true, version: 'TLSv1.3', request: REQUEST });
  const endpoint = { identity, mutual: true, version: 'TLSv1.3', says: 'answer' } as const;
  const contenders = [
    await handshakes(
      { name: 'node:tls', client: own, server: await servers.open({ ...endpoint, kind: 'node:tls' }) },
      count,
    ),
    await handshakes(
      { name: 'meshproof', client: own, server: await servers.open({ ...endpoint, kind: 'meshproof' }) },
      count,
    ),
  ];
  const { servers: others, skipped } = await startInstalled(identity);
  for (const other of others) {
    stack.defer(async () => other[Symbol.asyncDispose]());
    contenders.push(await handshakes({ name: other.name, client: own, server: other }, count));
    if (other.name !== 'openssl s_server') continue;
    const timing = await sTime(client, other, Math.ceil(rounds / TIMING_ROUNDS));
    stack.defer(async () => timing[Symbol.asyncDispose]());
    contenders.push(timing.contender);
  }
  const title = 'Mutual TLS 1.3 and one request, by server (client of node:tls)';
  return { table: await takeTurns(contenders, { title, unit: 'ms', rounds }), skipped };
}
