/**
 * What the rules of the linter share: the configuration, views of it that are compiled once, and where findings go.
 * @module
 */
import {
  formatPath,
  selects,
  type AuthorizationPolicy,
  type Condition,
  type ConfigPath,
  type MeshConfig,
  type Operation,
  type ResourceOrigin,
  type Service,
  type Source,
  type SourcePosition,
  type Workload,
  type WorkloadSelector,
} from '../istio/index.ts';
import {
  compileDestinationRules,
  compilePeerAuthentication,
  compileServiceRegistry,
  inboundPorts,
  targetPortOf,
  type CompiledPeerAuthentication,
  type DestinationRuleIndex,
  type InboundPort,
  type ServiceRegistry,
} from '../policy/index.ts';
import { lintRule, type LintCode, type LintSeverity } from './lint-codes.ts';

/** Something the linter found. */
export interface Finding {
  readonly code: LintCode;
  /** Codes of istioctl and Kiali for the same finding. */
  readonly aliases: readonly string[];
  readonly severity: LintSeverity;
  readonly message: string;
  readonly resource: { readonly kind: string; readonly namespace: string; readonly name: string };
  /** Below the resource, `spec.rules[0]`. */
  readonly path: string;
  /** Absent where the resource was built by code. */
  readonly position?: SourcePosition;
}

/** What a finding is about. */
export interface LintSubject {
  readonly kind: string;
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly origin?: ResourceOrigin;
}

export type LintRules = (context: LintContext) => void;

interface Selecting {
  readonly metadata: { readonly namespace: string };
  readonly spec: { readonly selector?: WorkloadSelector };
}

export class LintContext {
  readonly config: MeshConfig;
  readonly findings: Finding[] = [];
  readonly peerAuthentication: CompiledPeerAuthentication;
  readonly registry: ServiceRegistry;
  readonly destinationRules: DestinationRuleIndex;
  readonly #ports = new Map<Workload, readonly InboundPort[]>();

  constructor(config: MeshConfig) {
    this.config = config;
    this.peerAuthentication = compilePeerAuthentication(config);
    this.registry = compileServiceRegistry(config);
    this.destinationRules = compileDestinationRules(config);
  }

  report(code: LintCode, subject: LintSubject, path: ConfigPath, message: string): void {
    const { severity, aliases } = lintRule(code);
    const { name, namespace, annotations } = subject.metadata;
    if (isIgnored(annotations, [code, ...aliases])) return;
    const position = subject.origin?.position(path);
    this.findings.push({
      code,
      aliases,
      severity,
      message,
      resource: { kind: subject.kind, namespace, name },
      path: formatPath(path),
      ...(position === undefined ? {} : { position }),
    });
  }

  /** Workloads an AuthorizationPolicy or RequestAuthentication is for: in the root namespace, those of all namespaces. */
  selected({ metadata, spec }: Selecting): readonly Workload[] {
    const everywhere = metadata.namespace === this.config.settings.rootNamespace;
    return this.config.workloads.filter(
      (workload) =>
        (everywhere || workload.namespace === metadata.namespace) &&
        selects(spec.selector?.matchLabels, workload.labels),
    );
  }

  /** Ports of a workload that a Service or a Sidecar declares. */
  ports(workload: Workload): readonly InboundPort[] {
    const known = this.#ports.get(workload) ?? inboundPorts(this.config, workload);
    this.#ports.set(workload, known);
    return known;
  }

  /** Whether a workload has the port, by its containers or by a Service. */
  hasPort(workload: Workload, port: number): boolean {
    const own = workload.ports.some(({ number }) => number === port);
    return own || this.ports(workload).some((declared) => declared.port === port);
  }

  servicesOf(workload: Workload): readonly Service[] {
    return this.config.services.filter((service) => selectsPods(service, workload));
  }

  workloadsOf(service: Service): readonly Workload[] {
    return this.config.workloads.filter((workload) => selectsPods(service, workload));
  }

  /** The workload port behind a Service port of these workloads, where it is another number. */
  behindServicePort(workloads: readonly Workload[], port: number): number | undefined {
    for (const workload of workloads) {
      for (const service of this.servicesOf(workload)) {
        const found = service.ports.find((declared) => declared.port === port);
        const target = found === undefined ? undefined : targetPortOf(workload, found.targetPort);
        if (target !== undefined && target !== port) return target;
      }
    }
    return undefined;
  }
}

const IGNORE = 'kiali.io/ignore-validations';

