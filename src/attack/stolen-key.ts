/**
 * A key copied from a pod. It works for as long as its certificate lives, and no longer: that is what short lives are
 * for. In the twin the attacker is quick.
 * @module
 */
import { addMs, formatDuration, formatInstant, MeshError, SECOND_MS } from '../core/index.ts';
import type { Attack } from './attack.ts';
import { Scene } from './scene.ts';
import { callOverTls } from './tls-client.ts';

export const stolenKey: Attack = {
  name: 'stolen-key',
  title: 'A stolen key',
  tries: 'has copied key and certificate out of the client’s pod, and uses them when their certificate has expired',
  defence: 'certificates live for hours; the server checks validity at this instant on every connection',
  broken: 'the theft is fresh: until it expires, a stolen key is as good as the real one',
  async run(context) {
    await using scene = await Scene.open(stolenKey, context);
    await scene.honestCall();
    const { simulation } = scene.mesh;
    const stolen = simulation.svid(scene.victim.from);
    if (stolen === undefined) throw new MeshError('ERR_ATTACK', `${scene.victim.from} has no certificate to steal`);
    scene.step(`the attacker copies the key of ${stolen.spiffeId}, valid until ${formatInstant(stolen.notAfter)}`);
    if (!scene.twin) {
      const wait = addMs(stolen.notAfter, SECOND_MS) - simulation.clock.now();
      await simulation.clock.advance(Math.max(0, wait));
      scene.step(`${formatDuration(wait)} later the pod has had new keys, the attacker still the old one`);
    }
    scene.count();
    const { way, victim } = scene;
    const answer = await callOverTls({
      address: way.route.address,
      credential: stolen,
      ...(way.route.tls?.sni !== undefined && { sni: way.route.tls.sni }),
      alpn: ['istio-http/1.1', 'istio'],
      request: { method: victim.method, path: victim.path, host: way.host },
    });
    scene.step('the attacker calls the server with the stolen key');
    scene.evidence('what the attacker got', answer.ok ? `${answer.status} ${answer.body}` : answer.reason);
    if (answer.ok && answer.status !== 403) return scene.end({ verdict: 'succeeded' });
    return scene.end({ verdict: 'refused', refusal: await scene.refusalOf(answer) });
  },
};
