/**
 * Tokens in the exact diff against really signed ones: on generated pairs of RequestAuthentications and policies, what
 * becomes of sampled requests is worked out by verifying their tokens and asking the naive evaluator, and must differ
 * between the sides exactly where the decision diagram says so; and every witness, signed for the occasion, tells the
 * sides apart.
 */
import fc from 'fast-check';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { AccessCompiler, type AccessProgram, type PortSetup } from '../../src/analysis/access-program.ts';
import { AtomTable } from '../../src/analysis/atom.ts';
import { readForClasses, resultFor } from '../../src/analysis/classification.ts';
import { diff, type TokenSigner } from '../../src/analysis/index.ts';
import { walkJointly, type Walk } from '../../src/analysis/joint-walk.ts';
import { LevelFactory } from '../../src/analysis/level.ts';
import { MeshSide } from '../../src/analysis/mesh-side.ts';
import { tokenObstacle } from '../../src/analysis/token-obstacles.ts';
import { carried, readingOf, type TokenLocation } from '../../src/analysis/token-rules.ts';
import { verifies } from '../../src/analysis/token-signers.ts';
import { instantOf } from '../../src/core/index.ts';
import type { AuthorizationPolicy, AuthorizationRule, JwtRule, MeshConfig, Source } from '../../src/istio/index.ts';
import type { AuthorizationRequest, HttpAttributes, Json } from '../../src/policy/index.ts';
import { compileRequestAuthentication, type JwksSource } from '../../src/policy/request-authentication.ts';
import { requestAuthentication } from '../kit/mesh-resources.ts';
import { authorizationPolicy, meshWith, workload } from '../kit/policies.ts';
import { naiveAuthorize } from './naive-authorization.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_128);
const LONG = process.env['MESHPROOF_LONG'] !== undefined;
const PAIRS = LONG ? 3000 : 150;
const REQUESTS = 25;

/** Key pairs by name: three for policies, two at addresses, one that each issuer is known for, one of a stranger. */
const ISSUERS = ['iss', 'https://i.example', 'i*'] as const;
const NAMES = ['k1', 'k2', 'k3', 'served-a', 'served-b', ...ISSUERS, 'stranger'] as const;
type Name = (typeof NAMES)[number];
const PAIR = new Map<Name, { readonly key: CryptoKey; readonly jwk: JWK }>();

beforeAll(async () => {
  for (const name of NAMES) {
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
    PAIR.set(name, { key: privateKey, jwk: await exportJWK(publicKey) });
  }
});

const keySet = (...jwks: readonly object[]): string => JSON.stringify({ keys: jwks });
const publicKey = (name: Name): JWK => PAIR.get(name)?.jwk ?? { kty: '' };

const A = 'https://keys.example/a';
const B = 'https://keys.example/b';
const source: JwksSource = (asked) => keySet(publicKey(servedFor(asked)));

/** Every source serves a key of its own: that is what the analysis takes for granted. */
function servedFor({ jwksUri, issuer }: { readonly jwksUri?: string; readonly issuer?: string }): Name {
  if (jwksUri !== undefined) return jwksUri === A ? 'served-a' : 'served-b';
  return ISSUERS.find((each) => each === issuer) ?? 'stranger';
}

/** A key of a policy: which, and what it is called there. */
interface Entry {
  readonly name: Name;
  readonly kid: string;
  readonly alg: string;
}

/** Rules speak of keys by name until the keys are there. */
type Draft = Omit<JwtRule, 'jwks'> & { readonly entries?: readonly Entry[] };

const entry: fc.Arbitrary<Entry> = fc.record({
  name: fc.constantFrom<Name>('k1', 'k1', 'k2', 'k3'),
  kid: fc.constantFrom('', '', 'one', 'two'),
  alg: fc.constantFrom('', '', 'EdDSA'),
});
const keys: fc.Arbitrary<Pick<Draft, 'entries' | 'jwksUri'>> = fc.oneof(
  fc.constantFrom({ jwksUri: A }, { jwksUri: B }, {}),
  fc.array(entry, { maxLength: 2 }).map((entries) => ({ entries })),
);
const LOCATIONS: readonly Partial<JwtRule>[] = [
  {},
  {},
  {},
  { fromHeaders: [{ name: 'x-a' }] },
  { fromHeaders: [{ name: 'X-A', prefix: 'T ' }] },
  { fromHeaders: [{ name: 'x-a', prefix: 'U ' }] },
  { fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }] },
  { fromParams: ['t'] },
  { fromCookies: ['c'] },
  { fromHeaders: [{ name: 'x-a' }], fromCookies: ['c'] },
];
const draft: fc.Arbitrary<Draft> = fc
  .record({
    issuer: fc.constantFrom(...ISSUERS, 'iss', undefined),
    audiences: fc.constantFrom(undefined, undefined, ['a'], ['b', 'a'], ['https://b']),
    keys,
    places: fc.constantFrom(...LOCATIONS),
    split: fc.constantFrom(undefined, undefined, undefined, undefined, ['groups']),
  })
  .map(({ issuer, audiences, keys: from, places, split }) => ({
    ...(issuer === undefined ? { jwksUri: A } : { issuer, ...from }),
    ...(audiences === undefined ? {} : { audiences }),
    ...places,
    ...(split === undefined ? {} : { spaceDelimitedClaims: split }),
  }));

