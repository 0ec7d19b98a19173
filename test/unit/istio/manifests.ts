/**
 * Manifests that the tests of the room read: one of every kind, close to what people write.
 */

/** One valid document of every kind with rules of its own. */
export const ONE_OF_EACH = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio-injection: enabled } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: cart, namespace: shop }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  replicas: 3
  template:
    metadata:
      labels: { app: cart }
    spec:
      serviceAccountName: cart
      containers:
      - name: cart
        ports:
        - { name: web, containerPort: 8080 }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec:
  selector: { app: cart }
  ports:
  - { name: http-web, port: 80, targetPort: web }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    trustDomain: shop.example
    trustDomainAliases: [old.example]
    extensionProviders:
    - name: opa
      envoyExtAuthzGrpc: { service: opa.shop.svc.cluster.local, port: 9191 }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: cart, namespace: shop }
spec:
  selector:
    matchLabels: { app: cart }
  mtls: { mode: STRICT }
  portLevelMtls:
    8080: { mode: PERMISSIVE }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: cart
  namespace: shop
spec:
  selector:
    matchLabels:
      app: cart
  action: DENY
  rules:
  - from:
    - source:
        notPrincipals: ["shop.example/ns/shop/sa/web"]
        ipBlocks: ["10.0.0.0/8"]
    to:
    - operation:
        methods: ["GET", "POST"]
        paths: ["/cart/{*}/items", "/cart*"]
        ports: ["8080"]
    when:
    - key: request.headers[x-tier]
      notValues: ["gold"]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: cart, namespace: shop }
spec:
  selector:
    matchLabels: { app: cart }
  jwtRules:
  - issuer: https://issuer.example
    jwksUri: https://issuer.example/keys
    fromHeaders:
    - { name: x-token, prefix: "Bearer " }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: cart, namespace: shop }
spec:
  host: cart.shop.svc.cluster.local
  trafficPolicy:
    tls: { mode: ISTIO_MUTUAL }
    connectionPool:
      tcp: { maxConnections: 100, connectTimeout: 10s, idleTimeout: 0s }
      http: { http2KeepAlive: { interval: 15s, timeout: 5s }, h2UpgradePolicy: DEFAULT }
    outlierDetection: { interval: 10s, maxEjectionPercent: 50, consecutive5xxErrors: 5 }
    loadBalancer:
      consistentHash: { httpHeaderName: x-user, maglev: { tableSize: 65537 } }
      localityLbSetting:
        distribute: [{ from: eu/a/*, to: { eu/a: 80, eu/b: 20 } }]
      warmup: { duration: 30s, aggression: 1.5 }
    portLevelSettings:
    - port: { number: 80 }
      tls: { mode: DISABLE }
  subsets:
  - name: v1
    labels: { version: v1 }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bank, namespace: shop }
spec:
  hosts: [bank.example.com]
  location: MESH_EXTERNAL
  resolution: DNS
  ports:
  - { number: 443, name: tls, protocol: TLS }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: vm, namespace: shop }
spec:
  address: 10.1.2.3
  serviceAccount: vm
  labels: { app: vm }
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: cart, namespace: shop }
spec:
  workloadSelector:
    labels: { app: cart }
  ingress:
  - port: { number: 9080, protocol: HTTP, name: web }
    defaultEndpoint: 127.0.0.1:8080
  - port: { number: 9443, protocol: HTTPS, name: secure }
    tls: { mode: MUTUAL, serverCertificate: /c.pem, privateKey: /k.pem, caCertificates: /ca.pem }
  outboundTrafficPolicy:
    mode: ALLOW_ANY
    egressProxy: { host: egress.shop.svc.cluster.local, port: { number: 8080 } }
  egress:
  - port: { number: 0, protocol: HTTP }
    bind: unix:///run/egress.sock
    hosts: ["*/*"]
  - hosts: ["./*", "istio-system/*"]
`;

/** An AuthorizationPolicy around `spec`, which is indented by two blanks. */
export function authorizationPolicy(spec: string): string {
  return `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: p\nspec:\n${spec}`;
}
