/**
 * On the path with a genuine certificate of another account: right CA, wrong name. In the twin the client checks the
 * chain and not the name.
 * @module
 */
import type { Attack } from './attack.ts';
import { genuineCredential } from './credentials.ts';
import { impersonation } from './impersonation.ts';

export const otherAccount: Attack = impersonation({
  name: 'other-account',
  title: 'Man in the middle with another account’s certificate',
  tries: 'has taken over some pod of the mesh, sits on the path and answers as the server with that pod’s certificate',
  defence: 'the client knows which service accounts may serve this service (secure naming)',
  broken: 'the client checks the chain but not the name',
  shows: 'a genuine certificate of another service account',
  credential: (scene) => genuineCredential(scene.mesh.simulation, scene.intruderId),
  twinVerify: ({ mesh }) => {
    const { ca, clock } = mesh.simulation;
    return (chain) => ca.verifyServer(chain, clock.now(), []);
  },
});
