/**
 * What a decision costs, and how that grows with the number of rules that cannot match.
 *
 * Beside meshproof, in the same run, on equivalent policies and the same requests: casbin, Cedar's WebAssembly build
 * (policies parsed beforehand) and the naive evaluator that serves as oracle in tests. All of them have to give the same
 * answers before any is timed. Goals: at most 0.25 µs for the brief's two policies, and 10,000 rules at most four times
 * slower than two. Not asked: reading YAML, compiling (it is printed), memory.
 */
import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { newEnforcer, newModelFromString } from 'casbin';
import {
  DEFAULT_MESH_SETTINGS,
  EMPTY_MESH_CONFIG,
  type AuthorizationPolicy,
  type AuthorizationRule,
  type MeshConfig,
} from '../src/istio/index.ts';
import { compileAuthorization, type AuthorizationRequest } from '../src/policy/index.ts';
import { naiveAuthorize } from '../test/differential/naive-authorization.ts';

export interface AuthzParameters {
  /** Numbers of rules, beside the brief's own policies. */
  readonly sizes: readonly number[];
  /** Packages run up to this size. */
  readonly peersMax: number;
  /** How long each contender is timed. */
  readonly budgetMs: number;
}

export interface AuthzRow {
  /** `brief`, or the number of rules. */
  readonly world: string;
  readonly name: string;
  readonly medianUs: number;
  /** To meshproof in the same world. */
  readonly ratio: number;
  readonly samples: number;
  /** From configuration to the first answer; meshproof only. */
  readonly compileMs?: number;
}

export interface AuthzResult {
  readonly name: string;
  readonly rows: readonly AuthzRow[];
  /** Our time at 10,000 rules (or the largest size) over that at the smallest. */
  readonly growth: number;
}

/** A rule of the kind every contender can express: callers, methods, path prefixes. */
interface SimpleRule {
  readonly account: string;
  readonly methods: readonly string[];
  /** Ending in an asterisk. */
  readonly paths: readonly string[];
}

interface World {
  readonly name: string;
  readonly policies: readonly (readonly SimpleRule[])[];
  readonly requests: readonly SimpleRequest[];
}

interface SimpleRequest {
  readonly account: string;
  readonly method: string;
  readonly path: string;
}

type Decide = (request: SimpleRequest) => boolean;

const BRIEF: World = {
  name: 'brief',
  policies: [
    [
      { account: 'frontend', methods: ['GET', 'POST'], paths: ['/api/*'] },
      { account: 'admin-service', methods: ['GET', 'POST', 'PUT', 'DELETE'], paths: ['/api/admin/*'] },
    ],
    [{ account: 'retool', methods: ['GET', 'POST'], paths: ['/api/v1/users/*', '/api/v1/orders/*'] }],
  ],
  requests: [
    { account: 'frontend', method: 'GET', path: '/api/users' },
    { account: 'admin-service', method: 'DELETE', path: '/api/admin/users/7' },
    { account: 'retool', method: 'POST', path: '/api/v1/orders/9' },
    { account: 'frontend', method: 'PUT', path: '/api/users' },
    { account: 'retool', method: 'GET', path: '/api/admin/users' },
  ],
};

const REQUESTS = 64;
/** Prime, to visit rules in no order that a cache could like. */
const STRIDE = 7919;

function worldOf(rules: number): World {
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const rule = (i * STRIDE) % rules;
    return { account: i % 4 === 3 ? 'nobody' : `caller-${rule}`, method: 'GET', path: `/api/${rule}/items` };
  });
  const list = Array.from({ length: rules }, (_, i) => ({
    account: `caller-${i}`,
    methods: ['GET'],
    paths: [`/api/${i}/*`],
  }));
  return { name: String(rules), policies: [list], requests };
}

function principalOf(account: string): string {
  return `cluster.local/ns/default/sa/${account}`;
}

