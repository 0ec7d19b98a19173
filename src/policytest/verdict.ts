/**
 * Holding an outcome against what a test expects, and saying why the mesh answered as it did.
 * @module
 */
import { didYouMean, type PolicyRef } from '../core/index.ts';
import { type ConfigPath, policyResources, refOf } from '../istio/index.ts';
import {
  type CompiledMesh,
  type CompiledRequestAuthentication,
  compileRequestAuthentication,
  explain,
} from '../policy/index.ts';
import type { MeshRequest, Outcome } from '../sim/index.ts';
import { type Target, TargetIndex } from '../sim/targets.ts';
import { list } from './test-case.ts';
import type { ExpectationFile, ExpectedResult } from './test-schema.ts';

/** Whether an outcome is the one a word of the test file stands for. */
export function isResult(expected: ExpectedResult, result: Outcome['result']): boolean {
  if (expected === 'refused') return result === 'deny' || result === 'handshake-failure';
  return (expected === 'no-route' ? 'unreachable' : expected) === result;
}

/** `deny 403 by AuthorizationPolicy/default/api[0] (matched DENY policy)` */
export function describeOutcome({ result, status, decidedBy, reason }: Outcome): string {
  const by = decidedBy.length === 0 ? '' : ` by ${decidedBy.map(policyName).join(', ')}`;
  return `${result}${status === 0 ? '' : ` ${status}`}${by} (${reason})`;
}

export function describeExpectation({ result, status, by, tls, reason, appBytesSeen }: ExpectationFile): string {
  return [
    result,
    ...(status === undefined ? [] : [String(status)]),
    ...(by === undefined ? [] : [`by ${list(by).join(', ')}`]),
    ...(tls === undefined ? [] : [`over ${tls === 'none' ? 'plaintext' : `${tls} TLS`}`]),
    ...(reason === undefined ? [] : [`for ${reason}`]),
    ...(appBytesSeen === undefined ? [] : [`with ${appBytesSeen} bytes seen by the application`]),
  ].join(' ');
}

export function policyName({ kind, namespace, name, rule }: PolicyRef): string {
  return `${kind}/${namespace}/${name}${rule === undefined ? '' : `[${rule}]`}`;
}

/** What one configuration in force can say about outcomes. */
export class Judge {
  readonly compiled: CompiledMesh;
  readonly #targets: TargetIndex;
  readonly #tokens: CompiledRequestAuthentication;

  constructor(compiled: CompiledMesh) {
    this.compiled = compiled;
    this.#tokens = compileRequestAuthentication(compiled.config);
    this.#targets = new TargetIndex(compiled);
  }

  target({ from, to }: MeshRequest): Target | undefined {
    const workload = typeof from === 'string' ? from : from.workload;
    const namespace = workload?.includes('/') === true ? workload.slice(0, workload.indexOf('/')) : 'default';
    const target = this.#targets.resolve(to, namespace);
    return 'kind' in target ? undefined : target;
  }

  /** A line for each way in which the outcome is not the expected one. */
  differences(expect: ExpectationFile, request: MeshRequest, outcome: Outcome): readonly string[] {
    const found: string[] = [];
    const { result, status, by, tls, reason, appBytesSeen } = expect;
    if (!isResult(result, outcome.result)) found.push(`expected ${result}, got ${outcome.result}`);
    if (status !== undefined && status !== outcome.status)
      found.push(`expected status ${status}, got ${outcome.status}`);
    const security = SECURITY[outcome.connection.security];
    if (tls !== undefined && tls !== security) found.push(`expected TLS ${tls}, got ${security}`);
    const seen = outcome.refusal?.reason ?? outcome.reason;
    if (reason !== undefined && reason !== seen) found.push(`expected reason ${reason}, got ${seen}`);
    // What policies deny never reaches the application.
    const bytes = outcome.refusal?.applicationBytes ?? 0;
    if (appBytesSeen !== undefined && outcome.result !== 'allow' && appBytesSeen !== bytes)
      found.push(`expected ${appBytesSeen} bytes at the application, got ${bytes}`);
    return by === undefined ? found : [...found, ...this.#byDifferences(list(by), request, outcome)];
  }

  /** Every policy named must have had a part in the decision; `none` says that no policy had. */
  #byDifferences(names: readonly string[], request: MeshRequest, outcome: Outcome): readonly string[] {
    const deciders = this.deciders(request, outcome);
    const shown = deciders.length === 0 ? 'no policy' : deciders.map(policyName).join(', ');
    return names.flatMap((name) => {
      const fits = name === 'none' ? deciders.length === 0 : deciders.some((ref) => isNamed(ref, name));
      return fits ? [] : [`expected ${name} to decide, but ${shown} did${this.#unknownPolicy(name)}`];
    });
  }

