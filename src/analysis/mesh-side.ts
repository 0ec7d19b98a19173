/**
 * One of the two configurations of a comparison: which policies select a workload, how its ports are set up, and what
 * decides about one request.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';
import type { Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { ResourceOrigin, SourcePosition } from '../istio/resource.ts';
import { SelectorIndex } from '../istio/selector-index.ts';
import { policyAttaches, targetsOf } from '../policy/policy-attachment.ts';
import { AuthorizationProgram } from '../policy/authorization-program.ts';
import { isPort } from '../policy/clause.ts';
import type { Decision } from '../policy/decision.ts';
import { inboundPorts, type ProtocolClass } from '../policy/inbound-ports.ts';
import { compilePeerAuthentication, type CompiledPeerAuthentication } from '../policy/peer-authentication.ts';
import { acceptedTrustDomains } from '../policy/peer-names.ts';
import {
  AccessCompiler,
  causeOf,
  closedBy,
  seesServerName,
  openTo,
  type AccessProgram,
  type PortSetup,
  type RuleCubes,
  type Traffic,
} from './access-program.ts';
import type { AtomTable } from './atom.ts';
import { TokenPolicies, type TokenRules } from './token-rules.ts';
import { verdictOnToken } from './token-verdict.ts';
import type { Witness } from './witness.ts';

/** A workload, or what only selectors say of one. */
export type Subject = Pick<Workload, 'namespace' | 'name' | 'labels' | 'injected' | 'ports' | 'serviceAccount'> & {
  /** Absent: nothing declares it, the labels alone stand for it. */
  readonly declared?: Workload;
};

/** The ALLOW policies behind a denial that none of them prevented. */
export interface UnmatchedPolicies {
  /** How many ALLOW policies select the workload. */
  readonly selecting: number;
  /** The one that decides on the other side, where it is here, too; else the first that has rules. */
  readonly nearest: PolicyRef;
  readonly at?: SourcePosition;
  /** False: the nearest one is there and does not select the workload. */
  readonly selects: boolean;
}

/** What decides about a request on one side, and where that is written. */
export interface SideDecision {
  readonly decision: 'allow' | 'deny';
  readonly reason: string;
  readonly by?: PolicyRef;
  readonly at?: SourcePosition;
  /** Where no ALLOW policy matched: where to look. */
  readonly unmatched?: UnmatchedPolicies;
}

export interface SelectedPolicies {
  readonly policies: readonly AuthorizationPolicy[];
  /** Equal keys (over both sides), equal policies. */
  readonly key: string;
  readonly portsNamed: ReadonlySet<number>;
  /** What RequestAuthentications ask of tokens; absent where none applies. */
  readonly tokens?: TokenRules;
}

/** Ports that nothing names share one setup. */
export const OTHER_PORT = -1;

export class MeshSide {
  readonly config: MeshConfig;
  readonly peers: CompiledPeerAuthentication;
  readonly #compiler: AccessCompiler;
  readonly #keys: Map<string, number>;
  readonly #settingsKey: string;
  readonly #policies: SelectorIndex<AuthorizationPolicy>;
  readonly #targeted: readonly AuthorizationPolicy[];
  readonly #tokens: TokenPolicies;
  readonly #workloads: ReadonlyMap<string, Workload>;
  readonly #programs = new Map<string, AccessProgram>();
  #last:
    | {
        readonly policies: readonly AuthorizationPolicy[];
        readonly port: number;
        readonly program: AuthorizationProgram;
      }
    | undefined;
  #verdicts: Witness['verdicts'] = {};
  #origins: ReadonlyMap<string, ResourceOrigin> | undefined;

