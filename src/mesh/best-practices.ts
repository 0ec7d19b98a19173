/**
 * The audit of best practices of a mesh: fills telemetry's input from what the mesh is configured to do and from what
 * its log shows.
 * @module
 */
import type { Instant, MeshEvent, WorkloadRef } from '../core/index.ts';
import type { CompiledMesh } from '../policy/index.ts';
import { parseWorkloadName } from '../sim/index.ts';
import { type AuditedWorkload, type AuditFinding, bestPractices } from '../telemetry/index.ts';

export interface BestPracticesOptions {
  /** The log; without one only what the configuration answers is checked. */
  readonly events?: Iterable<MeshEvent>;
  /** @defaultValue that of the last event */
  readonly at?: Instant;
  /** Workloads (`namespace/name`) that low-code platforms run as. */
  readonly lowcode?: readonly string[];
  /** Workloads through which low-code callers may come in. */
  readonly gateways?: readonly string[];
}

/** @throws MeshError `ERR_REQUEST_INVALID` for a name that the configuration does not have */
export function auditMesh(compiled: CompiledMesh, options: BestPracticesOptions = {}): AuditFinding[] {
  const { events, at, lowcode = [], gateways = [] } = options;
  const named = (name: string): WorkloadRef => {
    parseWorkloadName(name);
    return compiled.workload(name);
  };
  const platforms = new Set(lowcode.map((name) => keyOf(named(name))));
  return bestPractices({
    workloads: auditedWorkloads(compiled, platforms),
    gateways: gateways.map(named),
    ...(events === undefined ? {} : { events }),
    ...(at === undefined ? {} : { at }),
  });
}

function auditedWorkloads(compiled: CompiledMesh, platforms: ReadonlySet<string>): readonly AuditedWorkload[] {
  return compiled.config.workloads.map((workload) => {
    const { namespace, name, injected } = workload;
    // A port that no Service reaches is nobody's business; a workload without any has no mode to speak of.
    const ports = injected ? compiled.inboundPorts(workload) : [];
    return {
      namespace,
      name,
      injected,
      modes: ports.map(({ port }) => ({ port, mode: compiled.peerAuthentication(workload, port).mode })),
      policies: compiled.authorization.policiesOf(workload),
      ...(platforms.has(keyOf(workload)) ? { lowcode: true } : {}),
    };
  });
}

function keyOf({ namespace, name }: WorkloadRef): string {
  return `${namespace}/${name}`;
}
