/** Laws of the folds over an event log, on generated logs and samples. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addMs, DEFAULT_EPOCH, type LatencySample, type MeshEvent } from '../../../src/core/index.ts';
import { LatencyHistogram, ServiceMetricsFold, TrafficFlowFold } from '../../../src/telemetry/index.ts';
import { eventLog, FC_PARAMETERS } from '../../unit/telemetry/sample-events.ts';

function requestsIn(events: readonly MeshEvent[]): number {
  return events.reduce((sum, event) => {
    if (event.kind === 'traffic.recorded') return sum + event.requests;
    return sum + (event.kind === 'request.completed' && event.flow === undefined ? 1 : 0);
  }, 0);
}

/** Nearest rank, by sorting: the definition. */
function exactPercentile(samples: readonly LatencySample[], percentile: number): number {
  const sorted = [...samples].sort((a, b) => a.ms - b.ms);
  const total = sorted.reduce((sum, sample) => sum + sample.count, 0);
  const rank = Math.max(1, Math.ceil((percentile * total) / 100));
  let seen = 0;
  for (const { ms, count } of sorted) {
    seen += count;
    if (seen >= rank) return ms;
  }
  return 0;
}

const samples = fc.array(
  fc.record({ ms: fc.double({ min: 0, max: 3_600_000, noNaN: true }), count: fc.integer({ min: 1, max: 1_000_000 }) }),
  { minLength: 1, maxLength: 60 },
);

describe('folds over an event log', () => {
  it('give the same for two halves as for the whole', () => {
    fc.assert(
      fc.property(eventLog, fc.double({ min: 0, max: 1, noNaN: true }), (events, share) => {
        const cut = Math.round(events.length * share);
        const [first, second] = [events.slice(0, cut), events.slice(cut)];
        const services = new ServiceMetricsFold().addAll(first).merge(new ServiceMetricsFold().addAll(second));
        expect(services.snapshot()).toEqual(new ServiceMetricsFold().addAll(events).snapshot());
        const flows = new TrafficFlowFold().addAll(first).merge(new TrafficFlowFold().addAll(second));
        expect(flows.snapshot()).toEqual(new TrafficFlowFold().addAll(events).snapshot());
      }),
      FC_PARAMETERS,
    );
  });

  it('count every request once, over all services and over windows that touch', () => {
    fc.assert(
      fc.property(eventLog, fc.nat(600_000), (events, cutMs) => {
        const total = (rows: readonly { requestsTotal: number }[]): number =>
          rows.reduce((sum, row) => sum + row.requestsTotal, 0);
        const at = addMs(DEFAULT_EPOCH, cutMs);
        const before = new ServiceMetricsFold({ to: at }).addAll(events).snapshot();
        const since = new ServiceMetricsFold({ from: at }).addAll(events).snapshot();
        expect(total(new ServiceMetricsFold().addAll(events).snapshot())).toBe(requestsIn(events));
        expect(total(before) + total(since)).toBe(requestsIn(events));
      }),
      FC_PARAMETERS,
    );
  });

  it('spread rates so that the parts of a window add up', () => {
    fc.assert(
      fc.property(eventLog, fc.integer({ min: 1, max: 599_999 }), (events, cutMs) => {
        const [from, cut, to] = [DEFAULT_EPOCH, addMs(DEFAULT_EPOCH, cutMs), addMs(DEFAULT_EPOCH, 600_000)];
        const requests = (window: { from: typeof from; to: typeof to }): number =>
          new TrafficFlowFold(window)
            .addAll(events)
            .snapshot()
            .reduce((sum, flow) => sum + (flow.rps * (window.to - window.from)) / 1_000, 0);
        expect(requests({ from, to: cut }) + requests({ from: cut, to })).toBeCloseTo(requests({ from, to }), 3);
      }),
      FC_PARAMETERS,
    );
  });

  it('keep rates within their bounds and percentiles in order', () => {
    fc.assert(
      fc.property(eventLog, (events) => {
        for (const row of new ServiceMetricsFold().addAll(events).snapshot()) {
          expect(row.errorRate).toBeGreaterThanOrEqual(0);
          expect(row.errorRate).toBeLessThanOrEqual(100);
          expect(row.p50LatencyMs).toBeLessThanOrEqual(row.p99LatencyMs);
          expect(row.connections).toBeGreaterThanOrEqual(0);
        }
      }),
      FC_PARAMETERS,
    );
  });
});

describe('LatencyHistogram', () => {
  it.each([1, 50, 90, 99, 99.9, 100])('finds p%d within 0.1 % of the exact one', (percentile) => {
    fc.assert(
      fc.property(samples, (all) => {
        const histogram = new LatencyHistogram();
        for (const sample of all) histogram.record(sample);
        const exact = exactPercentile(all, percentile);
        // Half a microsecond is lost to rounding in either direction.
        const slackMs = 0.000_501;
        expect(histogram.percentileMs(percentile)).toBeGreaterThanOrEqual(exact - slackMs);
        expect(histogram.percentileMs(percentile)).toBeLessThanOrEqual(exact * 1.001 + 2 * slackMs);
      }),
      FC_PARAMETERS,
    );
  });
});
