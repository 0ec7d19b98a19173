/**
 * A first policy-test file for a configuration: what its policies allow today, as a closed world, so that the next change
 * of theirs shows.
 * @module
 */
import { relative } from 'node:path';
import { Document } from 'yaml';
import { MeshError } from '../core/index.ts';
import { type MeshConfig, policyResources } from '../istio/index.ts';
import { Mesh } from '../mesh/index.ts';
import { boundaryPools, boundaryTargets } from './boundary-requests.ts';
import type { AllowEntry } from './test-schema.ts';

export interface FirstTestFile {
  readonly text: string;
  /** Callers, targets and requests it holds. */
  readonly cases: number;
}

/** Requests a target: more than this nobody reads. */
const REQUESTS_MAX = 8;

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
  const matrix = targets.flatMap((to) => {
    const requests = requestsFor(mesh, to, callers);
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

/** Requests that tell callers apart, and the plainest one. */
function requestsFor(
  mesh: Mesh,
  to: string,
  callers: readonly string[],
): readonly { readonly method: string; readonly path: string }[] {
  const { methods, paths } = boundaryPools(narrowed(mesh.config, to));
  const chosen = new Map<string, { readonly method: string; readonly path: string }>();
  for (const path of paths) {
    for (const method of methods) {
      const answers = callers.map((from) => mesh.predict({ from, to, method, path }).result).join();
      if (!chosen.has(answers)) chosen.set(answers, { method, path });
    }
  }
  return [...chosen.values()].slice(0, REQUESTS_MAX);
}

/** Only the policies that can reach the target's namespace. */
function narrowed(config: MeshConfig, to: string): MeshConfig {
  const namespace = to.slice(0, to.indexOf('/'));
  const { rootNamespace } = config.settings;
  const near = policyResources(config).filter(
    ({ metadata }) => metadata.namespace === namespace || metadata.namespace === rootNamespace,
  );
  return { ...config, authorizationPolicies: near.filter((policy) => policy.kind === 'AuthorizationPolicy') };
}

/** As a test file may write a request in one line. */
function requestLine({ method, path }: { readonly method: string; readonly path: string }): string {
  return `${method} ${path}`;
}

/** How a test file names a manifest: from its own folder. */
export function manifestPath(manifest: string, folder: string): string {
  const path = relative(folder, manifest);
  return path === '' ? '.' : path.startsWith('.') ? path : `./${path}`;
}
