/**
 * Who decides: meshproof, casbin, Cedar's WebAssembly build with policies parsed beforehand, and whoever a clone adds.
 * @module
 */
import type * as cedarPackage from '@cedar-policy/cedar-wasm/nodejs';
import type * as casbinPackage from 'casbin';
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

type CasbinLibrary = Pick<typeof casbinPackage, 'newEnforcer' | 'newModelFromString'>;
export type CedarLibrary = Pick<typeof cedarPackage, 'preparsePolicySet' | 'statefulIsAuthorized'>;

/** Whether the world's request of this index is allowed. What a contender is asked with is made beforehand. */
export type Decide = (index: number) => boolean;

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
  // Policies compile when they are first asked for.
  decide(0);
  return { decide, compileMs: performance.now() - start };
}

export function extra(world: World, { decide }: ExtraDecider): Decide {
  const config = configOf(world);
  return asked(world, (request) => decide(config, request));
}

function asked(world: World, allows: (request: AuthorizationRequest) => boolean): Decide {
  return prepared(world, allows, ({ account, method, path }) => ({
    destination: { namespace: 'default', workload: 'api-gateway', port: 8080 },
    source: { principal: principalOf(account), ip: '10.0.0.5' },
    request: { method, host: 'api-gateway', path },
  }));
}

function prepared<T>(
  { requests }: World,
  allows: (question: T) => boolean,
  questionOf: (request: SimpleRequest) => T,
): Decide {
  const questions = requests.map(questionOf);
  return (index) => {
    const question = questions[index];
    return question !== undefined && allows(question);
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

export async function casbin(library: CasbinLibrary, world: World): Promise<Decide> {
  const { allow, deny } = world;
  const enforcer = await library.newEnforcer(library.newModelFromString(CASBIN_MODEL));
  const lines = (rules: readonly SimpleRule[], effect: string): string[][] =>
    rules.flatMap(({ account, methods, paths }) =>
      methods.flatMap((method) => paths.map((path) => [account, method, path, effect])),
    );
  await enforcer.addPolicies([...lines(allow.flat(), 'allow'), ...lines(deny, 'deny')]);
  return prepared<readonly [string, string, string]>(
    world,
    (question) => enforcer.enforceSync(...question),
    ({ account, method, path }) => [account, method, path],
  );
}

export function cedar(library: CedarLibrary, world: World): Decide {
  const text = [
    ...world.allow.flat().map((rule) => cedarRule('permit', rule)),
    ...world.deny.map((rule) => cedarRule('forbid', rule)),
  ].join('\n');
  const preparsedPolicySetId = `bench, ${world.name}`;
  const parsed = library.preparsePolicySet(preparsedPolicySetId, { staticPolicies: text });
  if (parsed.type === 'failure') throw new Error(`cedar: ${parsed.errors[0]?.message ?? 'policies refused'}`);
  const action = { type: 'Action', id: 'call' };
  const resource = { type: 'Service', id: 'api-gateway' };
  return prepared(
    world,
    (call: Parameters<typeof library.statefulIsAuthorized>[0]) => {
      const answer = library.statefulIsAuthorized(call);
      return answer.type === 'success' && answer.response.decision === 'allow';
    },
    ({ account, method, path }) => {
      const principal = { type: 'Account', id: account };
      return { principal, action, resource, context: { method, path }, preparsedPolicySetId, entities: [] };
    },
  );
}

function cedarRule(effect: 'permit' | 'forbid', { account, methods, paths }: SimpleRule): string {
  const path = paths.map((each) => `context.path like "${each}"`).join(' || ');
  return `${effect}(principal == Account::"${account}", action == Action::"call", resource) when { ${JSON.stringify(methods)}.contains(context.method) && (${path}) };`;
}
