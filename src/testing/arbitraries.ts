/**
 * Arbitraries of meshes that fit together. They print as Istio YAML and shrink to fewer policies, rules, clauses,
 * workloads and requests.
 * @module
 */
import * as fc from 'fast-check';
import {
  type AuthorizationAction,
  type AuthorizationPolicy,
  type AuthorizationRule,
  DEFAULT_MESH_SETTINGS,
  EMPTY_MESH_CONFIG,
  type MeshConfig,
  type MeshSettings,
  type MutualTlsMode,
  type PeerAuthentication,
  policyResources,
  type Service,
  type Workload,
} from '../istio/index.ts';
import { type SpiffeId, workloadSpiffeId } from '../identity/index.ts';
import { boundaryPools } from '../policytest/index.ts';
import type { Caller, MeshRequest } from '../sim/index.ts';
import { policiesOf } from './manifests.ts';
import { shrinkingTo, smallerWorlds } from './shrinking.ts';
import { authorizationDraft, destinationDraft, type Names, peerDraft, ruleDraft } from './policy-arbitraries.ts';
import { requestText, type World } from './world.ts';

export interface WorldConstraints {
  /** @defaultValue 3 */
  readonly maxNamespaces?: number;
  /** @defaultValue 5 */
  readonly maxWorkloads?: number;
  /** @defaultValue 4 */
  readonly maxPolicies?: number;
  /** @defaultValue 3 */
  readonly maxRules?: number;
  /** @defaultValue 8 */
  readonly maxRequests?: number;
  /** @defaultValue ALLOW and DENY */
  readonly actions?: readonly AuthorizationAction[];
  /** Modes of PeerAuthentications; an empty list leaves them out. @defaultValue all */
  readonly modes?: readonly MutualTlsMode[];
  /** Whether some workloads have no sidecar. @defaultValue true */
  readonly bareWorkloads?: boolean;
}

const NAMESPACES = ['shop', 'bank', 'ops', 'lab', 'edge'] as const;
const WORKLOADS = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta'] as const;
const TRUST_DOMAINS = ['cluster.local', 'mesh.example'] as const;
const CONTAINER_PORT = 8080;

interface WorkloadSpec {
  readonly namespace: number;
  readonly bare: boolean;
  /** Runs as the service account of the first workload of its namespace. */
  readonly shared: boolean;
}

interface RequestSpec {
  readonly from: number;
  readonly to: number;
  readonly method: number;
  readonly path: number;
  readonly header: number;
}

/**
 * A mesh with policies that refer to its own workloads, and requests on and beside their edges. It shrinks until no
 * request, policy, rule, clause, value or workload can be left out.
 */
export function world(constraints: WorldConstraints = {}): fc.Arbitrary<World> {
  return shrinkingTo(drawnWorld(constraints), function* (within) {
    for (const smaller of smallerWorlds(within)) yield printing(smaller);
  });
}

