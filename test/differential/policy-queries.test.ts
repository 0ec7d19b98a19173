/**
 * The smaller questions against brute force: generated meshes of three workloads, the naive evaluator, and the exact diff
 * as a judge of what a rule is good for.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { blastRadius, connectivityMap, diff, permissiveness, redundancy, whoCan } from '../../src/analysis/index.ts';
import type { AuthorizationPolicy, AuthorizationRule, MeshConfig } from '../../src/istio/index.ts';
import type { AuthorizationRequest } from '../../src/policy/index.ts';
import { peerAuthentication } from '../kit/mesh-resources.ts';
import { authorizationPolicy, meshWith, principalOf, workload } from '../kit/policies.ts';
import { naiveAuthorize } from './naive-authorization.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_124);
const RUNS = process.env['MESHPROOF_LONG'] === undefined ? 60 : 2000;
const NAMES = ['a', 'b', 'c'];
const CALLERS = [...NAMES.map((name) => `foo/${name}`), 'outside'];
const WORKLOADS = new Set(NAMES.map((name) => `foo/${name}`));
const PORTS = [8080, 9090];
/** Of sums of products of shares. */
const ROUNDING = 1e-9;
const METHODS = ['GET', 'POST', 'PUT'];
const PATHS = ['/', '/a', '/a/b', '/c'];

const few = (values: readonly string[]): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 });
const maybe = (values: readonly string[]): fc.Arbitrary<string[] | undefined> =>
  fc.option(few(values), { nil: undefined, freq: 2 });
const principals = [...NAMES.map((name) => principalOf(`foo/${name}`)), 'cluster.local/ns/foo/*', '*'];

function defined<K extends string, V>(fields: Readonly<Record<K, V | undefined>>): Partial<Record<K, V>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Record<K, V>>;
}

const rule: fc.Arbitrary<AuthorizationRule> = fc
  .record({
    source: fc.record({ principals: maybe(principals), notPrincipals: maybe(principals) }).map(defined),
    operation: fc
      .record({
        methods: maybe([...METHODS, 'P*']),
        paths: maybe(['/a', '/a*', '/c', '/{*}']),
        notPaths: maybe(['/a/*', '/c']),
        ports: fc.option(few(['8080', '9090']), { nil: undefined, freq: 1 }),
      })
      .map(defined),
  })
  .map(({ source, operation }) => ({
    ...(Object.keys(source).length === 0 ? {} : { from: [{ source }] }),
    ...(Object.keys(operation).length === 0 ? {} : { to: [{ operation }] }),
  }));

const policy = fc.record({
  action: fc.constantFrom('ALLOW' as const, 'ALLOW' as const, 'DENY' as const),
  app: fc.constantFrom(...NAMES, 'nobody'),
  rules: fc.array(rule, { minLength: 0, maxLength: 3 }),
});

const worlds: fc.Arbitrary<MeshConfig> = fc
  .record({
    policies: fc.array(policy, { minLength: 2, maxLength: 5 }),
    mode: fc.constantFrom('STRICT' as const, 'PERMISSIVE' as const),
  })
  .map(({ policies, mode }) => ({
    ...meshWith(
      policies.map(({ action, app, rules }, i) =>
        authorizationPolicy({ action, selector: { matchLabels: { app } }, rules }, { name: `p${i}` }),
      ),
      { workloads: NAMES.map((name) => workload(name)) },
    ),
    peerAuthentications: [peerAuthentication('istio-system/default', { mtls: { mode } })],
  }));

function principalFor(from: string): string | undefined {
  return from === 'outside' ? undefined : principalOf(from);
}

function requestsFrom(from: string, to: string, ports: readonly number[]): readonly AuthorizationRequest[] {
  const [namespace = '', name = ''] = to.split('/');
  const principal = principalFor(from);
  return ports.flatMap((port) =>
    METHODS.flatMap((method) =>
      PATHS.map((path) => ({
        destination: { namespace, workload: name, port },
        source: principal === undefined ? {} : { principal },
        request: { method, path, host: 'x' },
      })),
    ),
  );
}

