/**
 * Audit of configuration against traffic: mutual TLS modes, authorization, what is observed, low-code callers, and the
 * state of a migration.
 * @module
 */
import type { WorkloadRef } from '../core/index.ts';
import { counted, finding, type AuditEvidence, type AuditFinding } from './audit-finding.ts';
import type { AuditedWorkload, AuditFacts, SeenTraffic } from './audit-facts.ts';
import { keyOf } from './outcome.ts';
import { thousands } from './python-format.ts';

export function auditStrict({ workloads, traffic }: AuditFacts): AuditFinding {
  const injected = workloads.filter((workload) => workload.injected);
  const ports = injected.flatMap((workload) => workload.modes.map((mode) => ({ workload, ...mode })));
  if (ports.length === 0) return finding('MSH101', 'fail', 'no port of any workload is behind a sidecar');
  const lax: AuditEvidence[] = ports
    .filter(({ mode }) => mode !== 'STRICT')
    .map(({ workload, port, mode }) => ({
      text: `${keyOf(workload)}:${port} is ${mode}`,
      workload: refOf(workload),
      port,
    }));
  const plain = plainEvidence(traffic);
  if (lax.length > 0) {
    return finding('MSH101', 'fail', `${lax.length} of ${counted(ports.length, 'port')} not STRICT`, [
      ...lax,
      ...plain,
    ]);
  }
  const bare = workloads.filter((workload) => !workload.injected);
  if (bare.length > 0 || plain.length > 0) {
    const outside = bare.map((workload) => ({ text: `${keyOf(workload)} has no sidecar`, workload: refOf(workload) }));
    const but =
      bare.length > 0 ? `${counted(bare.length, 'workload')} without a sidecar` : 'plaintext arrived in this log';
    const message = `all ${counted(ports.length, 'port')} STRICT, but ${but}`;
    return finding('MSH101', 'warn', message, [...outside, ...plain]);
  }
  const message = `${counted(ports.length, 'port')} of ${counted(injected.length, 'workload')} are STRICT`;
  return finding('MSH101', 'pass', message, [{ text: message, value: ports.length }]);
}

export function auditPolicies({ workloads, traffic, hasLog }: AuditFacts): AuditFinding {
  const called = new Map(traffic.map((seen) => [keyOf(seen.destination), seen.seq]));
  // Without a log, whatever has a port can be called.
  const targets = workloads.filter((workload) =>
    hasLog ? called.has(keyOf(workload)) : workload.modes.length > 0 || !workload.injected,
  );
  const what = hasLog ? 'called workload' : 'workload';
  if (targets.length === 0)
    return finding(
      'MSH102',
      'warn',
      hasLog ? 'no workload received traffic in this log' : 'no workload that can be called',
    );
  const open = targets.filter((workload) => workload.injected && authorizations(workload).length === 0);
  const unenforced = targets.filter((workload) => !workload.injected);
  const evidence = (workload: AuditedWorkload, why: string): AuditEvidence => {
    const seq = called.get(keyOf(workload));
    return { text: `${keyOf(workload)} ${why}`, workload: refOf(workload), ...(seq === undefined ? {} : { seq }) };
  };
  const bare = unenforced.map((workload) => evidence(workload, 'has no sidecar that could enforce one'));
  if (open.length > 0) {
    const message = `${open.length} of ${counted(targets.length, what)} selected by no AuthorizationPolicy`;
    return finding('MSH102', 'fail', message, [...open.map((w) => evidence(w, 'is open to every caller')), ...bare]);
  }
  if (bare.length > 0) return finding('MSH102', 'warn', `${counted(bare.length, what)} cannot be protected`, bare);
  const message = `${counted(targets.length, what)}, each selected by a policy`;
  return finding(
    'MSH102',
    'pass',
    message,
    targets.flatMap((workload) =>
      authorizations(workload).map((policy) => ({
        text: `${keyOf(workload)} is selected by ${policy.namespace}/${policy.name}`,
        workload: refOf(workload),
        policy,
      })),
    ),
  );
}

export function auditObservability({ workloads, traffic }: AuditFacts): AuditFinding {
  const requests = traffic.reduce((sum, seen) => sum + seen.requests, 0);
  if (requests === 0) return finding('MSH105', 'fail', 'no request was recorded in this log');
  const sidecars = new Set(workloads.filter((workload) => workload.injected).map(keyOf));
  const reported = (seen: SeenTraffic): boolean =>
    sidecars.has(keyOf(seen.destination)) || (seen.source !== undefined && sidecars.has(keyOf(seen.source)));
  const blind = firstOfEach(traffic.filter((seen) => !reported(seen))).map((seen) => ({
    text: `${linkOf(seen)}: neither end has a sidecar that reports`,
    seq: seen.seq,
  }));
  const timed = new Set(traffic.filter((seen) => seen.timed).map((seen) => keyOf(seen.destination)));
  const untimed = firstOfEach(
    traffic.filter((seen) => seen.refused < seen.requests && !timed.has(keyOf(seen.destination))),
  ).map((seen) => ({ text: `${linkOf(seen)}: no latency was recorded`, seq: seen.seq }));
  const gaps = [...blind, ...untimed];
  if (gaps.length > 0) return finding('MSH105', 'warn', `${counted(gaps.length, 'flow')} seen incompletely`, gaps);
  const services = new Set(traffic.map((seen) => keyOf(seen.destination))).size;
  const message = `${thousands(requests)} requests to ${counted(services, 'workload')} measured`;
  return finding('MSH105', 'pass', message, [{ text: message, value: requests }]);
}

