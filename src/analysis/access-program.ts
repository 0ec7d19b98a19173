/**
 * Who gets through to one workload port, as an ordered list of stages: each a sum of products (cubes of atoms) that
 * refuses, or lets in, what it matches and leaves the rest to the next.
 *
 * Everything that decides is in it, in Envoy's order: the peer-authentication mode and the trust domains the server's
 * sidecar accepts, CUSTOM rules (the authorizer's answer is a free boolean), DENY and ALLOW, policy by policy. AUDIT and
 * dry-run policies decide nothing. Rules are read as `src/policy` compiles them, so that what is dropped on raw
 * connections is dropped here.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { AuthorizationAction, AuthorizationPolicy } from '../istio/authorization-policy.ts';
import type { MeshSettings } from '../istio/mesh-settings.ts';
import { draftRule, ruleName } from '../policy/authorization-rule.ts';
import type { Clause, ClauseContext } from '../policy/clause.ts';
import { isDryRun } from '../policy/dry-run.ts';
import { customStages } from '../policy/external-authorizer.ts';
import type { ProtocolClass } from '../policy/inbound-ports.ts';
import type { EffectiveMtlsMode } from '../policy/peer-authentication.ts';
import { acceptedTrustDomains } from '../policy/peer-names.ts';
import { refOf } from '../policy/resource-order.ts';
import { trustDomainKey, type AtomTable, type Literal } from './atom.ts';
import { trustDomainPatterns } from './linear-pattern.ts';
import { refusedPath } from './path-classes.ts';
import type { TokenRules } from './token-rules.ts';

/** A conjunction. */
export type Cube = readonly Literal[];

export interface Stage {
  readonly decision: 'allow' | 'deny';
  /** What decides here: equal causes are one. */
  readonly cause: string;
  /** The stage decides where one of them holds. */
  readonly cubes: readonly Cube[];
  /** Of the stage that refuses tokens: it gets its cubes when two programs are walked, see `token-model`. */
  readonly tokens?: TokenFilter;
}

/** What RequestAuthentications ask of a token. Where a program has none, no token is looked at. */
export interface TokenFilter {
  readonly rules: TokenRules;
  readonly atoms: AtomTable;
}

/** The first stage that matches decides; where none does, the request is denied. */
export type AccessProgram = readonly Stage[];

/** Lets everything in. */
export function openTo(cause: string): AccessProgram {
  return [{ decision: 'allow', cause, cubes: [[]] }];
}

/** Refuses everything. */
export function closedBy(cause: string): AccessProgram {
  return [{ decision: 'deny', cause, cubes: [[]] }];
}

/** Lets in what these cubes match, and looks at tokens as `program` does. */
export function letting(cubes: readonly Cube[], program: AccessProgram): AccessProgram {
  return [...program.filter(({ tokens }) => tokens !== undefined), { decision: 'allow', cause: '', cubes }];
}

export const CLOSED: AccessProgram = closedBy('');

/** The cause of what no ALLOW policy matches. */
export const UNMATCHED = 'no ALLOW policy matched';

/** The cause of what is refused since its path cannot be normalised: Envoy's own words. */
const PATH_REFUSED = 'path_normalization_failed';

/** A policy as a cause. */
export function causeOf({ kind, namespace, name }: PolicyRef): string {
  return `${kind} ${namespace}/${name}`;
}

/** What travels: an HTTP request, or bytes. */
export type Traffic = 'http' | 'tcp';

/** What one port of one workload is set up as. */
export interface PortSetup {
  readonly port: number;
  readonly protocol: ProtocolClass;
  readonly mode: EffectiveMtlsMode;
  /** What sets the mode; absent where nothing does. */
  readonly modeBy?: PolicyRef;
  /**
   * Also ask for paths that cannot be normalised, which are refused before any policy. Left out where they are refused on
   * both sides of a comparison or on none.
   */
  readonly refusesPaths?: boolean;
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

