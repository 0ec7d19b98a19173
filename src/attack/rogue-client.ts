/**
 * A caller with the client's name from a CA of its own. In the twin the CA is the mesh's, stolen.
 * @module
 */
import type { Attack } from './attack.ts';
import { refusalOf, Scene } from './scene.ts';

export const rogueClient: Attack = {
  name: 'rogue-client',
  title: 'A client of a rogue CA',
  tries: 'calls the server with the client’s SPIFFE ID, certified by a CA of its own',
  defence: 'the server trusts the mesh’s root alone',
  broken: 'the signing CA of the mesh is stolen: the attacker mints the client’s certificate',
  async run(context) {
    await using scene = await Scene.open(rogueClient, context);
    await scene.honestCall();
    scene.count();
    const { from, to, method, path } = scene.victim;
    const certificate = scene.twin ? 'mesh' : 'rogue';
    scene.step(`the attacker calls as ${from}, with a certificate of ${scene.twin ? 'the stolen CA' : 'its own CA'}`);
    const outcome = await scene.mesh.simulation.request({ from: { workload: from, certificate }, to, method, path });
    scene.evidence('who the server takes it for', outcome.connection.clientPrincipal ?? 'nobody');
    scene.evidence(
      'what the attacker got',
      outcome.status === 0 ? 'a closed connection' : `${outcome.status} ${outcome.body}`,
    );
    return scene.end({ verdict: outcome.result === 'allow' ? 'succeeded' : 'refused', refusal: refusalOf(outcome) });
  },
};
