/**
 * Somebody on the path speaks for the client on an open connection. In the twin mutual TLS is off.
 * @module
 */
import { matchesLink, type RelayedConnection } from '../wire/index.ts';
import type { Attack } from './attack.ts';
import { Scene } from './scene.ts';

const FORGED_PATH = '/forged-by-attacker';
/** Wall time after which an injected request counts as ignored. */
const SETTLE_MS = 2_000;

export const connectionHijack: Attack = {
  name: 'hijack',
  title: 'Connection hijack',
  tries: 'waits for an authenticated connection, and writes a request of its own into it',
  defence: 'every TLS record is authenticated: bytes of a stranger end the connection',
  broken: 'mutual TLS is DISABLEd: whoever is on the path may speak',
  async run(context) {
    await using scene = await Scene.open(connectionHijack, context);
    if (scene.twin) await scene.weaken('DISABLE');
    const paths: string[] = [];
    let settle = (): void => undefined;
    const settled = new Promise<void>((resolve) => (settle = resolve));
    using _served = scene.mesh.simulation.onServed(({ request }) => {
      paths.push(request.path);
      if (request.path === FORGED_PATH) settle();
    });
    let connection: RelayedConnection | undefined;
    using _watch = scene.mesh.simulation.trouble.fault({
      name: 'hijack',
      matches: (link) => matchesLink(link, scene.link),
      onOpen: (opened) => (connection = opened),
      onClose: () => settle(),
    });
    await scene.honestCall({ kept: true });
    paths.length = 0;
    scene.count();
    connection?.inject('up', Buffer.from(`GET ${FORGED_PATH} HTTP/1.1\r\nhost: ${scene.way.host}\r\n\r\n`));
    const timer = setTimeout(settle, SETTLE_MS);
    await settled;
    clearTimeout(timer);
    scene.step('the attacker writes a request of its own into the open connection');
    scene.evidence('the connection afterwards', connection?.ended ?? 'open');
    scene.evidence('what the application was asked', paths[0] ?? 'nothing');
    if (paths.includes(FORGED_PATH)) return scene.end({ verdict: 'succeeded' });
    return scene.end({ verdict: 'refused', refusal: scene.serverRefusal });
  },
};
