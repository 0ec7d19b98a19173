/**
 * Who can: every class of requests that a port lets in. Permits and forbids: whether all, or none, of a scope gets in.
 * @module
 */
import { MeshError } from '../core/errors.ts';
import type { MeshConfig } from '../istio/mesh-config.ts';
import type { AuthorizationRequest } from '../policy/request.ts';
import type { Walk } from './joint-walk.ts';
import { OTHER_PORT, type SideDecision } from './mesh-side.ts';
import { AccessMap, type PortAccess, type PortQuestion, type RequestScope } from './port-access.ts';
import { describeRegion, formatRegion, regionsOf, type RegionText } from './region.ts';
import { tokenObstacle } from './token-obstacles.ts';
import { familiarPrincipals, witnessOf } from './witness.ts';

/** One class of requests, and what becomes of it. */
export interface RequestClass {
  readonly summary: string;
  readonly requests: RegionText;
  readonly witness: AuthorizationRequest;
  readonly verdicts: Readonly<Record<string, 'allow' | 'deny'>>;
  readonly by: SideDecision;
}

export interface WhoCan {
  readonly to: { readonly namespace: string; readonly workload: string; readonly port?: number };
  readonly allowed: readonly RequestClass[];
  /** True where there are more classes than are listed. */
  readonly cut: boolean;
}

/** The answer to a `permits` or `forbids` assertion. */
export interface Assertion {
  readonly holds: boolean;
  /** Classes that contradict it. */
  readonly counterexamples: readonly RequestClass[];
}

const CLASSES_MAX = 200;

/** Every class of requests that reaches the application. @throws MeshError `ERR_REQUEST_INVALID` */
export function whoCan(config: MeshConfig, question: PortQuestion & RequestScope): WhoCan {
  const map = new AccessMap(config);
  const access = map.port(question);
  const { classes, cut } = classesOf(map, access, map.within(access, question, 'allowed'));
  const { namespace, name } = access.subject;
  const { port } = access.setup;
  return { to: { namespace, workload: name, ...(port === OTHER_PORT ? {} : { port }) }, allowed: classes, cut };
}

/**
 * Whether every request of the scope gets in; one with a token that is no good is not among them.
 * @throws MeshError `ERR_REQUEST_INVALID`, `ERR_ANALYSIS_LIMIT`
 */
export function permits(config: MeshConfig, question: PortQuestion & RequestScope): Assertion {
  return assertion(config, question, 'denied');
}

/** Whether no request of the scope gets in. @throws MeshError `ERR_REQUEST_INVALID`, `ERR_ANALYSIS_LIMIT` */
export function forbids(config: MeshConfig, question: PortQuestion & RequestScope): Assertion {
  return assertion(config, question, 'allowed');
}

function assertion(
  config: MeshConfig,
  question: PortQuestion & RequestScope,
  against: 'allowed' | 'denied',
): Assertion {
  const map = new AccessMap(config);
  const access = map.port(question);
  const obstacle = tokenObstacle(access.program, access.program);
  if (obstacle !== undefined) throw new MeshError('ERR_ANALYSIS_LIMIT', obstacle);
  const { classes } = classesOf(map, access, map.within(access, question, against));
  return { holds: classes.length === 0, counterexamples: classes };
}

const DEFAULT_PORT = 80;

export function classesOf(
  map: AccessMap,
  { subject, setup, traffic }: PortAccess,
  walk: Walk,
): { readonly classes: readonly RequestClass[]; readonly cut: boolean } {
  const { regions, cut } = regionsOf(walk, CLASSES_MAX);
  const principals = familiarPrincipals(map.side.config);
  const classes = regions.map((region) => {
    const witness = witnessOf(region, walk, {
      destination: {
        namespace: subject.namespace,
        workload: subject.name,
        port: setup.port === OTHER_PORT ? DEFAULT_PORT : setup.port,
      },
      traffic,
      host: subject.name,
      principals,
    });
    const requests = describeRegion(region);
    return {
      summary: formatRegion(requests),
      requests,
      witness: witness.request,
      verdicts: witness.verdicts,
      by: map.side.decide(subject, setup, traffic, witness),
    };
  });
  return { classes, cut };
}
