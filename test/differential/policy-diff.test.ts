/**
 * The exact diff against brute force: on generated pairs of configurations every sampled request must get a different
 * answer from the naive evaluator exactly where the decision diagram says so; and every witness tells the sides apart.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessCompiler, type PortSetup, type Traffic } from '../../src/analysis/access-program.ts';
import { AtomTable } from '../../src/analysis/atom.ts';
import { readForClasses, resultFor } from '../../src/analysis/classification.ts';
import { diff } from '../../src/analysis/index.ts';
import { walkJointly, type Walk, type WalkOptions } from '../../src/analysis/joint-walk.ts';
import { LevelFactory } from '../../src/analysis/level.ts';
import { MeshSide } from '../../src/analysis/mesh-side.ts';
import type { MeshConfig } from '../../src/istio/index.ts';
import type { AuthorizationRequest, Json } from '../../src/policy/index.ts';
import { requestAuthentication } from '../kit/mesh-resources.ts';
import { config, request } from './authorization-worlds.ts';
import { naiveAuthorize, type NaiveDecision } from './naive-authorization.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_124);
const LONG = process.env['MESHPROOF_LONG'] !== undefined;
const PAIRS = LONG ? 2000 : 20;
/** Many rules over many attributes at once take long; a few find the same mistakes. */
const RULES_MAX = LONG ? 40 : 3;
const REQUESTS = 50;
const ISTIO_SHAPE = /^[^/]+\/ns\/[a-z0-9-]+\/sa\/[^/]+$/;
const TRUST_DOMAINS = ['cluster.local', 'old-td', 'new-td', 'other', 'x', 'td', 'ns'];
const REFUSING: ReadonlySet<string> = new Set(['authz', 'web']);
const answer = (provider: string): 'allow' | 'deny' => (REFUSING.has(provider) ? 'deny' : 'allow');

/** Takes every token: what rules make of tokens is asked here, not which tokens are taken. */
const anyToken = requestAuthentication('foo/any', { jwtRules: [{ jwksUri: 'https://keys.example/any' }] });

/** Two configurations that share most policies: some are dropped, some added, some moved to the other's place. */
const light = config.map((world) => ({
  ...world,
  requestAuthentications: [anyToken],
  authorizationPolicies: world.authorizationPolicies.map((policy) => ({
    ...policy,
    spec: { ...policy.spec, rules: (policy.spec.rules ?? []).slice(0, RULES_MAX) },
  })),
}));

const pair = fc
  .record({ one: light, other: light, keep: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }) })
  .map(({ one, other, keep }) => {
    const settings = { ...one.settings, caTrustDomains: TRUST_DOMAINS };
    const before = { ...one, settings };
    const kept = one.authorizationPolicies.filter((_, i) => keep[i] !== false);
    const added = other.authorizationPolicies
      .filter((_, i) => keep[i] === false)
      .map((policy) => ({ ...policy, metadata: { ...policy.metadata, name: `q-${policy.metadata.name}` } }));
    return { before, after: { ...before, authorizationPolicies: [...added, ...kept] } };
  });

/** What can arrive at a sidecar: addresses are there, HTTP has a host. */
function realistic(asked: AuthorizationRequest): AuthorizationRequest {
  const { request: http, source, destination, connection } = asked;
  const ip = source?.ip ?? '10.0.0.5';
  return {
    destination: { namespace: 'foo', workload: 'httpbin', port: destination.port, ip: destination.ip ?? '10.0.0.9' },
    // Only a request's headers make the original client another than the peer.
    source: { ...source, ip, remoteIp: (http === undefined ? undefined : source?.remoteIp) ?? ip },
    ...(connection === undefined || (source?.principal === undefined && http !== undefined) ? {} : { connection }),
    ...(http === undefined
      ? {}
      : {
          request: {
            ...http,
            host: http.host ?? 'httpbin',
            ...(http.auth === undefined ? {} : { auth: verified(http.auth) }),
          },
        }),
  };
}

/** As verification leaves it: issuer and subject are texts or not there, and what a claim says is said once. */
function verified(auth: NonNullable<NonNullable<AuthorizationRequest['request']>['auth']>): typeof auth {
  const { principal, claims = {}, ...rest } = auth;
  const texts: Record<string, Json> = { ...claims };
  for (const name of ['iss', 'sub']) if (typeof texts[name] !== 'string') delete texts[name];
  const slash = principal?.lastIndexOf('/') ?? -1;
  if (principal !== undefined && slash >= 0) {
    texts['iss'] ??= principal.slice(0, slash);
    texts['sub'] ??= principal.slice(slash + 1);
  }
  return { ...rest, claims: texts };
}

interface Shared {
  readonly atoms: AtomTable;
  readonly factory: LevelFactory;
}

