/**
 * What a mesh's event log says to people and machines: metrics, dashboard, audits, access log, Prometheus text. Folds
 * over `MeshEvent`s only; nothing here asks a simulator anything.
 * @module
 */
export * from './access-log.ts';
export type { AuditedWorkload, AuditInput, MutualTlsMode } from './audit-facts.ts';
export * from './audit-finding.ts';
export * from './authorization-table.ts';
export * from './best-practices.ts';
export * from './event-window.ts';
export * from './istio-labels.ts';
export * from './istio-metrics.ts';
export * from './latency-histogram.ts';
export * from './mesh-observability.ts';
export * from './metric-series.ts';
export * from './prometheus-text.ts';
export * from './rotation-summary.ts';
export * from './service-metrics.ts';
export * from './tabwriter.ts';
export * from './traffic-flow.ts';
