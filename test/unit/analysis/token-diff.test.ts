/** Each kind of change of RequestAuthentications is a finding with a witness, or none where no request is told apart. */
import { describe, expect, it } from 'vitest';
import {
  connectivityMap,
  containment,
  diff,
  equivalence,
  forbids,
  permissiveness,
  permits,
  redundancy,
  whoCan,
  type DiffFinding,
} from '../../../src/analysis/index.ts';
import type {
  AuthorizationRule,
  JwtRule,
  MeshConfig,
  RequestAuthentication,
  RequestAuthenticationSpec,
} from '../../../src/istio/index.ts';
import { requestAuthentication } from '../../kit/mesh-resources.ts';
import { authorizationPolicy, meshWith, workload } from '../../kit/policies.ts';

const X: JwtRule = { issuer: 'https://x', jwksUri: 'https://x/keys' };
const Y: JwtRule = { issuer: 'https://y', jwksUri: 'https://y/keys' };
const KEYS_X = 'the keys at `https://x/keys`';
const KEYS_Y = 'the keys at `https://y/keys`';
const BEARER = { in: 'header', name: 'authorization', prefix: 'Bearer ' };
const NOBODY = 'nobody (forged or expired)';
const tokens: AuthorizationRule = { from: [{ source: { requestPrincipals: ['*'] } }] };
const when = (key: string, ...values: readonly string[]): AuthorizationRule => ({
  when: [{ key: `request.${key}`, values }],
});

const jwt = (...jwtRules: readonly JwtRule[]): RequestAuthentication => requestAuthentication('foo/jwt', { jwtRules });
/** An inline key set; the keys are told apart by their ids and what they are made of. */
const inline = (...keys: readonly string[]): JwtRule => ({
  issuer: 'https://x',
  jwks: JSON.stringify({ keys: keys.map((kid) => ({ kty: 'OKP', crv: 'Ed25519', x: `made-of-${kid}`, kid })) }),
});

/** `httpbin`, with an ALLOW policy of these rules where there are any. */
function mesh(policies: readonly RequestAuthentication[], ...rules: readonly AuthorizationRule[]): MeshConfig {
  const authorization = rules.length === 0 ? [] : [authorizationPolicy({ rules })];
  return { ...meshWith(authorization, { workloads: [workload('httpbin')] }), requestAuthentications: policies };
}

function findings(before: MeshConfig, after: MeshConfig): readonly DiffFinding[] {
  const found = diff(before, after);
  expect(found.undecided).toEqual([]);
  return found.findings;
}

/** `newly-denied: any caller, …`. */
function texts(before: MeshConfig, after: MeshConfig): readonly string[] {
  return findings(before, after).map(({ kind, summary }) => `${kind}: ${summary}`);
}

function undecided(before: MeshConfig, after: MeshConfig): readonly string[] {
  return diff(before, after).undecided.map(({ reason }) => reason);
}

