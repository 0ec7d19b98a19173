import { describe, expect, it } from 'vitest';
import { IstioMetricsFold, prometheusText } from '../../../src/telemetry/index.ts';
import { after, issued, LogBuilder, peer, principalOf, refused, request, service, traffic } from './sample-events.ts';

const HOUR = 3_600_000;

const mesh = new LogBuilder()
  .at(
    0,
    {
      kind: 'mesh.started',
      trustDomain: 'cluster.local',
      workloads: [
        { namespace: 'default', name: 'api-gateway', injected: true },
        { namespace: 'default', name: 'order-service', injected: true },
        { namespace: 'default', name: 'legacy-service', injected: false },
      ],
    },
    issued('api-gateway', 0, '01', 'initial'),
    issued('order-service', 0, '02', 'initial'),
    {
      kind: 'connection.opened',
      connection: 1,
      source: peer('api-gateway'),
      destination: peer('order-service'),
      service: service('order-service', 'default', 5432),
      port: 5432,
      protocol: 'tcp',
      security: 'mutual_tls',
      tlsVersion: 'TLSv1.3',
      resumed: false,
    },
  )
  .at(
    60_000,
    traffic('api-gateway', 'order-service', 1_000, {
      errors: 10,
      latency: [
        { ms: 12, count: 900 },
        { ms: 85, count: 100 },
      ],
    }),
    traffic('order-service', 'legacy-service', 60, { security: 'none', latency: [{ ms: 4_000_000, count: 60 }] }),
    refused('api-gateway', 'order-service', { reason: 'expired' }),
    request('api-gateway', 'order-service', { status: 503, flags: 'UC' }),
    { kind: 'connection.closed', connection: 1 },
  )
  .at(12 * HOUR, issued('api-gateway', 12 * HOUR, '03', 'rotation'));

/** Samples by metric and the labels that tell them apart here. */
function samples(text: string, metric: string, ...labels: readonly string[]): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${metric}{`))
    .map((line) => {
      const values = labels.map((label) => new RegExp(`[{,]${label}="([^"]*)"`).exec(line)?.[1]);
      return [...values, line.slice(line.lastIndexOf(' ') + 1)].join(' ');
    });
}