function configOf(world: World): MeshConfig {
  const rulesOf = (rules: readonly SimpleRule[]): readonly AuthorizationRule[] =>
    rules.map(({ account, methods, paths }) => ({
      from: [{ source: { principals: [principalOf(account)] } }],
      to: [{ operation: { methods, paths } }],
    }));
  const policies: readonly AuthorizationPolicy[] = world.policies.map((rules, i) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: `policy-${i}`, namespace: 'default', labels: {}, annotations: {} },
    spec: { selector: { matchLabels: { app: 'api-gateway' } }, rules: rulesOf(rules) },
  }));
  return {
    ...EMPTY_MESH_CONFIG,
    settings: DEFAULT_MESH_SETTINGS,
    authorizationPolicies: policies,
    workloads: [GATEWAY],
  };
}

const GATEWAY: MeshConfig['workloads'][number] = {
  kind: 'Deployment',
  namespace: 'default',
  name: 'api-gateway',
  labels: { app: 'api-gateway' },
  annotations: {},
  serviceAccount: 'api-gateway',
  replicas: 1,
  ports: [],
  injected: true,
  injectionReason: 'bench',
};

/** Requests are made beforehand, as a sidecar has them. */
function askMesh(world: World, authorize: (request: AuthorizationRequest) => string): Decide {
  const made = new Map(
    world.requests.map((request) => [
      request,
      {
        destination: { namespace: 'default', workload: 'api-gateway', port: 8080 },
        source: { principal: principalOf(request.account), ip: '10.0.0.5' },
        request: { method: request.method, host: 'api-gateway', path: request.path },
      },
    ]),
  );
  return (request) => {
    const ready = made.get(request);
    return ready !== undefined && authorize(ready) === 'allow';
  };
}

const CASBIN_MODEL = `
[request_definition]
r = sub, act, obj
[policy_definition]
p = sub, act, obj
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.act == p.act && keyMatch(r.obj, p.obj)
`;

async function casbin(world: World): Promise<Decide> {
  const enforcer = await newEnforcer(newModelFromString(CASBIN_MODEL));
  const lines = world.policies
    .flat()
    .flatMap(({ account, methods, paths }) =>
      methods.flatMap((method) => paths.map((path) => [account, method, path])),
    );
  await enforcer.addPolicies(lines);
  return ({ account, method, path }) => enforcer.enforceSync(account, method, path);
}

function cedar(world: World): Decide {
  const text = world.policies
    .flat()
    .map(({ account, methods, paths }) => {
      const path = paths.map((each) => `context.path like "${each}"`).join(' || ');
      return `permit(principal == Account::"${account}", action == Action::"call", resource) when { ${JSON.stringify(methods)}.contains(context.method) && (${path}) };`;
    })
    .join('\n');
  const preparsedPolicySetId = `bench-${world.name}`;
  const parsed = preparsePolicySet(preparsedPolicySetId, { staticPolicies: text });
  if (parsed.type === 'failure') throw new Error(`cedar: ${parsed.errors[0]?.message ?? 'policies refused'}`);
  const action = { type: 'Action', id: 'call' };
  const resource = { type: 'Service', id: 'api-gateway' };
  return ({ account, method, path }) => {
    const principal = { type: 'Account', id: account };
    const context = { method, path };
    const answer = statefulIsAuthorized({ principal, action, resource, context, preparsedPolicySetId, entities: [] });
    return answer.type === 'success' && answer.response.decision === 'allow';
  };
}

interface Contender {
  readonly name: string;
  readonly decide: Decide;
  readonly compileMs?: number;
}

async function contenders(world: World, peers: boolean): Promise<readonly Contender[]> {
  const config = configOf(world);
  const start = performance.now();
  const compiled = compileAuthorization(config);
  const meshproof = askMesh(world, (request) => compiled.authorize(request).decision);
  for (const request of world.requests.slice(0, 1)) meshproof(request);
  const ours: Contender = { name: 'meshproof', decide: meshproof, compileMs: performance.now() - start };
  if (!peers) return [ours];
  return [
    ours,
    { name: 'naive evaluator', decide: askMesh(world, (request) => naiveAuthorize(config, request).decision) },
    { name: 'casbin', decide: await casbin(world) },
    { name: 'cedar (wasm)', decide: cedar(world) },
  ];
}