/** Kiali's own annotation: a list of codes, or nothing for all of them. */
function isIgnored(annotations: Readonly<Record<string, string>>, codes: readonly string[]): boolean {
  if (!Object.hasOwn(annotations, IGNORE)) return false;
  const listed = (annotations[IGNORE] ?? '').split(',').map((code) => code.trim());
  return listed.every((code) => code === '') || codes.some((code) => listed.includes(code));
}

function selectsPods(service: Service, workload: Workload): boolean {
  const { selector } = service;
  if (selector === undefined || Object.keys(selector).length === 0) return false;
  return service.namespace === workload.namespace && selects(selector, workload.labels);
}

/** A workload as the subject of a finding. */
export function workloadSubject(workload: Workload): LintSubject {
  const { kind, namespace, name, annotations, origin } = workload;
  return { kind, metadata: { namespace, name, annotations }, ...(origin === undefined ? {} : { origin }) };
}

export function serviceSubject(service: Service): LintSubject {
  const { metadata, origin } = service;
  return { kind: 'Service', metadata, ...(origin === undefined ? {} : { origin }) };
}

export interface RuleItem<T> {
  readonly item: T;
  readonly path: ConfigPath;
}

export function sourcesOf(policy: AuthorizationPolicy, rule?: number): readonly RuleItem<Source>[] {
  return rulesOf(policy, rule).flatMap(({ item, path }) =>
    (item.from ?? []).map(({ source }, index) => ({ item: source, path: [...path, 'from', index, 'source'] })),
  );
}

export function operationsOf(policy: AuthorizationPolicy, rule?: number): readonly RuleItem<Operation>[] {
  return rulesOf(policy, rule).flatMap(({ item, path }) =>
    (item.to ?? []).map(({ operation }, index) => ({ item: operation, path: [...path, 'to', index, 'operation'] })),
  );
}

export function conditionsOf(policy: AuthorizationPolicy, rule?: number): readonly RuleItem<Condition>[] {
  return rulesOf(policy, rule).flatMap(({ item, path }) =>
    (item.when ?? []).map((condition, index) => ({ item: condition, path: [...path, 'when', index] })),
  );
}

export function rulesOf(
  policy: AuthorizationPolicy,
  only?: number,
): readonly RuleItem<NonNullable<AuthorizationPolicy['spec']['rules']>[number]>[] {
  const all = (policy.spec.rules ?? []).map((item, index) => ({ item, path: ['spec', 'rules', index] }));
  return only === undefined ? all : all.slice(only, only + 1);
}

/** One value of a policy and what it is compared with: `principals`, `paths`, or the key of a condition. */
export interface PolicyValue {
  readonly field: string;
  readonly value: string;
  readonly negated: boolean;
  readonly path: ConfigPath;
}

/** Names of conditions that say the same as a field of `source` or `operation`. */
const SAME_AS: ReadonlyMap<string, string> = new Map([
  ['source.principal', 'principals'],
  ['source.namespace', 'namespaces'],
  ['source.serviceAccount', 'serviceAccounts'],
  ['source.trustDomain', 'trustDomains'],
  ['request.auth.principal', 'requestPrincipals'],
  ['destination.port', 'ports'],
  ['source.ip', 'ipBlocks'],
  ['remote.ip', 'remoteIpBlocks'],
]);

/** Every value of a policy, or of one rule of it, `not…` lists included, under the name of the positive field. */
export function valuesOf(policy: AuthorizationPolicy, rule?: number): readonly PolicyValue[] {
  const lists = [...sourcesOf(policy, rule), ...operationsOf(policy, rule)].flatMap(({ item, path }) =>
    Object.entries<readonly string[]>({ ...item }).flatMap(([name, values]) => {
      const negated = name.startsWith('not');
      const field = negated ? name.charAt(3).toLowerCase() + name.slice(4) : name;
      return values.map((value, index) => ({ field, value, negated, path: [...path, name, index] }));
    }),
  );
  const conditions = conditionsOf(policy, rule).flatMap(({ item, path }) => {
    const field = SAME_AS.get(item.key) ?? item.key;
    const of = (name: 'values' | 'notValues'): PolicyValue[] =>
      (item[name] ?? []).map((value, index) => ({
        field,
        value,
        negated: name === 'notValues',
        path: [...path, name, index],
      }));
    return [...of('values'), ...of('notValues')];
  });
  return [...lists, ...conditions];
}
