/**
 * On the path with a CA of one's own: right names, wrong root. In the twin the CA is the mesh's own, stolen.
 * @module
 */
import type { Attack } from './attack.ts';
import { genuineCredential, rogueCredential } from './credentials.ts';
import { impersonation } from './impersonation.ts';

export const rogueCa: Attack = impersonation({
  name: 'rogue-ca',
  title: 'Man in the middle with a rogue CA',
  tries: 'sits on the path and answers as the server, with the server’s SPIFFE ID certified by a CA of its own',
  defence: 'the client trusts the mesh’s root alone',
  broken: 'the signing CA of the mesh is stolen: the attacker mints the server’s certificate',
  shows: 'the server’s name, signed by a CA of its own',
  credential: (scene) => rogueCredential(scene.mesh.simulation, scene.serverId),
  twinCredential: (scene) => genuineCredential(scene.mesh.simulation, scene.serverId),
});
