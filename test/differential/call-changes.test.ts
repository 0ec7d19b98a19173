/**
 * What a change does to calls, against brute force: every caller of small generated meshes calls every name with a few
 * requests on both sides. Each outcome that changes is covered by a finding about those calls, or by one about the server
 * that holds for the identity the caller shows; and each finding's witness changes its outcome.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessCompiler } from '../../src/analysis/access-program.ts';
import { AtomTable } from '../../src/analysis/atom.ts';
import { diff, type DiffFinding } from '../../src/analysis/index.ts';
import { MeshSide } from '../../src/analysis/mesh-side.ts';
import type { MeshConfig, Workload } from '../../src/istio/index.ts';
import {
  acceptedTrustDomains,
  compileMesh,
  type CompiledMesh,
  type HttpAttributes,
  predictOutcome,
  protocolClass,
  registeredPort,
} from '../../src/policy/index.ts';
import { change } from './call-worlds.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_128);
const MESHES = process.env['MESHPROOF_LONG'] === undefined ? 600 : 20_000;

interface Asked {
  readonly traffic: 'http' | 'tcp';
  readonly request?: HttpAttributes;
}

/** One of each class that the policies tell apart. */
const ASKED: readonly Asked[] = [
  ...['GET', 'POST'].flatMap((method) =>
    ['/a1', '/b', '/c'].map((path) => ({ traffic: 'http' as const, request: { method, host: 'x', path } })),
  ),
  { traffic: 'tcp' },
];

interface Answer {
  readonly allowed: boolean;
  readonly principal?: string;
  readonly sni?: string;
  /** The server's filters do not read it as HTTP. */
  readonly bytes: boolean;
  readonly tls: string;
}

/** What becomes of a call at each of the servers behind the name, by `namespace/workload:port`; straight from `src/policy`. */
function answers(
  mesh: CompiledMesh,
  from: Workload,
  to: { readonly host: string; readonly port: number },
  asked: Asked,
): ReadonlyMap<string, Answer> {
  const found = new Map<string, Answer>();
  const { settings } = mesh.config;
  const certificate = ({
    namespace,
    serviceAccount,
  }: Workload): { names: string[]; root: string; validity: string } => ({
    names: [`spiffe://${settings.trustDomain}/ns/${namespace}/sa/${serviceAccount}`],
    root: 'mesh',
    validity: 'valid',
  });
  const { registry } = mesh;
  const known = registry.resolve(to.host, from.namespace);
  // What the caller's sidecar does not know it passes through, or not.
  const hidden = settings.outboundTrafficPolicy === 'ALLOW_ANY' ? registry.hidden(to.host, from.namespace) : undefined;
  const service = known ?? hidden;
  for (const endpoint of service?.endpoints(to.port) ?? []) {
    for (const { workload: ref, port } of mesh.registry.targets(endpoint)) {
      const key = `${ref.namespace}/${ref.name}:${port}`;
      if (service === undefined || found.has(key)) continue;
      const behind = mesh.workload(`${ref.namespace}/${ref.name}`);
      const tls = !from.injected
        ? undefined
        : known === undefined
          ? ({ mode: 'plaintext', determinedBy: 'auto', reason: 'passed through' } as const)
          : mesh.clientTls({ from, service, port: to.port, endpoint });
      const declared = known === undefined ? undefined : registeredPort(service, to.port);
      const outcome = predictOutcome({
        caller: {
          speaks: asked.traffic === 'tcp' ? 'tcp' : 'http/1.1',
          host: to.host,
          ...(tls === undefined
            ? {}
            : {
                sidecar: {
                  tls,
                  protocol: declared === undefined ? 'auto' : protocolClass(declared.protocol),
                  certificate: certificate(from),
                  anchors: 'trust' in tls && tls.trust.kind !== 'mesh' ? ['public'] : ['mesh'],
                },
              }),
        },
        server: behind.injected
          ? {
              sidecar: {
                mode: mesh.peerAuthentication(behind, port).mode,
                protocol: mesh.portProtocol(behind, port),
                certificate: certificate(behind),
                anchors: ['mesh'],
                trustDomains: acceptedTrustDomains(settings),
              },
            }
          : {},
      });
      const principal = outcome.server?.principal?.slice('spiffe://'.length);
      const sni = outcome.server?.sni;
      const allowed =
        outcome.reached &&
        (!behind.injected ||
          mesh.authorize({
            destination: { namespace: behind.namespace, workload: behind.name, port },
            source: { ip: '10.0.0.1', ...(principal === undefined ? {} : { principal }) },
            ...(sni === undefined ? {} : { connection: { sni } }),
            ...(outcome.server?.protocol === 'http' && asked.request !== undefined ? { request: asked.request } : {}),
          }).decision === 'allow');
      found.set(key, {
        allowed,
        ...(principal === undefined ? {} : { principal }),
        ...(sni === undefined ? {} : { sni }),
        bytes: outcome.server?.protocol === 'tcp',
        tls: tls?.mode ?? 'plaintext',
      });
    }
  }
  return found;
}

