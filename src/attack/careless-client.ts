/**
 * The victim's call by a program that does its own TLS and checks less than a sidecar does: the client of broken twins.
 * It shows the victim's certificate and goes the victim's way, so that rules on the link see it.
 * @module
 */
import { MeshError } from '../core/index.ts';
import type { VerifyPeer } from '../wire/index.ts';
import type { Scene } from './scene.ts';
import { callOverTls, type TlsAnswer, type TlsCall } from './tls-client.ts';

export interface CarelessOptions extends Pick<TlsCall, 'minVersion' | 'maxVersion' | 'session'> {
  /** Absent: nothing is checked. */
  readonly verify?: VerifyPeer | undefined;
}

export async function carelessCall(scene: Scene, options: CarelessOptions): Promise<TlsAnswer> {
  const { way, victim, secret } = scene;
  const { simulation } = scene.mesh;
  const { link, address, tls } = way.route;
  const passage = await simulation.seam.passage(link, { address, source: { workload: link.source } });
  if (passage?.ok === false) throw new MeshError('ERR_ATTACK', `the link is cut: ${passage.reason}`);
  try {
    return await callOverTls({
      ...options,
      address: passage?.address ?? address,
      credential: simulation.svid(victim.from),
      ...(tls?.sni !== undefined && { sni: tls.sni }),
      ...(tls?.alpn && { alpn: tls.alpn }),
      request: {
        method: victim.method,
        path: victim.path,
        host: way.host,
        headers: { cookie: `session=${secret}` },
      },
    });
  } finally {
    passage?.release();
  }
}