describe('a RequestAuthentication', () => {
  it('that is added refuses the tokens it does not take', () => {
    const found = findings(mesh([]), mesh([jwt(X)]));
    const [issuer, forged] = found;
    expect(found).toHaveLength(2);
    expect(issuer).toMatchObject({
      kind: 'newly-denied',
      requests: { 'request principal': 'any except issuer `https://x`' },
      before: { decision: 'allow', reason: 'no ALLOW policy applies' },
      after: {
        reason: 'the token is refused: Jwt issuer is not configured',
        by: { kind: 'RequestAuthentication', namespace: 'foo', name: 'jwt', rule: 0 },
      },
    });
    expect(forged).toMatchObject({
      requests: { 'request principal': 'issuer `https://x`', 'token signed by': NOBODY },
      witness: { request: { auth: { claims: { iss: 'https://x' } } } },
      token: { good: false, location: BEARER, signer: { label: NOBODY } },
      after: { reason: 'the token is refused: Jwt verification fails' },
    });
  });

  it('that is added lets rules about tokens match, and one that is removed lets them match no more', () => {
    const [without, present] = [mesh([], tokens), mesh([jwt(X)], tokens)];
    const class_ =
      'any caller, request principal `*` and issuer `https://x`, token signed by the keys at `https://x/keys`';
    expect(texts(without, present)).toEqual([`newly-allowed: ${class_}`]);
    expect(texts(present, without)).toEqual([`newly-denied: ${class_}`]);
    const [removed] = findings(present, without);
    expect(removed?.token).toMatchObject({ signer: { label: KEYS_X }, location: BEARER });
    expect(removed?.after).toMatchObject({ decision: 'deny', reason: 'no ALLOW policy matched' });
  });

  it('that is removed lets the tokens through that it refused, and what a DENY rule said of tokens', () => {
    const deny = authorizationPolicy({ action: 'DENY', rules: [tokens] }, { name: 'no-tokens' });
    const base = { ...mesh([jwt(X)]), authorizationPolicies: [deny] };
    const found = findings(base, { ...base, requestAuthentications: [] });
    expect(found.map(({ kind, summary, before }) => [kind, summary, before.by?.name])).toEqual([
      ['newly-allowed', 'any caller, request principal any except issuer `https://x` without `*`', 'jwt'],
      [
        'newly-allowed',
        `any caller, request principal issuer \`https://x\` except \`*\`, token signed by ${NOBODY}`,
        'jwt',
      ],
    ]);
  });

  it('whose issuer changes takes other tokens', () => {
    expect(texts(mesh([jwt(X)], tokens), mesh([jwt(Y)], tokens))).toEqual([
      `newly-allowed: any caller, request principal \`*\` and issuer \`https://y\`, token signed by ${KEYS_Y}`,
      `newly-denied: any caller, request principal \`*\` and issuer \`https://x\`, token signed by ${KEYS_X}`,
    ]);
  });

  it('whose rules grow in number takes more tokens, and refuses fewer', () => {
    const [one, two] = [mesh([jwt(X)], tokens), mesh([jwt(X, Y)], tokens)];
    expect(texts(one, two)).toEqual([
      `newly-allowed: any caller, request principal \`*\` and issuer \`https://y\`, token signed by ${KEYS_Y}`,
    ]);
    // A rule for the other issuer alone lets nobody in who has not been let in before.
    const narrow = { from: [{ source: { requestPrincipals: ['https://x/*'] } }] };
    expect(findings(mesh([jwt(X)], narrow), mesh([jwt(X, Y)], narrow))).toEqual([]);
  });

  it('whose audiences are narrowed refuses the others, and the reverse', () => {
    const [wide, narrow] = [
      mesh([jwt({ ...X, audiences: ['a', 'b'] })], tokens),
      mesh([jwt({ ...X, audiences: ['a'] })], tokens),
    ];
    const [found, ...more] = findings(wide, narrow);
    expect(more).toEqual([]);
    expect(found).toMatchObject({
      kind: 'newly-denied',
      requests: { 'claim `aud`': '`a` or `b` and not `a`' },
      witness: { request: { auth: { claims: { aud: 'b' } } } },
      after: { reason: 'the token is refused: Audiences in Jwt are not allowed' },
    });
    expect(findings(narrow, wide).map(({ kind }) => kind)).toEqual(['newly-allowed']);
  });

  it('that asks for an audience in another spelling takes the same', () => {
    const [one, other] = [
      mesh([jwt({ ...X, audiences: ['a'] })], tokens),
      mesh([jwt({ ...X, audiences: ['https://a/'] })], tokens),
    ];
    expect(findings(one, other)).toEqual([]);
    const asked = mesh([jwt({ ...X, audiences: ['a'] })], when('auth.audiences', 'http://a'));
    const free = mesh([jwt(X)], when('auth.audiences', 'http://a'));
    // Whoever says `http://a` has the audience `a`.
    expect(findings(asked, free)).toEqual([]);
  });

  it('whose key is rotated takes the new key and no longer the old one', () => {
    const found = findings(mesh([jwt(inline('k1'))], tokens), mesh([jwt(inline('k2'))], tokens));
    expect(found.map(({ kind, token }) => [kind, token?.signer.label])).toEqual([
      ['newly-allowed', 'key `k2`'],
      ['newly-denied', 'key `k1`'],
    ]);
    const both = mesh([jwt(inline('k1', 'k2'))], tokens);
    expect(texts(mesh([jwt(inline('k1'))], tokens), both)).toEqual([
      'newly-allowed: any caller, request principal `*` and issuer `https://x`, token signed by key `k2`',
    ]);
    expect(findings(both, mesh([jwt(inline('k2', 'k1'))], tokens))).toEqual([]);
  });

  it('whose key gets another id takes tokens that name the new one', () => {
    const named = (kid: string): JwtRule => ({
      issuer: 'https://x',
      jwks: JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'the-same', kid }] }),
    });
    const found = findings(mesh([jwt(named('old'))], tokens), mesh([jwt(named('new'))], tokens));
    expect(found.map(({ kind, token }) => [kind, token?.signer.label])).toEqual([
      ['newly-allowed', 'key `new`'],
      ['newly-denied', 'key `old`'],
    ]);
  });

  it('whose key no longer needs its id takes tokens that name any', () => {
    const key = { kty: 'OKP', crv: 'Ed25519', x: 'the-same' };
    const [named, unnamed] = [[{ ...key, kid: 'k' }], [key]].map((keys) => ({
      issuer: 'https://x',
      jwks: JSON.stringify({ keys }),
    }));
    const found = findings(mesh([jwt(named ?? X)], tokens), mesh([jwt(unnamed ?? X)], tokens));
    expect(found).toMatchObject([
      { kind: 'newly-allowed', requests: { 'token signed by': expect.stringContaining('with key id `another-key`') } },
    ]);
  });

  it('whose key is another under the same id is told apart by a fingerprint, which shows no secret', () => {
    const secret = (k: string): JwtRule => ({
      issuer: 'https://x',
      jwks: JSON.stringify({ keys: [{ kty: 'oct', k, kid: 'k' }] }),
    });
    const found = diff(mesh([jwt(secret('hush-hush'))], tokens), mesh([jwt(secret('hush-hush-2'))], tokens));
    const labels = found.findings.map(({ token }) => token?.signer.label ?? '');
    expect(labels).toEqual([
      expect.stringMatching(/^key `k` [0-9a-f]{8}$/),
      expect.stringMatching(/^key `k` [0-9a-f]{8}$/),
    ]);
    expect(new Set(labels).size).toBe(2);
    expect(JSON.stringify(found)).not.toContain('hush');
  });

  it('without a usable key takes nothing', () => {
    const none = { issuer: 'https://x', jwks: '{"keys":[]}' };
    const weak = {
      issuer: 'https://x',
      jwks: JSON.stringify({ keys: [{ kty: 'RSA', n: 'x'.repeat(171), e: 'AQAB' }] }),
    };
    expect(findings(mesh([jwt(none)], tokens), mesh([jwt(weak)], tokens))).toEqual([]);
    expect(findings(mesh([jwt(none)], tokens), mesh([], tokens))).toEqual([]);
    expect(texts(mesh([jwt(X)], tokens), mesh([jwt(none)], tokens))).toEqual([
      `newly-denied: any caller, request principal \`*\` and issuer \`https://x\`, token signed by ${KEYS_X}`,
    ]);
  });

  it('that moves to another header no longer sees tokens in the old one', () => {
    const at = (name: string, prefix?: string): JwtRule => ({
      ...X,
      fromHeaders: [{ name, ...(prefix === undefined ? {} : { prefix }) }],
    });
    const found = findings(mesh([jwt(at('x-old'))], tokens), mesh([jwt(at('X-New'))], tokens));
    expect(found.map(({ kind, token, requests }) => [kind, token?.location, requests['token in']])).toEqual([
      ['newly-allowed', { in: 'header', name: 'x-new', prefix: '' }, 'header `x-new`'],
      ['newly-denied', { in: 'header', name: 'x-old', prefix: '' }, 'header `x-old`'],
    ]);
    // A token after a prefix is garbage to a rule that reads the whole line.
    const prefixed = findings(mesh([jwt(at('x-old'))]), mesh([jwt(at('x-old', 'JWT '))]));
    expect(prefixed).toMatchObject([
      {
        kind: 'newly-allowed',
        before: { reason: 'the token is refused' },
        classes: [
          expect.stringContaining('token in header `x-old`'),
          expect.stringContaining('token in header `x-old`'),
          expect.stringContaining('after `JWT `, token signed by the keys'),
        ],
      },
    ]);
    // A line may hold both prefixes: one side takes for garbage what the other takes for a token.
    const twice = findings(mesh([jwt(at('x-a', 'JWT '))]), mesh([jwt(at('x-a', 'Key '))]));
    const places = twice.flatMap(({ classes = [], summary }) => [summary, ...classes]).join();
    expect(places).toContain('after `JWT Key `');
    expect(places).toContain('after `Key JWT `');
    // The same place, written otherwise.
    expect(
      findings(
        mesh([jwt(X)], tokens),
        mesh(
          [jwt({ ...X, fromHeaders: [{ name: 'Authorization', prefix: 'Bearer ' }], fromParams: ['access_token'] })],
          tokens,
        ),
      ),
    ).toEqual([]);
  });

  it('that reads a parameter or a cookie, too, sees more', () => {
    const found = findings(
      mesh([jwt({ ...X, fromHeaders: [{ name: 'x-a' }] })], tokens),
      mesh([jwt({ ...X, fromHeaders: [{ name: 'x-a' }], fromParams: ['t'], fromCookies: ['c'] })], tokens),
    );
    expect(found).toMatchObject([
      {
        kind: 'newly-allowed',
        requests: { 'token in': 'parameter `t` or cookie `c`' },
        token: { location: { in: 'parameter', name: 't' } },
      },
    ]);
  });

  it('whose selector changes is added here and removed there', () => {
    const select = (app: string): RequestAuthentication =>
      requestAuthentication('foo/jwt', { jwtRules: [X], selector: { matchLabels: { app } } });
    const world = (app: string): MeshConfig => ({
      ...mesh([select(app)], tokens),
      workloads: [workload('one'), workload('two')],
    });
    expect(
      findings(world('one'), world('two')).map(({ kind, targets }) => [kind, targets.map((each) => each.workload)]),
    ).toEqual([
      ['newly-allowed', ['two']],
      ['newly-denied', ['one']],
    ]);
  });

  it('that moves to the root namespace reaches namespaces that nobody has declared', () => {
    const spec: RequestAuthenticationSpec = { jwtRules: [X] };
    const found = diff(
      mesh([requestAuthentication('foo/jwt', spec)]),
      mesh([requestAuthentication('istio-system/jwt', spec)]),
    );
    expect(found.findings.map(({ kind, targets }) => [kind, targets[0]?.namespace])).toEqual([
      ['newly-denied', 'another-namespace'],
      ['newly-denied', 'another-namespace'],
    ]);
  });

  it('that is renamed, split or given in another order is the same; the new name is a cause of its own', () => {
    const together = mesh([jwt(X, Y)], tokens);
    const apart = mesh(
      [requestAuthentication('foo/b', { jwtRules: [X] }), requestAuthentication('foo/a', { jwtRules: [Y] })],
      tokens,
    );
    expect(findings(together, apart)).toEqual([]);
    expect(equivalence(together, apart)).toBe(true);
    const { findings: same } = diff(together, apart, { sameOutcome: true });
    expect(same.map(({ kind, before, after }) => [kind, before.by?.name, after.by?.name])).toContainEqual([
      'same-outcome',
      'jwt',
      'b',
    ]);
  });

  it('does not matter to raw connections, nor where there is no sidecar', () => {
    const found = findings(mesh([]), mesh([jwt(X)]));
    expect(found.every(({ traffic }) => traffic === 'http')).toBe(true);
    const bare = (world: MeshConfig): MeshConfig => ({
      ...world,
      workloads: [workload('httpbin', { injected: false })],
    });
    expect(findings(bare(mesh([])), bare(mesh([jwt(X)])))).toEqual([]);
  });

  it('comes with a sidecar', () => {
    const with_ = mesh([jwt(X)]);
    const without: MeshConfig = { ...with_, workloads: [workload('httpbin', { injected: false })] };
    const refused = findings(without, with_).filter(({ after }) => after.by?.kind === 'RequestAuthentication');
    expect(refused.map(({ kind, before }) => [kind, before.reason])).toEqual([
      ['newly-denied', 'no sidecar in front of the workload'],
      ['newly-denied', 'no sidecar in front of the workload'],
    ]);
    const gone: MeshConfig = { ...with_, workloads: [] };
    // Of a workload that is new, only what gets in counts: refused tokens do not.
    expect(
      diff(
        { ...gone, workloads: [workload('other')] },
        { ...with_, workloads: [workload('other'), workload('httpbin')] },
      ).findings.map(({ kind, requests }) => [kind, requests]),
    ).toEqual([['newly-allowed', {}]]);
  });

  it('is asked about by its labels where no workload is declared', () => {
    const policy = requestAuthentication('foo/jwt', { jwtRules: [X], selector: { matchLabels: { app: 'a' } } });
    const bare = { ...mesh([]), workloads: [] };
    const found = findings(bare, { ...bare, requestAuthentications: [policy] });
    expect(found.map(({ targets }) => targets[0])).toMatchObject([
      { namespace: 'foo', workload: '[app=a]', hypothetical: true },
      { workload: '[app=a]' },
    ]);
  });

  it('is behind the external authorizer', () => {
    const ask = authorizationPolicy({ action: 'CUSTOM', provider: { name: 'authz' }, rules: [{}] }, { name: 'ask' });
    const world = (policies: readonly RequestAuthentication[]): MeshConfig => {
      const base = mesh(policies);
      const provider = {
        name: 'authz',
        protocol: 'grpc',
        service: 'a',
        port: 9000,
        failOpen: false,
        statusOnError: 403,
      } as const;
      return { ...base, authorizationPolicies: [ask], settings: { ...base.settings, extensionProviders: [provider] } };
    };
    const found = findings(world([]), world([jwt(X)]));
    expect(found.map(({ verdicts }) => verdicts)).toEqual([{ authz: 'allow' }, { authz: 'allow' }]);
  });
});

