/**
 * A first policy-test file for a configuration: what its policies allow today, as a closed world, so that the next change
 * of theirs shows.
 * @module
 */
import { relative } from 'node:path';
import { Document } from 'yaml';
import { mutate } from '../analysis/index.ts';
import { MeshError } from '../core/index.ts';
import type { MeshConfig } from '../istio/index.ts';
import { Mesh } from '../mesh/index.ts';
import type { CompiledMesh } from '../policy/index.ts';
import type { OutcomeResult } from '../sim/index.ts';
import { boundaryPools, boundaryTargets } from './boundary-requests.ts';
import { reachOf } from './mutant-reach.ts';
import type { AllowEntry } from './test-schema.ts';

export interface FirstTestFile {
  readonly text: string;
  /** Callers, targets and requests it holds. */
  readonly cases: number;
}

/** Requests a target: more than this nobody reads. */
const REQUESTS_MAX = 24;

/**
 * Asks the model what every workload may do today and writes it down.
 * @param manifests paths of the configuration, as the file is to name them
 * @throws MeshError `ERR_TEST_INVALID` where the configuration has nothing to call
 */
export async function firstTestFile(
  config: MeshConfig,
  options: { readonly name: string; readonly manifests: readonly string[] },
): Promise<FirstTestFile> {
  await using mesh = await Mesh.start({ config });
  const targets = boundaryTargets(mesh.compiled);
  if (targets.length === 0)
    throw new MeshError(
      'ERR_TEST_INVALID',
      'nothing can be called: the manifests hold no Service that selects a workload; name the topology too',
    );
  const callers = [...config.workloads.map(({ namespace, name }) => `${namespace}/${name}`), 'outside'];
  const chosen = await chooseRequests(mesh, targets, callers);
  const matrix = targets.flatMap((to) => {
    const requests = chosen.get(to) ?? [];
    const allow = callers.flatMap((from): readonly (string | AllowEntry)[] => {
      const allowed = requests.filter((request) => mesh.predict({ ...request, from, to }).result === 'allow');
      if (allowed.length === 0) return [];
      return allowed.length === requests.length ? [from] : [{ from, requests: allowed.map(requestLine) }];
    });
    return [{ name: `who may call ${to}`, to, requests: requests.map(requestLine), allow }];
  });
  const document = new Document({
    apiVersion: 'meshproof.dev/v1alpha1',
    kind: 'MeshTest',
    metadata: { name: options.name },
    policies: options.manifests,
    matrix,
  });
  document.commentBefore = ` yaml-language-server: $schema=https://unpkg.com/meshproof/schema/mesh-test.json
 What the policies allow today. A caller that is not listed must be refused; move requests that ought to be refused out
 of \`allow\`, and run \`meshproof test\`.`;
  return {
    text: document.toString({ lineWidth: 0, flowCollectionPadding: true }),
    cases: matrix.reduce((sum, { requests }) => sum + requests.length * callers.length, 0),
  };
}

interface Choice {
  readonly method: string;
  readonly path: string;
}

/** Requests that tell callers apart, and then, for every small change of the policies, one that would notice it. */
async function chooseRequests(
  mesh: Mesh,
  targets: readonly string[],
  callers: readonly string[],
): Promise<ReadonlyMap<string, readonly Choice[]>> {
  const original = mesh.config;
  const ask = (to: string, request: Choice, from: string): OutcomeResult =>
    mesh.predict({ ...request, from, to }).result;
  const worlds = targets.map((to) => {
    const { methods, paths } = boundaryPools(narrowed(mesh.compiled, to));
    const answers = new Map<Choice, readonly OutcomeResult[]>();
    for (const path of paths) {
      for (const method of methods) {
        const request = { method, path };
        answers.set(
          request,
          callers.map((from) => ask(to, request, from)),
        );
      }
    }
    const chosen = new Map<string, Choice>();
    for (const [request, answer] of answers) if (!chosen.has(answer.join())) chosen.set(answer.join(), request);
    return { to, answers, chosen: [...chosen.values()].slice(0, REQUESTS_MAX) };
  });
  const before = mesh.compiled;
  for (const { config, policy, path } of mutate(original)) {
    // Who may send a request is asked of every caller; for each answer there is a request already.
    if (path.includes('.source.')) continue;
    await mesh.simulation.reconfigure(config, { applied: [], removed: [] });
    // Requests come from the policies that select a target: others have none that would notice.
    const reach = reachOf(policy, before, before);
    const reached = worlds.filter(({ to }) => reach === undefined || reach.has(workloadOf(to)));
    const notices = (to: string, request: Choice, answer: readonly OutcomeResult[] = []): boolean =>
      callers.some((from, index) => ask(to, request, from) !== answer[index]);
    if (reached.some(({ to, chosen, answers }) => chosen.some((each) => notices(to, each, answers.get(each)))))
      continue;
    for (const { to, chosen, answers } of reached) {
      if (chosen.length >= REQUESTS_MAX) continue;
      const found = [...answers].find(([request, answer]) => notices(to, request, answer));
      if (found === undefined) continue;
      chosen.push(found[0]);
      break;
    }
  }
  await mesh.simulation.reconfigure(original, { applied: [], removed: [] });
  return new Map(worlds.map(({ to, chosen }) => [to, chosen]));
}

/** Only the policies that select the target. */
function narrowed({ config, authorization }: CompiledMesh, to: string): MeshConfig {
  const workload = config.workloads.find(({ namespace, name }) => `${namespace}/${name}` === workloadOf(to));
  const selecting = workload === undefined ? [] : authorization.policiesOf(workload);
  const authorizationPolicies = config.authorizationPolicies.filter(({ metadata }) =>
    selecting.some(({ namespace, name }) => metadata.namespace === namespace && metadata.name === name),
  );
  return { ...config, authorizationPolicies };
}

function workloadOf(target: string): string {
  return target.replace(/:\d+$/, '');
}

/** As a test file may write a request in one line. */
function requestLine({ method, path }: Choice): string {
  return `${method} ${path}`;
}

/** How a test file names a manifest: from its own folder. */
export function manifestPath(manifest: string, folder: string): string {
  const path = relative(folder, manifest);
  return path === '' ? '.' : path.startsWith('.') ? path : `./${path}`;
}
