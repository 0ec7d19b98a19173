/**
 * A real PostgreSQL behind a sidecar, a real client in front of another: mutual TLS and authorization around a protocol
 * that neither sidecar understands.
 */
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh } from '../../src/mesh/index.ts';

const K8S = fileURLToPath(new URL('../../scenarios/05-analytics-db/k8s', import.meta.url));

let database: PGlite;
let server: PGLiteSocketServer;
let mesh: Mesh;

beforeAll(async () => {
  database = await PGlite.create();
  server = new PGLiteSocketServer({ db: database, host: '127.0.0.1', port: 0 });
  const address = new Promise<string>((resolve) =>
    server.addEventListener('listening', (event) => {
      const { host, port } = (event as CustomEvent<{ readonly host: string; readonly port: number }>).detail;
      resolve(`${host}:${port}`);
    }),
  );
  await server.start();
  mesh = await Mesh.start({ manifests: K8S, applications: { 'default/analytics-db': { address: await address } } });
}, 120_000);

afterAll(async () => {
  await mesh.close();
  await server.stop();
  await database.close();
});

/** What `workload` is answered by the database. */
async function ask(workload: string, sql: string): Promise<readonly unknown[]> {
  const { address } = await mesh.forward(workload, 'analytics-db:5432');
  const client = new Client({
    host: address.host,
    port: address.port,
    user: 'postgres',
    database: 'postgres',
    ssl: false,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('analytics-db', () => {
  it('answers the service that its policy names, through two sidecars', async () => {
    await ask('default/reporting', 'create table visits (page text, count int)');
    await ask('default/reporting', "insert into visits values ('/', 41), ('/about', 1)");
    expect(await ask('default/reporting', 'select sum(count)::int as visits from visits')).toEqual([{ visits: 42 }]);
    const opened = [...mesh.events].filter((event) => event.kind === 'connection.opened' && event.port === 5432);
    expect(opened[0]).toMatchObject({
      protocol: 'tcp',
      security: 'mutual_tls',
      source: { principal: 'spiffe://cluster.local/ns/default/sa/reporting' },
    });
  });

  it('is closed to everybody else at their first bytes', async () => {
    await expect(ask('default/frontend', 'select 1')).rejects.toThrow(/terminated unexpectedly|ECONNRESET/);
    const connection = { from: 'default/frontend', to: 'default/analytics-db' } as const;
    expect(await mesh.connect(connection)).toMatchObject({
      result: 'deny',
      status: 0,
      connection: { security: 'mutual_tls', clientPrincipal: 'spiffe://cluster.local/ns/default/sa/frontend' },
    });
    expect(mesh.predictConnection(connection)).toMatchObject({ result: 'deny', status: 0 });
  });

  it('a client without a sidecar meets no filter chain', async () => {
    expect(await mesh.connect({ from: 'outside', to: 'default/analytics-db' })).toMatchObject({
      result: 'handshake-failure',
      refusal: { reason: 'filter_chain_not_found', applicationBytes: 0 },
    });
  });
});
