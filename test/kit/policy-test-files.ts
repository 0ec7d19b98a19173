/** A small mesh as manifests, and a policy-test file around it. */

function workload(name: string, { bare = false } = {}): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: shop }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata:
      labels: { app: ${name} }
${bare ? '      annotations: { sidecar.istio.io/inject: "false" }\n' : ''}    spec:
      serviceAccountName: ${name}
      containers: [{ name: app, image: x, ports: [{ containerPort: 8080 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec:
  selector: { app: ${name} }
  ports: [{ name: http, port: 80, targetPort: 8080 }]
---
`;
}

/** `web` and `cart` with sidecars, `cron` without; `cart` lets `web` read `/items/*` and nobody delete. */
export const MANIFESTS: string = `apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio-injection: enabled } }
---
${workload('web')}${workload('cart')}${workload('cron', { bare: true })}apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: cart-readers, namespace: shop }
spec:
  selector: { matchLabels: { app: cart } }
  action: ALLOW
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }]
      to: [{ operation: { methods: [GET, DELETE], paths: ["/items/*"] } }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-deletes, namespace: shop }
spec:
  action: DENY
  rules: [{ to: [{ operation: { methods: [DELETE] } }] }]
`;

/** A policy-test file over `mesh.yaml` with `body` below its head. */
export function testFile(body: string): string {
  return `apiVersion: meshproof.dev/v1alpha1
kind: MeshTest
metadata: { name: cart }
policies: [./mesh.yaml]
${body}`;
}