const SHARED = new WeakMap<MeshConfig, Shared>();

/** What the ports of one pair of configurations have in common. */
function sharedBy(before: MeshConfig): Shared {
  const made = SHARED.get(before) ?? {
    atoms: new AtomTable(),
    factory: new LevelFactory({ identities: 'spiffe' }),
  };
  SHARED.set(before, made);
  return made;
}

function walkOf(
  { before, after }: { readonly before: MeshConfig; readonly after: MeshConfig },
  port: number,
  options: WalkOptions & { readonly traffic: Traffic },
): Walk & { readonly narrowed: boolean } {
  const { atoms, factory } = sharedBy(before);
  const setup: PortSetup = { port, protocol: 'unknown', mode: 'PERMISSIVE' };
  const program = (world: MeshConfig): ReturnType<AccessCompiler['program']> => {
    const side = new MeshSide(world, atoms, new Map());
    const subject = side.subject('foo/httpbin');
    const { policies, tokens } = subject === undefined ? { policies: [] } : side.select(subject);
    return new AccessCompiler(world.settings, atoms).program(policies, setup, options.traffic, tokens);
  };
  return { ...walkJointly(program(before), program(after), factory, options), narrowed: factory.narrowed };
}

/** The policy that decides, or that none does. */
function causeOf(decided: NaiveDecision | undefined): string {
  return decided?.matched?.replace(/-rule\[\d+\]$/, '') ?? `no policy: ${decided?.decision ?? ''}`;
}

describe('the exact diff', () => {
  it(`answers as brute force does (seed ${SEED})`, () => {
    const seen = { allowed: 0, denied: 0, none: 0, same: 0, raw: 0, badPath: 0 };
    fc.assert(
      fc.property(pair, fc.array(request, { minLength: 20, maxLength: REQUESTS, size: 'max' }), (worlds, asked) => {
        const walks = new Map<string, ReturnType<typeof walkOf>>();
        for (const each of asked.map(realistic)) {
          const { port } = each.destination;
          const traffic = each.request === undefined ? 'tcp' : 'http';
          const walkFor = (compare: 'outcomes' | 'causes'): ReturnType<typeof walkOf> => {
            const key = `${port} ${traffic} ${compare}`;
            const walk = walks.get(key) ?? walkOf(worlds, port, { traffic, compare });
            walks.set(key, walk);
            return walk;
          };
          const walk = walkFor('outcomes');
          const [before, after] = [worlds.before, worlds.after].map((world) => naiveAuthorize(world, each, answer));
          const read = readForClasses(each, worlds.before.settings.pathNormalization, REFUSING);
          if (read === undefined) {
            seen.badPath++;
            continue;
          }
          if (walk.narrowed && each.source?.principal !== undefined && !ISTIO_SHAPE.test(each.source.principal))
            continue;
          const expected =
            before?.decision === after?.decision ? 'none' : after?.decision === 'allow' ? 'allowed' : 'denied';
          expect(resultFor(walk, read), JSON.stringify(each)).toBe(expected);
          seen[expected]++;
          const another = expected === 'none' && causeOf(before) !== causeOf(after) ? 'same' : 'none';
          expect(resultFor(walkFor('causes'), read), JSON.stringify(each)).toBe(another);
          if (another === 'same') seen.same++;
          if (traffic === 'tcp') seen.raw++;
        }
      }),
      { numRuns: PAIRS, seed: SEED, endOnFailure: true },
    );
    for (const kind of ['allowed', 'denied', 'none', 'same', 'raw', 'badPath'] as const)
      expect(seen[kind], kind).toBeGreaterThan(5);
  });

  it('finds a witness for every difference, and every witness tells the sides apart', () => {
    const seen = { findings: 0, http: 0, tcp: 0 };
    fc.assert(
      fc.property(pair, (worlds) => {
        const { findings } = diff(worlds.before, worlds.after, { regionsMax: 20 });
        for (const finding of findings) {
          const verdict = (name: string): 'allow' | 'deny' => finding.verdicts[name] ?? 'allow';
          const workload = finding.witness.destination.workload;
          if (workload === undefined) continue;
          const [before, after] = [worlds.before, worlds.after].map((world) =>
            naiveAuthorize(world, finding.witness, verdict),
          );
          expect([before?.decision, after?.decision], JSON.stringify(finding)).toEqual(
            finding.kind === 'newly-allowed' ? ['deny', 'allow'] : ['allow', 'deny'],
          );
          seen.findings++;
          if (finding.traffic === 'tcp') seen.tcp++;
          else seen.http++;
        }
      }),
      { numRuns: PAIRS, seed: SEED, endOnFailure: true },
    );
    for (const [kind, count] of Object.entries(seen)) expect(count, kind).toBeGreaterThan(5);
  });
});
