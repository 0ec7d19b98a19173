/**
 * Policies whose values refer to workloads, by place in a list: what a place means is filled in when the list is there.
 * So nothing is chained, and shrinking drops rules, alternatives and workloads one at a time.
 * @module
 */
import * as fc from 'fast-check';
import type {
  AuthorizationAction,
  AuthorizationPolicy,
  AuthorizationRule,
  Condition,
  DestinationRule,
  MutualTlsMode,
  Operation,
  PeerAuthentication,
  Source,
  Workload,
} from '../istio/index.ts';

/** The workloads and settings that references are filled in from. */
export interface Names {
  readonly workloads: readonly Workload[];
  readonly trustDomain: string;
  readonly rootNamespace: string;
}

/** A value that waits for the names of its world. */
export type Draft<T> = (names: Names) => T;

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;
const PATHS = ['/api/*', '/admin', '/api/v1/*', '*.css', '/', '/api/{*}/items', '/healthz'] as const;
const TIERS = ['gold', 'silver', 'go*'] as const;

function pick<T>(list: readonly T[], place: number): T | undefined {
  return list[place % Math.max(1, list.length)];
}

/** How a value of a list refers to a workload. */
const FORMS = ['exact', 'namespace', 'suffix', 'any'] as const;

function principal(names: Names, place: number, form: (typeof FORMS)[number]): string {
  const workload = pick(names.workloads, place);
  if (workload === undefined || form === 'any') return '*';
  const { namespace, serviceAccount } = workload;
  if (form === 'namespace') return `${names.trustDomain}/ns/${namespace}/*`;
  if (form === 'suffix') return `*/ns/${namespace}/sa/${serviceAccount}`;
  return `${names.trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

const place = fc.nat({ max: 7 });
const places = fc.array(place, { minLength: 1, maxLength: 3 });

const source: fc.Arbitrary<Draft<Source>> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('principals', 'notPrincipals'),
      fc.array(fc.tuple(place, fc.constantFrom(...FORMS)), { minLength: 1, maxLength: 3 }),
    )
    .map(([field, values]): Draft<Source> => (names) => ({
      [field]: unique(values.map(([at, form]) => principal(names, at, form))),
    })),
  fc.tuple(fc.constantFrom('namespaces', 'notNamespaces'), places).map(([field, values]): Draft<Source> => (names) => ({
    [field]: unique(values.map((at) => pick(names.workloads, at)?.namespace ?? 'default')),
  })),
  fc
    .tuple(fc.constantFrom('serviceAccounts', 'notServiceAccounts'), places)
    .map(([field, values]): Draft<Source> => (names) => ({
      [field]: unique(
        values.map((at) => {
          const workload = pick(names.workloads, at);
          return workload === undefined ? 'default' : `${workload.namespace}/${workload.serviceAccount}`;
        }),
      ),
    })),
);

function texts<Field extends string>(
  fields: readonly Field[],
  values: readonly string[],
): fc.Arbitrary<Readonly<Record<string, readonly string[]>>> {
  return fc
    .tuple(fc.constantFrom(...fields), fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 }))
    .map(([field, list]) => ({ [field]: list }));
}

const operation: fc.Arbitrary<Operation> = fc
  .array(
    fc.oneof(
      texts(['methods', 'notMethods'], METHODS),
      texts(['paths', 'notPaths'], PATHS),
      texts(['ports', 'notPorts'], ['8080', '9090']),
    ),
    { minLength: 1, maxLength: 2 },
  )
  .map((parts) => Object.assign({}, ...parts) as Operation);

const condition: fc.Arbitrary<Condition> = fc
  .tuple(
    fc.constantFrom('values', 'notValues'),
    fc.uniqueArray(fc.constantFrom(...TIERS), { minLength: 1, maxLength: 2 }),
  )
  .map(([field, values]) => ({ key: 'request.headers[x-tier]', [field]: values }));

/** A rule of up to two alternatives on each side and one condition; the empty rule matches everything. */
export const ruleDraft: fc.Arbitrary<Draft<AuthorizationRule>> = fc
  .record({
    from: fc.array(source, { maxLength: 2 }),
    to: fc.array(operation, { maxLength: 2 }),
    when: fc.array(condition, { maxLength: 1 }),
  })
  .map(({ from, to, when }): Draft<AuthorizationRule> => (names) => ({
    ...(from.length === 0 ? {} : { from: from.map((draft) => ({ source: draft(names) })) }),
    ...(to.length === 0 ? {} : { to: to.map((each) => ({ operation: each })) }),
    ...(when.length === 0 ? {} : { when }),
  }));

/** Where a policy stands: in the namespace of a workload, which it may or may not select, or in the root namespace. */
const scope = fc.record({ workload: place, reach: fc.constantFrom('workload', 'namespace', 'mesh') });

function target(
  names: Names,
  at: { readonly workload: number; readonly reach: string },
): {
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
} {
  const workload = pick(names.workloads, at.workload);
  if (workload === undefined || at.reach === 'mesh') return { namespace: names.rootNamespace };
  return at.reach === 'workload'
    ? { namespace: workload.namespace, labels: workload.labels }
    : { namespace: workload.namespace };
}

function metadata(name: string, namespace: string): AuthorizationPolicy['metadata'] {
  return { name, namespace, labels: {}, annotations: {} };
}

export function authorizationDraft(
  constraints: { readonly actions?: readonly AuthorizationAction[]; readonly maxRules?: number } = {},
): fc.Arbitrary<(names: Names, name: string) => AuthorizationPolicy> {
  const { actions = ['ALLOW', 'DENY'], maxRules = 3 } = constraints;
  return fc
    .record({ scope, action: fc.constantFrom(...actions), rules: fc.array(ruleDraft, { maxLength: maxRules }) })
    .map(({ scope: at, action, rules }) => (names: Names, name: string): AuthorizationPolicy => {
      const { namespace, labels } = target(names, at);
      return {
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata: metadata(name, namespace),
        spec: {
          ...(labels === undefined ? {} : { selector: { matchLabels: labels } }),
          action,
          // Istio refuses a DENY without rules; one empty rule denies everything.
          rules: rules.length === 0 && action !== 'ALLOW' ? [{}] : rules.map((draft) => draft(names)),
        },
      };
    });
}

export function peerDraft(
  modes: readonly MutualTlsMode[] = ['STRICT', 'PERMISSIVE', 'DISABLE'],
): fc.Arbitrary<(names: Names, name: string) => PeerAuthentication> {
  return fc
    .record({ scope, mode: fc.constantFrom(...modes), port: fc.option(fc.constantFrom(...modes), { nil: undefined }) })
    .map(({ scope: at, mode, port }) => (names: Names, name: string): PeerAuthentication => {
      const { namespace, labels } = target(names, at);
      return {
        apiVersion: 'security.istio.io/v1',
        kind: 'PeerAuthentication',
        metadata: metadata(name, namespace),
        spec: {
          ...(labels === undefined ? {} : { selector: { matchLabels: labels } }),
          mtls: { mode },
          // Istio reads port entries only where a selector names the workload.
          ...(port === undefined || labels === undefined ? {} : { portLevelMtls: { '8080': { mode: port } } }),
        },
      };
    });
}

export function destinationDraft(): fc.Arbitrary<(names: Names, name: string) => DestinationRule> {
  return fc
    .record({ workload: place, mode: fc.constantFrom('ISTIO_MUTUAL' as const, 'DISABLE' as const) })
    .map(({ workload, mode }) => (names: Names, name: string): DestinationRule => {
      const { namespace = 'default', name: host = 'none' } = pick(names.workloads, workload) ?? {};
      return {
        apiVersion: 'networking.istio.io/v1',
        kind: 'DestinationRule',
        metadata: metadata(name, namespace),
        spec: { host: `${host}.${namespace}.svc.cluster.local`, trafficPolicy: { tls: { mode } } },
      };
    });
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
