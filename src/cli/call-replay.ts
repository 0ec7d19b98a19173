/**
 * Witnesses of findings about calls, sent as they are told: by the workload that calls, through its own sidecar and
 * under the DestinationRules of either side, to the name it says.
 * @module
 */
import type { DiffFinding as Finding } from '../analysis/index.ts';
import type { MeshConfig } from '../istio/index.ts';
import { Mesh } from '../mesh/index.ts';
import type { MeshRequest } from '../sim/index.ts';
import type { Replay } from './render/diff-report.ts';
import { ReplayTokens } from './replay-tokens.ts';

export interface ReplayedSides {
  /** With the key sets of the occasion. */
  readonly before: MeshConfig;
  readonly after: MeshConfig;
  readonly tokens: ReplayTokens;
}

/** A finding about calls. */
type CallFinding = Finding & { readonly calls: NonNullable<Finding['calls']> };

/** Replays those of the findings that are about calls; two meshes are started where there are any. */
export async function replayCalls(
  findings: readonly Finding[],
  { before, after, tokens }: ReplayedSides,
): Promise<ReadonlyMap<Finding, Replay>> {
  const replays = new Map<Finding, Replay>();
  const calls = findings.filter((finding): finding is CallFinding => finding.calls !== undefined);
  if (calls.length === 0) return replays;
  await using meshBefore = await Mesh.start({ config: before });
  await using meshAfter = await Mesh.start({ config: after });
  for (const finding of calls) {
    const skipped = obstacle(finding, [meshBefore, meshAfter]);
    if (skipped !== undefined) {
      replays.set(finding, { before: '', after: '', skipped });
      continue;
    }
    const [one, two] = [await send(meshBefore, finding, tokens), await send(meshAfter, finding, tokens)];
    replays.set(finding, { before: one.text, after: two.text, agrees: agrees(finding, one, two) });
  }
  return replays;
}

interface Sent {
  /** The finding's server has let it in. */
  readonly allowed: boolean;
  readonly mutual: boolean;
  readonly text: string;
}

function agrees({ kind, before, after }: CallFinding, one: Sent, two: Sent): boolean {
  if (kind === 'mtls-weakened' || kind === 'mtls-strengthened') {
    return one.mutual === (kind === 'mtls-weakened') && two.mutual === (kind === 'mtls-strengthened');
  }
  return one.allowed === (before.decision === 'allow') && two.allowed === (after.decision === 'allow');
}

function obstacle({ witness, verdicts, token, calls }: CallFinding, meshes: readonly Mesh[]): string | undefined {
  const { source, destination } = witness;
  if (source?.ip !== undefined || source?.remoteIp !== undefined || destination.ip !== undefined)
    return 'it needs an address of its own';
  if (Object.keys(verdicts).length > 0) return 'it needs an external authorizer';
  const server = serverOf(witness);
  const isChosen = meshes.every((mesh) => {
    const [first, ...others] = serversBehind(mesh, calls);
    return first === server || !others.includes(server);
  });
  return isChosen
    ? token && ReplayTokens.obstacle(token)
    : `\`${calls.to}\` leads to other servers, too: which of them answers is not the caller's choice`;
}

/** `namespace/workload:port` */
function serverOf({ destination }: Finding['witness']): string {
  return `${destination.namespace}/${destination.workload ?? ''}:${destination.port}`;
}

/** The servers behind the name as the caller knows it; the first one answers. */
function serversBehind(
  { compiled: { registry } }: Mesh,
  { from: [caller = ''], to }: CallFinding['calls'],
): readonly string[] {
  const [host = '', port = ''] = to.split(':');
  const [namespace = ''] = caller.split('/');
  const service = registry.resolve(host, namespace) ?? registry.hidden(host, namespace);
  return (service?.endpoints(Number(port)) ?? [])
    .flatMap((endpoint) => registry.targets(endpoint))
    .map(({ workload, port: at }) => `${workload.namespace}/${workload.name}:${at}`);
}

async function send(mesh: Mesh, { witness, token, calls }: CallFinding, tokens: ReplayTokens): Promise<Sent> {
  const { request } = witness;
  const from = calls.from[0] ?? '';
  const base = { from, to: calls.to };
  const outcome =
    request === undefined
      ? await mesh.connect(base)
      : await mesh.request({ ...base, ...(await sentRequest(request, token, tokens)) });
  const [answering] = serversBehind(mesh, calls);
  const other = answering === undefined || answering === serverOf(witness) ? '' : ` from ${answering}`;
  return {
    allowed: outcome.result === 'allow' && other === '',
    mutual: outcome.connection.security === 'mutual_tls',
    text: `${outcome.result}${outcome.status > 0 ? ` ${outcome.status}` : ''}${other}`,
  };
}

/** The request as the application writes it, its token signed. */
async function sentRequest(
  request: NonNullable<Finding['witness']['request']>,
  token: Finding['token'],
  tokens: ReplayTokens,
): Promise<Pick<MeshRequest, 'method' | 'path' | 'host' | 'headers'>> {
  const { method, host } = request;
  const { path, headers } = token === undefined ? request : await tokens.signed(request, token);
  return {
    method,
    path,
    ...(host === undefined ? {} : { host }),
    ...(headers === undefined ? {} : { headers }),
  };
}
