/**
 * Who gets through to one workload port, as sums of products: cubes of atoms that refuse and cubes that let in.
 *
 * Everything that decides is in it: the peer-authentication mode and the trust domains the server's sidecar accepts,
 * CUSTOM rules (the authorizer's answer is a free boolean), DENY and ALLOW. AUDIT and dry-run policies decide nothing.
 * Rules are read as `src/policy` compiles them, so that what is dropped on raw connections is dropped here.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { AuthorizationAction, AuthorizationPolicy } from '../istio/authorization-policy.ts';
import type { MeshSettings } from '../istio/mesh-settings.ts';
import { draftRule } from '../policy/authorization-rule.ts';
import type { Clause, ClauseContext } from '../policy/clause.ts';
import { isDryRun } from '../policy/dry-run.ts';
import { customStages } from '../policy/external-authorizer.ts';
import type { ProtocolClass } from '../policy/inbound-ports.ts';
import type { EffectiveMtlsMode } from '../policy/peer-authentication.ts';
import { acceptedTrustDomains } from '../policy/peer-names.ts';
import type { AtomTable, Literal } from './atom.ts';
import { trustDomainPatterns } from './linear-pattern.ts';

/** A conjunction. */
export type Cube = readonly Literal[];

/** A request passes when no `deny` cube holds and some `allow` cube does. */
export interface AccessProgram {
  readonly deny: readonly Cube[];
  readonly allow: readonly Cube[];
}

export const OPEN: AccessProgram = { deny: [], allow: [[]] };
export const CLOSED: AccessProgram = { deny: [[]], allow: [] };

/** What travels: an HTTP request, or bytes. */
export type Traffic = 'http' | 'tcp';

/** What one port of one workload is set up as. */
export interface PortSetup {
  readonly port: number;
  readonly protocol: ProtocolClass;
  readonly mode: EffectiveMtlsMode;
}

/** One rule of one policy. */
export interface RuleCubes {
  readonly ref: PolicyRef;
  readonly action: AuthorizationAction;
  readonly cubes: readonly Cube[];
}

interface RuleContext {
  readonly action: AuthorizationAction;
  readonly port: number;
  readonly tcp: boolean;
}

/** Compiles the policies of one configuration; a policy's rules are compiled once, however many workloads it selects. */
export class AccessCompiler {
  readonly #settings: MeshSettings;
  readonly #atoms: AtomTable;
  readonly #trustDomains: readonly string[];
  readonly #rules = new Map<AuthorizationPolicy, Map<string, readonly RuleCubes[]>>();

  constructor(settings: MeshSettings, atoms: AtomTable) {
    this.#settings = settings;
    this.#atoms = atoms;
    this.#trustDomains = [settings.trustDomain, ...settings.trustDomainAliases];
  }

  /** Whether the filters see HTTP or bytes; nothing where the bytes cannot be read at all. */
  static pipeline(protocol: ProtocolClass, traffic: Traffic): Traffic | undefined {
    if (protocol === 'tcp') return 'tcp';
    return protocol === 'http' && traffic === 'tcp' ? undefined : traffic;
  }

