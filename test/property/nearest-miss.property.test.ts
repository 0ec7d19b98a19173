/**
 * The edits a near miss proposes are edits that work: the policy, changed so, lets the very request through, which the
 * naive evaluator says, not the one that proposed them. Every near miss of every denial is put to the test.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { AuthorizationPolicy, MeshConfig } from '../../src/istio/index.ts';
import { compileAuthorization, type FailedClause, type NearMiss } from '../../src/policy/index.ts';
import { config, request } from '../differential/authorization-worlds.ts';
import { naiveAuthorize } from '../differential/naive-authorization.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_128);
const WORLDS = process.env['MESHPROOF_LONG'] === undefined ? 150 : 2000;

type Node = Record<string, unknown>;

/** What holds the list of a clause, and the list's name there. */
function placeOf(spec: Node, path: string): readonly [Node, string] {
  const steps = path.split(/[.[\]]+/).filter((step) => step !== '');
  const last = steps.pop() ?? '';
  return [steps.reduce((node, step) => node[step] as Node, spec), last];
}

function applyEdit(spec: Node, { path, edit }: FailedClause): void {
  const [holder, field] = placeOf(spec, path);
  const values = (holder[field] ?? []) as readonly string[];
  if (edit.kind === 'add') holder[field] = [...values, edit.value];
  else if (edit.kind === 'remove') holder[field] = values.filter((value) => !edit.values.includes(value));
  // A condition goes as a whole where its key is at fault: any key without values asks for nothing.
  else if (field === 'key') holder['key'] = 'source.ip';
  else delete holder[field];
  if (field === 'key') for (const list of ['values', 'notValues']) delete holder[list];
}

function edited(world: MeshConfig, { policy: ref, failed }: NearMiss): MeshConfig {
  const change = (policy: AuthorizationPolicy): AuthorizationPolicy => {
    if (policy.metadata.name !== ref.name || policy.metadata.namespace !== ref.namespace) return policy;
    const spec = structuredClone(policy.spec);
    for (const clause of failed) applyEdit(spec as unknown as Node, clause);
    return { ...policy, spec };
  };
  return { ...world, authorizationPolicies: world.authorizationPolicies.map(change) };
}

it(`every proposed edit lets the request through (seed ${SEED})`, () => {
  const seen = { add: 0, remove: 0, drop: 0, unusable: 0, several: 0 };
  fc.assert(
    fc.property(config, fc.array(request, { minLength: 1, maxLength: 40, size: 'max' }), (world, asked) => {
      const compiled = compileAuthorization(world, { externalAuthorizer: () => 'allow' });
      for (const each of asked) {
        for (const miss of compiled.authorize(each).trace.nearMisses) {
          const { decision } = naiveAuthorize(edited(world, miss), each, () => 'allow');
          expect({ decision, miss, each }).toEqual({ decision: 'allow', miss, each });
          for (const { edit, message } of miss.failed) {
            seen[edit.kind]++;
            if (message !== undefined) seen.unusable++;
          }
          if (miss.failed.length > 1) seen.several++;
        }
      }
    }),
    { numRuns: WORLDS, seed: SEED },
  );
  expect(Object.entries(seen).filter(([, count]) => count <= 20)).toEqual([]);
});
