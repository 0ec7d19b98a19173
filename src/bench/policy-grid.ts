/**
 * A fleet under policies: every policy selects one workload and has two rules.
 * @module
 */
import type { AuthorizationPolicy, DestinationRule, MeshConfig } from '../istio/index.ts';
import { fleetOf, nameOf } from './fleet.ts';

export interface PolicyGrid {
  readonly workloads: number;
  readonly policies: number;
  /** So many policies, the last ones, let in other paths. @defaultValue 0 */
  readonly changed?: number;
  /** So many DestinationRules, one a host. @defaultValue 0 */
  readonly clients?: number;
  /** What those have callers speak. @defaultValue `ISTIO_MUTUAL` */
  readonly clientMode?: 'ISTIO_MUTUAL' | 'SIMPLE';
}

export function gridPrincipal(index: number): string {
  return `cluster.local/ns/default/sa/${nameOf(index)}`;
}

export function policyGrid({ workloads, policies, changed = 0, ...client }: PolicyGrid): MeshConfig {
  const caller = (index: number): readonly string[] => [gridPrincipal(index % workloads)];
  const rules = Array.from({ length: policies }, (_, i): AuthorizationPolicy => {
    // Each policy has paths of its own, or an earlier one would hide the change.
    const paths = [`/api/${i >= policies - changed ? 'changed/' : ''}${i}/*`];
    return {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: `policy-${i}`, namespace: 'default', labels: {}, annotations: {} },
      spec: {
        selector: { matchLabels: { app: nameOf(i % workloads) } },
        rules: [
          { from: [{ source: { principals: caller(i + 1) } }], to: [{ operation: { methods: ['GET'], paths } }] },
          { from: [{ source: { principals: caller(i + 2) } }], to: [{ operation: { methods: ['POST'] } }] },
        ],
      },
    };
  });
  return { ...fleetOf(workloads), authorizationPolicies: rules, destinationRules: clientRules(client) };
}

function clientRules({
  clients = 0,
  clientMode = 'ISTIO_MUTUAL',
}: Omit<PolicyGrid, 'workloads' | 'policies'>): readonly DestinationRule[] {
  return Array.from({ length: clients }, (_, i) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: `client-${i}`, namespace: 'default', labels: {}, annotations: {} },
    spec: { host: `${nameOf(i)}.default.svc.cluster.local`, trafficPolicy: { tls: { mode: clientMode } } },
  }));
}
