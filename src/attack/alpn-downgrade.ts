/**
 * Somebody on the path rewrites the ALPN list, so that a PERMISSIVE server does not see a sidecar. In the twin the
 * client is opportunistic: no TLS, then plaintext.
 * @module
 */
import type { Attack } from './attack.ts';
import { carelessCall } from './careless-client.ts';
import { editHello, stripIstioAlpn } from './client-hello-edit.ts';
import { plainCall } from './plain-client.ts';
import { refusalOf, Scene } from './scene.ts';

export const alpnDowngrade: Attack = {
  name: 'alpn-downgrade',
  title: 'ALPN downgrade',
  tries: 'rewrites Istio’s protocol names in the ClientHello, so that the server takes the client for a stranger',
  defence: 'the handshake authenticates the ALPN list, and a sidecar never falls back to plaintext',
  broken: 'the server is PERMISSIVE and the client opportunistic: when TLS fails it sends plaintext',
  async run(context) {
    await using scene = await Scene.open(alpnDowngrade, context);
    if (scene.twin) await scene.weaken('PERMISSIVE');
    await scene.honestCall();
    const rule = editHello(scene.link, stripIstioAlpn);
    using _edit = scene.mesh.simulation.trouble.fault(rule);
    scene.count();
    if (!scene.twin) {
      const outcome = await scene.call();
      scene.step(`the attacker edits ${rule.edited()} ClientHello: no protocol of Istio’s is left in it`);
      scene.evidence('what the calling application got', `${outcome.status} ${outcome.details}`);
      const isWon = scene.capture.contains(scene.secret);
      return scene.end({ verdict: isWon ? 'succeeded' : 'refused', refusal: refusalOf(outcome) });
    }
    const tls = await carelessCall(scene, {});
    scene.step(
      `the attacker edits ${rule.edited()} ClientHello: the client’s TLS ends with ${tls.ok ? tls.status : tls.reason}`,
    );
    const plain = await plainCall(scene);
    scene.step('the client tries again in plaintext');
    scene.evidence('what the calling application got', plain.ok ? `${plain.status}, in plaintext` : plain.reason);
    return scene.end({ verdict: scene.capture.contains(scene.secret) ? 'succeeded' : 'refused' });
  },
};
