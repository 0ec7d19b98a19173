/**
 * Equal seeds give equal logs: every event, in order, but for the serial numbers of certificates, which are random
 * unless a world asks for reproducible keys.
 */
import { describe, expect, it } from 'vitest';
import type { MeshEvent } from '../../src/core/index.ts';
import { runScenario } from '../../src/mesh/index.ts';

async function logOf(hours: number): Promise<readonly string[]> {
  const { mesh } = await runScenario('01-shop', { for: `${hours}h` });
  const events = mesh.events.all().map((event: MeshEvent) => JSON.stringify({ ...event, serial: undefined }));
  await mesh.close();
  return events;
}

describe('the event log of the shop', () => {
  it('is the same twice, over 410 connections, probes that are under way together, and new connections every hour', async () => {
    const [first, second] = [await logOf(3), await logOf(3)];
    expect(first.length).toBeGreaterThan(3_000);
    expect(second).toEqual(first);
  });
});