interface Authentication {
  readonly namespace: string;
  readonly selected: boolean;
  readonly rules: readonly Draft[];
}

const authentication: fc.Arbitrary<Authentication> = fc.record({
  namespace: fc.constantFrom('foo', 'foo', 'istio-system'),
  selected: fc.constantFrom(true, true, true, false),
  rules: fc.array(draft, { minLength: 1, maxLength: 2 }),
});

const PRINCIPALS = ['*', 'iss/*', 'iss/s', '*/s', 'https://i.example/*', 'https://*', '/s'];
const WORDS = ['a', 'b', '*', 'a*', 'http://a'];
const few = (values: readonly string[]): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 });
const tokenSource: fc.Arbitrary<Source> = fc.oneof(
  few(PRINCIPALS).map((requestPrincipals) => ({ requestPrincipals })),
  few(PRINCIPALS).map((notRequestPrincipals) => ({ notRequestPrincipals })),
);
const KEYS = ['groups', 'iss', 'sub', 'aud'].map((name) => `request.auth.claims[${name}]`);
const condition = fc
  .record({
    key: fc.constantFrom(...KEYS, 'request.auth.audiences', 'request.auth.presenter'),
    values: fc.option(few(WORDS), { nil: undefined }),
    notValues: fc.option(few(WORDS), { nil: undefined }),
  })
  .map(({ key, values, notValues }) => ({
    key,
    ...(values === undefined ? {} : { values }),
    ...(notValues === undefined ? {} : { notValues }),
  }));
const rule: fc.Arbitrary<AuthorizationRule> = fc
  .record({
    from: fc.option(tokenSource, { nil: undefined }),
    to: fc.option(fc.constantFrom('/x', '/y*', '*'), { nil: undefined }),
    when: fc.option(condition, { nil: undefined }),
  })
  .map(({ from, to, when }) => ({
    ...(from === undefined ? {} : { from: [{ source: from }] }),
    ...(to === undefined ? {} : { to: [{ operation: { paths: [to] } }] }),
    ...(when === undefined ? {} : { when: [when] }),
  }));
const rules = fc.array(rule, { minLength: 1, maxLength: 2 });
const policies: fc.Arbitrary<readonly AuthorizationPolicy[]> = fc
  .record({ allow: fc.option(rules, { nil: undefined }), deny: fc.option(rules, { nil: undefined }) })
  .map(({ allow, deny }) => [
    ...(allow === undefined ? [] : [authorizationPolicy({ action: 'ALLOW', rules: allow }, { name: 'allow' })]),
    ...(deny === undefined ? [] : [authorizationPolicy({ action: 'DENY', rules: deny }, { name: 'deny' })]),
  ]);

/** One side, before its keys are made. */
interface Plan {
  readonly authentications: readonly Authentication[];
  readonly policies: readonly AuthorizationPolicy[];
}

const authentications = fc.array(authentication, { maxLength: 2 });
const pair: fc.Arbitrary<readonly [Plan, Plan]> = fc
  .record({ one: authentications, other: authentications, first: policies, second: policies, turn: fc.nat(3) })
  .map(({ one, other, first, second, turn }) => {
    const before = { authentications: one, policies: first };
    const after = turn === 3 ? { ...before, policies: second } : { authentications: other, policies: first };
    // Half a change: a rule more, or one less.
    const grown = { ...before, authentications: [...one, ...other.slice(0, 1)] };
    return turn === 0 ? [grown, before] : turn === 1 ? [before, grown] : [before, after];
  });