  #unknownPolicy(name: string): string {
    const known = policyResources(this.compiled.config).map((resource) => policyName(refOf(resource)));
    const bare = name.replace(/\[\d+\]$/, '');
    // As long as what was written: `name`, `namespace/name` or `Kind/namespace/name`.
    const forms = known.map((full) => full.split('/').slice(-bare.split('/').length).join('/'));
    return bare === 'none' || forms.includes(bare) ? '' : ` (there is no such policy${didYouMean(bare, forms)})`;
  }

  /**
   * The policies behind an outcome: the rule that matched; where no ALLOW rule matched, the ALLOW policies of the
   * workload; where a token was refused, the RequestAuthentications; where the handshake was, the PeerAuthentication.
   */
  deciders(request: MeshRequest, outcome: Outcome): readonly PolicyRef[] {
    const { decidedBy, decision, asked, refusal } = outcome;
    if (decidedBy.length > 0) return decidedBy;
    const target = this.target(request);
    if (target === undefined) return [];
    if (refusal !== undefined) {
      const { determinedBy } = this.compiled.peerAuthentication(target.workload, target.endpoint.port);
      return determinedBy === undefined ? [] : [determinedBy];
    }
    if (isTokenRefusal(outcome)) return this.#tokens.applied(target.workload);
    if (asked === undefined || decision?.decision !== 'deny' || decision.status !== 403) return [];
    const { authorization, config } = this.compiled;
    return authorization.policiesOf(target.workload).filter(({ namespace, name }) => {
      const policy = config.authorizationPolicies.find(
        ({ metadata }) => metadata.namespace === namespace && metadata.name === name,
      );
      return (policy?.spec.action ?? 'ALLOW') === 'ALLOW';
    });
  }

  /** Why: the decision in words, then where its policies and the clause that came nearest are written. */
  explain(request: MeshRequest, outcome: Outcome): readonly string[] {
    const { decision, refusal } = outcome;
    if (decision !== undefined) return [...explain(decision).split('\n'), ...this.#places(decision, request, outcome)];
    if (isTokenRefusal(outcome)) {
      const places = this.deciders(request, outcome).map((ref) =>
        this.#place(ref, ['spec', 'jwtRules'], policyName(ref)),
      );
      return [outcome.reason, ...places.filter((line) => line !== undefined)];
    }
    if (refusal === undefined) return [outcome.reason, ...this.#peerPlaces(request)];
    const where = refusal.side === 'server' ? 'by the server' : 'by the caller';
    const headline = `refused ${where} at ${refusal.stage}: ${refusal.reason}`;
    return [
      refusal.detail === 'predicted' ? headline : `${headline} (${refusal.detail})`,
      ...this.#peerPlaces(request),
    ];
  }

  #places(decision: NonNullable<Outcome['decision']>, request: MeshRequest, outcome: Outcome): readonly string[] {
    const [miss] = decision.trace.nearMisses;
    const clauses = (miss?.failed ?? []).map(({ path }) => this.#place(miss?.policy, ['spec', ...pathOf(path)], path));
    const deciders = this.deciders(request, outcome);
    const policies = deciders.map((ref) =>
      this.#place(ref, ref.rule === undefined ? [] : ['spec', 'rules', ref.rule], policyName(ref)),
    );
    return [...clauses, ...policies].filter((line) => line !== undefined);
  }

  #peerPlaces(request: MeshRequest): readonly string[] {
    const target = this.target(request);
    if (target === undefined) return [];
    const { mode, determinedBy } = this.compiled.peerAuthentication(target.workload, target.endpoint.port);
    if (!target.workload.injected) return [`${target.workload.namespace}/${target.workload.name} has no sidecar`];
    const named = determinedBy === undefined ? 'no PeerAuthentication: the default' : policyName(determinedBy);
    const place = this.#place(determinedBy, ['spec', 'mtls', 'mode'], named);
    return [`mutual TLS mode of the server: ${mode} (${named})`, ...(place === undefined ? [] : [place])];
  }

  #place(ref: PolicyRef | undefined, path: ConfigPath, label: string): string | undefined {
    if (ref === undefined) return undefined;
    const resource = policyResources(this.compiled.config).find(
      ({ kind, metadata }) => kind === ref.kind && metadata.namespace === ref.namespace && metadata.name === ref.name,
    );
    if (resource?.origin === undefined) return undefined;
    const { file, line, column } = path.length === 0 ? resource.origin : resource.origin.position(path);
    return `  at ${file}:${line}:${column} (${label})`;
  }
}

/** Refused by the filter that verifies tokens, before authorization was asked. */
export function isTokenRefusal({ details }: Outcome): boolean {
  return details.startsWith('jwt_authn_access_denied{');
}

const SECURITY: Readonly<Record<Outcome['connection']['security'], 'mutual' | 'simple' | 'none'>> = {
  mutual_tls: 'mutual',
  tls: 'simple',
  none: 'none',
};

/** `Kind/namespace/name`, shorter from the left, with `[rule]` behind it where one rule is meant. */
export function isNamed(ref: PolicyRef, name: string): boolean {
  const full = policyName(ref);
  const whole = `${ref.kind}/${ref.namespace}/${ref.name}`;
  return [full, whole].some((form) => form === name || form.endsWith(`/${name}`));
}

/** `rules[0].from[0].source.principals` as a path. */
function pathOf(text: string): ConfigPath {
  return text
    .split(/[.[\]]+/)
    .filter((part) => part !== '')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}
