/**
 * The compiled, indexed evaluator against the naive one, on generated meshes: decision, status, the rule that is
 * reported, audit and dry run.
 */
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileAuthorization, type Decision, type ExternalAuthorizer } from '../../src/policy/index.ts';
import { config, request } from './authorization-worlds.ts';
import { naiveAuthorize, type NaiveDecision } from './naive-authorization.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_124);
const REQUESTS_PER_WORLD = 200;
const WORLDS = process.env['MESHPROOF_LONG'] === undefined ? 500 : 5000;

const ANSWERS: ReadonlyMap<string, 'allow' | 'deny' | 'error'> = new Map([
  ['authz', 'error'],
  ['open', 'error'],
  ['web', 'deny'],
  ['yes', 'allow'],
]);
const answer = (provider: string): 'allow' | 'deny' | 'error' => ANSWERS.get(provider) ?? 'error';
const externalAuthorizer: ExternalAuthorizer = ({ name }) => answer(name);

function asNaive({ decision, status, determining, trace, dryRun }: Decision): NaiveDecision {
  const name = (refs: Decision['determining']): { matched?: string } => {
    const [ref] = refs;
    return ref === undefined ? {} : { matched: `ns[${ref.namespace}]-policy[${ref.name}]-rule[${ref.rule}]` };
  };
  return {
    decision,
    status,
    ...name(determining),
    audited: trace.audited.map((ref) => name([ref]).matched ?? ''),
    dryRun: dryRun.map(({ action, result, determining: refs }) => ({ action, result, ...name(refs) })),
  };
}

describe('the compiled evaluator', () => {
  it(`agrees with the naive one on about ${WORLDS * REQUESTS_PER_WORLD} requests (seed ${SEED})`, () => {
    const seen = { requests: 0, allow: 0, deny: 0, byRule: 0, audited: 0, dryRun: 0, badPath: 0, custom: 0 };
    fc.assert(
      fc.property(
        config,
        fc.array(request, { minLength: 1, maxLength: 2 * REQUESTS_PER_WORLD, size: 'max' }),
        (world, asked) => {
          const compiled = compileAuthorization(world, { externalAuthorizer });
          for (const each of asked) {
            const got = asNaive(compiled.authorize(each));
            const want = naiveAuthorize(world, each, answer);
            // The request stands on both sides, so that a failure shows it.
            if (!isDeepStrictEqual(got, want)) expect({ ...got, each }).toEqual({ ...want, each });
            seen.requests++;
            seen[got.decision]++;
            if (got.matched !== undefined) seen.byRule++;
            if (got.audited.length > 0) seen.audited++;
            if (got.dryRun.length > 0) seen.dryRun++;
            if (got.status === 400) seen.badPath++;
            if (got.status === 500) seen.custom++;
          }
        },
      ),
      { numRuns: WORLDS, seed: SEED },
    );
    // The comparison means something only if every kind of outcome occurs.
    expect(seen.requests).toBeGreaterThanOrEqual(0.9 * WORLDS * REQUESTS_PER_WORLD);
    expect(Object.entries(seen).filter(([, count]) => count <= 20)).toEqual([]);
  }, 300_000);
});