function worldOf({ authentications: planned, policies: authorizationPolicies }: Plan): MeshConfig {
  const made = planned.map(({ namespace, selected, rules: drafts }, i) =>
    requestAuthentication(`${namespace}/jwt-${i}`, {
      selector: { matchLabels: { app: selected ? 'httpbin' : 'other' } },
      jwtRules: drafts.map(({ entries, ...rest }) => ({
        ...rest,
        ...(entries === undefined ? {} : { jwks: keySet(...entries.map(jwkOf)) }),
      })),
    }),
  );
  return { ...meshWith(authorizationPolicies, { workloads: [workload('httpbin')] }), requestAuthentications: made };
}

function jwkOf({ name, kid, alg }: Entry): object {
  return { ...publicKey(name), ...(kid === '' ? {} : { kid }), ...(alg === '' ? {} : { alg }) };
}

interface Carried {
  readonly location: TokenLocation;
  readonly by: Name;
  readonly kid: string;
  readonly claims: Readonly<Record<string, Json>>;
}

const json: fc.Arbitrary<Json | undefined> = fc.constantFrom<Json | undefined>(
  undefined,
  undefined,
  'a',
  'b',
  'a b',
  '',
  ['a', 'b'],
  ['ab'],
  'http://a',
  ['https://b/', 'x'],
);
const token: fc.Arbitrary<Carried> = fc.record({
  location: fc.constantFrom<TokenLocation>(
    { in: 'header', name: 'authorization', prefix: 'Bearer ' },
    { in: 'header', name: 'authorization', prefix: 'Bearer ' },
    { in: 'header', name: 'x-a', prefix: '' },
    { in: 'header', name: 'x-a', prefix: 'T ' },
    { in: 'header', name: 'x-a', prefix: 'U ' },
    { in: 'header', name: 'x-a', prefix: 'U T ' },
    { in: 'header', name: 'x-a', prefix: 'V ' },
    { in: 'parameter', name: 't' },
    { in: 'parameter', name: 'access_token' },
    { in: 'cookie', name: 'c' },
  ),
  by: fc.constantFrom<Name>('k1', 'k2', 'k3', 'served-a', 'served-a', 'served-b', ...ISSUERS, 'stranger'),
  kid: fc.constantFrom('', '', 'one', 'two', 'three'),
  claims: fc
    .record({
      iss: fc.constantFrom<Json | undefined>('iss', 'iss', 'iss', 'https://i.example', 'i*', 'ix', '', undefined),
      sub: fc.constantFrom<Json | undefined>('s', 's', 'other', '', undefined),
      aud: json,
      groups: json,
      azp: fc.constantFrom<Json | undefined>('a', undefined),
    })
    .map((claims) => JSON.parse(JSON.stringify(claims)) as Record<string, Json>),
});

const asked: fc.Arbitrary<Asked> = fc.record({
  path: fc.constantFrom('/x', '/y', '/z'),
  token: fc.option(token, { nil: undefined, freq: 9 }),
});
interface Asked {
  readonly path: string;
  readonly token: Carried | undefined;
}

/** Tokens that some rule of either side takes, but for what is changed on the way. */
function fitting(plans: readonly Plan[]): fc.Arbitrary<Asked> {
  const drafts = plans.flatMap((plan) => plan.authentications.flatMap((each) => each.rules));
  if (drafts.length === 0) return asked;
  return fc
    .record({ base: asked, given: token, of: fc.constantFrom(...drafts), but: fc.nat(7) })
    .map(({ base, given, of, but }) => {
      const [key] = of.entries ?? [];
      const [audience] = of.audiences ?? [];
      const claims = {
        ...given.claims,
        ...(of.issuer === undefined || but === 0 ? {} : { iss: of.issuer }),
        ...(audience === undefined || but === 1 ? {} : { aud: [audience, ...[given.claims['aud'] ?? []].flat()] }),
      };
      const by = key?.name ?? servedFor(of);
      const { location } = but === 3 ? given : { location: placeOf(of) };
      return {
        path: base.path,
        token: { location, claims, by: but === 2 ? given.by : by, kid: but === 4 ? given.kid : (key?.kid ?? '') },
      };
    });
}

function placeOf({
  fromHeaders: [header] = [],
  fromParams: [parameter] = [],
  fromCookies: [cookie] = [],
}: Draft): TokenLocation {
  if (header !== undefined) return { in: 'header', name: header.name.toLowerCase(), prefix: header.prefix ?? '' };
  if (parameter !== undefined) return { in: 'parameter', name: parameter };
  return cookie === undefined
    ? { in: 'header', name: 'authorization', prefix: 'Bearer ' }
    : { in: 'cookie', name: cookie };
}

