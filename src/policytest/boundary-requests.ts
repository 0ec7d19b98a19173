/**
 * Requests on and beside the edges of a configuration's policies: for every list of every rule a value that is in it and
 * values that just are not, from every caller the policies name and some they do not.
 * @module
 */
import { type MeshConfig, policyResources } from '../istio/index.ts';
import { type CompiledMesh, compileMesh } from '../policy/index.ts';
import type { Caller, MeshRequest } from '../sim/index.ts';

interface Pools {
  readonly callers: readonly Caller[];
  readonly methods: readonly string[];
  readonly paths: readonly string[];
  readonly hosts: readonly (string | undefined)[];
  readonly headers: readonly Readonly<Record<string, string>>[];
}

/** The product of all pools is thinned out evenly beyond this many requests a target. */
const PER_TARGET_MAX = 4_000;

/** Requests to every workload port that a Service reaches. */
export function boundaryRequests(config: MeshConfig): readonly MeshRequest[] {
  return boundaryTargets(compileMesh(config)).flatMap((to) => requestsTo(to, config));
}

/** `namespace/workload:servicePort` of everything that can be called. */
export function boundaryTargets(compiled: CompiledMesh): readonly string[] {
  const targets = new Set<string>();
  for (const service of compiled.registry.services) {
    for (const { number } of service.ports) {
      for (const { workload } of service.endpoints(number))
        if (workload !== undefined) targets.add(`${workload.namespace}/${workload.name}:${number}`);
    }
  }
  return [...targets];
}

/** Callers, methods, paths, hosts and headers near what the policies of `config` say. */
export function boundaryPools(config: MeshConfig): Pools {
  const said = valuesOf(config);
  const { trustDomain } = config.settings;
  const identities = said
    .filter(({ field }) => /principals$|source\.principal$/i.test(field) && !/request/i.test(field))
    .flatMap(({ value }) => near(value.replace(/^\*(?=\/ns\/)/, trustDomain)))
    .map((principal) => `spiffe://${principal}`)
    .filter((id) => /^spiffe:\/\/[a-z0-9.-]+\/ns\/[a-z0-9.-]+\/sa\/[A-Za-z0-9._-]+$/.test(id));
  const namespaces = said
    .filter(({ field }) => /namespaces?$/i.test(field))
    .flatMap(({ value }) => near(value))
    .filter((name) => /^[a-z0-9-]+$/.test(name))
    .map((name) => `spiffe://${trustDomain}/ns/${name}/sa/default`);
  const accounts = said
    .filter(({ field }) => /serviceAccounts?$/i.test(field))
    .map(({ value }) => (value.includes('/') ? value : `default/${value}`).split('/'))
    .map(([ns = '', sa = '']) => `spiffe://${trustDomain}/ns/${ns}/sa/${sa}`)
    .filter((id) => /^[a-z0-9.:/-]+$/i.test(id));
  const certified = [...new Set([...identities, ...namespaces, ...accounts])].map((spiffeId) => ({
    certificate: 'mesh' as const,
    spiffeId,
  }));
  const names = config.workloads.map(({ namespace, name }) => `${namespace}/${name}`);
  const pick = (field: RegExp): readonly string[] =>
    said.filter((each) => field.test(each.field)).map(({ value }) => value);
  return {
    callers: [...names, 'outside', { certificate: 'none' }, ...certified],
    methods: [...new Set(['GET', ...pick(/methods$/i).flatMap((method) => [method.replaceAll('*', 'X')]), 'PATCH'])],
    paths: [...new Set(['/', ...pick(/paths$/i).flatMap(nearPaths)])],
    hosts: [undefined, ...new Set(pick(/hosts$/i).flatMap(near))],
    headers: headersOf(said),
  };
}

function requestsTo(to: string, config: MeshConfig): readonly MeshRequest[] {
  const { callers, methods, paths, hosts, headers } = boundaryPools(config);
  const size = callers.length * methods.length * paths.length * hosts.length * headers.length;
  // A stride without a common factor visits every value of every pool.
  const stride = coprime(Math.max(1, Math.floor(size / PER_TARGET_MAX)), size);
  const requests: MeshRequest[] = [];
  for (let index = 0; index < size; index += stride) {
    let rest = index;
    const pick = <T>(pool: readonly T[]): T | undefined => {
      const value = pool[rest % pool.length];
      rest = Math.floor(rest / pool.length);
      return value;
    };
    const [path, method, from, host, extra] = [pick(paths), pick(methods), pick(callers), pick(hosts), pick(headers)];
    requests.push({
      from: from ?? 'outside',
      to,
      method: method ?? 'GET',
      path: path ?? '/',
      ...(host === undefined ? {} : { host }),
      ...(extra === undefined || Object.keys(extra).length === 0 ? {} : { headers: extra }),
    });
  }
  return requests;
}

function coprime(stride: number, size: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let next = stride;
  while (next > 1 && divisor(next, size) !== 1) next++;
  return next;
}

interface Said {
  /** The last part of the path, or the key of a condition. */
  readonly field: string;
  readonly value: string;
}

function valuesOf(config: MeshConfig): readonly Said[] {
  return policyResources(config).flatMap((resource) => {
    if (resource.kind !== 'AuthorizationPolicy') return [];
    return (resource.spec.rules ?? []).flatMap(({ from = [], to = [], when = [] }) => [
      ...[...from.map(({ source }) => source), ...to.map(({ operation }) => operation)].flatMap((holder) =>
        Object.entries(holder).flatMap(([field, values]: [string, readonly string[] | undefined]) =>
          (values ?? []).map((value) => ({ field, value })),
        ),
      ),
      ...when.flatMap(({ key, values = [], notValues = [] }) =>
        [...values, ...notValues].map((value) => ({ field: key, value })),
      ),
    ]);
  });
}

/** A text that the pattern takes, and ones that it nearly takes. */
export function near(pattern: string): readonly string[] {
  if (pattern === '*') return ['any'];
  if (pattern.endsWith('*')) {
    const start = pattern.slice(0, -1);
    return [`${start}x`, start, start.slice(0, -1)];
  }
  if (pattern.startsWith('*')) return [`x${pattern.slice(1)}`, pattern.slice(1), pattern.slice(2)];
  return [pattern, `${pattern}x`];
}

function nearPaths(pattern: string): readonly string[] {
  const filled = pattern.replaceAll('{**}', 'x/y').replaceAll('{*}', 'x');
  const parent = pattern.replace(/[^/]*\*?$/, '').replace(/[^/]+\/$/, '');
  return [...near(filled), pattern.includes('{') ? `${filled}/z` : '', parent === '' ? '' : `${parent}zz`].filter(
    (path) => path.startsWith('/') && !path.includes('*'),
  );
}

function headersOf(said: readonly Said[]): readonly Readonly<Record<string, string>>[] {
  const found: Readonly<Record<string, string>>[] = [{}];
  for (const { field, value } of said) {
    const name = /^request\.headers\[(.+)\]$/.exec(field)?.[1];
    if (name !== undefined) for (const text of near(value)) found.push({ [name]: text });
    if (/remoteIpBlocks$|^remote\.ip$/i.test(field)) {
      const address = value.replace(/\/.*$/, '');
      found.push({ 'x-forwarded-for': address }, { 'x-forwarded-for': '198.51.100.77' });
    }
  }
  return found;
}
