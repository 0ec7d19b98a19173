/**
 * The victim's call in plaintext by a program without a sidecar, on the victim's link.
 * @module
 */
import { connect, type Socket } from 'node:net';
import { MeshError } from '../core/index.ts';
import type { Scene } from './scene.ts';
import { type Answer, exchange } from './tls-client.ts';

export async function plainCall(scene: Scene): Promise<Answer> {
  const { link, address } = scene.way.route;
  const passage = await scene.mesh.simulation.seam.passage(link, { address, source: { workload: link.source } });
  if (passage?.ok === false) throw new MeshError('ERR_ATTACK', `the link is cut: ${passage.reason}`);
  const to = passage?.address ?? address;
  const socket = connect({ host: to.host, port: to.port });
  try {
    await connected(socket);
    const { method, path } = scene.victim;
    const headers = { cookie: `session=${scene.secret}` };
    return await exchange(socket, { method, path, host: scene.way.host, headers });
  } catch (error) {
    return { ok: false, reason: 'connect_failed', detail: String(error) };
  } finally {
    socket.destroy();
    passage?.release();
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
}