describe('where both sides take the same tokens', () => {
  const asked = jwt({ ...X, audiences: ['a'] }, Y);
  const at = (...paths: readonly string[]): AuthorizationRule => ({ ...tokens, to: [{ operation: { paths } }] });

  it('a finding says nothing of them, and its witness carries a good one', () => {
    const found = findings(mesh([asked], at('/a')), mesh([asked], at('/a', '/b')));
    expect(found).toMatchObject([
      {
        kind: 'newly-allowed',
        summary: 'any caller, path `/b`, request principal `*`',
        witness: { request: { auth: { claims: { iss: 'https://x', aud: 'a' } } } },
        token: { good: true, signer: { label: KEYS_X }, location: BEARER },
      },
    ]);
  });

  it('no finding needs a token that is refused', () => {
    const only = (value: string): AuthorizationRule => ({ from: [{ source: { requestPrincipals: [value] } }] });
    // Another issuer, and an issuer without the audience that its rule asks for.
    expect(findings(mesh([asked], only('https://z/*')), mesh([asked], only('https://q/*')))).toEqual([]);
    const without = { ...only('https://x/*'), when: [{ key: 'request.auth.audiences', notValues: ['*'] }] };
    expect(findings(mesh([asked], only('https://q/*')), mesh([asked], without))).toEqual([]);
    const other = { ...only('https://y/*'), when: [{ key: 'request.auth.audiences', notValues: ['*'] }] };
    expect(findings(mesh([asked], only('https://q/*')), mesh([asked], other))).toHaveLength(1);
  });

  it('a token without a name for its issuer is one where a rule takes any', () => {
    const any = jwt({ jwksUri: 'https://x/keys' });
    const unnamed: AuthorizationRule = {
      when: [
        { key: 'request.auth.claims[sub]', values: ['s'] },
        { key: 'request.auth.claims[iss]', notValues: ['*'] },
      ],
    };
    const [found] = findings(mesh([any], at('/a')), mesh([any], at('/a'), unnamed));
    expect(found?.witness.request?.auth?.claims).toEqual({ iss: '', sub: 's' });
    expect(findings(mesh([jwt(X)], at('/a')), mesh([jwt(X)], at('/a'), unnamed))).toEqual([]);
  });

  it('rules about tokens match nothing where no RequestAuthentication applies, and that is said', () => {
    const found = diff(mesh([], at('/a')), mesh([], at('/a', '/b')));
    expect(found.findings).toEqual([]);
    expect(found.notes).toContain(
      'tokens: no RequestAuthentication on either side: rules about tokens match nothing there',
    );
  });
});

