/**
 * Who answers outside the mesh: hosts of ServiceEntries, and those that ALLOW_ANY lets calls out to. There is no way off
 * this machine, so everybody out there is declared.
 * @module
 */
import { workloadSpiffeId } from '../identity/index.ts';
import type { Workload } from '../istio/index.ts';
import type { Endpoint, RegisteredService } from '../policy/index.ts';
import type { ApplicationTable } from './application-port.ts';
import type { Applications } from './applications.ts';
import type { RunningWorkload } from './running-workload.ts';

/** No namespace of Kubernetes has such a name. */
export const OUTSIDE_NAMESPACE = '(outside)';

/** Somebody outside the mesh who answers, as if it were a Pod without a sidecar. */
export class OutsidePlaces {
  readonly #known: ReadonlySet<string>;
  readonly #places = new Map<string, Workload>();

  /** @param names `host` or `host:port` */
  constructor(names: Iterable<string>) {
    this.#known = new Set(names);
  }

  find(host: string, port: number): Workload | undefined {
    const name = [`${host}:${port}`, host].find((candidate) => this.#known.has(candidate));
    if (name === undefined) return undefined;
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const place = outsideWorkload(name);
    this.#places.set(name, place);
    return place;
  }
}

function outsideWorkload(name: string): Workload {
  return {
    kind: 'Deployment',
    namespace: OUTSIDE_NAMESPACE,
    name,
    labels: {},
    annotations: {},
    serviceAccount: 'default',
    ports: [],
    injected: false,
    injectionReason: 'outside the mesh',
    replicas: 1,
  };
}

export function outsideEndpoint(namespace: string, address: string, port: number): Endpoint {
  return { address, namespace, labels: {}, port, tlsMode: 'disabled', sidecar: false, replicas: 1 };
}

/** PassthroughCluster: what ALLOW_ANY makes of a host nobody registered. */
export function passthroughService(host: string, port: number, endpoint: Endpoint): RegisteredService {
  return {
    source: { kind: 'Service', namespace: OUTSIDE_NAMESPACE, name: host },
    host,
    namespace: OUTSIDE_NAMESPACE,
    name: host,
    ports: [{ name: '', number: port, protocol: 'auto' }],
    location: 'MESH_EXTERNAL',
    resolution: 'NONE',
    headless: false,
    exportTo: ['*'],
    createdMs: 0,
    identities: () => [],
    endpoints: () => [endpoint],
  };
}

/** An address no Pod has (TEST-NET-3, RFC 5737). */
export const OUTSIDE_IP = '203.0.113.1';

/** Somebody outside as a workload that runs; nothing where nobody of that name was declared. */
export function outsideRunning(
  name: string,
  outside: ApplicationTable,
  applications: Applications,
): RunningWorkload | undefined {
  const place = name.startsWith(`${OUTSIDE_NAMESPACE}/`) ? name.slice(OUTSIDE_NAMESPACE.length + 1) : undefined;
  const option = place !== undefined && Object.hasOwn(outside, place) ? outside[place] : undefined;
  if (place === undefined || option === undefined) return undefined;
  const workload = outsideWorkload(place);
  return {
    workload,
    name,
    ip: OUTSIDE_IP,
    spiffeId: workloadSpiffeId({ trustDomain: 'outside.invalid', namespace: 'outside', serviceAccount: 'default' }),
    agent: undefined,
    application: applications.of({ [name]: option }, name, workload),
    ports: new Map(),
  };
}
