/**
 * Somebody on the path takes the connection over and answers in the server's place. What differs between the attacks of
 * this kind is the certificate it shows, and what the client of the twin fails to check.
 * @module
 */
import { faults, type Credential, type VerifyPeer } from '../wire/index.ts';
import type { Attack, AttackContext, AttackRefusal, AttackReport } from './attack.ts';
import { carelessCall } from './careless-client.ts';
import { FORGED_ANSWER, Impostor } from './impostor.ts';
import { refusalOf, Scene } from './scene.ts';

export interface Impersonation extends Omit<Attack, 'run'> {
  /** What the impostor shows. */
  credential(scene: Scene): Credential | Promise<Credential>;
  /** What the impostor shows in the twin, where that is what is broken. */
  twinCredential?(scene: Scene): Credential;
  /** Says what is shown. */
  readonly shows: string;
  /**
   * How the twin's client checks; `false`: not at all. Absent: the twin's client is the sidecar itself, which checks
   * everything.
   */
  twinVerify?(scene: Scene): VerifyPeer | false;
}

export function impersonation(spec: Impersonation): Attack {
  const { name, title, tries, defence, broken } = spec;
  const attack: Attack = { name, title, tries, defence, broken, run: (context) => run(attack, spec, context) };
  return attack;
}

async function run(attack: Attack, spec: Impersonation, context: AttackContext): Promise<AttackReport> {
  await using scene = await Scene.open(attack, context);
  await scene.honestCall();
  const { twin } = scene;
  const shown = twin && spec.twinCredential ? spec.twinCredential(scene) : await spec.credential(scene);
  await using impostor = await Impostor.listen(shown);
  using _hijack = scene.mesh.simulation.trouble.fault(faults.hijack(scene.link, impostor.address));
  scene.count();
  scene.step(
    `the attacker takes over the link and shows ${twin && spec.twinCredential ? 'what it minted' : spec.shows}`,
  );
  const verify = twin ? spec.twinVerify?.(scene) : undefined;
  const answer =
    verify === undefined
      ? await bySidecar(scene)
      : await byCarelessClient(scene, verify === false ? undefined : verify);
  scene.step(answer.accepted ? 'the client takes the forged answer for the server’s' : 'the client hangs up');
  scene.evidence('TLS handshakes the attacker finished', String(impostor.seen.handshakes));
  scene.evidence('requests the attacker read', String(impostor.seen.requests));
  scene.evidence('what the calling application got', answer.got);
  return scene.end({
    verdict: answer.accepted || impostor.plaintext.length > 0 ? 'succeeded' : 'refused',
    refusal: answer.refusal,
    plaintext: impostor.plaintext,
  });
}

interface VictimsAnswer {
  readonly accepted: boolean;
  readonly got: string;
  readonly refusal: AttackRefusal | undefined;
}

async function bySidecar(scene: Scene): Promise<VictimsAnswer> {
  const outcome = await scene.call();
  return {
    accepted: outcome.body === FORGED_ANSWER,
    got: `${outcome.status} ${outcome.flags} ${outcome.status === 200 ? outcome.body : outcome.details}`,
    refusal: refusalOf(outcome),
  };
}

async function byCarelessClient(scene: Scene, verify: VerifyPeer | undefined): Promise<VictimsAnswer> {
  const answer = await carelessCall(scene, { verify });
  if (answer.ok)
    return { accepted: answer.body === FORGED_ANSWER, got: `${answer.status} ${answer.body}`, refusal: undefined };
  const { reason, detail } = answer;
  const stage = answer.stage === 'verify-server' || answer.stage === 'handshake' ? answer.stage : 'connect';
  return { accepted: false, got: `${stage}: ${reason}`, refusal: { stage, reason, detail, side: 'client' } };
}
