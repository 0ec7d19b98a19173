/**
 * Traffic for a mesh whose manifests declare none: for every workload behind a Service one caller that may call it, and
 * for every other workload with a sidecar one call that it may make.
 *
 * Who may is asked of the model, with a plain `GET /` and with the methods and paths that policies name.
 * @module
 */
import type { Mesh } from './mesh.ts';
import type { FlowFile, RequestFile } from './scenario-schema.ts';

/** Requests tried for a pair, at most. */
const REQUESTS_MAX = 32;
const RPS = 10;

export function derivedTraffic(mesh: Mesh): readonly FlowFile[] {
  const names = mesh.config.workloads.filter(({ injected }) => injected).map((w) => `${w.namespace}/${w.name}`);
  const requests = requestsOf(mesh);
  const flowOf = (from: string, to: string): FlowFile | undefined => {
    if (from === to || !hasService(mesh, to)) return undefined;
    const request = requests.find((tried) => mesh.predict({ ...tried, from, to }).result === 'allow');
    return request === undefined ? undefined : { from, to, rps: RPS, request };
  };
  const flows: FlowFile[] = [];
  for (const [index, to] of names.entries()) {
    // The neighbour first, so that callers differ.
    const others = [...names.slice(index + 1), ...names.slice(0, index)];
    const found = firstOf(others, (from) => flowOf(from, to));
    if (found !== undefined) flows.push(found);
  }
  for (const from of names) {
    if (flows.some((flow) => flow.from === from)) continue;
    const found = firstOf(names, (to) => flowOf(from, to));
    if (found !== undefined) flows.push(found);
  }
  return flows;
}

function firstOf<T>(names: readonly string[], find: (name: string) => T | undefined): T | undefined {
  for (const name of names) {
    const found = find(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function hasService(mesh: Mesh, workload: string): boolean {
  const [namespace = '', name = ''] = workload.split('/');
  const found = mesh.compiled.workload(`${namespace}/${name}`);
  return mesh.compiled.inboundPorts(found).some(({ service }) => service !== undefined);
}

function requestsOf(mesh: Mesh): readonly Pick<RequestFile & { method: string; path: string }, 'method' | 'path'>[] {
  const found = [{ method: 'GET', path: '/' }];
  for (const { spec } of mesh.config.authorizationPolicies) {
    for (const { to = [] } of spec.rules ?? []) {
      for (const { operation } of to) {
        for (const path of operation.paths ?? ['/']) {
          for (const method of operation.methods ?? ['GET']) {
            if (/^[A-Z]+$/.test(method)) found.push({ method, path: witnessOf(path) });
          }
        }
      }
    }
  }
  return found.slice(0, REQUESTS_MAX);
}

/** A path that a pattern matches. */
function witnessOf(pattern: string): string {
  const path = pattern.replaceAll(/\{[^}]*\}|\*+/g, 'x');
  return path.startsWith('/') ? path : `/${path}`;
}
