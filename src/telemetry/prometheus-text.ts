/**
 * The metrics of a log in Prometheus' text format 0.0.4, written by prom-client from a registry of its own: nothing
 * registers globally, and the library is loaded when the text is first asked for.
 * @module
 */
import type * as promClient from 'prom-client';
import type { Instant, MeshEvent } from '../core/index.ts';
import { REQUEST_LABELS, TCP_LABELS } from './istio-labels.ts';
import { IstioMetricsFold, type IstioMetricsOptions } from './istio-metrics.ts';
import { ENVOY_BUCKETS_MS, type Buckets, type HistogramSeries, type ValueSeries } from './metric-series.ts';

type PromClient = typeof promClient;
type Registry = InstanceType<PromClient['Registry']>;
type Histogram = InstanceType<PromClient['Histogram']>;

export interface PrometheusTextOptions extends IstioMetricsOptions {
  /** The instant certificates are looked at. @defaultValue that of the last event */
  readonly at?: Instant;
}

/** Content type of the text. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The metrics of `events`, or of a fold that saw them. */
export async function prometheusText(
  events: Iterable<MeshEvent> | IstioMetricsFold,
  options: PrometheusTextOptions = {},
): Promise<string> {
  const fold = events instanceof IstioMetricsFold ? events : new IstioMetricsFold(options).addAll(events);
  const prom = await import('prom-client');
  const registry = new prom.Registry();
  registerIstio(prom, registry, fold);
  registerCertificates(prom, registry, fold, options.at);
  return await registry.metrics();
}

function registerIstio(prom: PromClient, registry: Registry, fold: IstioMetricsFold): void {
  const counters: readonly (readonly [string, string, readonly string[], ValueSeries])[] = [
    ['istio_requests_total', 'Requests, as each sidecar saw them.', REQUEST_LABELS, fold.requests],
    ['istio_tcp_connections_opened_total', 'TCP connections opened.', TCP_LABELS, fold.tcpOpened],
    ['istio_tcp_connections_closed_total', 'TCP connections closed.', TCP_LABELS, fold.tcpClosed],
    [
      'meshproof_tls_handshakes_total',
      'TLS handshakes and how they ended.',
      ['result', 'reason', 'version', 'resumed'],
      fold.handshakes,
    ],
  ];
  for (const [name, help, labelNames, series] of counters) {
    const counter = new prom.Counter({ name, help, labelNames, registers: [registry] });
    for (const { labels, value } of series.values()) counter.inc(labels, value);
  }
  registerHistogram(prom, registry, fold.durations);
}

function registerCertificates(prom: PromClient, registry: Registry, fold: IstioMetricsFold, at?: Instant): void {
  const { issued, rotated, renewalFailures } = fold.certificates;
  const counts: readonly (readonly [string, string, number])[] = [
    ['citadel_server_csr_count', 'Certificate signing requests the CA answered.', issued],
    ['citadel_server_success_cert_issuance_count', 'Certificates the CA issued.', issued],
    ['meshproof_cert_rotations_total', 'Certificates renewed.', rotated],
    ['meshproof_cert_renewal_failures_total', 'Renewals that failed.', renewalFailures],
  ];
  for (const [name, help, value] of counts) new prom.Counter({ name, help, registers: [registry] }).inc(value);
  const expiry = new prom.Gauge({
    name: 'istio_agent_cert_expiry_seconds',
    help: 'Seconds until the certificate expires; negative once it has.',
    labelNames: ['resource_name', 'spiffe_id'],
    registers: [registry],
  });
  for (const { labels, value } of fold.certificateExpiry(at).values()) expiry.set(labels, value);
}

/** A histogram that hands prom-client finished buckets in the place of single observations. */
function registerHistogram(prom: PromClient, registry: Registry, series: HistogramSeries): Histogram {
  const config = {
    name: 'istio_request_duration_milliseconds',
    help: 'Duration of requests, as each sidecar saw them.',
    labelNames: REQUEST_LABELS,
    buckets: [...ENVOY_BUCKETS_MS],
  };
  // Name, help and type as prom-client describes any histogram; only the samples are ours.
  const template = new prom.Histogram({ ...config, registers: [] });
  class Finished extends prom.Histogram {
    override async get(): ReturnType<Histogram['get']> {
      const values = [...series.values()].flatMap((buckets) => samplesOf(config.name, buckets));
      return { ...(await template.get()), values };
    }

    /** What the registry asks for in preference to `get`. */
    async getForPromString(): ReturnType<Histogram['get']> {
      return await this.get();
    }
  }
  return new Finished({ ...config, registers: [registry] });
}

interface Sample {
  readonly labels: Record<string, string>;
  readonly value: number;
  readonly metricName: string;
}

function samplesOf(name: string, { labels, counts, count, sum }: Buckets): Sample[] {
  let cumulative = 0;
  const samples = ENVOY_BUCKETS_MS.map((bound, index) => {
    cumulative += counts[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: cumulative };
  });
  return [
    ...samples,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels: { ...labels }, value: sum },
    { metricName: `${name}_count`, labels: { ...labels }, value: count },
  ];
}
