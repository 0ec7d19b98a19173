/**
 * A passive listener on the link. In the twin mutual TLS is off.
 * @module
 */
import type { Attack } from './attack.ts';
import { heardOn, Scene } from './scene.ts';

export const sniffer: Attack = {
  name: 'sniffer',
  title: 'Passive sniffer',
  tries: 'listens on the link, changes nothing, and looks for the session cookie in what it has heard',
  defence: 'mutual TLS 1.3 between the sidecars',
  broken: 'mutual TLS is DISABLEd',
  async run(context) {
    await using scene = await Scene.open(sniffer, context);
    if (scene.twin) await scene.weaken('DISABLE');
    const outcome = await scene.honestCall();
    const seen = heardOn(scene.capture);
    scene.step('the attacker searches what it has heard');
    scene.evidence('bits per byte of what was heard', entropyOf(seen).toFixed(2));
    scene.evidence('the secret is in it', scene.capture.contains(scene.secret) ? `yes: ${scene.secret}` : 'no');
    scene.evidence(
      'the service’s name is in it',
      seen.includes(scene.way.host.split(':')[0] ?? '') ? 'yes (SNI or Host is in the clear)' : 'no',
    );
    scene.evidence('SPIFFE IDs are in it', spiffeIdsIn(seen, outcome.connection.tlsVersion));
    scene.evidence('what the calling application got', String(outcome.status));
    return scene.end({ verdict: scene.capture.contains(scene.secret) ? 'succeeded' : 'refused' });
  },
};

function spiffeIdsIn(seen: Buffer, tlsVersion: string | undefined): string {
  if (seen.includes('spiffe://')) return 'yes';
  if (tlsVersion === undefined) return 'no (nobody proved who it is)';
  return tlsVersion === 'TLSv1.3' ? 'no (TLS 1.3 encrypts certificates)' : 'no';
}

/** Shannon's, of single bytes: near 8 for ciphertext, about 5 for text. */
function entropyOf(bytes: Uint8Array): number {
  const counts = new Map<number, number>();
  for (const byte of bytes) counts.set(byte, (counts.get(byte) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / bytes.length) * Math.log2(count / bytes.length);
  return bits;
}
