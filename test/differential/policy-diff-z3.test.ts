/**
 * The exact diff against z3: for generated pairs of configurations, whether some request tells them apart is asked of an
 * SMT solver, from a translation of the policies of its own. Equivalence is what brute force cannot show.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { diff, type DiffFinding } from '../../src/analysis/index.ts';
import type { MeshConfig } from '../../src/istio/index.ts';
import { allowed, fixed, UNIVERSE } from './smt-policies.ts';
import { loadSolver, type Answer } from './smt-solver.ts';
import { cornered, corners, FEATURES, meshOf, pairs } from './smt-worlds.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_124);
const LONG = process.env['MESHPROOF_LONG'] !== undefined;
const PAIRS = LONG ? 2000 : 90;
const TIMEOUT_MS = LONG ? 1_800_000 : 60_000;

const KINDS = ['newly-allowed', 'newly-denied'] as const;
type Kind = (typeof KINDS)[number];

const solver = await loadSolver();

/** Requests whose outcome changes in that direction; only those that a witness is about, where there is one. */
function script(
  kind: Kind,
  { before, after }: { before: MeshConfig; after: MeshConfig },
  witness?: DiffFinding['witness'],
): string {
  const [refused, open] = kind === 'newly-allowed' ? [before, after] : [after, before];
  return [
    UNIVERSE,
    `(assert (and (not ${allowed(refused)}) ${allowed(open)}))`,
    witness === undefined ? '' : fixed(witness),
  ].join('\n');
}

describe.skipIf(typeof solver === 'string')(
  `the exact diff and z3${typeof solver === 'string' ? ` (skipped: ${solver})` : ''}`,
  () => {
    afterAll(() => (typeof solver === 'string' ? undefined : solver.close()));

    it(
      `agree about ${PAIRS} pairs and as many corners of them, in both directions (seed ${SEED})`,
      async () => {
        if (typeof solver === 'string') return;
        const seen: Record<Answer, number> = { sat: 0, unsat: 0, unknown: 0 };
        const known = new Map<string, Record<Answer, number>>();
        const count = (answer: Answer, features: readonly string[]): void => {
          seen[answer]++;
          for (const feature of features) {
            const counts = known.get(feature) ?? { sat: 0, unsat: 0, unknown: 0 };
            counts[answer]++;
            known.set(feature, counts);
          }
        };
        const drawn = fc.sample(fc.record({ pair: pairs, corner: corners }), { numRuns: PAIRS, seed: SEED });
        for (const { pair, corner } of drawn) {
          const { before, after, features } = pair;
          // Calls of declared workloads arrive as somebody else on either side: they are not one request.
          for (const [one, other] of [
            [before, after],
            [cornered(before, corner), cornered(after, corner)],
          ] as const) {
            const sides = { before: meshOf(one), after: meshOf(other) };
            const findings = diff(sides.before, sides.after).findings.filter(
              ({ targets, calls }) => targets[0]?.hypothetical === false && calls === undefined,
            );
            for (const kind of KINDS) {
              const found = findings.filter((finding) => finding.kind === kind);
              // Of a difference the solver has to believe the witnesses; that there is none it has to prove.
              const questions =
                found.length === 0 ? [script(kind, sides)] : found.map(({ witness }) => script(kind, sides, witness));
              for (const question of questions) {
                const answer = await solver.check(question);
                count(answer, features);
                if (answer !== 'unknown') expect(answer, question).toBe(found.length === 0 ? 'unsat' : 'sat');
              }
            }
          }
        }
        expect(seen.sat).toBeGreaterThan(PAIRS);
        expect(seen.unsat).toBeGreaterThan(PAIRS);
        expect(seen.unknown).toBeLessThan((seen.sat + seen.unsat) / 10);
        for (const feature of FEATURES) {
          const { sat = 0, unsat = 0 } = known.get(feature) ?? {};
          expect(Math.min(sat, unsat), `${feature} ${JSON.stringify(known.get(feature))}`).toBeGreaterThan(2);
        }
        if (LONG) console.log(seen, Object.fromEntries(known));
      },
      TIMEOUT_MS,
    );
  },
);
