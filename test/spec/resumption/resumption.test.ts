/**
 * Sessions offered for resumption. A TLS session remembers a peer that was accepted once; nothing of that may count on
 * another connection. A foreign client on `node:tls` offers its session to a live sidecar after a rotation, after its
 * certificate expired and after its root was removed, in TLS 1.2 and 1.3: each time the whole chain is judged again.
 */
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { DAY_MS, DEFAULT_EPOCH } from '../../../src/core/index.ts';
import { parseManifests } from '../../../src/istio/index.ts';
import { certificatesToPem, type Svid } from '../../../src/pki/index.ts';
import { Simulation } from '../../../src/sim/index.ts';
import { fleetYaml } from '../../kit/fleet.ts';

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
type Version = (typeof VERSIONS)[number];

let simulation: Simulation | undefined;
afterEach(async () => {
  await simulation?.close();
  simulation = undefined;
});

async function world(): Promise<Simulation> {
  simulation = await Simulation.start({
    config: parseManifests(fleetYaml(2), { origin: 'fleet' }),
    seed: 'resumption',
    start: DEFAULT_EPOCH,
    key: 'ecdsa-p256',
    reproducibleKeys: true,
  });
  return simulation;
}

interface Visit {
  /** Status of the answer, or how the connection ended. */
  readonly answer: string;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
}

/** One request to `shop/w1` with a certificate, offering a session. */
async function visit(
  mesh: Simulation,
  { svid, version, session }: { readonly svid: Svid; readonly version: Version; readonly session?: Buffer | undefined },
): Promise<Visit> {
  const listening = await mesh.listenAll();
  const { address } = listening.find(({ workload }) => workload.name === 'w1')?.sidecar ?? { address: undefined };
  const socket: TLSSocket = connect({
    host: address?.host,
    port: address?.port,
    cert: certificatesToPem(svid.chain),
    key: svid.key.privateKeyPem(),
    ALPNProtocols: ['istio', 'http/1.1'],
    servername: 'outbound_.8080_._.w1.shop.svc.cluster.local',
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
    ...(session === undefined ? {} : { session }),
  });
  let kept: Buffer | undefined;
  let answer = '';
  let resumed = false;
  socket.on('session', (offered: Buffer) => (kept = offered));
  socket.on('error', () => undefined);
  socket.on('secureConnect', () => {
    resumed = socket.isSessionReused();
    socket.write('GET / HTTP/1.1\r\nhost: w1\r\nconnection: close\r\n\r\n');
  });
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  await new Promise((resolve) => socket.once('close', resolve));
  return { answer: answer.split(' ')[1] ?? 'closed', resumed, session: kept ?? socket.getSession() };
}

/** Connections that sidecars accepted so far. */
function accepted(mesh: Simulation): number {
  return mesh.events.all().filter(({ kind }) => kind === 'connection.opened').length;
}

describe.each(VERSIONS)('a session offered in %s', (version) => {
  it('with nothing changed is not resumed: the handshake is a full one', async () => {
    const mesh = await world();
    const svid = mesh.svid('shop/w0');
    if (svid === undefined) throw new Error('no certificate');
    const first = await visit(mesh, { svid, version });
    expect(first).toMatchObject({ answer: '200', resumed: false });
    expect(await visit(mesh, { svid, version, session: first.session })).toMatchObject({
      answer: '200',
      resumed: false,
    });
  });

  it('after a rotation counts for nothing: the new certificate is judged, and a session cannot stand in for none', async () => {
    const mesh = await world();
    const old = mesh.svid('shop/w0');
    if (old === undefined) throw new Error('no certificate');
    const { session } = await visit(mesh, { svid: old, version });
    await mesh.clock.advance('13h');
    const renewed = mesh.svid('shop/w0');
    if (renewed === undefined) throw new Error('no certificate');
    expect(renewed.serial).not.toBe(old.serial);
    const opened = accepted(mesh);
    expect(await visit(mesh, { svid: renewed, version, session })).toMatchObject({ answer: '200', resumed: false });
    expect(accepted(mesh)).toBe(opened + 1);
  });

  it('after expiry does not bring the expired certificate back', async () => {
    const mesh = await world();
    const svid = mesh.svid('shop/w0');
    if (svid === undefined) throw new Error('no certificate');
    const { session } = await visit(mesh, { svid, version });
    await mesh.clock.advance(DAY_MS + 1_000);
    const opened = accepted(mesh);
    expect(await visit(mesh, { svid, version, session })).toMatchObject({ answer: 'closed', resumed: false });
    expect(accepted(mesh)).toBe(opened);
  });

  it('after the root was removed does not bring the old root back', async () => {
    const mesh = await world();
    const svid = mesh.svid('shop/w0');
    if (svid === undefined) throw new Error('no certificate');
    const { session } = await visit(mesh, { svid, version });
    for (const step of ['distribute', 'switch', 'drop'] as const) mesh.ca.rotateRoot(step);
    mesh.pushTrust({ renew: true });
    const opened = accepted(mesh);
    expect(await visit(mesh, { svid, version, session })).toMatchObject({ answer: 'closed', resumed: false });
    expect(accepted(mesh)).toBe(opened);
    const renewed = mesh.svid('shop/w0');
    if (renewed === undefined) throw new Error('no certificate');
    expect(await visit(mesh, { svid: renewed, version, session })).toMatchObject({ answer: '200', resumed: false });
  });
});

describe('a connection that is open', () => {
  it('outlives its certificate, its root and the clock, while a new one is refused', async () => {
    const mesh = await world();
    const request = { from: 'shop/w0', to: 'shop/w1' };
    expect(await mesh.openConnections('shop/w0', 'shop/w1', 1)).toBe(1);
    // In TLS 1.3 only an answer proves that the server has accepted the client.
    expect((await mesh.request(request)).result).toBe('allow');
    for (const { agent } of mesh.agents()) agent.suspend();
    await mesh.clock.advance(DAY_MS + 1_000);
    expect((await mesh.request(request)).result).toBe('allow');
    const fresh = await mesh.request(request, { fresh: true });
    expect(fresh).toMatchObject({ result: 'handshake-failure', refusal: { reason: 'expired', side: 'client' } });
    expect((await mesh.request(request)).result).toBe('allow');
  });
});
