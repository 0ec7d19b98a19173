import { describe, expect, it } from 'vitest';
import {
  LatencyHistogram,
  ServiceMetricsFold,
  TrafficFlowFold,
  type ServiceMetrics,
} from '../../../src/telemetry/index.ts';
import { after, LogBuilder, peer, refused, request, service, traffic } from './sample-events.ts';

function only(log: LogBuilder): ServiceMetrics {
  const [row, ...rest] = new ServiceMetricsFold().addAll(log.events).snapshot();
  if (row === undefined || rest.length > 0) throw new Error('one service was expected');
  return row;
}

describe('ServiceMetricsFold', () => {
  it('sums volumes, errors and losses, and keeps the last number of sockets of each flow', () => {
    const log = new LogBuilder()
      .at(60_000, traffic('a', 'b', 1_000, { errors: 2, connections: 5 }))
      .at(
        120_000,
        traffic('a', 'b', 3_000, { errors: 1, lost: 5, connections: 7 }),
        traffic('c', 'b', 0, { connections: 3 }),
      );
    expect(only(log)).toEqual({
      name: 'b',
      requestsTotal: 4_000,
      errorRate: 0.2,
      p50LatencyMs: 10,
      p99LatencyMs: 10,
      mtlsEnabled: true,
      connections: 10,
    });
  });

  it('weighs latencies by their counts', () => {
    const latency = [
      { ms: 12, count: 985 },
      { ms: 85, count: 15 },
    ];
    const row = only(new LogBuilder().at(1, traffic('a', 'b', 1_000, { latency })));
    expect(row.p50LatencyMs).toBeCloseTo(12, 1);
    expect(row.p99LatencyMs).toBeCloseTo(85, 1);
  });

  it('counts a single request, but not the probe of a flow', () => {
    expect(only(new LogBuilder().at(1, request('a', 'b'), request('a', 'b', { status: 500 }))).errorRate).toBe(50);
    expect(
      only(new LogBuilder().at(1, traffic('a', 'b', 9), request('a', 'b', { flow: 'a -> b' }))).requestsTotal,
    ).toBe(9);
  });

  it('counts a refusal by the mesh as a failure, a 404 of the application not', () => {
    const denied = request('a', 'b', { status: 403, details: 'rbac_access_denied_matched_policy[none]' });
    expect(only(new LogBuilder().at(1, denied)).errorRate).toBe(100);
    expect(only(new LogBuilder().at(1, request('a', 'b', { status: 404 }))).errorRate).toBe(0);
  });

  it.each([
    ['mutual TLS alone', [{ security: 'mutual_tls' as const }], true],
    ['one plaintext flow among others', [{ security: 'mutual_tls' as const }, { security: 'none' as const }], false],
    ['TLS of one side', [{ security: 'tls' as const }], false],
    [
      'plaintext that was refused before it arrived',
      [{ security: 'mutual_tls' as const }, { security: 'none' as const, lost: 10, status: 503, flags: 'UC' }],
      true,
    ],
    [
      'plaintext that authorization denied, having arrived',
      [{ security: 'mutual_tls' as const }, { security: 'none' as const, lost: 10, status: 403 }],
      false,
    ],
    ['nothing that arrived', [{ security: 'mutual_tls' as const, lost: 10, status: 503, flags: 'UF,URX' }], false],
  ])('decides mutual TLS from %s', (_what, flows, expected) => {
    const log = new LogBuilder();
    flows.forEach((fields, index) => log.at(index, traffic('a', 'b', 10, { flow: String(index), ...fields })));
    expect(only(log).mtlsEnabled).toBe(expected);
  });

  it('counts real sockets where no flow reports any', () => {
    const opened = (connection: number) =>
      ({
        kind: 'connection.opened',
        connection,
        source: peer('a'),
        destination: peer('b'),
        service: service('b'),
        port: 8080,
        security: 'mutual_tls',
        resumed: false,
      }) as const;
    const log = new LogBuilder()
      .at(1, opened(1), opened(2), request('a', 'b'))
      .at(2, { kind: 'connection.closed', connection: 1 });
    expect(only(log).connections).toBe(1);
  });

  it('leaves out what is not in the window, whose start is open', () => {
    const log = new LogBuilder()
      .at(60_000, traffic('a', 'b', 1))
      .at(120_000, traffic('a', 'b', 10))
      .at(180_000, traffic('a', 'b', 100));
    const fold = new ServiceMetricsFold({ from: after(60_000), to: after(120_000) }).addAll(log.events);
    expect(fold.snapshot().map((row) => row.requestsTotal)).toEqual([10]);
  });

  it('has no row for a service nobody reached for', () => {
    expect(new ServiceMetricsFold().addAll(new LogBuilder().at(1, refused('a', 'b')).events).snapshot()).toEqual([]);
  });
});

describe('TrafficFlowFold', () => {
  it('lists flows in order of first appearance with rates over the span seen', () => {
    const log = new LogBuilder()
      .at(60_000, traffic('z', 'b', 600), traffic('a', 'b', 60, { errors: 6 }))
      .at(120_000, traffic('a', 'b', 60), traffic('z', 'b', 600, { security: 'none' }));
    expect(new TrafficFlowFold().addAll(log.events).snapshot()).toEqual([
      { source: 'z', dest: 'b', rps: 10, errorRate: 0, mtls: false },
      { source: 'a', dest: 'b', rps: 1, errorRate: 5, mtls: true },
    ]);
  });

  it('calls a caller outside the mesh unknown', () => {
    const log = new LogBuilder().at(60_000, traffic('a', 'b', 60, { source: {}, security: 'none' }));
    expect(new TrafficFlowFold().addAll(log.events).snapshot()).toEqual([
      { source: 'unknown', dest: 'b', rps: 1, errorRate: 0, mtls: false },
    ]);
  });
});

describe('LatencyHistogram', () => {
  it('leaves out what is no latency', () => {
    const histogram = new LatencyHistogram();
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY]) histogram.record({ ms, count: 1 });
    histogram.record({ ms: 1, count: 0 });
    expect(histogram.count).toBe(0);
    expect(histogram.percentileMs(99)).toBe(0);
  });

  it('resolves below a millisecond', () => {
    const histogram = new LatencyHistogram();
    histogram.record({ ms: 0.125, count: 3 });
    expect(histogram.percentileMs(50)).toBe(0.125);
  });
});
