/**
 * On the path with a certificate of the server's own that has expired: an old key from a backup. In the twin the
 * client takes no notice of dates.
 * @module
 */
import { addMs, DAY_MS } from '../core/index.ts';
import type { Attack } from './attack.ts';
import { expiredCredential } from './credentials.ts';
import { impersonation } from './impersonation.ts';

/** Within the life of the certificate that is shown. */
const IN_ITS_LIFE_MS: number = 1.5 * DAY_MS;

export const expiredCertificate: Attack = impersonation({
  name: 'expired-certificate',
  title: 'Man in the middle with the server’s expired certificate',
  tries: 'sits on the path and answers as the server with a key that was the server’s until yesterday',
  defence: 'the client checks validity at this instant of virtual time',
  broken: 'the client ignores dates, as in “it is only expired”',
  shows: 'the server’s genuine certificate of the day before yesterday',
  credential: (scene) => expiredCredential(scene.mesh.simulation, scene.serverId),
  twinVerify: ({ mesh, way }) => {
    const { ca, clock } = mesh.simulation;
    const names = [mesh.simulation.spiffeId(way.server)];
    return (chain) => ca.verifyServer(chain, addMs(clock.now(), -IN_ITS_LIFE_MS), names);
  },
});
