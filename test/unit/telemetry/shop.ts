/** The six services and four flows of the example everyone knows, as numbers. */
import { MeshObservability, type ObservabilityOptions } from '../../../src/telemetry/index.ts';

export function shop(options: ObservabilityOptions = {}): MeshObservability {
  const mesh = new MeshObservability(options);
  const rows = [
    ['api-gateway', 5000, 0.2, 12, 85, true, 150],
    ['user-service', 2000, 0.1, 8, 45, true, 80],
    ['order-service', 3000, 0.5, 15, 120, true, 100],
    ['payment-service', 1000, 0.3, 20, 200, true, 50],
    ['notification-svc', 500, 0, 5, 30, true, 20],
    ['legacy-service', 200, 1.5, 50, 500, false, 10],
  ] as const;
  for (const [name, requestsTotal, errorRate, p50LatencyMs, p99LatencyMs, mtlsEnabled, connections] of rows) {
    mesh.addService({ name, requestsTotal, errorRate, p50LatencyMs, p99LatencyMs, mtlsEnabled, connections });
  }
  mesh.addTraffic('api-gateway', 'user-service', 2000, 0.1, true);
  mesh.addTraffic('api-gateway', 'order-service', 3000, 0.5, true);
  mesh.addTraffic('order-service', 'payment-service', 1000, 0.3, true);
  mesh.addTraffic({ source: 'order-service', dest: 'legacy-service', rps: 200, errorRate: 1.5, mtls: false });
  return mesh;
}
