/**
 * A world: a mesh that fits together, and requests near the edges of its policies.
 * @module
 */
import type { MeshConfig } from '../istio/index.ts';
import { type AuthorizationRequest, compileMesh } from '../policy/index.ts';
import type { MeshRequest } from '../sim/index.ts';
import { TargetIndex } from '../sim/targets.ts';

export interface World {
  readonly config: MeshConfig;
  readonly requests: readonly MeshRequest[];
}

/** `default/alpha → shop/beta:8080 GET /api/x {"x-tier":"gold"}` */
export function requestText({ from, to, method = 'GET', path = '/', host, headers }: MeshRequest): string {
  const caller = typeof from === 'string' ? from : JSON.stringify(from);
  const extra = [
    ...(host === undefined ? [] : [` host=${host}`]),
    ...(headers === undefined ? [] : [` ${JSON.stringify(headers)}`]),
  ];
  return `${caller} → ${to} ${method} ${path}${extra.join('')}`;
}

/** TEST-NET-3: a caller outside the mesh. */
const OUTSIDE_IP = '203.0.113.1';

/**
 * What the sidecars of a world would ask their policies about its requests, had every one of them arrived: over mutual
 * TLS from callers that hold a certificate of the mesh, in plaintext from the others.
 */
export function authorizationRequests({ config, requests }: World): readonly AuthorizationRequest[] {
  const targets = new TargetIndex(compileMesh(config));
  const byName = new Map(
    config.workloads.map((workload, index) => [`${workload.namespace}/${workload.name}`, { workload, index }]),
  );
  return requests.flatMap((request) => {
    const { from, to, method = 'GET', path = '/', host, headers = {} } = request;
    const caller = typeof from === 'string' ? byName.get(from) : undefined;
    const target = targets.resolve(to, caller?.workload.namespace ?? 'default');
    if ('kind' in target) return [];
    const ip = caller === undefined ? OUTSIDE_IP : `10.244.0.${caller.index + 1}`;
    const principal = principalOf(from, caller?.workload, config);
    return [
      {
        destination: {
          namespace: target.workload.namespace,
          workload: target.workload.name,
          port: target.endpoint.port,
        },
        source: { ip, ...(principal === undefined ? {} : { principal }) },
        request: { method, path, host: host ?? target.host, headers },
      },
    ];
  });
}

function principalOf(
  from: MeshRequest['from'],
  workload: MeshConfig['workloads'][number] | undefined,
  { settings }: MeshConfig,
): string | undefined {
  if (typeof from !== 'string')
    return from.certificate === 'mesh' ? from.spiffeId?.slice('spiffe://'.length) : undefined;
  if (workload?.injected !== true) return undefined;
  return `${settings.trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`;
}