/** The same, which shrinks only as far as what it was drawn from does. */
export function drawnWorld(constraints: WorldConstraints = {}): fc.Arbitrary<World> {
  const { maxNamespaces = 3, maxWorkloads = 5, maxPolicies = 4, maxRules = 3, maxRequests = 8 } = constraints;
  const {
    actions = ['ALLOW', 'DENY'],
    modes = ['STRICT', 'PERMISSIVE', 'DISABLE'],
    bareWorkloads = true,
  } = constraints;
  const workload: fc.Arbitrary<WorkloadSpec> = fc.record({
    namespace: fc.nat({ max: maxNamespaces - 1 }),
    bare: bareWorkloads ? fc.nat({ max: 4 }).map((n) => n === 4) : fc.constant(false),
    shared: fc.nat({ max: 4 }).map((n) => n === 4),
  });
  return fc
    .record({
      trustDomain: fc.constantFrom(...TRUST_DOMAINS),
      workloads: fc.array(workload, { minLength: 1, maxLength: Math.min(maxWorkloads, WORKLOADS.length) }),
      policies: fc.array(authorizationDraft({ actions, maxRules }), { maxLength: maxPolicies }),
      peers: fc.array(peerDraft(modes.length === 0 ? ['STRICT'] : modes), { maxLength: modes.length === 0 ? 0 : 2 }),
      destinations: fc.array(destinationDraft(), { maxLength: modes.length === 0 ? 0 : 1 }),
      requests: fc.array(requestSpec, { minLength: 1, maxLength: maxRequests }),
    })
    .map(({ trustDomain, workloads, policies, peers, destinations, requests }) => {
      const topology = topologyOf(workloads, { ...DEFAULT_MESH_SETTINGS, trustDomain });
      const names = namesOf(topology);
      const config: MeshConfig = {
        ...topology,
        authorizationPolicies: policies.map((draft, index) => draft(names, `policy-${index + 1}`)),
        peerAuthentications: oldestFirst(peers.map((draft, index) => draft(names, `peer-${index + 1}`))),
        destinationRules: destinations.map((draft, index) => draft(names, `destination-${index + 1}`)),
      };
      return printing({ config, requests: fillRequests(config, requests) });
    });
}

const requestSpec: fc.Arbitrary<RequestSpec> = fc.record({
  from: fc.nat({ max: 15 }),
  to: fc.nat({ max: 7 }),
  method: fc.nat({ max: 7 }),
  path: fc.nat({ max: 31 }),
  header: fc.nat({ max: 5 }),
});

/** A request to a mesh, near the edges of its policies. */
export function request(options: { readonly world: World }): fc.Arbitrary<MeshRequest> {
  const { config } = options.world;
  const pools = boundaryPools(config);
  return requestSpec.map((spec) => fillRequest(config, pools, spec));
}

/** An AuthorizationPolicy that refers to the workloads of `world`. */
export function authorizationPolicy(options: {
  readonly world: World;
  readonly actions?: readonly AuthorizationAction[];
  readonly maxRules?: number;
  readonly name?: string;
}): fc.Arbitrary<AuthorizationPolicy> {
  const { world: within, name = 'policy', actions, maxRules } = options;
  const draft = authorizationDraft({
    ...(actions === undefined ? {} : { actions }),
    ...(maxRules === undefined ? {} : { maxRules }),
  });
  return draft.map((fill) => fill(namesOf(within.config), name));
}

/** One rule that refers to the workloads of `world`. */
export function authorizationRule(options: { readonly world: World }): fc.Arbitrary<AuthorizationRule> {
  return ruleDraft.map((fill) => fill(namesOf(options.world.config)));
}

/** A PeerAuthentication of some workload, its namespace or the mesh. */
export function peerAuthentication(options: {
  readonly world: World;
  readonly modes?: readonly MutualTlsMode[];
  readonly name?: string;
}): fc.Arbitrary<PeerAuthentication> {
  return peerDraft(options.modes).map((fill) => fill(namesOf(options.world.config), options.name ?? 'peer'));
}

/** SPIFFE IDs of Istio's shape. */
export function spiffeId(options: { readonly trustDomain?: string } = {}): fc.Arbitrary<SpiffeId> {
  return fc
    .record({
      trustDomain:
        options.trustDomain === undefined ? fc.constantFrom(...TRUST_DOMAINS) : fc.constant(options.trustDomain),
      namespace: fc.constantFrom(...NAMESPACES),
      serviceAccount: fc.constantFrom(...WORKLOADS),
    })
    .map(workloadSpiffeId);
}

/** A world that prints as Istio YAML in reports of fast-check. */
export function printing(value: World): World {
  return Object.defineProperty({ ...value }, fc.toStringMethod, { value: () => worldText(value), enumerable: false });
}