export function auditLowcode({ workloads, gateways, traffic, hasLog }: AuditFacts): AuditFinding {
  const lowcode = workloads.filter((workload) => workload.lowcode === true);
  if (lowcode.length === 0) return finding('MSH106', 'pass', 'no low-code caller in this mesh');
  const names = new Set(lowcode.map(keyOf));
  const calls = traffic.filter((seen) => seen.source !== undefined && names.has(keyOf(seen.source)));
  const around = calls.filter((seen) => !gateways.has(keyOf(seen.destination)));
  const reached = firstOfEach(around.filter((seen) => seen.refused < seen.requests)).map((seen) => ({
    text: `${linkOf(seen)} goes around the gateway`,
    seq: seen.seq,
  }));
  const open = workloads
    .filter((workload) => gateways.has(keyOf(workload)) && authorizations(workload).length === 0)
    .map((workload) => ({ text: `gateway ${keyOf(workload)} has no AuthorizationPolicy`, workload: refOf(workload) }));
  const failures = [...reached, ...open];
  if (failures.length > 0)
    return finding('MSH106', 'fail', counted(failures.length, 'way') + ' past the gateway', failures);
  const bare = lowcode
    .filter((workload) => !workload.injected)
    .map((workload) => ({ text: `${keyOf(workload)} has no sidecar, so no identity`, workload: refOf(workload) }));
  if (bare.length > 0)
    return finding('MSH106', 'warn', `${counted(bare.length, 'low-code caller')} without identity`, bare);
  if (!hasLog) {
    const message = `${counted(gateways.size, 'gateway')} with a policy; calls need a run to be seen`;
    return finding('MSH106', gateways.size === 0 ? 'warn' : 'pass', message);
  }
  if (calls.length === 0)
    return finding('MSH106', 'warn', `no call of ${counted(lowcode.length, 'low-code caller')} seen`);
  const through = sumOf(calls.filter((seen) => gateways.has(keyOf(seen.destination))));
  const refused = sumOf(around);
  const message = `${thousands(through)} requests through the gateway, ${thousands(refused)} around it, all refused`;
  return finding(
    'MSH106',
    'pass',
    refused === 0 ? `${thousands(through)} requests, all through the gateway` : message,
    [{ text: message, value: through }],
  );
}

/** Any port that is not STRICT yet, and whether someone still needs it to be lax. */
export function auditMigration({ workloads, traffic }: AuditFacts): AuditFinding {
  const injected = workloads.filter((workload) => workload.injected);
  const ports = injected.flatMap((workload) => workload.modes.map((mode) => ({ workload, ...mode })));
  if (ports.length === 0) return finding('MSH107', 'warn', 'not begun: no port is behind a sidecar');
  const lax = ports.filter(({ mode }) => mode !== 'STRICT');
  if (lax.length === 0)
    return finding('MSH107', 'pass', `complete: ${counted(ports.length, 'port')} STRICT, none left`);
  const evidence = lax.map(({ workload, port, mode }) => {
    const plain = traffic.filter((seen) => seen.plain && keyOf(seen.destination) === keyOf(workload));
    const callers = [
      ...new Set(plain.map((seen) => (seen.source === undefined ? 'outside the mesh' : keyOf(seen.source)))),
    ];
    const last = plain.at(-1)?.seq;
    return {
      text:
        `${keyOf(workload)}:${port} is ${mode}, ` +
        (plain.length === 0
          ? 'no plaintext seen: ready for STRICT'
          : `still used in plaintext from ${callers.join(', ')}`),
      workload: refOf(workload),
      port,
      ...(last === undefined ? {} : { seq: last }),
    };
  });
  return finding('MSH107', 'warn', `${lax.length} of ${counted(ports.length, 'port')} still to migrate`, evidence);
}

function plainEvidence(traffic: readonly SeenTraffic[]): AuditEvidence[] {
  return firstOfEach(traffic.filter((seen) => seen.plain)).map((seen) => ({
    text: `${linkOf(seen)} arrived without mutual TLS`,
    seq: seen.seq,
  }));
}

function authorizations(workload: AuditedWorkload): AuditedWorkload['policies'] {
  return workload.policies.filter((policy) => policy.kind === 'AuthorizationPolicy');
}

/** The first traffic of each pair: one line of evidence is enough. */
function firstOfEach(traffic: readonly SeenTraffic[]): readonly SeenTraffic[] {
  const first = new Map<string, SeenTraffic>();
  for (const seen of traffic) if (!first.has(linkOf(seen))) first.set(linkOf(seen), seen);
  return [...first.values()];
}

function linkOf({ source, destination }: SeenTraffic): string {
  return `${source === undefined ? 'outside the mesh' : keyOf(source)} -> ${keyOf(destination)}`;
}

function sumOf(traffic: readonly SeenTraffic[]): number {
  return traffic.reduce((sum, seen) => sum + seen.requests, 0);
}

function refOf({ namespace, name }: WorkloadRef): WorkloadRef {
  return { namespace, name };
}
