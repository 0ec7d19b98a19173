/**
 * The shop's whole suite: policy tests on wire and model, the timeline over 24 hours, coverage, mutation score, and
 * 10,000 model-level property runs. Together they take less than 10 seconds on two cores.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadManifests } from '../../../src/mesh/index.ts';
import { compileAuthorization } from '../../../src/policy/index.ts';
import { findTestFiles, runTests, type TestReport } from '../../../src/policytest/index.ts';
import {
  authorizationPolicy,
  authorizationRequests,
  propertyParameters,
  request,
  reversed,
} from '../../../src/testing/index.ts';

const SHOP = 'scenarios/01-shop';
const { seed } = propertyParameters(1);
const started = performance.now();
const spent = new Map<string, number>();

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const from = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(from);
  spent.set(what, (user + system) / 1_000_000);
  return result;
}

describe(`the shop (seed ${seed})`, () => {
  let report: TestReport | undefined;

  it('passes its policy tests, on the wire and in the model', async () => {
    const files = await findTestFiles([SHOP]);
    report = await timed('policy tests', () =>
      runTests(files, { version: '0', stopwatch: () => performance.now(), coverage: true, mutate: true }),
    );
    expect(report.summary).toMatchObject({ failed: 0, skipped: 0 });
    expect(report.summary.total).toBeGreaterThan(200);
    expect(report.results.filter(({ name }) => name.startsWith('timeline 24h'))).not.toEqual([]);
  });

  it('decides on every policy, rule and clause', () => {
    expect(report?.coverage?.items.filter(({ hits }) => hits === 0)).toEqual([]);
    expect(report?.coverage?.ratio).toBe(1);
  });

  it('notices at least 95 % of the small changes of its policies', () => {
    expect(report?.mutation?.score).toBeGreaterThanOrEqual(0.95);
    expect(report?.mutation?.killed).toBeGreaterThan(40);
  });

  it('keeps the laws for its own policies, 10,000 runs', async () => {
    const config = await loadManifests(`${SHOP}/k8s`);
    const world = { config, requests: [] };
    const before = compileAuthorization(config);
    const turned = compileAuthorization(reversed(config));
    let runs = 0;
    await timed('properties', async () =>
      fc.assert(
        fc.property(
          request({ world }),
          authorizationPolicy({ world, actions: ['DENY'], maxRules: 1 }),
          (drawn, deny) => {
            runs++;
            const after = compileAuthorization({
              ...config,
              authorizationPolicies: [...config.authorizationPolicies, deny],
            });
            for (const asked of authorizationRequests({ config, requests: [drawn] })) {
              const { decision } = before.authorize(asked);
              expect(turned.authorize(asked).decision).toBe(decision);
              if (decision === 'deny') expect(after.authorize(asked).decision).toBe('deny');
              // Only the gateway has policies; of those that reach it, every caller they let in has a name.
              if (asked.destination.workload !== 'api-gateway') expect(decision).toBe('allow');
              else if (asked.source?.principal === undefined) expect(decision).toBe('deny');
            }
          },
        ),
        { seed, numRuns: 10_000 },
      ),
    );
    expect(runs).toBe(10_000);
  });

  it('takes less than 10 seconds', () => {
    // Processor time of this suite: what the clock shows depends on what else the machine does.
    const seconds = [...spent.values()].reduce((sum, each) => sum + each, 0);
    expect(
      seconds,
      JSON.stringify({ ...Object.fromEntries(spent), wall: (performance.now() - started) / 1000 }),
    ).toBeLessThan(10);
  });
});
