/** The metrics' text against prom-client's own histogram, observing one value at a time, and against promtool. */
import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { Counter, Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { ENVOY_BUCKETS_MS, prometheusText } from '../../../src/telemetry/index.ts';
import { eventLog, FC_PARAMETERS, issued, LogBuilder, refused, traffic } from '../../unit/telemetry/sample-events.ts';

const latency = fc.array(
  fc.record({
    ms: fc.oneof(fc.constantFrom(...ENVOY_BUCKETS_MS), fc.nat(4_000_000), fc.constantFrom(0.25, 0.75, 12.5)),
    count: fc.integer({ min: 1, max: 40 }),
  }),
  { minLength: 1, maxLength: 8 },
);

/** Buckets, counts and sums of the source's reports, without their labels. */
function numbers(text: string): string[] {
  return text
    .split('\n')
    .filter(
      (line) => line.startsWith('istio_request_duration_milliseconds_') && !line.includes('reporter="destination"'),
    )
    .map((line) => line.replace(/\{[^}]*?(le="[^"]*")?\}/, '{$1}').replace('{}', ''));
}

describe('istio_request_duration_milliseconds against prom-client', () => {
  it('has the numbers of single observations', async () => {
    await fc.assert(
      fc.asyncProperty(latency, async (samples) => {
        const registry = new Registry();
        const histogram = new Histogram({
          name: 'istio_request_duration_milliseconds',
          help: 'one at a time',
          buckets: [...ENVOY_BUCKETS_MS],
          registers: [registry],
        });
        for (const { ms, count } of samples) for (let i = 0; i < count; i++) histogram.observe(ms);
        const requests = samples.reduce((sum, sample) => sum + sample.count, 0);
        const log = new LogBuilder().at(0, traffic('a', 'b', requests, { latency: samples }));
        expect(numbers(await prometheusText(log.events))).toEqual(numbers(await registry.metrics()));
      }),
      FC_PARAMETERS,
    );
  });
});

describe('the text of a generated log', () => {
  it('times as many requests as volumes have latencies, and counts every request at its source', async () => {
    await fc.assert(
      fc.asyncProperty(eventLog, async (events) => {
        const text = await prometheusText(events);
        const total = (metric: string): number =>
          text
            .split('\n')
            .filter((line) => line.startsWith(`${metric}{reporter="source"`))
            .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
        let requests = 0;
        let timed = 0;
        for (const event of events) {
          if (event.kind === 'request.completed' && event.flow === undefined) requests++;
          if (event.kind !== 'traffic.recorded') continue;
          requests += event.requests;
          timed += event.latency.reduce((sum, sample) => sum + sample.count, 0);
        }
        expect(total('istio_requests_total')).toBe(requests);
        expect(total('istio_request_duration_milliseconds_count')).toBe(timed);
      }),
      { ...FC_PARAMETERS, numRuns: 50 },
    );
  });
});

const PROMTOOL = 'promtool';
const missing = spawnSync(PROMTOOL, ['--version']).error !== undefined;
const skipped = missing && !process.env['MESHPROOF_REQUIRE_TOOLS'];

describe.skipIf(skipped)(`promtool${missing ? ' (skipped: promtool is not installed)' : ''}`, () => {
  const check = (input: string): { status: number | null; output: string } => {
    const run = spawnSync(PROMTOOL, ['check', 'metrics'], { input, encoding: 'utf8' });
    if (run.error !== undefined) throw run.error;
    return { status: run.status, output: run.stdout + run.stderr };
  };
  const log = new LogBuilder()
    .at(0, issued('a', 0, '01', 'initial'), traffic('a', 'b', 100), refused('a', 'b'))
    .at(9, issued('a', 9, '02', 'rotation'));

  it('has nothing against the families of our own', async () => {
    const families = (await prometheusText(log.events))
      .split('\n\n')
      .filter((family) => family.includes(' meshproof_'));
    expect(families).toHaveLength(3);
    expect(check(`${families.join('\n\n').trim()}\n`)).toEqual({ status: 0, output: '' });
  });

  it('reads the whole text, and objects to nothing but names that are Istio’s', async () => {
    const { output } = check(await prometheusText(log.events));
    const complaints = output.trim().split('\n');
    expect(complaints.filter((line) => !/^(citadel_server_|istio_request_duration_milliseconds )/.test(line))).toEqual(
      [],
    );
    // It did read: a text that is none is an error of another kind.
    expect(check('not a metric{\n').output).toContain('error while linting');
  });

  it('objects to a name that breaks the rules, so that the check can fail', async () => {
    const registry = new Registry();
    new Counter({ name: 'meshproof_things', help: 'x', registers: [registry] }).inc();
    expect(check(await registry.metrics()).status).not.toBe(0);
  });
});
