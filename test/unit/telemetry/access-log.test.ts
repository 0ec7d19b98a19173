import { describe, expect, it } from 'vitest';
import { accessLog, accessLogEntries, type AccessLogOptions } from '../../../src/telemetry/index.ts';
import { LogBuilder, peer, refused, request, traffic } from './sample-events.ts';

function lines(log: LogBuilder, options?: AccessLogOptions): string[] {
  return [...accessLog(log.events, options)];
}

const DENIED = 'rbac_access_denied_matched_policy[ns[default]-policy[p]-rule[0]]';

describe('accessLog as text', () => {
  it('has a line of each sidecar, in Istio’s order of operators', () => {
    const log = new LogBuilder().at(
      1_500,
      request('a', 'b', { path: '/api?x=1', status: 200, durationMs: 12.4, authority: 'b:8080' }),
    );
    expect(lines(log)).toEqual([
      '[2026-01-01T00:00:01.488Z] "GET /api?x=1 HTTP/1.1" 200 - via_upstream - "-" - - 12 - "-" "-" "-" "b:8080" "-" ' +
        'outbound|8080||b.default.svc.cluster.local - - - - default',
      '[2026-01-01T00:00:01.488Z] "GET /api?x=1 HTTP/1.1" 200 - via_upstream - "-" - - 12 - "-" "-" "-" "b:8080" "-" ' +
        'inbound|8080|| - - - outbound_.8080_._.b.default.svc.cluster.local default',
    ]);
  });

  it('tells the reason of a denial at the destination alone', () => {
    const log = new LogBuilder().at(0, request('a', 'b', { status: 403, details: DENIED }));
    const [source, destination] = lines(log);
    expect(source).toContain('HTTP/1.1" 403 - via_upstream - ');
    expect(destination).toContain(`HTTP/1.1" 403 - ${DENIED} - `);
  });

  it('has no line at a destination that was never reached', () => {
    const details = 'upstream_reset_before_response_started{connection termination}';
    const log = new LogBuilder().at(0, request('a', 'b', { status: 503, flags: 'UC', details }));
    expect(lines(log)).toHaveLength(1);
    expect(lines(log)[0]).toContain('503 UC upstream_reset_before_response_started{connection_termination} - ');
  });

  it('writes what only the refusing side knows of a refused connection', () => {
    const log = new LogBuilder().at(
      0,
      refused('a', 'b', { source: {}, stage: 'filter-chain', reason: 'filter_chain_not_found' }),
      refused('a', 'b', { stage: 'authorize', reason: 'rbac', detail: DENIED }),
      refused('a', 'b', { stage: 'verify-server', reason: 'untrusted_root' }),
    );
    expect(lines(log)).toEqual([
      '[2026-01-01T00:00:00.000Z] "- - -" 0 NR filter_chain_not_found - "-" - - - - "-" "-" "-" "-" "-" - - - - - -',
      `[2026-01-01T00:00:00.000Z] "- - -" 0 - - ${DENIED} "-" - - - - "-" "-" "-" "-" "-" inbound|8080|| - - - - -`,
      '[2026-01-01T00:00:00.000Z] "- - -" 0 UF - - "untrusted_root" - - - - "-" "-" "-" "-" "-" ' +
        'outbound|8080||b.default.svc.cluster.local - - - - -',
    ]);
  });

  it('has no line of a workload without a sidecar, of a caller outside, of a volume', () => {
    const workloads = [
      { namespace: 'default', name: 'a', injected: true },
      { namespace: 'default', name: 'legacy', injected: false },
    ];
    const log = new LogBuilder()
      .at(0, { kind: 'mesh.started', trustDomain: 'cluster.local', workloads })
      .at(1, request('a', 'legacy', { security: 'none' }), request('legacy', 'a', { security: 'none' }))
      .at(2, request('x', 'a', { source: {}, security: 'none' }), traffic('a', 'legacy', 1_000));
    expect(lines(log).map((line) => line.split(' ')[18])).toEqual([
      'outbound|8080||legacy.default.svc.cluster.local',
      'inbound|8080||',
      'inbound|8080||',
    ]);
  });

  it('keeps to one sidecar where asked', () => {
    const log = new LogBuilder().at(0, request('a', 'b'), request('b', 'c', { destination: peer('c') }));
    expect(lines(log, { workload: { namespace: 'default', name: 'b' } })).toHaveLength(2);
    expect(lines(log, { workload: { namespace: 'other', name: 'b' } })).toEqual([]);
  });

  it('lets no caller forge a line', () => {
    const log = new LogBuilder().at(0, request('a', 'b', { path: '/x" 200 -\n[2026', authority: 'h\u2028' }));
    for (const line of lines(log)) {
      expect(line).toContain('"GET /x%22 200 -%0A[2026 HTTP/1.1"');
      expect(line).toContain('"h%E2%80%A8"');
      expect(line.split(/[\n\u2028]/)).toHaveLength(1);
    }
  });
});

describe('accessLog as JSON', () => {
  const log = new LogBuilder().at(0, request('a', 'b', { durationMs: 3 }), refused('a', 'b'));

  it('has the same 24 keys in the same order on every line', () => {
    const keys = lines(log, { format: 'json' }).map((line) => Object.keys(JSON.parse(line)).join(' '));
    expect(new Set(keys)).toEqual(
      new Set([
        'start_time route_name method path protocol response_code response_flags response_code_details ' +
          'connection_termination_details bytes_received bytes_sent duration upstream_service_time x_forwarded_for ' +
          'user_agent request_id authority upstream_host upstream_cluster upstream_local_address ' +
          'downstream_local_address downstream_remote_address requested_server_name upstream_transport_failure_reason',
      ]),
    );
  });

  it('is the entries, written', () => {
    expect(lines(log, { format: 'json' }).map((line) => JSON.parse(line))).toEqual([...accessLogEntries(log.events)]);
  });
});
