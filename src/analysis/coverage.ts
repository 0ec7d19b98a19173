/**
 * Which policies, rules and clauses decisions were made on.
 *
 * A rule is covered when it decided: the one that let a request in, or the one that refused it. A clause (one list of a
 * rule) is covered when it held in a rule that decided; `refused` counts the requests for which it alone kept its rule
 * from matching and the outcome would have been another. Two tests make a clause tight: one on each side.
 *
 * Not counted: values within a list (mutation testing looks at those), policies for gateways and waypoints.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { AuthorizationPolicy, AuthorizationRule } from '../istio/authorization-policy.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { policyAttaches } from '../policy/policy-attachment.ts';
import { compileAuthorization, type CompiledAuthorization } from '../policy/compile-authorization.ts';
import { type CompiledMesh, compileMesh } from '../policy/compile-mesh.ts';
import { type CompiledRequestAuthentication, compileRequestAuthentication } from '../policy/request-authentication.ts';
import type { Decision } from '../policy/decision.ts';
import type { AuthorizationRequest } from '../policy/request.ts';
import type { WorkloadSubject } from '../policy/peer-authentication.ts';
import { ruleClauses, type RulePart, withOnlyClause } from './policy-parts.ts';

export interface CoverageItem {
  /** `AuthorizationPolicy/default/api rules[0].to[0].operation.paths` */
  readonly key: string;
  readonly kind: 'policy' | 'rule' | 'clause';
  readonly policy: PolicyRef;
  /** Below the policy; empty for the policy itself. */
  readonly path: string;
  readonly file?: string;
  readonly line?: number;
  /** Decisions made on it. */
  readonly hits: number;
  /** Of a clause: decisions that went against the request on its account alone. */
  readonly refused: number;
}

export interface CoverageReport {
  readonly items: readonly CoverageItem[];
  readonly covered: number;
  readonly total: number;
  /** 0 to 1; 1 where there is nothing to cover. */
  readonly ratio: number;
}

/** What was decided, as far as coverage is concerned. */
export interface CoverageFact {
  readonly asked?: AuthorizationRequest;
  readonly decision?: Decision;
  /** The request got as far as its tokens. */
  readonly tokenRefused?: boolean;
  /** Where the call went: its PeerAuthentication took part. */
  readonly server?: { readonly workload: WorkloadSubject; readonly port: number };
  /** The DestinationRule that decided what the client spoke. */
  readonly client?: PolicyRef;
}

/** Coverage of a configuration by requests that are decided here. */
export function coverage(config: MeshConfig, requests: Iterable<AuthorizationRequest>): CoverageReport {
  const fold = new CoverageFold();
  const compiled = compileMesh(config);
  fold.declare(config);
  for (const asked of requests) {
    const { namespace, workload, labels = {}, port } = asked.destination;
    const server = workload === undefined ? { namespace, labels } : compiled.workload(`${namespace}/${workload}`);
    fold.add(compiled, { asked, decision: compiled.authorize(asked), server: { workload: server, port } });
  }
  return fold.report();
}

type Counted = { -readonly [Key in keyof CoverageItem]: CoverageItem[Key] };

/** What a configuration in force is asked, prepared once. */
interface InForce {
  readonly probes: Probes;
  readonly tokens: CompiledRequestAuthentication;
  /** The file of each policy: another version of one may be applied from another file. */
  readonly files: ReadonlyMap<string, string>;
}

/** Counts decisions as they are made, over configurations that may change on the way. */
export class CoverageFold {
  readonly #items = new Map<string, Counted>();
  readonly #inForce = new WeakMap<CompiledMesh, InForce>();
  readonly #declared = new WeakSet<MeshConfig>();

