import { describe, expect, it } from 'vitest';
import {
  loadSuite,
  mutationScore,
  runSuite,
  runSuites,
  testOf,
  type TestResult,
  withTests,
} from '../../../src/policytest/index.ts';
import { mutate } from '../../../src/analysis/index.ts';
import { compileMesh } from '../../../src/policy/index.ts';
import { reachOf } from '../../../src/policytest/mutant-reach.ts';
import { MANIFESTS, testFile } from '../../kit/policy-test-files.ts';
import { folderWith } from '../../kit/temporary-folder.ts';
import { jwks, NOW_SECONDS, signer, token } from '../../spec/istio-jwt/tokens.ts';

async function suiteOf(body: string, files: Readonly<Record<string, string>> = {}): ReturnType<typeof loadSuite> {
  const folder = folderWith({ 'mesh.yaml': MANIFESTS, 'x.mesh-test.yaml': testFile(body), ...files });
  return loadSuite(`${folder}/x.mesh-test.yaml`);
}

async function results(body: string, files: Readonly<Record<string, string>> = {}): Promise<readonly TestResult[]> {
  return runSuite(await suiteOf(body, files));
}

function one(fields: string): string {
  return `tests:\n  - { name: t, from: shop/web, to: shop/cart, request: GET /items/1, ${fields} }`;
}