/** A sample is long enough for the clock: about this. */
const SAMPLE_MS = 1;

function samplesOf({ decide }: Contender, { requests }: World, budgetMs: number): readonly number[] {
  let next = 0;
  const timed = (count: number): number => {
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      const request = requests[next];
      if (request !== undefined) decide(request);
      next = next + 1 === requests.length ? 0 : next + 1;
    }
    return performance.now() - start;
  };
  const end = performance.now() + budgetMs;
  const samples: number[] = [];
  for (let count = 1; samples.length < 3 || performance.now() < end;) {
    const elapsed = timed(count);
    samples.push((1000 * elapsed) / count);
    if (elapsed < SAMPLE_MS / 2) count *= 2;
  }
  // The first ones ran before the compiler was done.
  return samples.slice(Math.floor(samples.length / 4));
}

async function measure(world: World, peers: boolean, budgetMs: number): Promise<readonly AuthzRow[]> {
  const field = await contenders(world, peers);
  const [ours] = field;
  for (const { name: who, decide } of field) {
    const wrong = world.requests.find((request) => decide(request) !== ours?.decide(request));
    if (wrong !== undefined) throw new Error(`${who} decides otherwise about ${JSON.stringify(wrong)}`);
  }
  let oursUs = Number.NaN;
  return field.map((contender) => {
    const samples = [...samplesOf(contender, world, budgetMs)].sort((a, b) => a - b);
    const medianUs = samples[Math.floor(samples.length / 2)] ?? Number.NaN;
    if (contender === ours) oursUs = medianUs;
    const { name: who, compileMs } = contender;
    const row = { world: world.name, name: who, medianUs, ratio: medianUs / oursUs, samples: samples.length };
    return compileMs === undefined ? row : { ...row, compileMs };
  });
}

async function run({ sizes, peersMax, budgetMs }: AuthzParameters): Promise<AuthzResult> {
  const rows: AuthzRow[] = [...(await measure(BRIEF, true, budgetMs))];
  for (const size of sizes) rows.push(...(await measure(worldOf(size), size <= peersMax, budgetMs)));
  const oursAt = (size: number | undefined): number =>
    rows.find((row) => row.world === String(size) && row.name === 'meshproof')?.medianUs ?? Number.NaN;
  const large = sizes.includes(GROWTH_SIZE) ? GROWTH_SIZE : sizes.at(-1);
  return { name, rows, growth: oursAt(large) / oursAt(sizes[0]) };
}

const GROWTH_SIZE = 10_000;

/** One line a row. */
function renderAuthz({ rows, growth }: AuthzResult): string {
  const lines = rows.map(({ world, name: who, medianUs, ratio, samples, compileMs }) =>
    [
      (world === 'brief' ? 'brief' : `${world} rules`).padEnd(13),
      who.padEnd(16),
      `${medianUs.toFixed(3)} µs`.padStart(15),
      `${ratio.toFixed(1)} x meshproof`.padStart(22),
      `${samples} samples`.padStart(15),
      compileMs === undefined ? '' : `  compiled in ${compileMs.toFixed(1)} ms`,
    ]
      .join(' ')
      .trimEnd(),
  );
  return [...lines, `growth of meshproof from the fewest rules to 10,000 (or the most): ${growth.toFixed(2)} x`].join(
    '\n',
  );
}

const name = 'authz';

export const authzBench: {
  readonly name: string;
  readonly question: string;
  readonly parameters: { readonly smoke: AuthzParameters; readonly full: AuthzParameters };
  readonly run: (parameters: AuthzParameters) => Promise<AuthzResult>;
  readonly render: (result: AuthzResult) => string;
} = {
  name,
  question: 'What does a decision cost, and how does that grow with rules that cannot match?',
  parameters: {
    smoke: { sizes: [2, 100], peersMax: 100, budgetMs: 20 },
    full: { sizes: [2, 100, 1000, 10_000, 100_000], peersMax: 10_000, budgetMs: 1500 },
  },
  run,
  render: renderAuthz,
};
