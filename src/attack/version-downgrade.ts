/**
 * Somebody on the path takes TLS 1.3 out of the ClientHello, to see certificates that TLS 1.2 shows in the clear. In
 * the twin the client dials again with TLS 1.2 when a handshake fails, as browsers once did.
 * @module
 */
import type { Attack } from './attack.ts';
import { carelessCall } from './careless-client.ts';
import { editHello, stripTls13 } from './client-hello-edit.ts';
import { heardOn, refusalOf, Scene } from './scene.ts';

export const versionDowngrade: Attack = {
  name: 'version-downgrade',
  title: 'Protocol-version downgrade',
  tries: 'rewrites the ClientHello so that TLS 1.3 is not on offer, and reads the certificates that TLS 1.2 shows',
  defence:
    'the handshake authenticates the negotiation: the server’s random says that it was downgraded (RFC 8446 4.1.3)',
  broken: 'the client falls back: when a handshake fails it dials again with TLS 1.2 only',
  async run(context) {
    await using scene = await Scene.open(versionDowngrade, context);
    const honest = await scene.honestCall();
    const rule = editHello(scene.link, stripTls13);
    using _edit = scene.mesh.simulation.trouble.fault(rule);
    scene.count();
    const outcome = await scene.call();
    scene.step(`the attacker edits ${rule.edited()} ClientHello: TLS 1.3 is gone from it`);
    scene.evidence(
      'versions',
      `${honest.connection.tlsVersion ?? 'none'} without the attacker, ${outcome.connection.tlsVersion ?? 'none'} with it`,
    );
    scene.evidence('what the calling application got', `${outcome.status} ${outcome.details}`);
    await scene.offerOldVersions();
    if (!scene.twin) {
      const isDowngraded =
        outcome.result === 'allow' && outcome.connection.tlsVersion !== 'TLSv1.3' && rule.edited() > 0;
      return scene.end({ verdict: isDowngraded ? 'succeeded' : 'refused', refusal: refusalOf(outcome) });
    }
    const { ca, clock } = scene.mesh.simulation;
    const verify = (chain: readonly Uint8Array[]): ReturnType<typeof ca.verifyServer> =>
      ca.verifyServer(chain, clock.now(), [scene.serverId]);
    const first = await carelessCall(scene, { verify });
    const again = first.ok ? first : await carelessCall(scene, { verify, maxVersion: 'TLSv1.2' });
    scene.step(`the client dials again: ${again.ok ? `${again.status} over ${again.tlsVersion}` : again.reason}`);
    const heard = heardOn(scene.capture);
    scene.evidence(
      'SPIFFE IDs heard on the link',
      heard.includes('spiffe://') ? 'yes: TLS 1.2 shows certificates' : 'no',
    );
    return scene.end({ verdict: again.ok && again.tlsVersion === 'TLSv1.2' ? 'succeeded' : 'refused' });
  },
};
