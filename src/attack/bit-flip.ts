/**
 * Somebody on the path flips a bit of a request on an open connection. In the twin mutual TLS is off.
 * @module
 */
import { faults } from '../wire/index.ts';
import type { Attack } from './attack.ts';
import { refusalOf, Scene } from './scene.ts';

export const bitFlip: Attack = {
  name: 'bit-flip',
  title: 'Bit flips',
  tries: 'waits for a connection to be open, and flips one bit in the next request that goes over it',
  defence: 'every TLS record is authenticated: a changed one ends the connection (alert 20, bad_record_mac)',
  broken: 'mutual TLS is DISABLEd: nothing but TCP’s checksum protects the bytes',
  async run(context) {
    await using scene = await Scene.open(bitFlip, context);
    if (scene.twin) await scene.weaken('DISABLE');
    const seen: string[] = [];
    using _served = scene.mesh.simulation.onServed(({ request }) => void seen.push(String(request.headers['cookie'])));
    let isArmed = false;
    let flipped = 0;
    const rule = faults.tamper(scene.link, {
      direction: 'up',
      // Once: the client may dial again, and that is not what is asked here.
      unless: () => !isArmed || flipped > 0,
      change: (chunk) => {
        flipped += 1;
        return flip(chunk, scene.secret);
      },
    });
    using _tamper = scene.mesh.simulation.trouble.fault(rule);
    await scene.honestCall({ kept: true });
    isArmed = true;
    seen.length = 0;
    // The client may dial again and send what it meant to: that is not the attacker's doing.
    scene.count(({ headers }) => headers['cookie'] !== `session=${scene.secret}`);
    const outcome = await scene.call({ kept: true });
    scene.step(`the attacker flips ${flipped} bit of the next request`);
    const isSecondTry = scene.serverRefusal !== undefined && outcome.status === 200;
    const how = isSecondTry ? ', over another connection' : '';
    scene.evidence('what the calling application got', `${outcome.status} ${outcome.flags} ${outcome.details}${how}`);
    scene.evidence('what the application was told', seen[0] ?? 'nothing');
    const isChanged = seen.some((cookie) => cookie !== `session=${scene.secret}`);
    return scene.end({
      verdict: isChanged ? 'succeeded' : 'refused',
      refusal: scene.serverRefusal ?? refusalOf(outcome),
    });
  },
};

/** The last bit of the secret where it can be read, else of the middle of the chunk. */
function flip(chunk: Buffer, secret: string): Buffer {
  const readable = chunk.indexOf(secret);
  const at = readable < 0 ? chunk.length >> 1 : readable + secret.length - 1;
  chunk[at] = (chunk[at] ?? 0) ^ 1;
  return chunk;
}
