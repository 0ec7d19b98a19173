/**
 * A trust domain that changes, against brute force: callers under their old name before and their new one after get a
 * different answer from the naive evaluator exactly where the walk over what stands behind the trust domain says so.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AccessCompiler, type AccessProgram, type Traffic } from '../../src/analysis/access-program.ts';
import { AtomTable } from '../../src/analysis/atom.ts';
import { readForClasses, resultFor } from '../../src/analysis/classification.ts';
import { walkJointly } from '../../src/analysis/joint-walk.ts';
import { LevelFactory } from '../../src/analysis/level.ts';
import { MeshSide } from '../../src/analysis/mesh-side.ts';
import { forTrustDomain } from '../../src/analysis/own-identity.ts';
import type { MeshConfig } from '../../src/istio/index.ts';
import { httpRequest, tcpConnection } from '../kit/policies.ts';
import { config } from './authorization-worlds.ts';
import { naiveAuthorize } from './naive-authorization.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_128);
const WORLDS = process.env['MESHPROOF_LONG'] === undefined ? 300 : 10_000;
const RULES_MAX = 3;
const TRUST_DOMAINS = ['cluster.local', 'new-td', 'old-td', 'other', 'x'];
const RESTS = ['ns/foo/sa/curl', 'ns/bar/sa/curl', 'ns/foo/sa/admin', 'ns/y/sa/c', 'ns/curl/sa/foo'];

const renamed = fc
  .record({
    world: config,
    names: fc.uniqueArray(fc.constantFrom(...TRUST_DOMAINS), { minLength: 2, maxLength: 2 }),
    aliases: fc.tuple(fc.subarray(TRUST_DOMAINS, { maxLength: 2 }), fc.subarray(TRUST_DOMAINS, { maxLength: 2 })),
  })
  .map(({ world, names: [was = '', is = ''], aliases: [old, now] }) => {
    const authorizationPolicies = world.authorizationPolicies.map((policy) => ({
      ...policy,
      spec: { ...policy.spec, rules: (policy.spec.rules ?? []).slice(0, RULES_MAX) },
    }));
    const side = (trustDomain: string, trustDomainAliases: readonly string[]): MeshConfig => ({
      ...world,
      authorizationPolicies,
      settings: {
        ...world.settings,
        trustDomain,
        trustDomainAliases: trustDomainAliases.filter((one) => one !== trustDomain),
      },
    });
    return { before: side(was, old), after: side(is, now) };
  });

const allow = (): 'allow' => 'allow';

it(`is compared as brute force compares it (seed ${SEED})`, () => {
  const seen = { allowed: 0, denied: 0, none: 0 };
  fc.assert(
    fc.property(renamed, ({ before, after }) => {
      const atoms = new AtomTable();
      const { pathNormalization } = before.settings;
      const factory = new LevelFactory({ pathNormalization, identities: 'istio' });
      const own = (world: MeshConfig, traffic: Traffic): AccessProgram => {
        const side = new MeshSide(world, atoms, new Map());
        const subject = side.subject('foo/httpbin');
        const policies = subject === undefined ? [] : side.select(subject).policies;
        const setup = { port: 8080, protocol: 'unknown', mode: 'PERMISSIVE' } as const;
        const program = new AccessCompiler(world.settings, atoms).program(policies, setup, traffic);
        return forTrustDomain(program, world.settings.trustDomain, atoms);
      };
      for (const traffic of ['http', 'tcp'] as const) {
        const walk = walkJointly(own(before, traffic), own(after, traffic), factory, { traffic });
        for (const rest of RESTS) {
          for (const [method, path] of [['GET', '/ip'] as const, ['POST', '/a/b'] as const]) {
            const [was, is] = [before, after].map(({ settings }) => {
              const caller = { principal: `${settings.trustDomain}/${rest}`, destinationIp: '10.0.0.9' };
              return traffic === 'tcp' ? tcpConnection(caller) : httpRequest({ ...caller, method, path });
            });
            if (was === undefined || is === undefined) return;
            const [one, two] = [naiveAuthorize(before, was, allow), naiveAuthorize(after, is, allow)];
            const expected =
              one?.decision === two?.decision ? 'none' : two?.decision === 'allow' ? 'allowed' : 'denied';
            const read = readForClasses(is, pathNormalization, new Set());
            if (read === undefined) continue;
            expect(resultFor(walk, read), `${rest} ${traffic}`).toBe(expected);
            seen[expected]++;
          }
        }
      }
    }),
    { numRuns: WORLDS, seed: SEED, endOnFailure: true },
  );
  for (const [kind, count] of Object.entries(seen)) expect(count, kind).toBeGreaterThan(5);
});
