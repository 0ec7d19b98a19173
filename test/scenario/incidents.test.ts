/**
 * The scenarios that ship about identities, held against their transcripts (`npx vitest run -u` rewrites them).
 */
import { describe, expect, it } from 'vitest';
import { renderRun, runReport } from '../../src/cli/render/run-report.ts';
import { runScenario } from '../../src/mesh/index.ts';

const EXPECTED = [
  { name: '02-rotation-stopped', reason: 'expired', firstLoss: '2026-01-02T00:01:00Z', downMs: 60 * 60_000 },
  { name: '03-linkerd-4287', reason: 'untrusted_root', firstLoss: '2026-01-01T11:55:00Z', downMs: 12 * 60_000 },
  { name: '04-istio-14516', reason: 'expired', firstLoss: '2019-06-02T14:03:46Z', downMs: 170 * 60_000 },
];

describe.each(EXPECTED)('scenario $name', ({ name, reason, firstLoss, downMs }) => {
  it('goes down when and why its README says, and ends as its transcript', async () => {
    const run = await runScenario(name);
    await using mesh = run.mesh;
    const report = runReport(run);
    await expect(renderRun(run, report)).toMatchFileSnapshot(`../../scenarios/${name}/expected.txt`);
    expect(run.ok).toBe(false);
    expect(report.expectations.map(({ ok }) => ok)).toEqual([true, false]);
    expect(report.rotation.firstLoss?.reason).toContain(reason);
    expect(report.rotation.firstLoss?.at).toBe(Date.parse(firstLoss));
    const lostAt = [...mesh.events].flatMap((event) =>
      event.kind === 'traffic.recorded' && event.lost > 0 ? [event.at] : [],
    );
    const down = Math.max(...lostAt) - Math.min(...lostAt) + 60_000;
    expect(Math.abs(down - downMs)).toBeLessThanOrEqual(2 * 60_000);
  });
});

describe('scenario 04-istio-14516 with today’s istiod', () => {
  it('renews the root in time and loses nothing', async () => {
    const { loadScenario } = await import('../../src/mesh/index.ts');
    const loaded = await loadScenario('04-istio-14516');
    const { ca, ...rest } = loaded.scenario;
    const scenario = { ...rest, ca: { ...ca, renewRoot: true }, events: [] };
    const run = await runScenario({ ...loaded, scenario });
    await using _ = run.mesh;
    expect(run.expectations.map(({ ok, seen }) => ({ ok, seen }))).toEqual([
      { ok: true, seen: '0' },
      { ok: true, seen: '0' },
    ]);
  });
});
