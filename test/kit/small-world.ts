/**
 * Small meshes as manifests: what a test says is what it is about.
 */

export interface WorkloadOptions {
  readonly namespace?: string;
  /** @defaultValue true */
  readonly sidecar?: boolean;
  /** @defaultValue the workload's name */
  readonly serviceAccount?: string;
}

/** A Deployment labelled `app: NAME` with a Service of its name on port 8080. */
export function workloadYaml(name: string, options: WorkloadOptions = {}): string {
  const { namespace = 'default', sidecar = true, serviceAccount = name } = options;
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name}, sidecar.istio.io/inject: "${sidecar}" } }
    spec:
      serviceAccountName: ${serviceAccount}
      containers: [{ name: ${name}, image: ${name}, ports: [{ containerPort: 8080 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 8080, targetPort: 8080 }] }
`;
}

export type Mode = 'STRICT' | 'PERMISSIVE' | 'DISABLE';

/** For the whole mesh; with `namespace` and `app`, for one workload. */
export function peerAuthenticationYaml(
  mode: Mode,
  of: { readonly namespace?: string; readonly app?: string } = {},
): string {
  const { namespace = 'istio-system', app } = of;
  return `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${app ?? 'default'}, namespace: ${namespace} }
spec:
  ${app === undefined ? '' : `selector: { matchLabels: { app: ${app} } }`}
  mtls: { mode: ${mode} }
`;
}

/** Only service account `from` of namespace `default` may send GET to `app`. */
export function allowYaml(name: string, app: string, from: string): string {
  return `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: default }
spec:
  selector: { matchLabels: { app: ${app} } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/default/sa/${from}] } }]
      to: [{ operation: { methods: [GET] } }]
`;
}

export function manifests(...documents: readonly string[]): string {
  return documents.join('\n---\n');
}
