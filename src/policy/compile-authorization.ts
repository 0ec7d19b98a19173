/**
 * AuthorizationPolicies of a mesh, compiled: which of them select a workload, and a program for each workload port,
 * built when it is first asked.
 *
 * Source: https://istio.io/latest/docs/reference/config/security/authorization-policy/
 * @module
 */
import { MeshError } from '../core/errors.ts';
import type { PolicyRef, WorkloadRef } from '../core/events.ts';
import { didYouMean } from '../core/suggest.ts';
import type { AuthorizationPolicy } from '../istio/authorization-policy.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import { AuthorizationProgram } from './authorization-program.ts';
import { isPort } from './clause.ts';
import type { Decision, DecisionTrace } from './decision.ts';
import { isDryRun } from './dry-run.ts';
import type { ExternalAuthorizer } from './external-authorizer.ts';
import { policyAttaches } from './policy-attachment.ts';
import { groupPolicies } from './policy-groups.ts';
import type { AuthorizationRequest, DestinationAttributes } from './request.ts';
import { refOf } from './resource-order.ts';

export interface AuthorizationOptions {
  /** Answers for the providers of CUSTOM policies. Without one they count as unreachable. */
  readonly externalAuthorizer?: ExternalAuthorizer;
}

type Labels = Readonly<Record<string, string>>;

/** Ports that no rule names share one program. */
const OTHER_PORT = -1;
/** Label sets that no manifest declares are remembered up to this many. */
const LABEL_SETS_MAX = 4096;

/**
 * @throws MeshError `ERR_CONFIG_INVALID` for a CUSTOM policy in dry run: Istio's own releases disagree on what it does
 */
export function compileAuthorization(config: MeshConfig, options: AuthorizationOptions = {}): CompiledAuthorization {
  return new CompiledAuthorization(config, options);
}

/** The policies that select one set of labels in one namespace. */
class SelectedPolicies {
  readonly #policies: readonly AuthorizationPolicy[];
  readonly #ports: ReadonlySet<number>;
  readonly #programs = new Map<number, AuthorizationProgram>();
  readonly #build: (policies: readonly AuthorizationPolicy[], port: number) => AuthorizationProgram;

  constructor(
    policies: readonly AuthorizationPolicy[],
    build: (policies: readonly AuthorizationPolicy[], port: number) => AuthorizationProgram,
  ) {
    this.#policies = policies;
    this.#ports = new Set(policies.flatMap(portsNamed));
    this.#build = build;
  }

  /** The policies that enforce something: neither in dry run nor mere logging. */
  get enforced(): readonly PolicyRef[] {
    return this.#policies.filter((policy) => policy.spec.action !== 'AUDIT' && !isDryRun(policy)).map(refOf);
  }

  program(port: number): AuthorizationProgram {
    const known = this.#ports.has(port) ? port : OTHER_PORT;
    let program = this.#programs.get(known);
    if (program === undefined) {
      program = this.#build(this.#policies, known);
      this.#programs.set(known, program);
    }
    return program;
  }
}

export class CompiledAuthorization {
  readonly #config: MeshConfig;
  readonly #build: (policies: readonly AuthorizationPolicy[], port: number) => AuthorizationProgram;
  readonly #byNamespace: ReadonlyMap<string, readonly AuthorizationPolicy[]>;
  readonly #workloads = new Map<string, Map<string, SelectedPolicies>>();
  readonly #labelSets = new Map<string, SelectedPolicies>();
  /** The destination asked for last: callers come in runs. */
  #last: { namespace: string; workload: string; port: number; program: AuthorizationProgram } | undefined;

  constructor(config: MeshConfig, options: AuthorizationOptions) {
    for (const policy of config.authorizationPolicies) refuseCustomDryRun(policy);
    this.#config = config;
    this.#byNamespace = groupPolicies(config.authorizationPolicies, (policy) => policy.metadata.namespace);
    const { settings } = config;
    const { externalAuthorizer } = options;
    this.#build = (policies, port) =>
      new AuthorizationProgram(policies, { settings, port, ...(externalAuthorizer && { externalAuthorizer }) });
  }

  /**
   * Decides about one request or raw connection.
   * @throws MeshError `ERR_REQUEST_INVALID` for a workload that is not declared, or an IP address that is none
   */
  authorize(request: AuthorizationRequest): Decision {
    return this.program(request.destination).decide(request);
  }

  /** All that can be told about a decision, near misses included. */
  trace(request: AuthorizationRequest): DecisionTrace {
    return this.program(request.destination).trace(request);
  }

