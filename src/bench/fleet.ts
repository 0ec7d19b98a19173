/**
 * A mesh of any size: workloads in a ring, each with a Service on port 80, under STRICT mutual TLS.
 * @module
 */
import { DEFAULT_MESH_SETTINGS, EMPTY_MESH_CONFIG, type MeshConfig, parseManifests } from '../istio/index.ts';

/** `default/w0` calls `default/w1`, and so on; the last one calls the first. */
export function fleetOf(size: number): MeshConfig {
  const one = parseManifests(workloadManifest(0), { origin: 'fleet' });
  const [workload] = one.workloads;
  const [service] = one.services;
  if (workload === undefined || service === undefined) throw new Error('the manifest has no workload or no service');
  const strict = parseManifests(STRICT, { origin: 'fleet' });
  const indexes = Array.from({ length: size }, (_, index) => index);
  const labels = (index: number): Readonly<Record<string, string>> => ({ app: nameOf(index) });
  return {
    ...EMPTY_MESH_CONFIG,
    ...strict,
    settings: DEFAULT_MESH_SETTINGS,
    namespaces: one.namespaces,
    workloads: indexes.map((index) => ({
      ...workload,
      name: nameOf(index),
      serviceAccount: nameOf(index),
      labels: { ...workload.labels, ...labels(index) },
    })),
    services: indexes.map((index) => {
      const name = nameOf(index);
      const host = service.host.replace(nameOf(0), name);
      return { ...service, name, host, metadata: { ...service.metadata, name }, selector: labels(index) };
    }),
  };
}

export function nameOf(index: number): string {
  return `w${index}`;
}

const STRICT = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
`;

function workloadManifest(index: number): string {
  const name = nameOf(index);
  return `
apiVersion: v1
kind: Namespace
metadata: { name: default, labels: { istio-injection: enabled } }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: default }
spec:
  replicas: 1
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      serviceAccountName: ${name}
      containers: [{ name: app, image: app, ports: [{ containerPort: 8080 }] }]
`;
}
