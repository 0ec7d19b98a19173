/** Findings about calls of generated changes, sent: what the wire does is what they say. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diff } from '../../src/analysis/index.ts';
import { replayFindings } from '../../src/cli/diff-replay.ts';
import { change } from './call-worlds.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_128);
const MESHES = process.env['MESHPROOF_LONG'] === undefined ? 120 : 3000;

describe('calls that a change touches', () => {
  it(`go on the wire as they are told (seed ${SEED})`, async () => {
    const sent = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(change, async ({ before, after }) => {
        const findings = diff(before, after).findings.filter(({ calls }) => calls !== undefined);
        const replays = await replayFindings(findings, before, after);
        findings.forEach((finding, i) => {
          const replay = replays[i];
          if (replay?.skipped !== undefined) {
            expect(replay.skipped).toMatch(/leads to other servers/);
            sent.set('skipped', (sent.get('skipped') ?? 0) + 1);
            return;
          }
          expect(replay?.agrees, JSON.stringify({ finding, replay })).toBe(true);
          sent.set(finding.kind, (sent.get(finding.kind) ?? 0) + 1);
        });
      }),
      { numRuns: MESHES, seed: SEED, endOnFailure: true },
    );
    for (const kind of [
      'newly-allowed',
      'newly-denied',
      'now-reachable',
      'now-unreachable',
      'mtls-weakened',
      'mtls-strengthened',
      'skipped',
    ])
      expect(sent.get(kind) ?? 0, kind).toBeGreaterThan(0);
  });
});