const sampled = pair.chain((plans) =>
  fc.record({
    plans: fc.constant(plans),
    all: fc.array(fc.oneof(asked, { weight: 3, arbitrary: fitting(plans) }), {
      minLength: 10,
      maxLength: REQUESTS,
      size: 'max',
    }),
  }),
);

const NOW = instantOf(Date.UTC(2026, 0, 1));
const signed = new Map<string, Promise<string>>();

function sign({ by, kid, claims }: Omit<Carried, 'location'>): Promise<string> {
  const id = JSON.stringify([by, kid, claims]);
  const made =
    signed.get(id) ??
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', ...(kid === '' ? {} : { kid }) })
      .sign(PAIR.get(by)?.key ?? new Uint8Array());
  signed.set(id, made);
  return made;
}

const HOST = 'httpbin';
const destination = { namespace: 'foo', workload: 'httpbin', port: 8080 };

interface Decided {
  readonly decision: 'allow' | 'deny';
  readonly verdict: 'none' | 'taken' | 'refused';
  /** As the verification leaves them, words split. */
  readonly claims?: Readonly<Record<string, Json>>;
}

/** What the real verification and the naive evaluator make of a request. */
async function decided(world: MeshConfig, { path, token: of }: Asked): Promise<Decided> {
  const http = of === undefined ? { path, headers: {} } : carried(of.location, await sign(of), path);
  const verified = await compileRequestAuthentication(world, { jwks: source }).authenticate(
    { namespace: 'foo', labels: { app: 'httpbin' } },
    { method: 'GET', host: HOST, ...http, now: NOW },
  );
  if (!verified.ok) return { decision: 'deny', verdict: 'refused' };
  const { auth } = verified;
  const request = requestOf({ path: verified.path ?? path, ...(auth === undefined ? {} : { auth }) });
  const { decision } = naiveAuthorize(world, request);
  return auth === undefined ? { decision, verdict: 'none' } : { decision, verdict: 'taken', claims: auth.claims ?? {} };
}

function requestOf(http: Pick<HttpAttributes, 'path' | 'auth'>): AuthorizationRequest {
  return {
    destination,
    source: { ip: '10.0.0.5', remoteIp: '10.0.0.5' },
    request: { method: 'GET', host: HOST, ...http },
  };
}

const SETUP: PortSetup = { port: 8080, protocol: 'http', mode: 'PERMISSIVE' };

function walkOf(before: MeshConfig, after: MeshConfig): Walk | string {
  const atoms = new AtomTable();
  const programOf = (world: MeshConfig): AccessProgram => {
    const side = new MeshSide(world, atoms, new Map());
    const subject = side.subject('foo/httpbin');
    const { policies: selected, tokens } = subject === undefined ? { policies: [] } : side.select(subject);
    return new AccessCompiler(world.settings, atoms).program(selected, SETUP, 'http', tokens);
  };
  const [one, two] = [programOf(before), programOf(after)];
  const factory = new LevelFactory({ identities: 'istio' });
  return tokenObstacle(one, two) ?? walkJointly(one, two, factory);
}

/** Where the diagram leads for a request; the token's place and signer are those that the rules cannot tell from it. */
function diagramSays(walk: Walk, { path, token: of }: Asked, { verdict, claims = of?.claims ?? {} }: Decided): string {
  const { tokens } = walk;
  // Where both sides take the same tokens, those that neither takes are refused by both.
  if (tokens.kind !== 'apart' && verdict === 'refused') return 'none';
  const at = tokens.kind === 'apart' && of !== undefined ? placedIn(tokens, of) : undefined;
  const carries = tokens.kind === 'apart' ? at !== undefined : verdict === 'taken';
  const request = requestOf({ path, ...(carries ? { auth: { claims } } : {}) });
  const read = readForClasses(request, 'BASE', new Set());
  if (read === undefined) throw new Error('the path is normal');
  return resultFor(walk, { ...read, token: at ?? {} });
}

/** Nothing where no rule finds the token. */
function placedIn(
  { places, signers, rules: all }: Extract<Walk['tokens'], { kind: 'apart' }>,
  of: Carried,
): { readonly 'token.location': string; readonly 'token.signer'?: string } | undefined {
  const readings = all.map((each) => readingOf(each.rule, of.location));
  if (readings.every((reading) => reading === 'nothing')) return undefined;
  const like = (test: (one: string, other: string) => boolean): (typeof places)[number] | undefined =>
    places.find(({ location }) => all.every((each, i) => test(readings[i] ?? '', readingOf(each.rule, location))));
  const exact = like((one, other) => one === other);
  // What nobody can read is a token that nobody signed.
  const found = exact ?? like((one, other) => (one === 'nothing') === (other === 'nothing'));
  if (found === undefined || (exact === undefined && readings.includes('token'))) throw new Error('no such place');
  const signer = signers.find((each) => all.every((one) => verifies(one.keys, each.signer) === takes(one.rule, of)));
  return {
    'token.location': found.value.key,
    ...(exact === undefined || signer === undefined ? {} : { 'token.signer': signer.value.key }),
  };
}