  /** `keys` numbers policies by content; both sides share it, as they share the atoms. */
  constructor(config: MeshConfig, atoms: AtomTable, keys: Map<string, number>) {
    this.config = config;
    this.peers = compilePeerAuthentication(config);
    this.#compiler = new AccessCompiler(config.settings, atoms);
    this.#tokens = new TokenPolicies(config);
    this.#keys = keys;
    const { trustDomain, trustDomainAliases, caTrustDomains, extensionProviders, unusableProviders } = config.settings;
    this.#settingsKey = JSON.stringify([
      trustDomain,
      trustDomainAliases,
      caTrustDomains,
      extensionProviders.map(({ name, protocol }) => [name, protocol]),
      unusableProviders,
    ]);
    const isTargeted = (policy: AuthorizationPolicy): boolean => targetsOf(policy).length > 0;
    this.#targeted = config.authorizationPolicies.filter(isTargeted);
    this.#policies = new SelectorIndex(
      config.authorizationPolicies.filter((policy) => !isTargeted(policy)),
      ({ metadata, spec }) => ({ namespace: metadata.namespace, labels: spec.selector?.matchLabels }),
    );
    this.#workloads = new Map(config.workloads.map((workload) => [`${workload.namespace}/${workload.name}`, workload]));
  }

  subject(name: string): Subject | undefined {
    const workload = this.#workloads.get(name);
    return workload === undefined ? undefined : { ...workload, declared: workload };
  }

  get names(): readonly string[] {
    return [...this.#workloads.keys()];
  }

  /** The policies that select a subject, in the order of the configuration. */
  select(subject: Subject): SelectedPolicies {
    let selected = this.#selections.get(subject);
    if (selected === undefined) {
      selected = this.#select(subject);
      this.#selections.set(subject, selected);
    }
    return selected;
  }

  #select({ namespace, labels }: Subject): SelectedPolicies {
    const { rootNamespace } = this.config.settings;
    const own = this.#policies.selecting(namespace, labels);
    const root = namespace === rootNamespace ? [] : this.#policies.selecting(rootNamespace, labels);
    const bound = this.#targeted.filter((policy) => policyAttaches(policy, { namespace, labels }, rootNamespace));
    const policies = root.length === 0 && bound.length === 0 ? own : [...root, ...own, ...bound];
    // The order in which policies are written decides nothing.
    const key = policies
      .map((policy) => this.#keyOf(policy))
      .sort((a, b) => a - b)
      .join(',');
    for (const policy of policies) this.#selected.add(policy);
    const tokens = this.#tokens.for({ namespace, labels });
    const portNames = new Set(policies.flatMap(portsNamed));
    return { policies, key, portsNamed: portNames, ...(tokens === undefined ? {} : { tokens }) };
  }

  /** Policies that select nothing asked for so far. */
  get unselected(): readonly AuthorizationPolicy[] {
    return this.config.authorizationPolicies.filter((policy) => !this.#selected.has(policy));
  }

  readonly #selections = new WeakMap<Subject, SelectedPolicies>();
  readonly #selected = new Set<AuthorizationPolicy>();
  readonly #policyKeys = new Map<AuthorizationPolicy, number>();

  #keyOf(policy: AuthorizationPolicy): number {
    let key = this.#policyKeys.get(policy);
    if (key === undefined) {
      const { action, provider, rules } = policy.spec;
      const { namespace, annotations } = policy.metadata;
      const text = JSON.stringify([namespace, annotations['istio.io/dry-run'], action, provider, rules]);
      key = this.#keys.get(text) ?? this.#keys.size;
      this.#keys.set(text, key);
      this.#policyKeys.set(policy, key);
    }
    return key;
  }

  /** Ports that a Service or the Pod declares, or a PeerAuthentication names, and one for all others. */
  ports(subject: Subject): ReadonlyMap<number, ProtocolClass> {
    const ports = new Map<number, ProtocolClass>();
    for (const port of this.peers.listedPorts(subject)) ports.set(port, 'unknown');
    for (const { number } of subject.ports) ports.set(number, 'unknown');
    if (subject.declared !== undefined) {
      for (const { port, protocolClass } of inboundPorts(this.config, subject.declared)) ports.set(port, protocolClass);
    }
    return ports.set(OTHER_PORT, 'unknown');
  }

  setup(subject: Subject, port: number, protocol: ProtocolClass): PortSetup {
    const { mode, determinedBy } = this.peers.of(subject, port === OTHER_PORT ? undefined : port);
    return { port, protocol, mode, ...(determinedBy === undefined ? {} : { modeBy: determinedBy }) };
  }

  /** Equal keys (over both sides), equal programs; `causes`: whose stages have the same causes, too. */
  programKey(
    selected: SelectedPolicies,
    setup: PortSetup,
    traffic: Traffic,
    compare: 'outcomes' | 'causes' = 'outcomes',
  ): string {
    const pipeline = AccessCompiler.pipeline(setup.protocol, traffic);
    if (pipeline === undefined) return 'unreadable';
    const port = selected.portsNamed.size === 0 ? '' : setup.port;
    const tokens = pipeline === 'http' ? selected.tokens : undefined;
    const paths = pipeline === 'http' ? this.config.settings.pathNormalization : '';
    const refused = setup.refusesPaths === true ? ' refusing' : '';
    const key = `${selected.key};${setup.mode};${pipeline};${paths}${refused};${port};${tokens?.key ?? ''};${this.#settingsKey}`;
    if (compare === 'outcomes') return key;
    const { modeBy } = setup;
    const names = selected.policies
      .map((policy) => `${this.#keyOf(policy)} ${policy.metadata.namespace}/${policy.metadata.name}`)
      .sort();
    return `${key};${modeBy === undefined ? '' : causeOf(modeBy)};${names.join()};${tokens?.causeKey ?? ''}`;
  }

  /**
   * Whether every path gets to the policies, or to the application where there are none; else those that cannot be
   * normalised are answered 400. Nothing where no request gets that far.
   */
  takesEveryPath(subject: Subject | undefined, protocol: ProtocolClass, traffic: Traffic): boolean | undefined {
    const pipeline = AccessCompiler.pipeline(protocol, traffic);
    if (subject === undefined || pipeline === undefined || traffic !== 'http') return undefined;
    return !subject.injected || pipeline === 'tcp' || this.config.settings.pathNormalization === 'NONE';
  }

  program(key: string, { policies, tokens }: SelectedPolicies, setup: PortSetup, traffic: Traffic): AccessProgram {
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = this.#compiler.program(policies, setup, traffic, tokens);
      this.#programs.set(key, program);
    }
    return program;
  }

  rules({ policies }: SelectedPolicies, setup: PortSetup, traffic: Traffic): readonly RuleCubes[] {
    return this.#compiler.rules(policies, setup, traffic);
  }

  /** Where a rule or a resource is written. */
  positionOf(ref: PolicyRef): SourcePosition | undefined {
    return this.#written(ref).at;
  }

  /** What becomes of a witness here, and by what. */
  decide(subject: Subject | undefined, setup: PortSetup, traffic: Traffic, witness: Witness): SideDecision {
    if (subject === undefined) return { decision: 'deny', reason: ABSENT };
    if (!subject.injected) return { decision: 'allow', reason: BARE };
    const pipeline = AccessCompiler.pipeline(setup.protocol, traffic);
    if (pipeline === undefined) return { decision: 'deny', reason: 'the port speaks HTTP: bytes are refused' };
    return this.#handshake(subject, setup, witness) ?? this.#authorize(subject, setup, pipeline, witness);
  }

  #handshake(subject: Subject, setup: PortSetup, { request }: Witness): SideDecision | undefined {
    const port = setup.port === OTHER_PORT ? undefined : setup.port;
    const { mode, determinedBy } = this.peers.of(subject, port);
    const principal = request.source?.principal;
    const refuse = (reason: string): SideDecision => ({
      decision: 'deny',
      reason,
      ...(determinedBy === undefined ? {} : this.#written(determinedBy)),
    });
    if (principal === undefined)
      return mode === 'STRICT' ? refuse('mutual TLS is STRICT: plaintext is refused') : undefined;
    if (mode === 'DISABLE') return refuse('mutual TLS is disabled: no caller can prove an identity');
    const accepted = acceptedTrustDomains(this.config.settings).some((domain) => principal.startsWith(`${domain}/`));
    return accepted ? undefined : { decision: 'deny', reason: 'the trust domain is not accepted' };
  }

  #authorize(subject: Subject, setup: PortSetup, pipeline: Traffic, witness: Witness): SideDecision {
    const { verdicts, token } = witness;
    const request = seenBy(pipeline, setup, witness.request);
    this.#verdicts = verdicts;
    const program = this.#evaluator(subject, setup.port);
    const { request: http, ...connection } = request;
    if (http === undefined) return this.#decided(program.decide(connection));
    const { auth, ...bare } = http;
    const anonymous = { ...connection, request: bare };
    if (auth === undefined || token === undefined) return this.#decided(program.decide(anonymous));
    // External authorizers are asked before any token is looked at.
    const refused = program.admit(anonymous);
    if (refused !== undefined) return this.#decided(refused);
    const verdict = verdictOnToken(this.#tokens.for(subject)?.rules ?? [], auth.claims ?? {}, token);
    if (verdict.kind === 'refused') {
      return { decision: 'deny', reason: verdict.reason, ...this.#written(verdict.by) };
    }
    return this.#decided(program.decide(verdict.kind === 'taken' ? request : anonymous));
  }

  #decided({ decision, reason, determining: [ref] }: Decision): SideDecision {
    return { decision, reason, ...(ref === undefined ? {} : this.#written(ref)) };
  }

  /** Witnesses come port by port: the last evaluator is most often the next. */
  #evaluator(subject: Subject, port: number): AuthorizationProgram {
    const { policies, portsNamed } = this.select(subject);
    if (this.#last?.policies === policies && (portsNamed.size === 0 || this.#last.port === port)) {
      return this.#last.program;
    }
    const program = new AuthorizationProgram(policies, {
      settings: this.config.settings,
      port,
      externalAuthorizer: ({ name }) => this.#verdicts[name] ?? 'allow',
    });
    this.#last = { policies, port, program };
    return program;
  }

  #written(by: PolicyRef): Pick<SideDecision, 'by' | 'at'> {
    this.#origins ??= originsOf(this.config);
    const origin = this.#origins.get(`${by.kind}/${by.namespace}/${by.name}`);
    if (origin === undefined) return { by };
    const rules = by.kind === 'RequestAuthentication' ? 'jwtRules' : 'rules';
    const { file, line, column } = by.rule === undefined ? origin : origin.position(['spec', rules, by.rule]);
    return { by, at: { file, line, column } };
  }
}