function isLetIn(config: MeshConfig, request: AuthorizationRequest): boolean {
  const strict = config.peerAuthentications[0]?.spec.mtls?.mode === 'STRICT';
  if (strict && request.source?.principal === undefined) return false;
  return naiveAuthorize(config, request).decision === 'allow';
}

function withoutRule(config: MeshConfig, name: string, index: number): MeshConfig {
  return withRules(config, name, (rules) => rules.filter((_, i) => i !== index));
}

function withRules(
  config: MeshConfig,
  name: string,
  change: (rules: readonly AuthorizationRule[]) => readonly AuthorizationRule[],
): MeshConfig {
  const authorizationPolicies = config.authorizationPolicies.map((each): AuthorizationPolicy =>
    each.metadata.name === name ? { ...each, spec: { ...each.spec, rules: change(each.spec.rules ?? []) } } : each,
  );
  return { ...config, authorizationPolicies };
}

const check = (property: (config: MeshConfig) => void): void =>
  fc.assert(fc.property(worlds, property), { numRuns: RUNS, seed: SEED, endOnFailure: true });

it(`a dead rule decides nothing, every other decides something (seed ${SEED})`, () => {
  const seen = { vacuous: 0, unselected: 0, redundant: 0, shadowed: 0, live: 0 };
  check((config) => {
    const dead = new Map(redundancy(config).map((each) => [`${each.rule.name}#${each.rule.rule ?? 0}`, each]));
    for (const { metadata, spec } of config.authorizationPolicies) {
      for (const index of (spec.rules ?? []).keys()) {
        const found = dead.get(`${metadata.name}#${index}`);
        const { findings } = diff(config, withoutRule(config, metadata.name, index), { workloads: WORKLOADS });
        expect(findings.length === 0, `${metadata.name}#${index} ${JSON.stringify(config.authorizationPolicies)}`).toBe(
          found !== undefined,
        );
        seen[found?.why ?? 'live']++;
        if (found?.by === undefined) continue;
        // Whatever the shadowed rule alone would match, the other alone matches, too.
        const alone = (name: string, at: number): MeshConfig =>
          withRules(
            {
              ...config,
              authorizationPolicies: config.authorizationPolicies
                .filter((each) => each.metadata.name === name)
                .map((each) => ({ ...each, spec: { ...each.spec, action: 'ALLOW' as const } })),
            },
            name,
            (rules) => rules.filter((_, i) => i === at),
          );
        const [narrow, wide] = [alone(metadata.name, index), alone(found.by.name, found.by.rule ?? 0)];
        for (const from of CALLERS) {
          for (const to of WORKLOADS) {
            if (spec.selector?.matchLabels?.['app'] !== to.slice('foo/'.length)) continue;
            for (const request of requestsFrom(from, to, PORTS)) {
              if (isLetIn(narrow, request)) expect(isLetIn(wide, request), JSON.stringify(request)).toBe(true);
            }
          }
        }
      }
    }
  });
  for (const [why, count] of Object.entries(seen)) expect(count, why).toBeGreaterThan(2);
});

it(`the connectivity map says who gets in with all, some or no requests (seed ${SEED})`, () => {
  const seen = { all: 0, some: 0, none: 0 };
  check((config) => {
    const map = new Map(connectivityMap(config).map(({ from, to, reach }) => [`${from} ${to}`, reach]));
    for (const from of CALLERS) {
      for (const to of WORKLOADS) {
        if (from === to) continue;
        const reach = map.get(`${from} ${to}`) ?? 'none';
        seen[reach]++;
        const answers = requestsFrom(from, to, [8080]).map((request) => isLetIn(config, request));
        if (reach !== 'some') expect(new Set(answers), `${from} ${to}`).toEqual(new Set([reach === 'all']));
        // A request that the sample does not have may be the one that gets in: the map's own witness is asked.
        const { allowed } = whoCan(config, { to, port: 8080, principal: principalFor(from) ?? null });
        expect(allowed.length > 0).toBe(reach !== 'none');
        for (const { witness } of allowed) {
          expect(witness.source?.principal).toBe(principalFor(from));
          expect(isLetIn(config, witness)).toBe(true);
        }
      }
    }
  });
  for (const [reach, count] of Object.entries(seen)) expect(count, reach).toBeGreaterThan(5);
});

