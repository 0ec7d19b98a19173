/**
 * Witnesses of a policy diff sent over real mutual TLS, before and after the change.
 *
 * Findings about calls are sent by who calls (`call-replay.ts`). For all others the caller is a workload made for the
 * occasion with the witness's identity. DestinationRules are left out there: what the server lets in is asked, not what
 * some client would send. Tokens are signed with keys made for the occasion. Witnesses that need an address or a server
 * name of their own cannot be sent and say so.
 * @module
 */
import type { DiffFinding as Finding } from '../analysis/index.ts';
import { parseWorkloadIdentity } from '../identity/index.ts';
import type { MeshConfig, Workload } from '../istio/index.ts';
import { Mesh } from '../mesh/index.ts';
import { inboundPorts } from '../policy/index.ts';
import type { Caller } from '../sim/index.ts';
import { replayCalls } from './call-replay.ts';
import type { Replay } from './render/diff-report.ts';
import { ReplayTokens } from './replay-tokens.ts';

/** Replays every finding; two meshes are started, one for each side. */
export async function replayFindings(
  findings: readonly Finding[],
  before: MeshConfig,
  after: MeshConfig,
): Promise<readonly Replay[]> {
  const tokens = await ReplayTokens.for(findings);
  const [one, two] = [tokens.replaced(before), tokens.replaced(after)];
  const calls = await replayCalls(findings, { before: one, after: two, tokens });
  const callers = callersOf(
    findings.filter((finding) => !calls.has(finding)),
    after.settings.trustDomain,
  );
  await using meshBefore = await Mesh.start({ config: withCallers(one, callers) });
  await using meshAfter = await Mesh.start({ config: withCallers(two, callers) });
  const replays: Replay[] = [];
  for (const finding of findings) {
    const call = calls.get(finding);
    if (call !== undefined) {
      replays.push(call);
      continue;
    }
    const skipped = obstacle(finding, callers, [before, after]);
    if (skipped !== undefined) {
      replays.push({ before: '', after: '', skipped });
      continue;
    }
    const [one, two] = [
      await send(meshBefore, finding, callers, tokens),
      await send(meshAfter, finding, callers, tokens),
    ];
    const agrees =
      one.allowed === (finding.before.decision === 'allow') && two.allowed === (finding.after.decision === 'allow');
    replays.push({ before: one.text, after: two.text, agrees });
  }
  return replays;
}

type Callers = ReadonlyMap<string, Workload>;

function callersOf(findings: readonly Finding[], trustDomain: string): Callers {
  const callers = new Map<string, Workload>();
  for (const { witness } of findings) {
    const principal = witness.source?.principal;
    if (principal === undefined || callers.has(principal)) continue;
    const identity = parseWorkloadIdentity(`spiffe://${principal}`);
    if (identity === undefined || !principal.startsWith(`${trustDomain}/`)) continue;
    callers.set(principal, {
      kind: 'Pod',
      namespace: identity.namespace,
      name: `replayed-caller-${callers.size}`,
      labels: {},
      annotations: {},
      serviceAccount: identity.serviceAccount,
      replicas: 1,
      ports: [],
      injected: true,
      injectionReason: 'replay',
    });
  }
  return callers;
}

function withCallers(config: MeshConfig, callers: Callers): MeshConfig {
  return { ...config, workloads: [...config.workloads, ...callers.values()], destinationRules: [] };
}

function obstacle(
  { witness, verdicts, token }: Finding,
  callers: Callers,
  configs: readonly MeshConfig[],
): string | undefined {
  const { source, destination, request, connection } = witness;
  if (request === undefined) return 'a raw connection';
  if (destination.workload === undefined) return 'the workload is not declared';
  if (source?.ip !== undefined || source?.remoteIp !== undefined || destination.ip !== undefined)
    return 'it needs an address of its own';
  if (connection?.sni !== undefined) return 'it needs a server name of its own';
  if (Object.keys(verdicts).length > 0) return 'it needs an external authorizer';
  if (source?.principal !== undefined && !callers.has(source.principal))
    return 'the identity is not one the mesh issues';
  const servers = configs.map((config) => serverOf(config, destination));
  if (servers.includes(undefined)) return 'the workload is not there on both sides';
  if (!servers.every((ports) => ports?.includes(destination.port))) return 'nothing listens on the port';
  return token === undefined ? undefined : ReplayTokens.obstacle(token);
}

/** The ports of the workload that the witness goes to; nothing where it is not there. */
function serverOf(config: MeshConfig, destination: Finding['witness']['destination']): readonly number[] | undefined {
  const found = config.workloads.find(
    ({ namespace, name }) => namespace === destination.namespace && name === destination.workload,
  );
  if (found === undefined) return undefined;
  return [...found.ports.map(({ number }) => number), ...inboundPorts(config, found).map(({ port }) => port)];
}

async function send(
  mesh: Mesh,
  { witness, token }: Finding,
  callers: Callers,
  tokens: ReplayTokens,
): Promise<{ readonly allowed: boolean; readonly text: string }> {
  const { source, destination, request } = witness;
  const caller = source?.principal === undefined ? undefined : callers.get(source.principal);
  const to = `${destination.namespace}/${destination.workload ?? ''}`;
  const mode = mesh.compiled.peerAuthentication(to, destination.port).mode;
  const name = caller === undefined ? '' : `${caller.namespace}/${caller.name}`;
  // Where mutual TLS is off a sidecar would give way to plaintext; the identity is shown all the same.
  const from: Caller =
    caller === undefined ? 'outside' : mode === 'DISABLE' ? { workload: name, certificate: 'mesh' } : name;
  const asked = request ?? { method: 'GET', path: '/' };
  const sent = token === undefined ? asked : await tokens.signed(asked, token);
  const headers = Object.entries(sent.headers ?? {}).map(([key, value]) => [key, String(value)] as const);
  const outcome = await mesh.request({
    from,
    to: `${to}:${destination.port}`,
    method: request?.method ?? 'GET',
    path: sent.path,
    ...(request?.host === undefined ? {} : { host: request.host }),
    headers: Object.fromEntries(headers),
  });
  return {
    allowed: outcome.result === 'allow',
    text: `${outcome.result}${outcome.status > 0 ? ` ${outcome.status}` : ''}`,
  };
}
