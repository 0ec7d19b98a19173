/**
 * Callers that are somebody else after a change, against brute force. Of a renamed trust domain: under their old name
 * before and their new one after they get a different answer from the naive evaluator exactly where the walk over what stands
 * behind the trust domain says so. Of two identities: where the walk of the two programs, each for its caller, says so.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AccessCompiler, type AccessProgram, type Traffic } from '../../src/analysis/access-program.ts';
import { AtomTable } from '../../src/analysis/atom.ts';
import { readForClasses, resultFor } from '../../src/analysis/classification.ts';
import { walkJointly } from '../../src/analysis/joint-walk.ts';
import { LevelFactory } from '../../src/analysis/level.ts';
import { MeshSide } from '../../src/analysis/mesh-side.ts';
import { forCaller, type FixedCaller } from '../../src/analysis/fixed-caller.ts';
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

function programOf(world: MeshConfig, traffic: Traffic, atoms: AtomTable): AccessProgram {
  const side = new MeshSide(world, atoms, new Map());
  const subject = side.subject('foo/httpbin');
  const policies = subject === undefined ? [] : side.select(subject).policies;
  const setup = { port: 8080, protocol: 'unknown', mode: 'PERMISSIVE' } as const;
  return new AccessCompiler(world.settings, atoms).program(policies, setup, traffic);
}

it(`a renamed trust domain is compared as brute force compares it (seed ${SEED})`, () => {
  const seen = { allowed: 0, denied: 0, none: 0 };
  fc.assert(
    fc.property(renamed, ({ before, after }) => {
      const atoms = new AtomTable();
      const factory = new LevelFactory({ identities: 'istio' });
      const own = (world: MeshConfig, traffic: Traffic): AccessProgram =>
        forTrustDomain(programOf(world, traffic, atoms), world.settings.trustDomain, atoms);
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
            const read = readForClasses(is, before.settings.pathNormalization, new Set());
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

/** Identities and server names as connections show them; plaintext shows neither. */
const CALLERS: readonly FixedCaller[] = [
  {},
  ...RESTS.slice(0, 3).flatMap((rest) => [
    { principal: `cluster.local/${rest}`, sni: 'outbound_.80_._.httpbin.foo.svc.cluster.local' },
    { principal: `cluster.local/${rest}` },
  ]),
];

it(`callers that are somebody else are compared as brute force compares them (seed ${SEED})`, () => {
  const seen = { allowed: 0, denied: 0, none: 0 };
  const two = fc.tuple(config, config, fc.constantFrom(...CALLERS), fc.constantFrom(...CALLERS));
  fc.assert(
    fc.property(two, ([first, second, was, is]) => {
      const [before, after] = [first, second].map(({ authorizationPolicies }) => ({
        ...first,
        settings: { ...first.settings, trustDomain: 'cluster.local' },
        authorizationPolicies: authorizationPolicies.slice(0, 2).map((policy) => ({
          ...policy,
          spec: { ...policy.spec, rules: (policy.spec.rules ?? []).slice(0, RULES_MAX) },
        })),
      }));
      if (before === undefined || after === undefined) return;
      const atoms = new AtomTable();
      const factory = new LevelFactory({ identities: 'istio' });
      for (const traffic of ['http', 'tcp'] as const) {
        const programs = [
          forCaller(programOf(before, traffic, atoms), was),
          forCaller(programOf(after, traffic, atoms), is),
        ];
        const [old = [], now = []] = programs;
        const walk = walkJointly(old, now, factory, { traffic });
        for (const [method, path] of [['GET', '/ip'] as const, ['POST', '/a/b'] as const]) {
          const [one, other] = [was, is].map((caller) => {
            const options = {
              ...(caller.principal === undefined ? { from: null } : {}),
              ...caller,
              destinationIp: '10.0.0.9',
            };
            return traffic === 'tcp' ? tcpConnection(options) : httpRequest({ ...options, method, path });
          });
          if (one === undefined || other === undefined) return;
          const [early, late] = [naiveAuthorize(before, one, allow), naiveAuthorize(after, other, allow)];
          const expected =
            early?.decision === late?.decision ? 'none' : late?.decision === 'allow' ? 'allowed' : 'denied';
          const read = readForClasses(other, before.settings.pathNormalization, new Set());
          if (read === undefined) continue;
          expect(resultFor(walk, read), JSON.stringify({ was, is, traffic, method })).toBe(expected);
          seen[expected]++;
        }
      }
    }),
    { numRuns: WORLDS, seed: SEED, endOnFailure: true },
  );
  for (const [kind, count] of Object.entries(seen)) expect(count, kind).toBeGreaterThan(5);
});