  /** Makes the policies of `config` known: what no decision touches counts as not covered. */
  declare(config: MeshConfig): void {
    if (this.#declared.has(config)) return;
    this.#declared.add(config);
    for (const policy of config.authorizationPolicies) {
      if (policy.spec.targetRef !== undefined || (policy.spec.targetRefs ?? []).length > 0) continue;
      this.#item(policy, 'policy', []);
      (policy.spec.rules ?? []).forEach((rule, index) => {
        this.#item(policy, 'rule', ['rules', index]);
        for (const part of ruleClauses(rule, index)) this.#item(policy, 'clause', part.path);
      });
    }
    for (const policy of config.peerAuthentications) {
      this.#item(policy, 'policy', []);
      for (const port of Object.keys(policy.spec.portLevelMtls ?? {}))
        this.#item(policy, 'rule', ['portLevelMtls', port]);
    }
    for (const rule of config.destinationRules) this.#item(rule, 'policy', []);
    for (const policy of config.requestAuthentications) this.#item(policy, 'policy', []);
  }

  #item(policy: Declared, kind: CoverageItem['kind'], path: readonly (string | number)[]): void {
    const { name, namespace } = policy.metadata;
    const ref = { kind: policy.kind, namespace, name };
    const key = keyOf(ref, pathText(path));
    const at = path.length === 0 ? policy.origin : policy.origin?.position(['spec', ...path]);
    const placed = inFile(key, policy.origin?.file);
    if (this.#items.has(placed)) return;
    const place = at === undefined ? {} : { file: at.file, line: at.line };
    this.#items.set(placed, { key, kind, policy: ref, path: pathText(path), ...place, hits: 0, refused: 0 });
  }

  add(compiled: CompiledMesh, { asked, decision, tokenRefused = false, server, client }: CoverageFact): void {
    this.declare(compiled.config);
    const force = this.#force(compiled);
    if (asked !== undefined && decision !== undefined) this.#decided(force, asked, decision);
    if (client !== undefined) this.#hit(force, client, '');
    if (server === undefined) return;
    const { determinedBy } = compiled.peerAuthentication(server.workload, server.port);
    if (determinedBy !== undefined) {
      this.#hit(force, determinedBy, '');
      this.#hit(force, determinedBy, pathText(['portLevelMtls', String(server.port)]));
    }
    if (asked === undefined && !tokenRefused) return;
    for (const ref of force.tokens.applied(server.workload)) this.#hit(force, ref, '');
  }

  #force(compiled: CompiledMesh): InForce {
    let known = this.#inForce.get(compiled);
    if (known === undefined) {
      const { config } = compiled;
      known = { probes: new Probes(compiled), tokens: compileRequestAuthentication(config), files: filesOf(config) };
      this.#inForce.set(compiled, known);
    }
    return known;
  }

  #decided(force: InForce, asked: AuthorizationRequest, decision: Decision): void {
    const { probes } = force;
    for (const policy of probes.selecting(asked)) {
      const ref = { kind: policy.kind, namespace: policy.metadata.namespace, name: policy.metadata.name };
      const determining = decision.determining.filter((by) => by.namespace === ref.namespace && by.name === ref.name);
      const observing = isObserving(policy);
      const implicit = decision.decision === 'deny' && decision.determining.length === 0;
      const action = policy.spec.action ?? 'ALLOW';
      let took = determining.length > 0 || (implicit && action === 'ALLOW');
      for (const index of (policy.spec.rules ?? []).keys()) {
        const match = probes.match(policy, index, asked);
        const decided = determining.some((by) => by.rule === index) || (observing && match.matches);
        took ||= decided;
        if (decided) this.#ruleDecided(force, ref, index, match);
        const open = action === 'ALLOW' ? implicit : decision.determining.length === 0 || decision.decision === 'allow';
        if (!match.matches && !observing && open)
          for (const part of match.decisive) this.#refused(force, ref, pathText(part.path));
      }
      if (took) this.#hit(force, ref, '');
    }
  }

  #ruleDecided(force: InForce, ref: PolicyRef, index: number, match: RuleMatch): void {
    this.#hit(force, ref, pathText(['rules', index]));
    for (const part of match.held) this.#hit(force, ref, pathText(part.path));
  }

  #hit(force: InForce, ref: PolicyRef, path: string): void {
    const item = this.#find(force, ref, path);
    if (item !== undefined) item.hits++;
  }

  #refused(force: InForce, ref: PolicyRef, path: string): void {
    const item = this.#find(force, ref, path);
    if (item !== undefined) item.refused++;
  }

  #find({ files }: InForce, ref: PolicyRef, path: string): Counted | undefined {
    return this.#items.get(inFile(keyOf(ref, path), files.get(keyOf(ref, ''))));
  }

  report(): CoverageReport {
    return reportOf([...this.#items.values()].map((item) => ({ ...item })));
  }
}

/** The counts of several runs, added up where they are of the same policies: of the same name, from the same file. */
export function joinCoverage(reports: readonly CoverageReport[]): CoverageReport {
  const items = new Map<string, Counted>();
  for (const item of reports.flatMap((report) => report.items)) {
    const key = inFile(item.key, item.file);
    const known = items.get(key);
    if (known === undefined) items.set(key, { ...item });
    else {
      known.hits += item.hits;
      known.refused += item.refused;
    }
  }
  return reportOf([...items.values()]);
}

function reportOf(items: readonly CoverageItem[]): CoverageReport {
  const covered = items.filter(({ hits }) => hits > 0).length;
  return { items, covered, total: items.length, ratio: items.length === 0 ? 1 : covered / items.length };
}

interface Declared {
  readonly kind: string;
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly origin?: {
    readonly file: string;
    readonly line: number;
    position(path: readonly (string | number)[]): { readonly file: string; readonly line: number };
  };
}

function isObserving({ spec, metadata }: AuthorizationPolicy): boolean {
  const dryRun = metadata.annotations['istio.io/dry-run'];
  return spec.action === 'AUDIT' || spec.action === 'CUSTOM' || (dryRun !== undefined && /^(1|t|true)$/i.test(dryRun));
}

function keyOf({ kind, namespace, name }: PolicyRef, path: string): string {
  return `${kind}/${namespace}/${name}${path === '' ? '' : ` ${path}`}`;
}

function inFile(key: string, file: string | undefined): string {
  return `${file ?? ''}\n${key}`;
}

function filesOf(config: MeshConfig): ReadonlyMap<string, string> {
  const { authorizationPolicies, peerAuthentications, destinationRules, requestAuthentications } = config;
  const all: readonly Declared[] = [
    ...authorizationPolicies,
    ...peerAuthentications,
    ...destinationRules,
    ...requestAuthentications,
  ];
  return new Map(
    all.flatMap(({ kind, metadata: { namespace, name }, origin }) =>
      origin === undefined ? [] : [[keyOf({ kind, namespace, name }, ''), origin.file] as const],
    ),
  );
}

function pathText(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  );
}