describe('what tokens change in a request', () => {
  it('is not compared where a rule asks for it, and only there', () => {
    const header = when('headers[x-claims]', 'a');
    const plain = mesh([jwt(X)], header);
    const writing = mesh([jwt({ ...X, outputPayloadToHeader: 'x-claims' })], header);
    expect(undecided(plain, writing)).toEqual([
      'RequestAuthentication: header `x-claims`, which a rule asks for, depends on the token',
    ]);
    expect(() => equivalence(plain, writing)).toThrow(/x-claims/);
    expect(() => containment(plain, writing)).toThrow(/x-claims/);
    expect(findings(mesh([jwt(X)], tokens), mesh([jwt({ ...X, outputPayloadToHeader: 'x-claims' })], tokens))).toEqual(
      [],
    );
  });

  it.each<[string, JwtRule, AuthorizationRule, RegExp]>([
    [
      'a claim as a header',
      { ...X, outputClaimToHeaders: [{ header: 'X-Sub', claim: 'sub' }] },
      when('headers[x-sub]', 'a'),
      /`x-sub`/,
    ],
    [
      'the header of the token',
      { ...X, forwardOriginalToken: true },
      when('headers[Authorization]', '*'),
      /`authorization`/,
    ],
    ['the cookies', { ...X, fromCookies: ['c'] }, when('headers[cookie]', '*'), /`cookie`/],
    ['the query', { ...X, fromParams: ['t'] }, when('headers[:path]', '/a?*'), /`:path`/],
    [
      'a preflight',
      { ...X, timeout: '1s', audiences: ['a'] },
      {
        when: [
          ...(when('headers[origin]', 'a').when ?? []),
          ...(when('headers[access-control-request-method]', 'a').when ?? []),
        ],
      },
      /preflight/,
    ],
    ['words of a claim', { ...X, spaceDelimitedClaims: ['groups'] }, when('auth.claims[groups]', 'a'), /`groups`/],
    ['a split issuer', { ...X, spaceDelimitedClaims: ['iss'] }, tokens, /`iss`/],
    [
      'a header with two roles',
      { ...X, fromHeaders: [{ name: 'x-a' }], outputPayloadToHeader: 'X-A' },
      tokens,
      /`X-A`/,
    ],
    [
      'a line that one rule reads twice',
      { ...X, fromHeaders: [{ name: 'x-a' }, { name: 'x-a', prefix: 'T ' }] },
      tokens,
      /two ways/,
    ],
    [
      'prefixes that a token may contain',
      {
        ...X,
        fromHeaders: [
          { name: 'x-a', prefix: 'T' },
          { name: 'x-a', prefix: 'U ' },
        ],
      },
      tokens,
      /may contain/,
    ],
    [
      'many prefixes',
      { ...X, fromHeaders: ['T ', 'U ', 'V '].map((prefix) => ({ name: 'x-a', prefix })) },
      tokens,
      /more than 2/,
    ],
  ])('%s is not compared', (_, rule, asking, reason) => {
    const [open] = undecided(mesh([jwt(X)], asking), mesh([jwt(rule)], asking, when('auth.claims[z]', 'z')));
    expect(open).toMatch(reason);
  });

  it('many rules for one issuer are given up', () => {
    const rules = Array.from({ length: 12 }, (_, i): JwtRule => ({
      issuer: 'https://x',
      jwksUri: `https://x/${i}`,
      audiences: [`a${i}`],
    }));
    expect(undecided(mesh([]), mesh([jwt(...rules)])).join()).toMatch(/12 RequestAuthentication rules combine/);
  });
});

