/**
 * Who decides: meshproof, casbin, Cedar's WebAssembly build with policies parsed beforehand, and whoever a clone adds.
 * @module
 */
import {
  type AuthorizationPolicy,
  type AuthorizationRule,
  DEFAULT_MESH_SETTINGS,
  EMPTY_MESH_CONFIG,
  type MeshConfig,
  type Workload,
} from '../../istio/index.ts';
import { type AuthorizationRequest, compileAuthorization } from '../../policy/index.ts';
import type { SimpleRequest, SimpleRule, World } from './worlds.ts';

/** Whether the request is allowed. */
export type Decide = (request: SimpleRequest) => boolean;

/** Another evaluator of the same configuration, such as the naive one that tests use as oracle. */
export interface ExtraDecider {
  readonly name: string;
  readonly decide: (config: MeshConfig, request: AuthorizationRequest) => boolean;
}

export function meshproof(world: World): { readonly decide: Decide; readonly compileMs: number } {
  const config = configOf(world);
  const start = performance.now();
  const compiled = compileAuthorization(config);
  const decide = asked(world, (request) => compiled.authorize(request).decision === 'allow');
  for (const request of world.requests.slice(0, 1)) decide(request);
  return { decide, compileMs: performance.now() - start };
}

export function extra(world: World, { decide }: ExtraDecider): Decide {
  const config = configOf(world);
  return asked(world, (request) => decide(config, request));
}

/** Requests are made beforehand, as a sidecar has them. */
function asked(world: World, allows: (request: AuthorizationRequest) => boolean): Decide {
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
    return ready !== undefined && allows(ready);
  };
}

function principalOf(account: string): string {
  return `cluster.local/ns/default/sa/${account}`;
}

const GATEWAY: Workload = {
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

function configOf({ allow, deny }: World): MeshConfig {
  const policies = [
    ...allow.map((rules, i) => policyOf(`allow-${i}`, 'ALLOW', rules)),
    ...(deny.length === 0 ? [] : [policyOf('deny', 'DENY', deny)]),
  ];
  return {
    ...EMPTY_MESH_CONFIG,
    settings: DEFAULT_MESH_SETTINGS,
    authorizationPolicies: policies,
    workloads: [GATEWAY],
  };
}

function policyOf(name: string, action: 'ALLOW' | 'DENY', rules: readonly SimpleRule[]): AuthorizationPolicy {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace: 'default', labels: {}, annotations: {} },
    spec: { selector: { matchLabels: { app: 'api-gateway' } }, action, rules: rules.map(istioRule) },
  };
}

function istioRule({ account, methods, paths }: SimpleRule): AuthorizationRule {
  return { from: [{ source: { principals: [principalOf(account)] } }], to: [{ operation: { methods, paths } }] };
}

const CASBIN_MODEL = `
[request_definition]
r = sub, act, obj
[policy_definition]
p = sub, act, obj, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.sub == p.sub && r.act == p.act && keyMatch(r.obj, p.obj)
`;

export async function casbin(library: typeof import('casbin'), { allow, deny }: World): Promise<Decide> {
  const enforcer = await library.newEnforcer(library.newModelFromString(CASBIN_MODEL));
  const lines = (rules: readonly SimpleRule[], effect: string): string[][] =>
    rules.flatMap(({ account, methods, paths }) =>
      methods.flatMap((method) => paths.map((path) => [account, method, path, effect])),
    );
  await enforcer.addPolicies([...lines(allow.flat(), 'allow'), ...lines(deny, 'deny')]);
  return ({ account, method, path }) => enforcer.enforceSync(account, method, path);
}

export function cedar(library: typeof import('@cedar-policy/cedar-wasm/nodejs'), world: World): Decide {
  const text = [
    ...world.allow.flat().map((rule) => cedarRule('permit', rule)),
    ...world.deny.map((rule) => cedarRule('forbid', rule)),
  ].join('\n');
  const preparsedPolicySetId = `bench, ${world.name}`;
  const parsed = library.preparsePolicySet(preparsedPolicySetId, { staticPolicies: text });
  if (parsed.type === 'failure') throw new Error(`cedar: ${parsed.errors[0]?.message ?? 'policies refused'}`);
  const action = { type: 'Action', id: 'call' };
  const resource = { type: 'Service', id: 'api-gateway' };
  return ({ account, method, path }) => {
    const principal = { type: 'Account', id: account };
    const call = { principal, action, resource, context: { method, path }, preparsedPolicySetId, entities: [] };
    const answer = library.statefulIsAuthorized(call);
    return answer.type === 'success' && answer.response.decision === 'allow';
  };
}

function cedarRule(effect: 'permit' | 'forbid', { account, methods, paths }: SimpleRule): string {
  const path = paths.map((each) => `context.path like "${each}"`).join(' || ');
  return `${effect}(principal == Account::"${account}", action == Action::"call", resource) when { ${JSON.stringify(methods)}.contains(context.method) && (${path}) };`;
}
