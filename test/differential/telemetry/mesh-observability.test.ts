/**
 * The dashboard's text against the Python program it follows, run by the python3 of this machine: fixed examples, the
 * rounding ties of both formats, and generated meshes.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseInstant } from '../../../src/core/index.ts';
import { MeshObservability } from '../../../src/telemetry/index.ts';
import { FC_PARAMETERS } from '../../unit/telemetry/sample-events.ts';

const PROGRAM = fileURLToPath(new URL('mesh_observability.py', import.meta.url));
const GOLDEN = new URL('../../unit/telemetry/golden/', import.meta.url);
const missing = spawnSync('python3', ['--version']).status !== 0;
const skipped = missing && !process.env['MESHPROOF_REQUIRE_TOOLS'];

type ServiceRow = readonly [string, number, number, number, number, boolean, number];
type FlowRow = readonly [string, string, number, number, boolean];
interface Case {
  readonly clock: string;
  readonly services: readonly ServiceRow[];
  readonly flows: readonly FlowRow[];
}
interface Printed {
  readonly dashboard: string;
  readonly audit: string;
}

function python(cases: readonly Case[]): readonly Printed[] {
  const run = spawnSync('python3', [PROGRAM], {
    input: JSON.stringify(cases),
    encoding: 'utf8',
    env: { ...process.env, PYTHONIOENCODING: 'utf-8' },
    maxBuffer: 1 << 28,
  });
  expect(run.stderr).toBe('');
  return JSON.parse(run.stdout);
}

function ours({ clock, services, flows }: Case): Printed {
  const mesh = new MeshObservability({ at: parseInstant(`2026-01-01T${clock}:59Z`) });
  for (const [name, requestsTotal, errorRate, p50LatencyMs, p99LatencyMs, mtlsEnabled, connections] of services) {
    mesh.addService({ name, requestsTotal, errorRate, p50LatencyMs, p99LatencyMs, mtlsEnabled, connections });
  }
  for (const flow of flows) mesh.addTraffic(...flow);
  return { dashboard: `${mesh.dashboard()}\n`, audit: `${mesh.securityAudit()}\n` };
}

const SHOP: Case = {
  clock: '14:05',
  services: [
    ['api-gateway', 5000, 0.2, 12, 85, true, 150],
    ['user-service', 2000, 0.1, 8, 45, true, 80],
    ['order-service', 3000, 0.5, 15, 120, true, 100],
    ['payment-service', 1000, 0.3, 20, 200, true, 50],
    ['notification-svc', 500, 0, 5, 30, true, 20],
    ['legacy-service', 200, 1.5, 50, 500, false, 10],
  ],
  flows: [
    ['api-gateway', 'user-service', 2000, 0.1, true],
    ['api-gateway', 'order-service', 3000, 0.5, true],
    ['order-service', 'payment-service', 1000, 0.3, true],
    ['order-service', 'legacy-service', 200, 1.5, false],
  ],
};

const name = fc.oneof(
  fc.constantFrom(
    'api-gateway',
    'user-service',
    'legacy-service',
    'a-name-longer-than-twenty-five-columns',
    'บริการ',
    '𝕏',
  ),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
);
/** Percentages and latencies, with the ties of one and of no decimals well represented; -0 has no form in JSON. */
const decimal = fc
  .oneof(
    fc.integer({ min: -400, max: 4_000_000 }).map((quarters) => quarters / 4),
    fc.integer({ min: 0, max: 100_000 }).map((hundredths) => hundredths / 100),
    fc.double({ min: 0, max: 1e6, noNaN: true }),
    fc.double({ min: -1e25, max: 1e25, noNaN: true }),
  )
  .map((value) => value + 0);
const count = fc.oneof(fc.nat(20_000), fc.integer({ min: -1_000, max: 2 ** 40 }));
const clock = fc
  .tuple(fc.nat(23), fc.nat(59))
  .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`);
const meshCase: fc.Arbitrary<Case> = fc.record({
  clock,
  // Python divides by the number of services: a mesh without any is a case of ours alone.
  services: fc.array(fc.tuple(name, count, decimal, decimal, decimal, fc.boolean(), fc.nat()), {
    minLength: 1,
    maxLength: 9,
  }),
  flows: fc.array(fc.tuple(name, name, count, decimal, fc.boolean()), { maxLength: 9 }),
});

describe.skipIf(skipped)(
  `the dashboard against python3${missing ? ' (skipped: python3 is not installed)' : ''}`,
  () => {
    it('prints the shop alike, and both print the committed text', () => {
      const [expected] = python([SHOP]);
      expect(ours(SHOP)).toEqual(expected);
      expect(expected).toEqual({
        dashboard: readFileSync(new URL('dashboard.txt', GOLDEN), 'utf8'),
        audit: readFileSync(new URL('security-audit.txt', GOLDEN), 'utf8'),
      });
    });

    it('rounds every quarter up to 100 and every coverage of up to 60 services alike', () => {
      const quarters: readonly ServiceRow[] = Array.from({ length: 401 }, (_, i) => [
        `s${i}`,
        i,
        i / 4,
        0,
        i / 4,
        true,
        0,
      ]);
      const coverages = Array.from({ length: 60 }, (_, total) =>
        Array.from({ length: total + 2 }, (_, covered): Case => ({
          clock: '00:00',
          services: Array.from({ length: total + 1 }, (_, i) => [`s${i}`, 1, 0, 0, 0, i < covered, 0] as const),
          flows: [],
        })),
      ).flat();
      const cases = [{ clock: '23:59', services: quarters, flows: [] }, ...coverages];
      expect(cases.map(ours)).toEqual(python(cases));
    });

    it('prints generated meshes alike', () => {
      // In batches: a Python process costs more than a thousand dashboards. A failing batch is not shrunk, the assertion
      // names its first wrong mesh.
      const batches = fc.array(meshCase, { minLength: 200, maxLength: 200 });
      fc.assert(
        fc.property(batches, (cases) => {
          const expected = python(cases);
          cases.forEach((each, index) => expect(ours(each)).toEqual(expected[index]));
        }),
        { ...FC_PARAMETERS, numRuns: 5, endOnFailure: true },
      );
    });
  },
);