/** What of a request the filters of a port look at. */
function seenBy(pipeline: Traffic, setup: PortSetup, { request: http, connection, source, ...rest }: Asked): Asked {
  const named = connection === undefined || !seesServerName(setup) ? rest : { ...rest, connection };
  if (pipeline === 'http' && http !== undefined) return { ...named, ...(source && { source }), request: http };
  // Only a request's headers make the original client another than the peer.
  const { remoteIp: _, ...peer } = source ?? {};
  return { ...named, source: peer };
}

type Asked = Witness['request'];

function originsOf(config: MeshConfig): ReadonlyMap<string, ResourceOrigin> {
  const origins = new Map<string, ResourceOrigin>();
  for (const { kind, metadata, origin } of [
    ...config.authorizationPolicies,
    ...config.peerAuthentications,
    ...config.requestAuthentications,
    ...config.destinationRules,
  ]) {
    if (origin !== undefined) origins.set(`${kind}/${metadata.namespace}/${metadata.name}`, origin);
  }
  return origins;
}

const PORTS_NAMED = new WeakMap<AuthorizationPolicy, readonly number[]>();

function portsNamed(policy: AuthorizationPolicy): readonly number[] {
  let ports = PORTS_NAMED.get(policy);
  if (ports === undefined) {
    const lists = (policy.spec.rules ?? []).flatMap((rule) => [
      ...(rule.to ?? []).flatMap(({ operation }) => [operation.ports, operation.notPorts]),
      ...(rule.when ?? [])
        .filter(({ key }) => key === 'destination.port')
        .flatMap((when) => [when.values, when.notValues]),
    ]);
    ports = lists.flatMap((list) => (list ?? []).filter(isPort).map(Number));
    PORTS_NAMED.set(policy, ports);
  }
  return ports;
}

const ABSENT = 'the workload does not exist';
const BARE = 'no sidecar in front of the workload';
const ABSENT_PROGRAM = closedBy(ABSENT);
const BARE_PROGRAM = openTo(BARE);

/** A subject without a sidecar, or that does not exist, has no policies to ask. */
export function bareProgram(subject: Subject | undefined): AccessProgram | undefined {
  if (subject === undefined) return ABSENT_PROGRAM;
  return subject.injected ? undefined : BARE_PROGRAM;
}