interface RuleMatch {
  readonly matches: boolean;
  /** Clauses that hold, in the alternatives that hold. */
  readonly held: readonly RulePart[];
  /** Clauses any one of which, turned round, would let the rule match. */
  readonly decisive: readonly RulePart[];
}

/** Asks single clauses, each compiled as a policy of its own, so that they mean exactly what they mean in their rule. */
class Probes {
  readonly #config: MeshConfig;
  readonly #clauses = new Map<string, CompiledAuthorization>();
  readonly #selected = new Map<string, readonly AuthorizationPolicy[]>();

  constructor(compiled: CompiledMesh) {
    this.#config = compiled.config;
  }

  selecting({ destination }: AuthorizationRequest): readonly AuthorizationPolicy[] {
    const { namespace, workload, labels } = destination;
    const key = `${namespace}/${workload ?? JSON.stringify(labels)}`;
    let found = this.#selected.get(key);
    if (found === undefined) {
      const { rootNamespace } = this.#config.settings;
      const declared = this.#config.workloads.find((each) => each.namespace === namespace && each.name === workload);
      const subject = { namespace, labels: declared?.labels ?? labels ?? {} };
      found = this.#config.authorizationPolicies.filter((policy) => policyAttaches(policy, subject, rootNamespace));
      this.#selected.set(key, found);
    }
    return found;
  }

  match(policy: AuthorizationPolicy, index: number, asked: AuthorizationRequest): RuleMatch {
    const rule: AuthorizationRule = policy.spec.rules?.[index] ?? {};
    const groups = new Map<string, { readonly kind: RulePart['group']; held: RulePart[]; failed: RulePart[] }>();
    for (const part of ruleClauses(rule, index)) {
      const key = `${part.group}${part.alternative}`;
      const group = groups.get(key) ?? { kind: part.group, held: [], failed: [] };
      (this.#holds(policy, index, part, asked) ? group.held : group.failed).push(part);
      groups.set(key, group);
    }
    const kinds = (['from', 'to', 'when'] as const).map((kind) => {
      const all = [...groups.values()].filter((group) => group.kind === kind);
      // An alternative without clauses always holds.
      const empty = kind !== 'when' && (rule[kind] ?? []).length > all.length;
      return { all, matches: all.length === 0 || empty || all.some(({ failed }) => failed.length === 0) };
    });
    const failing = kinds.filter(({ matches }) => !matches);
    const [only] = failing;
    return {
      matches: failing.length === 0,
      held: kinds.flatMap(({ all }) => all.filter(({ failed }) => failed.length === 0).flatMap(({ held }) => held)),
      decisive:
        only === undefined || failing.length > 1
          ? []
          : only.all.filter(({ failed }) => failed.length === 1).flatMap(({ failed }) => failed),
    };
  }

  #holds(policy: AuthorizationPolicy, index: number, part: RulePart, asked: AuthorizationRequest): boolean {
    const { namespace, name } = policy.metadata;
    const key = keyOf({ kind: policy.kind, namespace, name }, pathText(part.path));
    let compiled = this.#clauses.get(key);
    if (compiled === undefined) {
      const rule = withOnlyClause(policy.spec.rules?.[index] ?? {}, part);
      const probe = { ...policy, spec: { action: 'DENY', rules: [rule] } } as const;
      compiled = compileAuthorization({
        ...this.#config,
        // The root namespace's policies reach every workload.
        settings: { ...this.#config.settings, rootNamespace: namespace },
        authorizationPolicies: [{ ...probe, metadata: { ...probe.metadata, annotations: {} } }],
      });
      this.#clauses.set(key, compiled);
    }
    return compiled.authorize(asked).determining.length > 0;
  }
}