function namesOf(...meshes: readonly CompiledMesh[]): readonly { readonly host: string; readonly port: number }[] {
  const all = meshes.flatMap(({ registry }) =>
    registry.services.flatMap(({ host, ports }) => ports.map(({ number }) => `${host}:${number}`)),
  );
  return [...new Set(all)].map((text) => ({ host: text.replace(/:.*/, ''), port: Number(text.replace(/.*:/, '')) }));
}

const WIDER = new Set(['newly-allowed', 'now-reachable']);
const NARROWER = new Set(['newly-denied', 'now-unreachable']);

function isAbout({ targets, traffic }: DiffFinding, target: string, asked: Asked): boolean {
  const [name = '', port = ''] = target.split(':');
  return (
    (traffic === 'any' || traffic === asked.traffic) &&
    targets.some(
      ({ namespace, workload: own, ports, otherPorts }) =>
        `${namespace}/${own}` === name && (ports.includes(Number(port)) || otherPorts),
    )
  );
}

/** Both sides' servers for one and the same caller. */
class Servers {
  readonly #sides: readonly MeshSide[];

  constructor(before: MeshConfig, after: MeshConfig) {
    const atoms = new AtomTable();
    const keys = new Map<string, number>();
    this.#sides = [new MeshSide(before, atoms, keys), new MeshSide(after, atoms, keys)];
  }

  decisions(target: string, caller: Pick<Answer, 'principal' | 'sni'>, asked: Asked): readonly boolean[] {
    const [name = '', port = '0'] = target.split(':');
    return this.#sides.map((side) => {
      const subject = side.subject(name);
      const protocol = (subject && side.ports(subject).get(Number(port))) ?? 'unknown';
      if (subject !== undefined && subject.injected && AccessCompiler.pipeline(protocol, asked.traffic) === undefined)
        return false;
      const setup = side.setup(subject ?? NOBODY, Number(port), protocol);
      const [namespace = '', own = ''] = name.split('/');
      const request = {
        destination: { namespace, workload: own, port: Number(port) },
        source: { ip: '10.0.0.1', ...(caller.principal === undefined ? {} : { principal: caller.principal }) },
        ...(caller.sni === undefined ? {} : { connection: { sni: caller.sni } }),
        ...(asked.request === undefined ? {} : { request: asked.request }),
      };
      return side.decide(subject, setup, asked.traffic, { request, verdicts: {} }).decision === 'allow';
    });
  }
}

const NOBODY = { namespace: '', name: '', labels: {}, injected: false, ports: [], serviceAccount: '' };