/** Whether a rule's keys verify a token, said plainly. */
function takes(rule: JwtRule, { by, kid }: Carried): boolean {
  const { jwks } = rule;
  if (jwks === undefined) return by === servedFor(rule);
  const { keys: set } = JSON.parse(jwks) as { readonly keys: readonly JWK[] };
  return set.some((key) => key.x === publicKey(by).x && (kid === '' || key.kid === undefined || key.kid === kid));
}

describe('the exact diff of tokens', () => {
  it(`answers as really signed tokens do (seed ${SEED})`, async () => {
    const seen: Record<string, number> = {
      allowed: 0,
      denied: 0,
      none: 0,
      unseen: 0,
      alike: 0,
      apart: 0,
      taken: 0,
      refused: 0,
      obstacle: 0,
    };
    const count = (name: string): void => void (seen[name] = (seen[name] ?? 0) + 1);
    await fc.assert(
      fc.asyncProperty(sampled, async ({ plans, all }) => {
        const [before, after] = [worldOf(plans[0]), worldOf(plans[1])];
        const walk = walkOf(before, after);
        if (typeof walk === 'string') {
          count('obstacle');
          return;
        }
        count(walk.tokens.kind);
        for (const each of all) {
          const [one, two] = [await decided(before, each), await decided(after, each)];
          const expected = one.decision === two.decision ? 'none' : two.decision === 'allow' ? 'allowed' : 'denied';
          expect(diagramSays(walk, each, { ...one, ...two }), JSON.stringify({ plans, each, one, two })).toBe(expected);
          count(expected);
          count(two.verdict);
        }
      }),
      { numRuns: PAIRS, seed: SEED, endOnFailure: true },
    );
    for (const [kind, times] of Object.entries(seen)) expect(times, kind).toBeGreaterThan(5);
  });

  it('finds no difference that a really signed token does not show', async () => {
    const seen = { findings: 0, tokens: 0, forged: 0, refused: 0, same: 0 };
    await fc.assert(
      fc.asyncProperty(pair, async (plans) => {
        const worlds = [worldOf(plans[0]), worldOf(plans[1])] as const;
        const { findings } = diff(...worlds, { sameOutcome: true });
        for (const { kind, witness, token: of, before, after } of findings) {
          if (witness.request === undefined || witness.destination.workload === undefined) continue;
          const { path, auth } = witness.request;
          const claims = auth?.claims ?? {};
          const by = of === undefined ? undefined : signerCalled(of.signer);
          const each = {
            path,
            token: of === undefined || by === undefined ? undefined : { location: of.location, ...by, claims },
          };
          const [one, two] = [await decided(worlds[0], each), await decided(worlds[1], each)];
          const what = JSON.stringify({ plans, kind, witness, of });
          expect([one.decision, two.decision], what).toEqual([before.decision, after.decision]);
          seen.findings++;
          if (kind === 'same-outcome') seen.same++;
          if (of !== undefined) seen.tokens++;
          if (of?.signer.by.kind === 'nobody') seen.forged++;
          if (before.by?.kind === 'RequestAuthentication' || after.by?.kind === 'RequestAuthentication') seen.refused++;
        }
      }),
      { numRuns: PAIRS, seed: SEED, endOnFailure: true },
    );
    for (const [kind, times] of Object.entries(seen)) expect(times, kind).toBeGreaterThan(5);
  });
});

/** The key pair of a witness's signer. */
function signerCalled({ by }: TokenSigner): { readonly by: Name; readonly kid: string } {
  if (by.kind === 'nobody') return { by: 'stranger', kid: '' };
  if (by.kind === 'fetched') {
    const issuer = ISSUERS.find((each) => by.name === `the keys of issuer \`${each}\``);
    return { by: issuer ?? (by.name.includes(A) ? 'served-a' : 'served-b'), kid: '' };
  }
  const name = NAMES.find((each) => by.material.includes(publicKey(each).x ?? '-'));
  if (name === undefined) throw new Error(`unexpected key ${by.material}`);
  return { by: name, kid: by.kid };
}