export function worldText({ config, requests }: World): string {
  const { trustDomain } = config.settings;
  const workloads = config.workloads.map(
    ({ namespace, name, serviceAccount, injected }) =>
      `#   ${namespace}/${name} (service account ${serviceAccount}${injected ? '' : ', no sidecar'})`,
  );
  return [
    '',
    `# trust domain ${trustDomain}; workloads, each with a Service on port 8080:`,
    ...workloads,
    policiesOf(policyResources(config)).trimEnd(),
    '# requests:',
    ...requests.map((each) => `#   ${requestText(each)}`),
    '',
  ].join('\n');
}

export function namesOf({ workloads, settings }: MeshConfig): Names {
  return { workloads, trustDomain: settings.trustDomain, rootNamespace: settings.rootNamespace };
}

function topologyOf(specs: readonly WorkloadSpec[], settings: MeshSettings): MeshConfig {
  const workloads = specs.map((spec, index): Workload => {
    const name = WORKLOADS[index] ?? 'omega';
    const first = specs.findIndex(({ namespace }) => namespace === spec.namespace);
    return {
      kind: 'Deployment',
      namespace: NAMESPACES[spec.namespace] ?? 'default',
      name,
      labels: { app: name },
      annotations: spec.bare ? { 'sidecar.istio.io/inject': 'false' } : {},
      serviceAccount: spec.shared ? (WORKLOADS[first] ?? name) : name,
      replicas: 1,
      ports: [{ number: CONTAINER_PORT, name: 'http', protocol: 'TCP' }],
      injected: !spec.bare,
      injectionReason: spec.bare
        ? 'Pod annotation sidecar.istio.io/inject=false'
        : 'namespace label istio-injection=enabled',
    };
  });
  const used = [...new Set(workloads.map(({ namespace }) => namespace))];
  return {
    ...EMPTY_MESH_CONFIG,
    settings,
    namespaces: used.map((name) => ({ name, labels: { 'istio-injection': 'enabled' }, annotations: {} })),
    serviceAccounts: workloads
      .filter(({ name, serviceAccount }) => name === serviceAccount)
      .map(({ namespace, name }) => ({ namespace, name })),
    workloads,
    services: workloads.map((workload) => serviceOf(workload, settings)),
  };
}

function serviceOf({ namespace, name, labels }: Workload, { clusterDomain }: MeshSettings): Service {
  return {
    namespace,
    name,
    metadata: { name, namespace, labels: {}, annotations: {} },
    host: `${name}.${namespace}.svc.${clusterDomain}`,
    selector: labels,
    headless: false,
    type: 'ClusterIP',
    ports: [{ name: 'http', port: CONTAINER_PORT, targetPort: CONTAINER_PORT, protocol: 'http' }],
  };
}

/** Two policies of one scope: the older counts. Without dates their order would be that of their names. */
function oldestFirst(policies: readonly PeerAuthentication[]): readonly PeerAuthentication[] {
  return policies.map((policy, index) => ({
    ...policy,
    metadata: { ...policy.metadata, creationTimestamp: `2026-01-01T00:00:0${index}Z` },
  }));
}

function fillRequests(config: MeshConfig, specs: readonly RequestSpec[]): readonly MeshRequest[] {
  const pools = boundaryPools(config);
  return specs.map((spec) => fillRequest(config, pools, spec));
}

function fillRequest(config: MeshConfig, pools: ReturnType<typeof boundaryPools>, spec: RequestSpec): MeshRequest {
  const at = <T>(list: readonly T[], index: number, otherwise: T): T => list[index % list.length] ?? otherwise;
  const workload = at(config.workloads, spec.to, config.workloads[0]);
  const tiers: readonly (string | undefined)[] = [undefined, undefined, 'gold', 'silver', 'goX', 'none'];
  const tier = tiers[spec.header];
  return {
    from: at<Caller>(pools.callers, spec.from, 'outside'),
    to: `${workload?.namespace ?? 'default'}/${workload?.name ?? 'none'}:${CONTAINER_PORT}`,
    method: at(pools.methods, spec.method, 'GET'),
    path: at(pools.paths, spec.path, '/'),
    ...(tier === undefined ? {} : { headers: { 'x-tier': tier } }),
  };
}
