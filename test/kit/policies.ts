/**
 * Small builders of configuration and requests, as typed values: what a test says is what it is about.
 * @module
 */
import {
  DEFAULT_MESH_SETTINGS,
  EMPTY_MESH_CONFIG,
  type AuthorizationPolicy,
  type AuthorizationPolicySpec,
  type MeshConfig,
  type MeshSettings,
  type Workload,
} from '../../src/istio/index.ts';
import type { AuthorizationRequest, HttpAttributes } from '../../src/policy/index.ts';

interface PolicyMeta {
  readonly name?: string;
  readonly namespace?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** `name` is `policy` and the namespace `foo` unless said otherwise. */
export function authorizationPolicy(spec: AuthorizationPolicySpec, meta: PolicyMeta = {}): AuthorizationPolicy {
  const { name = 'policy', namespace = 'foo', annotations = {} } = meta;
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace, labels: {}, annotations },
    spec,
  };
}

/** A Deployment with a sidecar, labelled `app=NAME`, running as the service account of its name. */
export function workload(name: string, options: Partial<Workload> = {}): Workload {
  return {
    kind: 'Deployment',
    namespace: 'foo',
    name,
    labels: { app: name },
    annotations: {},
    serviceAccount: name,
    replicas: 1,
    ports: [{ number: 8080, name: 'http', protocol: 'TCP' }],
    injected: true,
    injectionReason: 'test',
    ...options,
  };
}

export interface WorldOptions {
  readonly workloads?: readonly Workload[];
  readonly settings?: Partial<MeshSettings>;
}

/** A mesh with `httpbin` in `foo`, and `curl` in `foo` and `bar`. */
export function meshWith(policies: readonly AuthorizationPolicy[], options: WorldOptions = {}): MeshConfig {
  return {
    ...EMPTY_MESH_CONFIG,
    settings: { ...DEFAULT_MESH_SETTINGS, ...options.settings },
    workloads: options.workloads ?? [workload('httpbin'), workload('curl'), workload('curl', { namespace: 'bar' })],
    authorizationPolicies: policies,
  };
}

export interface RequestOptions extends Partial<HttpAttributes> {
  /** `foo/curl` by default; nothing for a plaintext caller. */
  readonly from?: string | null;
  /** Instead of `from`: the whole principal. */
  readonly principal?: string;
  readonly to?: string;
  readonly port?: number;
  readonly ip?: string;
  readonly remoteIp?: string;
  readonly destinationIp?: string;
  readonly sni?: string;
}

const DEFAULT_HTTP: HttpAttributes = { method: 'GET', host: 'httpbin.foo:8000', path: '/ip' };

/** `GET /ip` from `foo/curl` to `httpbin` port 8080, unless said otherwise. */
export function httpRequest(options: RequestOptions = {}): AuthorizationRequest {
  const { method, host, path, headers, auth } = options;
  const request: HttpAttributes = {
    ...DEFAULT_HTTP,
    ...(method === undefined ? {} : { method }),
    ...(host === undefined ? {} : { host }),
    ...(path === undefined ? {} : { path }),
    ...(headers === undefined ? {} : { headers }),
    ...(auth === undefined ? {} : { auth }),
  };
  return { ...tcpConnection(options), request };
}

export function tcpConnection(options: RequestOptions = {}): AuthorizationRequest {
  const { from = 'foo/curl', to = 'foo/httpbin', port = 8080, ip = '10.0.0.5', remoteIp, destinationIp, sni } = options;
  const [namespace = '', name = ''] = to.split('/');
  const principal = options.principal ?? (from === null ? undefined : principalOf(from));
  return {
    destination: { namespace, workload: name, port, ...(destinationIp === undefined ? {} : { ip: destinationIp }) },
    source: { ip, ...(principal === undefined ? {} : { principal }), ...(remoteIp === undefined ? {} : { remoteIp }) },
    ...(sni === undefined ? {} : { connection: { sni } }),
  };
}

/** `foo/curl` → `cluster.local/ns/foo/sa/curl` */
export function principalOf(workload: string, trustDomain = 'cluster.local'): string {
  const [namespace = '', account = ''] = workload.split('/');
  return `${trustDomain}/ns/${namespace}/sa/${account}`;
}
