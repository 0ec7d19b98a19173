/**
 * Rotation over time. In the suite a week of 20 workloads; with `MESHPROOF_LONG=1` thirty days of 200: every leaf renews
 * twice a day, and every renewal is followed by real handshakes of both flows that depend on it.
 */
import { describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS } from '../../src/core/index.ts';
import { rehearse, type Rehearsal } from '../../src/mesh/index.ts';
import { fleetYaml, ringTraffic } from '../kit/fleet.ts';

async function run(workloads: number, days: number): Promise<Rehearsal> {
  const started = performance.now();
  const result = await rehearse(
    { name: `${days} days of ${workloads} workloads`, steps: [], forMs: days * DAY_MS },
    {
      mesh: { yaml: fleetYaml(workloads), ca: { reproducibleKeys: false } },
      traffic: ringTraffic(workloads),
      seed: 'fleet',
      probeIntervalMs: 4 * HOUR_MS,
      freshIntervalMs: DAY_MS,
    },
  );
  const { certificatesRotated, handshakes, probesSent, probesLost, requestsSent, requestsLost } = result;
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  process.stdout.write(
    `${result.plan}: ${certificatesRotated} rotations, ${handshakes} handshakes, ${probesSent} real requests (${probesLost} lost), volume ${requestsSent} (${requestsLost} lost), ${seconds} s\n`,
  );
  return result;
}

function expectSteady(result: Rehearsal, workloads: number, days: number): void {
  expect(result).toMatchObject({ ok: true, probesLost: 0, requestsLost: 0, renewalFailures: 0 });
  const perDay = result.certificatesRotated / workloads / days;
  expect(perDay).toBeGreaterThan(1.9);
  expect(perDay).toBeLessThan(2.1);
  // A new connection of its own to either side after every rotation, at least; two rotations of one instant share them.
  expect(result.handshakes).toBeGreaterThan(1.9 * result.certificatesRotated);
  expect(result.requestsSent).toBe(workloads * 10 * days * 86_400);
}

describe('rotation over time', () => {
  it('loses nothing in a week of 20 workloads', async () => {
    expectSteady(await run(20, 7), 20, 7);
  });

  it.runIf(process.env['MESHPROOF_LONG'] === '1')(
    'loses nothing in thirty days of 200 workloads',
    async () => {
      expectSteady(await run(200, 30), 200, 30);
    },
    3_600_000,
  );
});