  /** @param tokens what RequestAuthentications ask; absent where none applies */
  program(
    policies: readonly AuthorizationPolicy[],
    setup: PortSetup,
    traffic: Traffic,
    tokens?: TokenRules,
  ): AccessProgram {
    const pipeline = AccessCompiler.pipeline(setup.protocol, traffic);
    if (pipeline === undefined) return closedBy('the port speaks HTTP');
    const context = { port: setup.port, tcp: pipeline === 'tcp' };
    const enforced = policies.filter((policy) => !isDryRun(policy));
    const of = (action: AuthorizationAction): readonly AuthorizationPolicy[] =>
      enforced.filter((policy) => (policy.spec.action ?? 'ALLOW') === action);
    const allow = of('ALLOW');
    const stages = [
      ...this.#peerStages(setup),
      ...(setup.refusesPaths === true ? [this.#refusedPaths()] : []),
      ...this.#customStages(of('CUSTOM'), context),
      ...(pipeline === 'tcp' || tokens === undefined ? [] : [this.#tokenStage(tokens)]),
      ...this.#stages(of('DENY'), 'deny', { ...context, action: 'DENY' }),
      ...(allow.length === 0 ? UNRESTRICTED : this.#stages(allow, 'allow', { ...context, action: 'ALLOW' })),
    ];
    if (seesServerName(setup)) return stages;
    return stages.map((stage) => ({ ...stage, cubes: withoutServerName(stage.cubes) }));
  }

  #tokenStage(rules: TokenRules): Stage {
    return { decision: 'deny', cause: 'the token is refused', cubes: [], tokens: { rules, atoms: this.#atoms } };
  }

  /** A stage a policy, in the order in which Envoy tries their rules. */
  #stages(
    policies: readonly AuthorizationPolicy[],
    decision: Stage['decision'],
    context: RuleContext,
    also: Cube = [],
  ): readonly Stage[] {
    return inOrderOfNames(policies).map((policy) => {
      const cubes = this.#rulesOf(policy, context).flatMap((rule) => rule.cubes);
      return {
        decision,
        cause: causeOf(refOf(policy)),
        cubes: also.length === 0 ? cubes : cubes.map((cube) => [...cube, ...also]),
      };
    });
  }

  /** Every enforced ALLOW and DENY rule with its own cubes; none for a port whose bytes cannot be read. */
  rules(policies: readonly AuthorizationPolicy[], setup: PortSetup, traffic: Traffic): readonly RuleCubes[] {
    const pipeline = AccessCompiler.pipeline(setup.protocol, traffic);
    if (pipeline === undefined) return [];
    return policies.flatMap((policy) => {
      const action = policy.spec.action ?? 'ALLOW';
      if (isDryRun(policy) || (action !== 'ALLOW' && action !== 'DENY')) return [];
      const rules = this.#rulesOf(policy, { action, port: setup.port, tcp: pipeline === 'tcp' });
      if (seesServerName(setup)) return rules;
      return rules.map((rule) => ({ ...rule, cubes: withoutServerName(rule.cubes) }));
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
      const literal = this.#atoms.ofClause(clause, context, this.#settings.pathNormalization);
      if (literal === false) return undefined;
      if (literal !== true) literals.push(literal);
    }
    return literals;
  }

  /** Refusals by the handshake: no certificate, a foreign one, or (with mutual TLS off) any. */
  #peerStages({ mode, modeBy }: PortSetup): readonly Stage[] {
    const present = this.#identity(['*']);
    const byMode = (negated: boolean): Stage => ({
      decision: 'deny',
      cause: modeBy === undefined ? `mutual TLS is ${mode}` : causeOf(modeBy),
      cubes: [[{ atom: present, negated }]],
    });
    if (mode === 'DISABLE') return [byMode(false)];
    const accepted = this.#identity(acceptedTrustDomains(this.#settings));
    const foreign: Stage = {
      decision: 'deny',
      cause: 'the trust domain is not accepted',
      cubes: [
        [
          { atom: present, negated: false },
          { atom: accepted, negated: true },
        ],
      ],
    };
    return mode === 'STRICT' ? [byMode(true), foreign] : [foreign];
  }

  #refusedPaths(): Stage {
    const atom = this.#atoms.intern({ kind: 'text', name: 'path' }, [refusedPath(this.#settings.pathNormalization)]);
    return { decision: 'deny', cause: PATH_REFUSED, cubes: [[{ atom, negated: false }]] };
  }

  #identity(trustDomains: readonly string[]): Literal['atom'] {
    return this.#atoms.intern(
      { kind: 'text', name: 'principal' },
      trustDomains.map((value) =>
        this.#atoms.value(
          trustDomainKey(value),
          value === '*' ? 'any identity' : `any identity of trust domain \`${value}\``,
          () => trustDomainPatterns(value),
        ),
      ),
    );
  }

  #customStages(
    policies: readonly AuthorizationPolicy[],
    context: { readonly port: number; readonly tcp: boolean },
  ): readonly Stage[] {
    const clauses = { ...context, trustDomains: this.#trustDomains };
    return customStages(policies, this.#settings, clauses).flatMap(({ name, provider }) => {
      const refused: Cube =
        provider === undefined
          ? []
          : [{ atom: this.#atoms.intern({ kind: 'verdict', provider: name }, []), negated: false }];
      const own = policies.filter((policy) => (policy.spec.provider?.name ?? '') === name);
      return this.#stages(own, 'deny', { ...context, action: 'CUSTOM' }, refused);
    });
  }
}

/** With mutual TLS off nobody inspects TLS: a server name that is sent is not seen. */
export function seesServerName({ mode }: PortSetup): boolean {
  return mode !== 'DISABLE';
}

function withoutServerName(cubes: readonly Cube[]): readonly Cube[] {
  const asksName = ({ atom: { attribute } }: Literal): boolean => attribute.kind === 'text' && attribute.name === 'sni';
  if (!cubes.some((cube) => cube.some(asksName))) return cubes;
  return cubes
    .filter((cube) => cube.every((literal) => literal.negated || !asksName(literal)))
    .map((cube) => cube.filter((literal) => !asksName(literal)));
}

const UNRESTRICTED = openTo('no ALLOW policy applies');

function inOrderOfNames(policies: readonly AuthorizationPolicy[]): readonly AuthorizationPolicy[] {
  if (policies.length < 2) return policies;
  const named = policies.map((policy) => ({ policy, name: ruleName(refOf(policy)) }));
  return named.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ policy }) => policy);
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