describe('prometheusText', () => {
  it('prints the metrics of a small mesh', async () => {
    await expect(await prometheusText(mesh.events)).toMatchFileSnapshot('golden/metrics.prom.txt');
  });

  it('reports a request from both ends, and from one where the other has no sidecar or was not reached', async () => {
    const text = await prometheusText(mesh.events);
    const labels = [
      'reporter',
      'destination_workload',
      'response_code',
      'response_flags',
      'connection_security_policy',
    ];
    expect(samples(text, 'istio_requests_total', ...labels)).toEqual([
      'source order-service 200 - unknown 990',
      'destination order-service 200 - mutual_tls 990',
      'source order-service 500 - unknown 10',
      'destination order-service 500 - mutual_tls 10',
      'source legacy-service 200 - unknown 60',
      'source order-service 503 UC unknown 1',
    ]);
  });

  it('has the labels of Istio in their order', async () => {
    const line = (await prometheusText(mesh.events))
      .split('\n')
      .find((each) => each.startsWith('istio_requests_total{'));
    expect([...(line ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label).join(' ')).toBe(
      'reporter source_workload source_canonical_service source_canonical_revision source_workload_namespace ' +
        'source_principal source_app source_version source_cluster destination_workload destination_workload_namespace ' +
        'destination_principal destination_app destination_version destination_service destination_canonical_service ' +
        'destination_canonical_revision destination_service_name destination_service_namespace destination_cluster ' +
        'request_protocol response_code grpc_response_status response_flags connection_security_policy',
    );
  });

  it('puts weighted latencies into cumulative buckets, as many as there are requests', async () => {
    const text = await prometheusText(mesh.events);
    const of = (code: string): string[] =>
      samples(
        text,
        'istio_request_duration_milliseconds_bucket',
        'destination_workload',
        'reporter',
        'response_code',
        'le',
      )
        .filter((sample) => sample.startsWith(`order-service source ${code} `))
        .map((sample) => sample.split(' ').slice(3).join(' '));
    expect(of('200').slice(2, 9)).toEqual(['5 0', '10 0', '25 891', '50 891', '100 990', '250 990', '500 990']);
    expect(of('500').filter((line) => /^(25|100|\+Inf) /.test(line))).toEqual(['25 9', '100 10', '+Inf 10']);
    expect(samples(text, 'istio_request_duration_milliseconds_sum', 'response_code', 'reporter')).toContain(
      `200 source ${891 * 12 + 99 * 85}`,
    );
  });

  it('counts beyond the last bound in +Inf alone', async () => {
    const text = await prometheusText(mesh.events);
    expect(
      samples(text, 'istio_request_duration_milliseconds_bucket', 'destination_workload', 'le').filter((line) =>
        /^legacy-service (3600000|\+Inf)/.test(line),
      ),
    ).toEqual(['legacy-service 3600000 0', 'legacy-service +Inf 60']);
  });

  it('counts certificates, handshakes and TCP connections', async () => {
    const text = await prometheusText(mesh.events, { at: after(13 * HOUR) });
    expect(text).toContain('\ncitadel_server_csr_count 3\n');
    expect(text).toContain('\ncitadel_server_success_cert_issuance_count 3\n');
    expect(text).toContain('\nmeshproof_cert_rotations_total 1\n');
    expect(samples(text, 'istio_agent_cert_expiry_seconds', 'resource_name', 'spiffe_id')).toEqual([
      `default ${principalOf('api-gateway')} ${23 * 3_600}`,
      `default ${principalOf('order-service')} ${11 * 3_600}`,
    ]);
    expect(samples(text, 'meshproof_tls_handshakes_total', 'result', 'reason', 'version', 'resumed')).toEqual([
      'success - TLSv1.3 false 1',
      'failure expired unknown false 1',
    ]);
    for (const metric of ['istio_tcp_connections_opened_total', 'istio_tcp_connections_closed_total']) {
      expect(samples(text, metric, 'reporter', 'request_protocol')).toEqual(['source tcp 1', 'destination tcp 1']);
    }
  });

  it('has no TCP metrics of an HTTP port', async () => {
    const http = new LogBuilder().at(0, {
      kind: 'connection.opened',
      connection: 1,
      source: peer('a'),
      destination: peer('b'),
      port: 8080,
      protocol: 'http',
      security: 'none',
      resumed: false,
    });
    expect(samples(await prometheusText(http.events), 'istio_tcp_connections_opened_total')).toEqual([]);
  });

  it('calls everything unknown of a caller outside the mesh', async () => {
    const outside = new LogBuilder().at(
      0,
      request('x', 'b', {
        source: {},
        destination: { workload: { namespace: 'default', name: 'b' } },
        security: 'none',
      }),
    );
    const text = await prometheusText(outside.events);
    expect(
      samples(
        text,
        'istio_requests_total',
        'reporter',
        'source_workload',
        'source_principal',
        'source_canonical_revision',
        'connection_security_policy',
      ),
    ).toEqual(['destination unknown unknown latest none 1']);
  });

  it('takes app and version from whoever knows the labels', async () => {
    const text = await prometheusText(new LogBuilder().at(0, request('a-v2', 'b')).events, {
      labelsOf: ({ name }) => (name === 'a-v2' ? { app: 'a', version: 'v2' } : {}),
    });
    expect(
      samples(text, 'istio_requests_total', 'source_canonical_service', 'source_canonical_revision', 'destination_app'),
    ).toEqual(['a v2 unknown 1', 'a v2 unknown 1']);
  });

  it('prints the families of an empty log, and the same text twice', async () => {
    const text = await prometheusText([]);
    expect(text).toContain('# TYPE istio_request_duration_milliseconds histogram\n');
    expect(await prometheusText([])).toBe(text);
    const fold = new IstioMetricsFold().addAll(mesh.events);
    expect(await prometheusText(fold)).toBe(await prometheusText(fold));
  });
});
