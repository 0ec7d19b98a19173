/**
 * From PERMISSIVE to STRICT, step by step: which servers can turn at once, which callers have to be repaired first and
 * how, and at the end STRICT for the whole mesh.
 *
 * The plan is worked out on the configuration itself: every step makes the next configuration, the exact diff says
 * what it refuses and lets in, and the observed calls are sent through the model on both sides of it.
 * @module
 */
import type { PolicyRef } from '../core/events.ts';
import type { DestinationRule } from '../istio/destination-rule.ts';
import type { Workload } from '../istio/kubernetes.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { compareText, refOf } from '../policy/resource-order.ts';
import { nameOf, positionOf, TrafficOverlay } from './broken-calls.ts';
import { diff } from './diff.ts';
import type { Finding } from './finding.ts';
import type { BrokenCall, MigrationPlan, MigrationStep, StepCheck, StrictStep } from './migration-plan.ts';
import type { ObservedCall } from './observed-traffic.ts';
import { plaintextPolicies } from './plaintext-policies.ts';
import {
  looseServers,
  withIstioMutual,
  withSidecar,
  withStrictMesh,
  withStrictNamespace,
  withStrictWorkload,
} from './strict-edits.ts';

/** How to get from `config` to mesh-wide STRICT under the traffic that was observed. */
export function planMigration(config: MeshConfig, traffic: readonly ObservedCall[] = []): MigrationPlan {
  return new Planner(config, traffic).run();
}

type Scope = Pick<StrictStep, 'scope' | 'namespace' | 'workloads'>;

class Planner {
  readonly #start: MeshConfig;
  readonly #traffic: readonly ObservedCall[];
  readonly #steps: MigrationStep[] = [];
  readonly #broken: BrokenCall[] = [];
  #now: TrafficOverlay;

  constructor(config: MeshConfig, traffic: readonly ObservedCall[]) {
    this.#start = config;
    this.#traffic = traffic;
    this.#now = new TrafficOverlay(config, traffic);
  }

  #overlay(config: MeshConfig, bare: ReadonlySet<string> = this.#now.bare): TrafficOverlay {
    return new TrafficOverlay(config, this.#traffic, bare);
  }

