/**
 * The dashboard of mesh_observability.py, line by line: `npx tsx examples/dashboard.ts`.
 *
 * Outside this repository the import reads `from 'meshproof/telemetry'`.
 * @module
 */
import { MeshObservability, type ServiceMetrics } from '../src/telemetry/index.ts';

function serviceMetrics(
  ...[name, requestsTotal, errorRate, p50LatencyMs, p99LatencyMs, mtlsEnabled, connections]: [
    string,
    number,
    number,
    number,
    number,
    boolean,
    number,
  ]
): ServiceMetrics {
  return { name, requestsTotal, errorRate, p50LatencyMs, p99LatencyMs, mtlsEnabled, connections };
}

const mesh = new MeshObservability();

const services = [
  serviceMetrics('api-gateway', 5000, 0.2, 12, 85, true, 150),
  serviceMetrics('user-service', 2000, 0.1, 8, 45, true, 80),
  serviceMetrics('order-service', 3000, 0.5, 15, 120, true, 100),
  serviceMetrics('payment-service', 1000, 0.3, 20, 200, true, 50),
  serviceMetrics('notification-svc', 500, 0, 5, 30, true, 20),
  serviceMetrics('legacy-service', 200, 1.5, 50, 500, false, 10),
];
for (const svc of services) mesh.addService(svc);

mesh.addTraffic('api-gateway', 'user-service', 2000, 0.1, true);
mesh.addTraffic('api-gateway', 'order-service', 3000, 0.5, true);
mesh.addTraffic('order-service', 'payment-service', 1000, 0.3, true);
mesh.addTraffic('order-service', 'legacy-service', 200, 1.5, false);

console.log(mesh.dashboard());
console.log(mesh.securityAudit());