  program(policies: readonly AuthorizationPolicy[], setup: PortSetup, traffic: Traffic): AccessProgram {
    const pipeline = AccessCompiler.pipeline(setup.protocol, traffic);
    if (pipeline === undefined) return CLOSED;
    const tcp = pipeline === 'tcp';
    const { port } = setup;
    const enforced = policies.filter((policy) => !isDryRun(policy));
    const of = (action: AuthorizationAction): readonly AuthorizationPolicy[] =>
      enforced.filter((policy) => (policy.spec.action ?? 'ALLOW') === action);
    const cubes = (action: AuthorizationAction): readonly Cube[] =>
      of(action).flatMap((policy) => this.#rulesOf(policy, { action, port, tcp }).flatMap((rule) => rule.cubes));
    return {
      deny: [...this.#peerCubes(setup.mode), ...this.#customCubes(of('CUSTOM'), port, tcp), ...cubes('DENY')],
      allow: of('ALLOW').length === 0 ? [[]] : cubes('ALLOW'),
    };
  }

  /** Every enforced ALLOW and DENY rule with its own cubes; none for a port whose bytes cannot be read. */
  rules(policies: readonly AuthorizationPolicy[], setup: PortSetup, traffic: Traffic): readonly RuleCubes[] {
    const pipeline = AccessCompiler.pipeline(setup.protocol, traffic);
    if (pipeline === undefined) return [];
    return policies.flatMap((policy) => {
      const action = policy.spec.action ?? 'ALLOW';
      if (isDryRun(policy) || (action !== 'ALLOW' && action !== 'DENY')) return [];
      return this.#rulesOf(policy, { action, port: setup.port, tcp: pipeline === 'tcp' });
    });
  }

  #rulesOf(policy: AuthorizationPolicy, context: RuleContext): readonly RuleCubes[] {
    let known = this.#rules.get(policy);
    if (known === undefined) {
      known = new Map();
      this.#rules.set(policy, known);
    }
    const key = `${namesPorts(policy) ? context.port : '*'} ${context.tcp}`;
    let rules = known.get(key);
    if (rules === undefined) {
      const clauses = { ...context, namespace: policy.metadata.namespace, trustDomains: this.#trustDomains };
      rules = (policy.spec.rules ?? []).map((_, index) => this.#rule(policy, index, clauses));
      known.set(key, rules);
    }
    return rules;
  }

  #rule(policy: AuthorizationPolicy, index: number, context: ClauseContext): RuleCubes {
    const { ref, dropped, conditions, sources, operations } = draftRule(policy, index, context);
    const { action } = context;
    if (dropped) return { ref, action, cubes: [] };
    const cubes = sources.flatMap((source) =>
      operations.flatMap((operation) => {
        const cube = this.#cube([...conditions, ...source, ...operation], context);
        return cube === undefined ? [] : [cube];
      }),
    );
    return { ref, action, cubes };
  }

  #cube(clauses: readonly Clause[], context: ClauseContext): Cube | undefined {
    const literals: Literal[] = [];
    for (const clause of clauses) {
      const literal = this.#atoms.ofClause(clause, context);
      if (literal === false) return undefined;
      if (literal !== true) literals.push(literal);
    }
    return literals;
  }

  /** Refusals by the handshake: no certificate, a foreign one, or (with mutual TLS off) any. */
  #peerCubes(mode: EffectiveMtlsMode): readonly Cube[] {
    const present = this.#identity(['*']);
    if (mode === 'DISABLE') return [[{ atom: present, negated: false }]];
    const accepted = this.#identity(acceptedTrustDomains(this.#settings));
    const foreign: Cube = [
      { atom: present, negated: false },
      { atom: accepted, negated: true },
    ];
    return mode === 'STRICT' ? [[{ atom: present, negated: true }], foreign] : [foreign];
  }

  #identity(trustDomains: readonly string[]): Literal['atom'] {
    return this.#atoms.intern(
      { kind: 'text', name: 'principal' },
      trustDomains.map((value) =>
        this.#atoms.value(
          `principal trustDomain ${value}`,
          value === '*' ? 'any identity' : `any identity of trust domain \`${value}\``,
          () => trustDomainPatterns(value),
        ),
      ),
    );
  }

  #customCubes(policies: readonly AuthorizationPolicy[], port: number, tcp: boolean): readonly Cube[] {
    const context = { port, tcp, trustDomains: this.#trustDomains };
    return customStages(policies, this.#settings, context).flatMap(({ name, provider }) => {
      const refused: Cube =
        provider === undefined
          ? []
          : [{ atom: this.#atoms.intern({ kind: 'verdict', provider: name }, []), negated: false }];
      return policies
        .filter((policy) => (policy.spec.provider?.name ?? '') === name)
        .flatMap((policy) => this.#rulesOf(policy, { action: 'CUSTOM', port, tcp }).flatMap((rule) => rule.cubes))
        .map((cube) => [...cube, ...refused]);
    });
  }
}

const PORT_NAMES = new WeakMap<AuthorizationPolicy, boolean>();

/** Whether a rule looks at the port: else its cubes are the same for all. */
function namesPorts(policy: AuthorizationPolicy): boolean {
  let names = PORT_NAMES.get(policy);
  if (names === undefined) {
    names = (policy.spec.rules ?? []).some(
      (rule) =>
        (rule.to ?? []).some(({ operation }) => operation.ports !== undefined || operation.notPorts !== undefined) ||
        (rule.when ?? []).some(({ key }) => key === 'destination.port'),
    );
    PORT_NAMES.set(policy, names);
  }
  return names;
}