  run(): MigrationPlan {
    const { undeclared } = this.#now;
    if (looseServers(this.#start).length > 0) {
      for (const namespace of this.#namespaces()) this.#turnNamespace(namespace);
      this.#turnMesh();
    }
    return {
      steps: this.#steps,
      broken: this.#broken,
      policies: plaintextPolicies(this.#start),
      unprotected: this.#now.config.workloads
        .filter((server) => !server.injected && isServer(this.#now.config, server))
        .map(nameOf),
      notes: this.#notes(undeclared),
    };
  }

  #notes({ callers, servers }: TrafficOverlay['undeclared']): readonly string[] {
    const notes: string[] = [];
    const list = (names: ReadonlySet<string>): string =>
      [...names]
        .slice(0, 5)
        .map((name) => `\`${name}\``)
        .join(', ');
    if (this.#traffic.length === 0) notes.push('no traffic was given: only what the configuration says is known');
    if (callers.size > 0)
      notes.push(`callers that no manifest declares are taken to have no sidecar: ${list(callers)}`);
    if (servers.size > 0) notes.push(`calls to servers that no manifest declares are left out: ${list(servers)}`);
    return notes;
  }

  /** Those with nothing to repair first, then by the number of calls that need it. */
  #namespaces(): readonly string[] {
    const { rootNamespace } = this.#start.settings;
    const names = [...new Set(this.#start.workloads.map(({ namespace }) => namespace))];
    const cost = new Map(
      names.map((name) => [
        name,
        this.#now.brokenBy(this.#overlay(withStrictNamespace(this.#start, name)), this.#serversOf(name)).length,
      ]),
    );
    return names
      .filter((name) => name !== rootNamespace)
      .sort((a, b) => (cost.get(a) ?? 0) - (cost.get(b) ?? 0) || compareText(a, b));
  }

  #serversOf(namespace: string): ReadonlySet<string> {
    return new Set(this.#now.config.workloads.filter((each) => each.namespace === namespace).map(nameOf));
  }

  /** Servers that are not STRICT yet, and would be. */
  #loose(namespace?: string): readonly Workload[] {
    const loose = looseServers(this.#now.config);
    return namespace === undefined ? loose : loose.filter((each) => each.namespace === namespace);
  }

  #turnNamespace(namespace: string): void {
    if (this.#loose(namespace).length === 0) return;
    const strict = (): MeshConfig => withStrictNamespace(this.#now.config, namespace);
    const broken = this.#now.brokenBy(this.#overlay(strict()), this.#serversOf(namespace));
    if (broken.length > 0) {
      this.#turnReady(namespace, new Set(broken.map(({ to }) => to)));
      for (const fix of this.#fixes(broken)) this.#repair(fix);
    }
    const workloads = this.#loose(namespace).map(nameOf);
    if (workloads.length > 0) this.#turn({ scope: 'namespace', namespace, workloads }, strict());
  }

  /** The servers of a namespace that no observed caller holds back. */
  #turnReady(namespace: string, held: ReadonlySet<string>): void {
    const ready = this.#loose(namespace).filter((each) => !held.has(nameOf(each)));
    const meant = new Set(ready);
    let next = this.#now.config;
    const turned: string[] = [];
    for (const server of ready) {
      const changed = withStrictWorkload(next, server, meant);
      if (changed === undefined) continue;
      next = changed;
      turned.push(nameOf(server));
    }
    if (turned.length > 0) this.#turn({ scope: 'workloads', namespace, workloads: turned }, next);
  }

  #turnMesh(): void {
    const { rootNamespace } = this.#start.settings;
    const strict = (): MeshConfig => withStrictMesh(this.#now.config);
    const broken = this.#now.brokenBy(this.#overlay(strict()));
    for (const fix of this.#fixes(broken)) this.#repair(fix);
    const workloads = this.#loose().map(nameOf);
    const step = this.#turn({ scope: 'mesh', namespace: rootNamespace, workloads }, strict());
    const superfluous = this.#superfluous();
    if (superfluous.length > 0) this.#steps[this.#steps.length - 1] = { ...step, superfluous };
  }

  #turn(scope: Scope, next: MeshConfig): StrictStep {
    const known = new Set(this.#now.config.peerAuthentications);
    const overlay = this.#overlay(next);
    const servers = new Set(scope.workloads);
    const breaks = this.#now.brokenBy(overlay, servers);
    const step: StrictStep = {
      kind: 'strict',
      ...scope,
      apply: next.peerAuthentications.filter((policy) => !known.has(policy)),
      breaks,
      check: check(this.#now.config, next, servers),
    };
    this.#steps.push(step);
    this.#broken.push(...breaks);
    this.#now = overlay;
    return step;
  }

  /** One for every caller or rule behind broken calls, the one that repairs most first. */
  #fixes(broken: readonly BrokenCall[]): readonly (readonly BrokenCall[])[] {
    const groups = new Map<string, BrokenCall[]>();
    for (const call of broken) {
      const key = this.#fixKey(call);
      if (key === undefined) continue;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [call]);
      else group.push(call);
    }
    return [...groups.values()].sort((a, b) => b.length - a.length);
  }

  /** Nothing where no change of the configuration repairs the call. */
  #fixKey({ cause, from, by }: BrokenCall): string | undefined {
    if (cause === 'client-tls' && by !== undefined) return `${cause} ${by.namespace}/${by.name}`;
    if (cause === 'auto-mtls-off') return cause;
    const declared = this.#now.config.workloads.some((each) => nameOf(each) === from);
    return declared && (cause === 'no-sidecar' || cause === 'plaintext-seen') ? `${cause} ${from}` : undefined;
  }

  #repair(repairs: readonly BrokenCall[]): void {
    const [first] = repairs;
    if (first === undefined) return;
    const { config, bare } = this.#now;
    const { cause, from: workload } = first;
    if (cause === 'plaintext-seen') {
      const left = new Set([...bare].filter((name) => name !== workload));
      const at = this.#placeOf(workload);
      this.#push({ kind: 'sidecar', action: 'restart', workload, repairs, ...at }, this.#overlay(config, left));
    } else if (cause === 'no-sidecar') {
      const next = this.#overlay(withSidecar(config, workload));
      this.#push({ kind: 'sidecar', action: 'inject', workload, repairs, ...this.#placeOf(workload) }, next);
    } else if (cause === 'auto-mtls-off') {
      const settings = { ...config.settings, enableAutoMtls: true };
      this.#push({ kind: 'auto-mtls', repairs }, this.#overlay({ ...config, settings }));
    } else {
      this.#repairRule(first, repairs);
    }
  }

  #repairRule({ by }: BrokenCall, repairs: readonly BrokenCall[]): void {
    const { config } = this.#now;
    const isBehind = ({ metadata }: DestinationRule): boolean =>
      metadata.namespace === by?.namespace && metadata.name === by.name;
    const rule = config.destinationRules.find(isBehind);
    if (rule === undefined) return;
    const apply = withIstioMutual(rule);
    const destinationRules = config.destinationRules.map((each) => (each === rule ? apply : each));
    const at = rule.origin === undefined ? {} : { at: positionOf(rule.origin) };
    this.#push({ kind: 'client-tls', apply, repairs, ...at }, this.#overlay({ ...config, destinationRules }));
  }

  #placeOf(name: string): Pick<BrokenCall, 'at'> {
    const origin = this.#now.config.workloads.find((each) => nameOf(each) === name)?.origin;
    return origin === undefined ? {} : { at: positionOf(origin) };
  }

  #push(step: DistributiveOmit<Exclude<MigrationStep, StrictStep>, 'check' | 'breaks'>, next: TrafficOverlay): void {
    const breaks = this.#now.brokenBy(next);
    this.#steps.push({ ...step, breaks, check: check(this.#now.config, next.config) });
    this.#broken.push(...breaks);
    this.#now = next;
  }

  /** What says STRICT beside the mesh-wide policy, if all of it can go without any effect. */
  #superfluous(): readonly PolicyRef[] {
    const { config } = this.#now;
    const { rootNamespace } = config.settings;
    const extra = config.peerAuthentications.filter(({ metadata }) => metadata.namespace !== rootNamespace);
    if (extra.length === 0) return [];
    const without = config.peerAuthentications.filter((policy) => !extra.includes(policy));
    const { findings, undecided } = diff(config, { ...config, peerAuthentications: without });
    return findings.length === 0 && undecided.length === 0 ? extra.map(refOf) : [];
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** Whether a Service leads to it, or it declares a port. */
function isServer({ services }: MeshConfig, { namespace, labels, ports }: Workload): boolean {
  return (
    ports.length > 0 ||
    services.some(
      ({ namespace: near, selector = {} }) =>
        near === namespace &&
        Object.keys(selector).length > 0 &&
        Object.entries(selector).every(([key, value]) => labels[key] === value),
    )
  );
}

function check(before: MeshConfig, after: MeshConfig, workloads?: ReadonlySet<string>): StepCheck {
  const { findings, undecided } = diff(before, after, workloads === undefined ? {} : { workloads });
  const of = (kind: Finding['kind'], text: (finding: Finding) => string): readonly string[] => [
    ...new Set(findings.filter((finding) => finding.kind === kind).map(text)),
  ];
  return {
    refused: of('newly-denied', ({ summary }) => summary),
    unreachable: of('now-unreachable', ({ summary, targets, after: { reason } }) => {
      const [to] = targets;
      return `${summary} to ${to?.namespace ?? ''}/${to?.workload ?? ''}:${to?.ports.join(',') ?? ''}: ${reason}`;
    }),
    allowed: of('newly-allowed', ({ summary }) => summary),
    undecided: undecided.map(({ reason }) => reason),
  };
}
