/**
 * An insider with a genuine certificate of its own claims in a header to be somebody else. What a header says is the
 * caller's word; a policy on proven principals does not hear it. In the twins the policy listens to the header.
 * @module
 */
import { MeshError } from '../core/index.ts';
import type { Outcome } from '../sim/index.ts';
import type { Attack, AttackContext, AttackReport } from './attack.ts';
import { refusalOf, Scene } from './scene.ts';

interface Spoof {
  readonly name: string;
  readonly title: string;
  readonly tries: string;
  readonly broken: string;
  readonly header: string;
  /** What the insider writes into it. */
  value(scene: Scene): string;
  /** A rule of an ALLOW policy that believes the header, YAML flow style. */
  believing(scene: Scene): string;
}

function spoofing(spoof: Spoof): Attack {
  const { name, title, tries, broken } = spoof;
  const attack: Attack = {
    name,
    title,
    tries,
    broken,
    defence: 'the policy names principals, which only a certificate can prove',
    run: (context) => run(attack, spoof, context),
  };
  return attack;
}

async function run(attack: Attack, spoof: Spoof, context: AttackContext): Promise<AttackReport> {
  await using scene = await Scene.open(attack, context);
  await scene.honestCall();
  if (scene.twin) {
    await scene.dropPolicies();
    await guard(scene, spoof.believing(scene));
    scene.step(`a policy that believes the header is the only one: ${spoof.believing(scene)}`);
  } else if ((await intrude(scene, {})).result === 'allow') {
    await guard(scene, `{ from: [{ source: { principals: ["${principalOf(scene)}"] } }] }`);
    scene.step('nothing kept the insider out, so a policy lets the client alone in, by principal');
  }
  const plain = await intrude(scene, {});
  if (plain.result === 'allow') throw new MeshError('ERR_ATTACK', `${scene.victim.to} lets the insider in by itself`);
  scene.step(`the insider asks under its own name: ${plain.status}`);
  scene.count();
  const value = spoof.value(scene);
  const outcome = await intrude(scene, { [spoof.header]: value });
  scene.step(`the insider asks again with \`${spoof.header}: ${value}\`: ${outcome.status}`);
  scene.evidence('who the server takes it for', outcome.connection.clientPrincipal ?? 'nobody');
  scene.evidence('what the attacker got', `${outcome.status} ${outcome.body}`);
  return scene.end({ verdict: outcome.result === 'allow' ? 'succeeded' : 'refused', refusal: refusalOf(outcome) });
}

function intrude(scene: Scene, headers: Readonly<Record<string, string>>): Promise<Outcome> {
  const { to, method, path } = scene.victim;
  const { host, ...rest } = headers;
  return scene.mesh.simulation.request({
    from: { workload: scene.victim.from, certificate: 'mesh', spiffeId: scene.intruderId },
    to,
    method,
    path,
    headers: rest,
    ...(host === undefined ? {} : { host }),
  });
}

async function guard({ mesh, way }: Scene, rule: string): Promise<void> {
  const [namespace = ''] = way.server.split('/');
  const { labels } = mesh.simulation.compiled.workload(way.server);
  await mesh.apply(`apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: guard, namespace: ${namespace} }
spec:
  selector: { matchLabels: ${JSON.stringify(labels)} }
  action: ALLOW
  rules: [${rule}]
`);
}

function principalOf({ mesh, victim }: Scene): string {
  return mesh.simulation.spiffeId(victim.from).slice('spiffe://'.length);
}

const XFCC = 'x-forwarded-client-cert';
const INSIDE_HOST = 'internal.example';

export const spoofedXfcc: Attack = spoofing({
  name: 'spoofed-xfcc',
  title: 'Spoofed X-Forwarded-Client-Cert',
  tries: 'is an insider that writes the client’s SPIFFE ID into X-Forwarded-Client-Cert',
  broken: 'the policy matches the header X-Forwarded-Client-Cert instead of the principal',
  header: XFCC,
  value: (scene) => `URI=${scene.mesh.simulation.spiffeId(scene.victim.from)}`,
  believing: (scene) =>
    `{ when: [{ key: "request.headers[${XFCC}]", values: ["URI=${scene.mesh.simulation.spiffeId(scene.victim.from)}*"] }] }`,
});

export const spoofedXff: Attack = spoofing({
  name: 'spoofed-xff',
  title: 'Spoofed X-Forwarded-For',
  tries: 'is an insider that writes the client’s address into X-Forwarded-For',
  broken: 'the policy matches remoteIpBlocks; a sidecar believes the right-most entry of the header',
  header: 'x-forwarded-for',
  value: addressOf,
  believing: (scene) => `{ from: [{ source: { remoteIpBlocks: ["${addressOf(scene)}"] } }] }`,
});

/** An address that no insider's pod has: the twin's policy lets it in. */
function addressOf({ way }: Scene): string {
  return way.route.virtualSourceIp ?? '10.244.0.1';
}

export const spoofedHost: Attack = spoofing({
  name: 'spoofed-host',
  title: 'Spoofed Host',
  tries: 'is an insider that asks for another host than the one it is allowed',
  broken: 'the policy lets everybody in who names the right host',
  header: 'host',
  value: () => INSIDE_HOST,
  believing: () => `{ to: [{ operation: { hosts: ["${INSIDE_HOST}"] } }] }`,
});