describe('the other questions see the same tokens', () => {
  const narrow: AuthorizationRule = { from: [{ source: { requestPrincipals: ['https://x/admin'] } }] };
  const to = 'foo/httpbin';

  it('who-can, permits and forbids', () => {
    const world = mesh([jwt({ ...X, audiences: ['a'] })], tokens);
    const { allowed } = whoCan(world, { to });
    expect(allowed).toMatchObject([
      {
        requests: { 'request principal': '`*`' },
        witness: { request: { auth: { claims: { iss: 'https://x', aud: 'a' } } } },
        by: { decision: 'allow' },
      },
    ]);
    expect(forbids(mesh([], tokens), { to }).holds).toBe(true);
    expect(forbids(world, { to })).toMatchObject({ holds: false, counterexamples: [{ by: { decision: 'allow' } }] });
    expect(permits(world, { to })).toMatchObject({ holds: false, counterexamples: [{ by: { decision: 'deny' } }] });
    // A token that is no good is refused before any policy is asked.
    expect(permits(mesh([jwt(X)]), { to }).holds).toBe(true);
    const writing = mesh([jwt({ ...X, outputPayloadToHeader: 'x-claims' })], when('headers[x-claims]', 'a'));
    expect(() => forbids(writing, { to })).toThrow(/x-claims/);
  });

  it('redundancy, permissiveness and the connectivity map', () => {
    const why = (world: MeshConfig): readonly string[] =>
      redundancy(world).map((rule) => `${rule.rule.rule} ${rule.why}`);
    expect(why(mesh([], tokens, {}))).toEqual(['0 vacuous']);
    expect(why(mesh([jwt(X)], tokens, narrow))).toEqual(['1 shadowed']);
    // Tokens of another issuer are never taken.
    expect(why(mesh([jwt(Y)], narrow, tokens))).toEqual(['0 vacuous']);
    expect(permissiveness(mesh([], tokens))).toMatchObject([{ share: 0 }]);
    expect(permissiveness(mesh([jwt(X)], tokens))[0]?.share).toBeGreaterThan(0);
    expect(connectivityMap(mesh([], tokens))).toEqual([]);
    expect(connectivityMap(mesh([jwt(X)], tokens))).toMatchObject([{ from: 'outside', reach: 'some' }]);
  });
});
