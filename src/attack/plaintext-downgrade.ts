/**
 * Plaintext to a port that ought to demand mutual TLS. In the twin the mesh is PERMISSIVE, the mode of migrations.
 * @module
 */
import type { Attack } from './attack.ts';
import { refusalOf, Scene, securityOf } from './scene.ts';

export const plaintextDowngrade: Attack = {
  name: 'plaintext-downgrade',
  title: 'Plaintext downgrade',
  tries: 'has no certificate at all and simply speaks plaintext HTTP to the server’s port',
  defence:
    'STRICT has no filter chain for plaintext, and policies that name principals never match a caller without one',
  broken: 'the mesh is PERMISSIVE and no policy asks who calls',
  async run(context) {
    await using scene = await Scene.open(plaintextDowngrade, context);
    await scene.honestCall();
    if (scene.twin) await scene.weaken('PERMISSIVE');
    scene.count();
    const { to, method, path } = scene.victim;
    scene.step('a pod without a sidecar sends the same request in plaintext');
    const outcome = await scene.mesh.simulation.request({ from: 'outside', to, method, path });
    scene.evidence(
      'what the attacker got',
      outcome.status === 0 ? 'a closed connection' : `${outcome.status} ${outcome.body}`,
    );
    scene.evidence('connection', securityOf(outcome));
    return scene.end({ verdict: outcome.result === 'allow' ? 'succeeded' : 'refused', refusal: refusalOf(outcome) });
  },
};