describe('changes of calls', () => {
  it(`are found as brute force finds them (seed ${SEED})`, () => {
    const seen = new Map<string, number>();
    const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
    fc.assert(
      fc.property(change, ({ before, after }) => {
        const meshes = { before: compileMesh(before), after: compileMesh(after) };
        const servers = new Servers(before, after);
        const { findings, undecided } = diff(before, after);
        expect(undecided).toEqual([]);
        const names = namesOf(meshes.before, meshes.after);
        for (const was of before.workloads) {
          const is = after.workloads.find(({ namespace, name }) => namespace === was.namespace && name === was.name);
          if (is === undefined) continue;
          const caller = `${is.namespace}/${is.name}`;
          for (const to of names) {
            for (const asked of ASKED) {
              const one = answers(meshes.before, was, to, asked);
              const two = answers(meshes.after, is, to, asked);
              for (const target of new Set([...one.keys(), ...two.keys()])) {
                const [old, now] = [one.get(target), two.get(target)];
                if ((old?.allowed === true) === (now?.allowed === true)) continue;
                const kinds = now?.allowed === true ? WIDER : NARROWER;
                const about = (as: Asked): readonly DiffFinding[] =>
                  findings.filter((finding) => kinds.has(finding.kind) && isAbout(finding, target, as));
                const fit = about(asked);
                const told = fit.some(({ calls }) => calls?.from.includes(caller));
                // Who calls a server that comes or goes has one identity that counts.
                const [server = ''] = target.split(':');
                const stays = [before, after].every(({ workloads }) =>
                  workloads.some(({ namespace, name }) => `${namespace}/${name}` === server),
                );
                const renamed = stays && was.serviceAccount !== is.serviceAccount;
                const strangers = strangersOf(before, after);
                const ofServer = [old, now].some((side) => {
                  if (strangers.some((domain) => side?.principal?.startsWith(`${domain}/`) === true)) return false;
                  // A request that the server reads as bytes is told as bytes.
                  const read = [asked, ...(side?.bytes === true ? [{ traffic: 'tcp' } as const] : [])];
                  return read.some((as) => {
                    const [a, b] = servers.decisions(target, side ?? {}, as);
                    return (
                      a !== b && b === (now?.allowed === true) && about(as).some(({ calls }) => calls === undefined)
                    );
                  });
                });
                const ofTrustDomain =
                  !renamed &&
                  before.settings.trustDomain !== after.settings.trustDomain &&
                  fit.some(({ summary }) => summary.includes('of trust domain `'));
                count(told ? 'told of the call' : 'told of the server');
                expect(
                  told || ofServer || ofTrustDomain,
                  `${caller} to ${to.host}:${to.port} at ${target}: ${JSON.stringify({ asked, old, now })}\n${findings
                    .map(({ kind, summary, targets }) => `${kind} ${summary} ${JSON.stringify(targets)}`)
                    .join('\n')}`,
                ).toBe(true);
              }
            }
          }
        }
        for (const finding of findings) checkWitness(finding, { before, after }, meshes, count);
      }),
      { numRuns: MESHES, seed: SEED, endOnFailure: true },
    );
    for (const what of [
      'told of the call',
      'told of the server',
      'newly-allowed',
      'newly-denied',
      'now-reachable',
      'now-unreachable',
      'mtls-weakened',
      'mtls-strengthened',
    ])
      expect(seen.get(what) ?? 0, what).toBeGreaterThan(5);
  });
});

/** Trust domains that one side alone accepts: their callers are compared under both their names. */
function strangersOf(before: MeshConfig, after: MeshConfig): readonly string[] {
  const [old, made] = [before.settings.trustDomain, after.settings.trustDomain];
  if (old === made) return [];
  return [
    ...(acceptedTrustDomains(after.settings).includes(old) ? [] : [old]),
    ...(acceptedTrustDomains(before.settings).includes(made) ? [] : [made]),
  ];
}

/** The first caller's witness, sent by the name of the finding, has the outcome that the finding tells, on both sides. */
function checkWitness(
  { kind, calls, classes, witness, targets, traffic, summary }: DiffFinding,
  configs: { readonly before: MeshConfig; readonly after: MeshConfig },
  meshes: { readonly before: CompiledMesh; readonly after: CompiledMesh },
  count: (what: string) => void,
): void {
  if (calls === undefined) return;
  count(kind);
  const [host = '', port = ''] = calls.to.split(':');
  const asked = { traffic: witness.request === undefined ? ('tcp' as const) : ('http' as const), ...witness };
  const { destination } = witness;
  const target = `${destination.namespace}/${destination.workload ?? ''}:${destination.port}`;
  const everyone = kind.startsWith('newly') ? calls.from : calls.from.slice(0, 1);
  for (const name of everyone) {
    const [one, two] = (['before', 'after'] as const).map((side) => {
      const from = configs[side].workloads.find((each) => `${each.namespace}/${each.name}` === name);
      return from && answers(meshes[side], from, { host, port: Number(port) }, asked).get(target);
    });
    const text = `${kind} ${summary} ${JSON.stringify({ witness, targets, traffic, one, two })}`;
    if (kind.startsWith('mtls')) {
      expect([one?.tls === 'istio_mutual', two?.tls === 'istio_mutual'], text).toEqual([
        kind === 'mtls-weakened',
        kind !== 'mtls-weakened',
      ]);
      continue;
    }
    expect([one?.allowed === true, two?.allowed === true], text).toEqual([!WIDER.has(kind), WIDER.has(kind)]);
    if (name === calls.from[0]) expect({ before: one?.principal, after: two?.principal }, text).toMatchObject(calls.as);
  }
  if (kind.startsWith('newly') || kind.startsWith('mtls') || classes !== undefined) return;
  for (const name of calls.from) {
    const [was, is] = [configs.before, configs.after].map(({ workloads }) =>
      workloads.find((each) => `${each.namespace}/${each.name}` === name),
    );
    const to = { host, port: Number(port) };
    const changes = ASKED.some((request) => {
      const old = was !== undefined && answers(meshes.before, was, to, request).get(target)?.allowed === true;
      const now = is !== undefined && answers(meshes.after, is, to, request).get(target)?.allowed === true;
      return old !== now && now === WIDER.has(kind);
    });
    expect(changes, `${name} of ${kind} ${summary}`).toBe(true);
  }
}