describe('what a test may expect', () => {
  it.each([
    ['expect: allow', 'passed'],
    ['expect: deny', 'failed'],
    ['expect: { result: allow, status: 200, tls: mutual, by: AuthorizationPolicy/shop/cart-readers }', 'passed'],
    ['expect: { result: allow, by: cart-readers }', 'passed'],
    ['expect: { result: allow, by: "cart-readers[0]" }', 'passed'],
    ['expect: { result: allow, by: "cart-readers[1]" }', 'failed'],
    ['expect: { result: allow, by: none }', 'failed'],
    ['expect: { result: allow, status: 204 }', 'failed'],
    ['expect: { result: allow, tls: none }', 'failed'],
  ])('%s: %s', async (fields, status) => {
    expect((await results(one(fields))).map((result) => result.status)).toEqual([status]);
  });

  it.each([
    ['shop/web', 'DELETE /items/1', '{ result: deny, status: 403, by: AuthorizationPolicy/shop/no-deletes }'],
    // Nothing matched: the ALLOW policy that selects the workload is what refused.
    ['shop/web', 'POST /items/1', '{ result: deny, by: AuthorizationPolicy/shop/cart-readers }'],
    [
      'outside',
      'GET /items/1',
      '{ result: handshake-failure, by: PeerAuthentication/istio-system/default, appBytesSeen: 0 }',
    ],
    ['shop/cron', 'GET /items/1', 'refused'],
    ['{ workload: shop/web, cert: rogue }', 'GET /items/1', 'handshake-failure'],
    ['{ workload: shop/web, cert: expired }', 'GET /items/1', 'handshake-failure'],
    ['{ cert: none }', 'GET /items/1', 'handshake-failure'],
    ['{ ns: shop, sa: web }', 'GET /items/1', 'allow'],
    ['{ ns: shop, sa: webx }', 'GET /items/1', '{ result: deny, status: 403 }'],
    ['{ ns: shop, sa: web, trustDomain: elsewhere.example }', 'GET /items/1', 'handshake-failure'],
  ])('%s %s is %s, on the wire and in the model', async (from, request, expected) => {
    const [result] = await results(
      `tests:\n  - { name: t, from: ${from}, to: shop/cart, request: "${request}", expect: ${expected} }`,
    );
    expect(result).toMatchObject({ status: 'passed', level: 'both', differences: [] });
  });

  it('finds no part in a denial for policies that are in dry run or for gateways', async () => {
    const more = ['dry-run', 'gateway'].map(
      (name) => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop${name === 'dry-run' ? ', annotations: { istio.io/dry-run: "true" }' : ''} }
spec: { action: ALLOW, rules: [{}]${name === 'gateway' ? ', targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: g }]' : ''} }
`,
    );
    const denied = 'from: shop/web, to: shop/cart, request: POST /items/1';
    const found = await results(
      `mesh: [./more.yaml]\ntests:${['cart-readers', 'dry-run', 'gateway']
        .map((name) => `\n  - { name: ${name}, ${denied}, expect: { result: deny, by: ${name} } }`)
        .join('')}`,
      { 'more.yaml': more.join('') },
    );
    expect(found.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'cart-readers passed',
      'dry-run failed',
      'gateway failed',
    ]);
  });

  it('counts no byte at the application where policies deny', async () => {
    const [result] = await results(
      one('expect: { result: deny, appBytesSeen: 3 }').replace('GET /items/1', 'POST /items/1'),
    );
    expect(result?.differences).toEqual(['expected 3 bytes at the application, got 0']);
  });

  it('leaves out what is skipped, and says why', async () => {
    const [result] = await results(one('expect: deny, skipReason: "not decided yet"'));
    expect(result).toMatchObject({ status: 'skipped', skipReason: 'not decided yet' });
  });

  it('hints at a policy that does not exist', async () => {
    const [result] = await results(one('expect: { result: allow, by: AuthorizationPolicy/shop/cart-reader }'));
    expect(result?.differences[0]).toContain(
      'there is no such policy; did you mean `AuthorizationPolicy/shop/cart-readers`?',
    );
  });
});

describe('requests with tokens', () => {
  it('are verified in the model as they are on the wire', async () => {
    const key = await signer('ES256');
    const claims = { iss: 'https://shop.example', sub: 'ann', exp: NOW_SECONDS + 600 };
    const [good, late] = await Promise.all([token(key, claims), token(key, { ...claims, exp: NOW_SECONDS - 600 })]);
    const policies = `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: shop-tokens, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  jwtRules: [{ issuer: "https://shop.example", jwks: '${jwks(key)}' }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ann-alone, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  rules: [{ from: [{ source: { requestPrincipals: ["https://shop.example/ann"] } }] }]
`;
    const call = (name: string, bearer: string | undefined, expected: string): string =>
      `\n  - { name: ${name}, from: shop/cart, to: shop/web, request: { path: /${bearer === undefined ? '' : `, headers: { authorization: "Bearer ${bearer}" }`} }, expect: ${expected} }`;
    const suite = await suiteOf(
      `mesh: [./tokens.yaml]\ntests:${[
        call('good', good, '{ result: allow, by: ann-alone }'),
        call('none', undefined, '{ result: deny, status: 403, by: ann-alone }'),
        call('late', late, '{ result: deny, status: 401, by: RequestAuthentication/shop/shop-tokens }'),
        call('wrong', 'x.y.z', 'allow'),
      ].join('')}`,
      { 'tokens.yaml': policies },
    );
    const { results: found, coverage } = await runSuites([suite], { version: '0', stopwatch: () => 0, coverage: true });
    expect(found.map(({ name, differences }) => [name, differences])).toEqual([
      ['good', []],
      ['none', []],
      ['late', []],
      ['wrong', ['expected allow, got deny']],
    ]);
    expect(found[3]?.explanation.join('\n')).toMatch(
      /^jwt_authn_access_denied\{[^]*tokens\.yaml:6:\d+ \(RequestAuthentication\/shop\/shop-tokens\)/,
    );
    const hits = coverage?.items.find(({ key }) => key === 'RequestAuthentication/shop/shop-tokens')?.hits;
    expect(hits).toBe(4);
    const passing = { ...suite, cases: suite.cases.slice(0, 3) };
    const { mutants } = await mutationScore(passing);
    expect(
      mutants.filter(({ id }) => id.startsWith('RequestAuthentication/')).map(({ id, fate }) => [id, fate]),
    ).toEqual([
      ['RequestAuthentication/shop/shop-tokens: remove the policy', 'killed'],
      // Other workloads are sent no token: a test would have to.
      ['RequestAuthentication/shop/shop-tokens selector: select every workload', 'survived'],
    ]);
  });
});

describe('a failure', () => {
  it('says what was expected, what came, why, where the clause stands, and how to run it again', async () => {
    const [result] = await results(one('expect: allow').replace('GET /items/1', 'POST /items/1'));
    expect(result).toMatchObject({
      status: 'failed',
      expected: 'allow',
      actual: 'deny 403 (no ALLOW policy matched)',
      differences: ['expected allow, got deny'],
      line: 6,
      column: 5,
    });
    const why = result?.explanation.join('\n') ?? '';
    expect(why).toContain('nearest ALLOW rule: shop/cart-readers rules[0], one clause fails');
    expect(why).toMatch(/mesh\.yaml:\d+:\d+ \(rules\[0\]\.to\[0\]\.operation\.methods\)/);
    expect(result?.replay).toMatch(
      /^npx meshproof test .*x\.mesh-test\.yaml --id '.*#t\[shop\/web→shop\/cart POST \/items\/1\]'$/,
    );
  });

  it('of a handshake names the PeerAuthentication', async () => {
    const [result] = await results(one('expect: allow').replace('from: shop/web', 'from: outside'));
    expect(result?.explanation.join('\n')).toMatch(
      /refused by the server at filter-chain: filter_chain_not_found[^]*STRICT \(PeerAuthentication\/istio-system\/default\)[^]*mesh\.yaml:/,
    );
  });
});

describe('the timeline', () => {
  const PERMISSIVE = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: PERMISSIVE } }
`;

  it('applies, removes, lets certificates run out and come back, at its instants', async () => {
    const found = await results(
      `timeline:
  - { at: 0h, expect: handshake-failure, from: outside, to: shop/web }
  - { at: 1h, apply: ./permissive.yaml, expect: allow, from: outside, to: shop/web }
  - { at: 2h, remove: [{ kind: PeerAuthentication, namespace: istio-system, name: default }], ca: down }
  - { at: 11h, expectAll: allow, from: [shop/web], to: shop/cart, request: GET /items/1 }
  - { at: 25h, note: nobody renewed, expectAll: handshake-failure, from: shop/web, to: shop/cart, request: GET /items/1 }
  - { at: 26h, ca: up }
  - { at: 30h, expectAll: allow, from: shop/web, to: shop/cart, request: GET /items/1 }`,
      { 'permissive.yaml': PERMISSIVE },
    );
    expect(found.map(({ status, actual }) => `${status} ${actual.split(' ')[0] ?? ''}`)).toEqual([
      'passed handshake-failure',
      'passed allow',
      'passed allow',
      'passed handshake-failure',
      'passed allow',
    ]);
    expect(found[3]?.id).toContain('#timeline 25h nobody renewed[');
  });
});

describe('coverage and mutation score', () => {
  const LOOSE = 'tests:\n  - { name: t, from: shop/web, to: shop/cart, request: GET /items/1, expect: allow }';

  it('counts what decided, clause by clause, and what alone refused', async () => {
    const suite = await suiteOf(
      `${LOOSE}\n  - { name: u, from: shop/web, to: shop/cart, request: POST /items/1, expect: deny }`,
    );
    const { coverage } = await runSuites([suite], { version: '0', stopwatch: () => 0, coverage: true });
    const hits = Object.fromEntries((coverage?.items ?? []).map(({ key, hits: h, refused }) => [key, [h, refused]]));
    expect(hits).toEqual({
      'AuthorizationPolicy/shop/cart-readers': [2, 0],
      'AuthorizationPolicy/shop/cart-readers rules[0]': [1, 0],
      'AuthorizationPolicy/shop/cart-readers rules[0].from[0].source.principals': [1, 0],
      'AuthorizationPolicy/shop/cart-readers rules[0].to[0].operation.methods': [1, 1],
      'AuthorizationPolicy/shop/cart-readers rules[0].to[0].operation.paths': [1, 0],
      'AuthorizationPolicy/shop/no-deletes': [0, 0],
      'AuthorizationPolicy/shop/no-deletes rules[0]': [0, 0],
      // A GET was let in because it is no DELETE.
      'AuthorizationPolicy/shop/no-deletes rules[0].to[0].operation.methods': [0, 2],
      'PeerAuthentication/istio-system/default': [2, 0],
    });
  });

  it('shows what no test notices, with the request that would, and writes the missing tests', async () => {
    const suite = await suiteOf(LOOSE);
    const before = await mutationScore(suite);
    expect(before.score).toBeLessThan(0.6);
    const survivors = before.mutants.filter(({ fate }) => fate === 'survived');
    const noDeletes = survivors.find(({ id }) => id === 'AuthorizationPolicy/shop/no-deletes: remove the policy');
    expect(noDeletes?.witness).toMatchObject({ request: { method: 'DELETE' }, original: 'deny', mutant: 'allow' });
    const tests = survivors.map(testOf).filter((test) => test !== undefined);
    const text = withTests(testFile(LOOSE), tests);
    expect(text).toContain(LOOSE.split('\n')[1]?.trim());
    const after = await mutationScore(await suiteOf(text.slice(text.indexOf('tests:'))));
    expect(after).toMatchObject({ survived: 0, score: 1 });
  });

  it('asks about the workloads that a changed policy selects, before or after', async () => {
    const { config } = await suiteOf(LOOSE);
    const before = compileMesh(config);
    const reaches = [...mutate(config)].map(({ id, policy, config: after }) => {
      const reach = reachOf(policy, before, compileMesh(after));
      return `${id.replace(/ .*/, '')} ${reach === undefined ? 'any' : [...reach].join(' ')}`;
    });
    expect([...new Set(reaches)]).toEqual([
      'PeerAuthentication/istio-system/default: any',
      'PeerAuthentication/istio-system/default any',
      'AuthorizationPolicy/shop/cart-readers: shop/cart',
      'AuthorizationPolicy/shop/cart-readers shop/cart',
      // Without its selector it selects every workload of its namespace.
      'AuthorizationPolicy/shop/cart-readers shop/web shop/cart shop/cron',
      'AuthorizationPolicy/shop/no-deletes: shop/web shop/cart shop/cron',
      'AuthorizationPolicy/shop/no-deletes shop/web shop/cart shop/cron',
    ]);
  });

  it('does not judge by tests that fail', async () => {
    const suite = await suiteOf(LOOSE.replace('expect: allow', 'expect: deny'));
    const failing = suite.cases[0]?.id ?? '';
    expect(await mutationScore(suite)).toMatchObject({
      mutants: [],
      score: 0,
      unjudged: [{ suite: suite.file, failing }],
    });
  });

  it('judges by the tests that are selected', async () => {
    const suite = await suiteOf(
      `${LOOSE}\n  - { name: u, from: shop/web, to: shop/cart, request: DELETE /items/1, expect: deny }`,
    );
    const killed = async (name: string): Promise<number> =>
      (await mutationScore(suite, { select: (id) => id.includes(`#${name}[`) })).killed;
    const both = (await mutationScore(suite)).killed;
    expect(await killed('t')).toBeLessThan(both);
    expect(await killed('u')).toBeLessThan(both);
  });

  it('does not take a policy for covered because one of the same name in another file is', async () => {
    const twin = MANIFESTS.replace('methods: [GET, DELETE]', 'methods: [GET, DELETE, PUT]');
    const suites = [
      await suiteOf(LOOSE),
      await suiteOf(LOOSE.replace('GET /items/1, expect: allow', 'POST /x, expect: deny'), { 'mesh.yaml': twin }),
    ];
    const { coverage } = await runSuites(suites, { version: '0', stopwatch: () => 0, coverage: true });
    const rule = 'AuthorizationPolicy/shop/cart-readers rules[0]';
    expect(coverage?.items.filter(({ key }) => key === rule).map(({ hits }) => hits)).toEqual([1, 0]);
  });
});