it(`the blast radius is what a search with the evaluator finds (seed ${SEED})`, () => {
  const seen = { hop1: 0, hop2: 0, outside: 0 };
  check((config) => {
    for (const stolen of CALLERS) {
      for (const max of [1, 2, 3]) {
        const reached = new Map([[stolen, 0]]);
        for (let hop = 1; hop <= max; hop++) {
          const holders = [...reached.keys(), 'outside'];
          for (const to of WORKLOADS) {
            // Any identity that has been taken so far, or none at all.
            const open = holders
              .filter((from) => (reached.get(from) ?? 0) < hop)
              .some(
                (from) => whoCan(config, { to, port: 8080, principal: principalFor(from) ?? null }).allowed.length > 0,
              );
            if (open && !reached.has(to)) reached.set(to, hop);
          }
        }
        reached.delete(stolen);
        const found = blastRadius(config, stolen, max);
        expect(new Map(found.map(({ workload: name, hops }) => [name, hops]))).toEqual(reached);
        for (const { workload: name, hops, path } of found) {
          expect([path[0], path.at(-1), path.length]).toEqual([stolen, name, hops + 1]);
          if (hops === 1) seen.hop1++;
          else seen.hop2++;
          if (stolen === 'outside') seen.outside++;
        }
      }
    }
  });
  for (const [kind, count] of Object.entries(seen)) expect(count, kind).toBeGreaterThan(2);
});

it(`permissiveness is 0 where nobody gets in, 1 where everybody does, and between else (seed ${SEED})`, () => {
  const seen = { none: 0, all: 0, between: 0 };
  check((config) => {
    for (const { to, share } of permissiveness(config)) {
      const answers = CALLERS.flatMap((from) =>
        requestsFrom(from, to, [8080]).map((request) => isLetIn(config, request)),
      );
      expect(share).toBeGreaterThanOrEqual(0);
      expect(share).toBeLessThanOrEqual(1);
      if (share === 0) expect(answers).not.toContain(true);
      if (share === 1) expect(answers).not.toContain(false);
      expect(share > 0).toBe(whoCan(config, { to, port: 8080 }).allowed.length > 0);
      seen[share === 0 ? 'none' : share === 1 ? 'all' : 'between']++;
    }
  });
  for (const [kind, count] of Object.entries(seen)) expect(count, kind).toBeGreaterThan(2);
});

it(`a port that lets in more has no smaller share, in the classes of both (seed ${SEED})`, () => {
  const seen = { wider: 0, same: 0 };
  fc.assert(
    fc.property(worlds, rule, fc.nat(), (config, extra, pick) => {
      const { authorizationPolicies } = config;
      const chosen = authorizationPolicies[pick % authorizationPolicies.length];
      if (chosen === undefined) return;
      const { name } = chosen.metadata;
      // One more ALLOW rule, or one DENY rule less.
      const wider = withRules(config, name, (rules) =>
        chosen.spec.action === 'DENY' ? rules.slice(1) : [...rules, extra],
      );
      for (const { share, was = -1 } of permissiveness(wider, config)) {
        expect(share).toBeGreaterThan(was - ROUNDING);
        seen[share > was + ROUNDING ? 'wider' : 'same']++;
      }
    }),
    { numRuns: RUNS, seed: SEED, endOnFailure: true },
  );
  for (const [kind, count] of Object.entries(seen)) expect(count, kind).toBeGreaterThan(2);
});