  /**
   * The policies that select a workload and enforce something: those in dry run and AUDIT policies protect nobody.
   * @throws MeshError `ERR_REQUEST_INVALID` for a workload that is not declared
   */
  policiesOf({ namespace, name }: WorkloadRef): readonly PolicyRef[] {
    return this.#ofWorkload(namespace, name, undefined).enforced;
  }

  /**
   * The program of a workload port, for callers that decide about many requests to it.
   * @throws MeshError `ERR_REQUEST_INVALID` for a workload that is not declared
   */
  program(destination: DestinationAttributes): AuthorizationProgram {
    const { namespace, workload, labels, port } = destination;
    const last = this.#last;
    if (last !== undefined && last.workload === workload && last.namespace === namespace && last.port === port) {
      return last.program;
    }
    if (workload === undefined) return this.#ofLabels(namespace, labels).program(port);
    const program = this.#ofWorkload(namespace, workload, labels).program(port);
    this.#last = labels === undefined ? { namespace, workload, port, program } : undefined;
    return program;
  }

  #ofWorkload(namespace: string, name: string, labels: Labels | undefined): SelectedPolicies {
    let inNamespace = this.#workloads.get(namespace);
    if (inNamespace === undefined) {
      inNamespace = new Map();
      this.#workloads.set(namespace, inNamespace);
    }
    let selected = inNamespace.get(name);
    if (selected !== undefined) return selected;
    const workload = this.#config.workloads.find((each) => each.namespace === namespace && each.name === name);
    if (workload === undefined) {
      if (labels !== undefined) return this.#ofLabels(namespace, labels);
      throw this.#unknownWorkload(namespace, name);
    }
    selected = this.#select(namespace, workload.labels);
    inNamespace.set(name, selected);
    return selected;
  }

  #ofLabels(namespace: string, labels: Labels | undefined): SelectedPolicies {
    if (labels === undefined) {
      throw new MeshError('ERR_REQUEST_INVALID', 'the destination names neither a workload nor labels');
    }
    const key = `${namespace}\n${JSON.stringify(labels)}`;
    let selected = this.#labelSets.get(key);
    if (selected === undefined) {
      if (this.#labelSets.size >= LABEL_SETS_MAX) this.#labelSets.clear();
      selected = this.#select(namespace, labels);
      this.#labelSets.set(key, selected);
    }
    return selected;
  }

  #select(namespace: string, labels: Labels): SelectedPolicies {
    const { rootNamespace } = this.#config.settings;
    const own = this.#byNamespace.get(namespace) ?? [];
    const root = namespace === rootNamespace ? [] : (this.#byNamespace.get(rootNamespace) ?? []);
    const subject = { namespace, labels };
    const policies = [...root, ...own].filter((policy) => policyAttaches(policy, subject, rootNamespace));
    return new SelectedPolicies(policies, this.#build);
  }

  #unknownWorkload(namespace: string, name: string): MeshError {
    const { workloads } = this.#config;
    const others = workloads.filter((each) => each.namespace === namespace).map((each) => each.name);
    const whole = workloads.map((each) => `${each.namespace}/${each.name}`);
    const hint = others.length > 0 ? didYouMean(name, others) : didYouMean(`${namespace}/${name}`, whole);
    return new MeshError('ERR_REQUEST_INVALID', `no workload \`${name}\` in namespace \`${namespace}\`${hint}`);
  }
}

function refuseCustomDryRun(policy: AuthorizationPolicy): void {
  if (policy.spec.action !== 'CUSTOM' || !isDryRun(policy)) return;
  const { namespace, name } = policy.metadata;
  const at = policy.origin?.position(['metadata', 'annotations']);
  throw new MeshError(
    'ERR_CONFIG_INVALID',
    `AuthorizationPolicy \`${namespace}/${name}\`: a CUSTOM policy cannot be in dry run`,
    at === undefined ? {} : { details: { file: at.file, line: at.line, column: at.column } },
  );
}

function portsNamed(policy: AuthorizationPolicy): readonly number[] {
  const lists = (policy.spec.rules ?? []).flatMap((rule) => [
    ...(rule.to ?? []).flatMap(({ operation }) => [operation.ports, operation.notPorts]),
    ...(rule.when ?? [])
      .filter((when) => when.key === 'destination.port')
      .flatMap((when) => [when.values, when.notValues]),
  ]);
  return lists
    .flatMap((list) => list ?? [])
    .filter(isPort)
    .map(Number);
}
