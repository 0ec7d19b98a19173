/**
 * Gotchas of Istio that show only on live connections: what happens over time, behind gateways, without sidecars.
 * Source: https://istio.io/latest/docs/concepts/security/ and https://istio.io/latest/docs/ops/common-problems/
 */
import { describe, expect, it } from 'vitest';
import { Mesh } from '../../../src/mesh/index.ts';

const NAMESPACE = `
apiVersion: v1
kind: Namespace
metadata: { name: foo, labels: { istio-injection: enabled } }
`;

function workload(name: string, options: { readonly injected?: boolean } = {}): string {
  return `
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: foo }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name}${options.injected === false ? ', sidecar.istio.io/inject: "false"' : ''} } }
    spec: { serviceAccountName: ${name}, containers: [{ name: app, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: foo }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 8000, targetPort: 8080 }] }
`;
}

function allow(to: string, principals: readonly string[]): string {
  return `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: allow-${to}, namespace: foo }
spec:
  selector: { matchLabels: { app: ${to} } }
  rules: [{ from: [{ source: { principals: ${JSON.stringify(principals)} } }] }]
`;
}

function peers(mode: string): string {
  return `
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: ${mode} } }
`;
}

const principal = (name: string): string => `cluster.local/ns/foo/sa/${name}`;

describe('istio-live', () => {
  it('gotcha-27: DestinationRule SIMPLE within the mesh meets no filter chain on a PERMISSIVE HTTP port', async () => {
    const rule = `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: httpbin, namespace: foo }
spec: { host: httpbin, trafficPolicy: { tls: { mode: SIMPLE, insecureSkipVerify: true } } }
`;
    await using mesh = await Mesh.start({
      yaml: NAMESPACE + workload('curl') + workload('httpbin') + peers('PERMISSIVE') + rule,
    });
    const request = { from: 'foo/curl', to: 'foo/httpbin' };
    const outcome = await mesh.request(request);
    expect(outcome).toMatchObject({ status: 503, flags: 'UF,URX', refusal: { applicationBytes: 0 } });
    expect(mesh.predict(request)).toMatchObject({ status: 503, flags: 'UF,URX' });
  });

  it('gotcha-75: a connection that outlives its certificate keeps the identity it was opened with', async () => {
    await using mesh = await Mesh.start({
      yaml:
        NAMESPACE + workload('curl') + workload('httpbin') + peers('STRICT') + allow('httpbin', [principal('curl')]),
    });
    const request = { from: 'foo/curl', to: 'foo/httpbin' };
    const first = mesh.svid('foo/curl');
    expect((await mesh.request(request)).result).toBe('allow');
    await mesh.clock.advance('13h');
    expect(mesh.svid('foo/curl')?.serial).not.toBe(first?.serial);
    const opened = (): number => [...mesh.events].filter((event) => event.kind === 'connection.opened').length;
    const before = opened();
    const outcome = await mesh.request(request);
    expect(outcome).toMatchObject({
      result: 'allow',
      connection: { clientPrincipal: `spiffe://${principal('curl')}` },
    });
    expect(opened()).toBe(before);
  });

  it('gotcha-77: behind a gateway a workload sees the gateway, not the caller before it', async () => {
    const policies = allow('httpbin', [principal('gateway')]);
    await using mesh: Mesh = await Mesh.start({
      yaml: NAMESPACE + workload('curl') + workload('gateway') + workload('httpbin') + peers('STRICT') + policies,
      applications: {
        'foo/gateway': async ({ path }) => {
          const { status } = await mesh.request({ from: 'foo/gateway', to: 'foo/httpbin', path });
          return { status };
        },
      },
    });
    expect((await mesh.request({ from: 'foo/curl', to: 'foo/httpbin' })).status).toBe(403);
    expect((await mesh.request({ from: 'foo/curl', to: 'foo/gateway' })).status).toBe(200);
    await mesh.apply(allow('httpbin', [principal('curl')]));
    expect((await mesh.request({ from: 'foo/curl', to: 'foo/gateway' })).status).toBe(403);
  });

  it('gotcha-87: without a sidecar in front of the application no policy is enforced', async () => {
    const deny = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: deny, namespace: foo }
spec: { selector: { matchLabels: { app: bare } }, action: DENY, rules: [{ to: [{ operation: { paths: ["/x"] } }] }] }
`;
    await using mesh = await Mesh.start({
      yaml: NAMESPACE + workload('curl') + workload('bare', { injected: false }) + peers('STRICT') + deny,
    });
    expect(await mesh.request({ from: 'foo/curl', to: 'foo/bare', path: '/x' })).toMatchObject({
      result: 'allow',
      status: 200,
    });
  });
});
