/**
 * meshproof: an offline service mesh you can test against.
 *
 * The package's other doors: `meshproof/istio` (manifests as types), `meshproof/policy` (what Istio would decide, without
 * a socket), `meshproof/analysis` (what changes, who can), `meshproof/pki`, `meshproof/telemetry`, `meshproof/attack`,
 * `meshproof/lowcode`, `meshproof/testing` and `meshproof/vitest`.
 * @module
 */
export * from './core/index.ts';
export type { MeshConfig, ResourceRef } from './istio/index.ts';
export { ConfigError, parseManifests } from './istio/index.ts';
export * from './mesh/index.ts';
export type { Svid } from './pki/index.ts';
export type {
  Application,
  ApplicationRequest,
  ApplicationResponse,
  Caller,
  CallerCertificate,
  FaultWindow,
  GatewayOption,
  GatewayRoute,
  MeshRequest,
  Outcome,
  OutcomeConnection,
  OutcomeResult,
  Refusal,
  VirtualClock,
} from './sim/index.ts';
export type { AuditFinding, ServiceMetrics } from './telemetry/index.ts';
export { faults } from './wire/index.ts';
export type { Capture, CaptureOptions, Direction, Link, LinkMatch, RelayedConnection, WireRule } from './wire/index.ts';
