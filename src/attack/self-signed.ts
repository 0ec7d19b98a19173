/**
 * On the path with a self-signed certificate. In the twin the client does its own TLS and verifies nothing.
 * @module
 */
import type { Attack } from './attack.ts';
import { selfSignedCredential } from './credentials.ts';
import { impersonation } from './impersonation.ts';

export const selfSigned: Attack = impersonation({
  name: 'self-signed',
  title: 'Man in the middle with a self-signed certificate',
  tries: 'sits on the path and answers as the server, with a certificate it signed itself',
  defence: 'the client demands a chain to the mesh’s root',
  broken: 'the client verifies nothing: rejectUnauthorized is false, the one-line mistake',
  shows: 'the server’s name, signed by itself',
  credential: (scene) => selfSignedCredential(scene.mesh.simulation, scene.serverId),
  twinVerify: () => false,
});
