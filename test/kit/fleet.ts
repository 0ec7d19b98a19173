/**
 * Meshes of any size as manifests: `shop/w0`, `shop/w1`, … with a service each, under STRICT mutual TLS; and the ring of
 * traffic in which every workload calls the next.
 */
import type { FlowFile } from '../../src/mesh/scenario-schema.ts';

export function fleetYaml(size: number): string {
  const documents = [
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio-injection: enabled } }',
    'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: default, namespace: istio-system }\nspec: { mtls: { mode: STRICT } }',
  ];
  for (let i = 0; i < size; i++) {
    const name = `w${i}`;
    documents.push(
      `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: shop }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      serviceAccountName: ${name}
      containers: [{ name: app, image: example/app, ports: [{ containerPort: 8080 }] }]`,
      `apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 8080 }] }`,
    );
  }
  return documents.join('\n---\n');
}

export function ringTraffic(size: number, rps = 10): readonly FlowFile[] {
  return Array.from({ length: size }, (_, i) => ({ from: `shop/w${i}`, to: `shop/w${(i + 1) % size}`, rps }));
}
