/**
 * The exact diff against z3: for generated pairs of policies, whether some request tells them apart is asked of an SMT
 * solver over strings, from a translation of the policies of its own. Equivalence is what brute force cannot show.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diff } from '../../src/analysis/index.ts';
import type { AuthorizationPolicy, AuthorizationRule, MeshConfig, Operation, Source } from '../../src/istio/index.ts';
import type { AuthorizationRequest } from '../../src/policy/index.ts';
import { authorizationPolicy, meshWith, workload } from '../kit/policies.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_124);
const PAIRS = process.env['MESHPROOF_LONG'] === undefined ? 40 : 1000;
const TIMEOUT_MS = 2000;

/** `Z3_lbool` */
const ANSWERS: ReadonlyMap<number, string> = new Map([
  [1, 'sat'],
  [-1, 'unsat'],
]);

interface Solver {
  check(script: string): Promise<string>;
  close(): void;
}

/** The solver, or why there is none. */
async function load(): Promise<Solver | string> {
  try {
    const { init } = await import('z3-solver');
    const { Z3, em } = await init();
    const context = Z3.mk_context(Z3.mk_config());
    return {
      // The text goes in synchronously: an asynchronous call would read it after its memory has been given back.
      check: async (script) => {
        const session = Z3.mk_solver(context);
        Z3.solver_inc_ref(context, session);
        const params = Z3.mk_params(context);
        Z3.params_inc_ref(context, params);
        Z3.params_set_uint(context, params, Z3.mk_string_symbol(context, 'timeout'), TIMEOUT_MS);
        Z3.solver_set_params(context, session, params);
        Z3.solver_from_string(context, session, script);
        const answer = await Z3.solver_check(context, session);
        Z3.solver_dec_ref(context, session);
        return ANSWERS.get(answer) ?? 'unknown';
      },
      close: () => em.PThread.terminateAllThreads(),
    };
  } catch (error) {
    if (process.env['MESHPROOF_REQUIRE_TOOLS']) throw error;
    return `z3-solver cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const text = (value: string): string => `"${value}"`;
const any = '(re.* re.allchar)';
const re = (value: string): string => `(str.to_re ${text(value)})`;
const all = (parts: readonly string[]): string => (parts.length === 0 ? 'true' : `(and ${parts.join(' ')})`);
const some = (parts: readonly string[]): string => (parts.length === 0 ? 'false' : `(or ${parts.join(' ')})`);

function generic(name: string, value: string): string {
  const inside =
    value === '*'
      ? '(re.+ re.allchar)'
      : value.startsWith('*')
        ? `(re.++ ${any} ${re(value.slice(1))})`
        : value.endsWith('*')
          ? `(re.++ ${re(value.slice(0, -1))} ${any})`
          : re(value);
  return `(str.in_re ${name} ${inside})`;
}

const SEGMENT = '(re.+ (re.union (re.range "a" "z") (re.range "0" "9")))';
const SEGMENTS = '(re.* (re.union (re.range "a" "z") (re.range "0" "9") (str.to_re "/")))';

function path(value: string): string {
  if (!value.includes('{')) return generic('path', value);
  const parts = value
    .split('/')
    .flatMap((segment, i) => [
      ...(i === 0 ? [] : [re('/')]),
      segment === '{*}' ? SEGMENT : segment === '{**}' ? SEGMENTS : re(segment),
    ]);
  return `(str.in_re path (re.++ ${parts.join(' ')}))`;
}

const namespace = (value: string): string => {
  const parts = value.split('*').map(re);
  const inside = parts.flatMap((part, i) => (i === 0 ? [part] : [any, part]));
  return `(str.in_re principal (re.++ ${any} ${re('/ns/')} ${inside.join(' ')} ${re('/')} ${any}))`;
};

type Encode = (value: string) => string;
const FIELDS: Readonly<Record<string, readonly [Encode, boolean]>> = {
  principals: [(value) => generic('principal', value), true],
  namespaces: [namespace, true],
  methods: [(value) => generic('method', value), false],
  paths: [path, false],
};

function part(entry: Source | Operation): string {
  const clauses = Object.entries(entry).map(([field, values]) => {
    const negated = field.startsWith('not');
    const name = negated ? `${field.charAt(3).toLowerCase()}${field.slice(4)}` : field;
    const [encode, identity] = FIELDS[name] ?? [];
    if (encode === undefined) throw new Error(`no translation of ${field}`);
    const matched = some((values as readonly string[]).map(encode));
    const present = identity === true ? `(and authenticated ${matched})` : matched;
    return negated ? `(not ${present})` : present;
  });
  return all(clauses);
}

function rule({ from, to }: AuthorizationRule): string {
  return all([
    from === undefined ? 'true' : some(from.map(({ source }) => part(source))),
    to === undefined ? 'true' : some(to.map(({ operation }) => part(operation))),
  ]);
}

function allowed(policies: readonly AuthorizationPolicy[]): string {
  const rules = (action: string): readonly string[] =>
    policies.filter(({ spec }) => spec.action === action).flatMap(({ spec }) => (spec.rules ?? []).map(rule));
  const restricted = policies.some(({ spec }) => spec.action === 'ALLOW');
  return `(and (not ${some(rules('DENY'))}) ${restricted ? some(rules('ALLOW')) : 'true'})`;
}

const LOWER = '(re.union (re.range "a" "z") (re.range "0" "9"))';
/**
 * Realisable texts, as far as the vocabularies below can tell them apart: normal paths, tokens, identities of the mesh's
 * own trust domain.
 */
const UNIVERSE = `
(declare-const authenticated Bool) (declare-const principal String) (declare-const method String) (declare-const path String)
(assert (str.in_re principal (re.++ ${re('td/ns/')} (re.+ ${LOWER}) ${re('/sa/')} (re.+ ${LOWER}))))
(assert (str.in_re method (re.+ (re.range "A" "Z"))))
(assert (str.in_re path (re.++ ${re('/')} (re.* (re.union ${LOWER} (str.to_re "/"))))))
`;

function fixed({ source, request }: AuthorizationRequest): string {
  const { principal } = source ?? {};
  return [
    `(assert (= authenticated ${principal !== undefined}))`,
    principal === undefined ? '' : `(assert (= principal ${text(principal)}))`,
    `(assert (= method ${text(request?.method ?? '')}))`,
    `(assert (= path ${text(request?.path ?? '')}))`,
  ].join('\n');
}

const few = (values: readonly string[]): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 });
const PRINCIPALS = ['td/ns/foo/sa/a', 'td/ns/foo/sa/b', 'td/ns/foo/*', '*/sa/a', '*', 'td/ns/f*'];
const NAMESPACES = ['foo', 'bar', 'f*', '*o', '*'];
const METHODS = ['GET', 'POST', 'P*', '*T', '*'];
const PATHS = ['/a', '/a/*', '/a*', '*/b', '/a/{*}', '/a/{**}', '/{*}/b', '/a/../b', '*', '/*', '/a/b'];
const pick = (fields: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<Record<string, string[]>> =>
  fc
    .uniqueArray(fc.constantFrom(...Object.keys(fields)), { minLength: 1, maxLength: 2 })
    .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, few(fields[name] ?? [])]))));
const source = pick({
  principals: PRINCIPALS,
  notPrincipals: PRINCIPALS,
  namespaces: NAMESPACES,
  notNamespaces: NAMESPACES,
});
const operation = pick({ methods: METHODS, notMethods: METHODS, paths: PATHS, notPaths: PATHS });
const rules: fc.Arbitrary<readonly AuthorizationRule[]> = fc.array(
  fc.oneof(
    fc.record({ from: source.map((each) => [{ source: each }]), to: operation.map((each) => [{ operation: each }]) }),
    fc.record({
      to: fc.array(
        operation.map((each) => ({ operation: each })),
        { minLength: 1, maxLength: 2 },
      ),
    }),
  ),
  { minLength: 1, maxLength: 2 },
);
const policies = fc
  .record({ allow: rules, deny: fc.option(rules, { nil: undefined }) })
  .map(({ allow, deny }) => [
    authorizationPolicy({ action: 'ALLOW', rules: allow }, { name: 'allow' }),
    ...(deny === undefined ? [] : [authorizationPolicy({ action: 'DENY', rules: deny }, { name: 'deny' })]),
  ]);

/** Rewrites that keep the meaning: without them hardly any generated pair would be equivalent. */
function rewritten(list: readonly AuthorizationPolicy[]): readonly AuthorizationPolicy[] {
  return list.flatMap((policy, p) =>
    [...(policy.spec.rules ?? [])].reverse().map((each, i) =>
      authorizationPolicy(
        {
          ...policy.spec,
          rules: (each.to ?? [{ operation: undefined }]).flatMap(({ operation: of }) => [
            { ...each, ...(of === undefined ? {} : { to: [{ operation: of }] }) },
            {
              ...each,
              ...(of === undefined
                ? {}
                : { to: [{ operation: { ...of, notPaths: [...(of.notPaths ?? []), '/x/../y'] } }] }),
            },
          ]),
        },
        { name: `r${p}-${i}` },
      ),
    ),
  );
}

const worlds = fc.oneof(
  fc.record({ one: policies, other: policies }),
  policies.map((one) => ({ one, other: rewritten(one) })),
  fc.record({ one: policies, extra: rules }).map(({ one, extra }) => ({
    one,
    other: [...rewritten(one), authorizationPolicy({ action: 'DENY', rules: extra.slice(0, 1) }, { name: 'extra' })],
  })),
);

function world(list: readonly AuthorizationPolicy[]): MeshConfig {
  const http = { name: 'http', port: 8080, targetPort: 8080, protocol: 'http' } as const;
  const config = meshWith([...list], { workloads: [workload('httpbin')], settings: { trustDomain: 'td' } });
  const metadata = { name: 'httpbin', namespace: 'foo', labels: {}, annotations: {} };
  const service = {
    namespace: 'foo',
    name: 'httpbin',
    metadata,
    host: 'httpbin.foo.svc.cluster.local',
    selector: { app: 'httpbin' },
    headless: false,
    type: 'ClusterIP',
    ports: [http],
  } as const;
  return { ...config, services: [service] };
}

const solver = await load();

describe.skipIf(typeof solver === 'string')(
  `the exact diff and z3${typeof solver === 'string' ? ` (skipped: ${solver})` : ''}`,
  () => {
    beforeAll(() => expect(typeof solver).toBe('object'));
    afterAll(() => (typeof solver === 'string' ? undefined : solver.close()));

    it(`agree on equivalence of ${PAIRS} pairs (seed ${SEED})`, async () => {
      if (typeof solver === 'string') return;
      const seen = { sat: 0, unsat: 0, unknown: 0 };
      for (const { one, other } of fc.sample(worlds, { numRuns: PAIRS, seed: SEED })) {
        const found = diff(world(one), world(other)).findings.find(
          ({ traffic, targets }) => traffic !== 'tcp' && targets.some(({ ports }) => ports.includes(8080)),
        );
        // Where the diff claims a difference, the solver only has to believe the witness; a claim of equivalence it has to prove.
        const script = [
          UNIVERSE,
          `(assert (not (= ${allowed(one)} ${allowed(other)})))`,
          found === undefined ? '' : fixed(found.witness),
        ].join('\n');
        const answer = await solver.check(script);
        if (answer === 'unknown') {
          seen.unknown++;
          continue;
        }
        expect(answer, script).toBe(found === undefined ? 'unsat' : 'sat');
        seen[found === undefined ? 'unsat' : 'sat']++;
      }
      expect(seen.sat).toBeGreaterThan(5);
      expect(seen.unsat).toBeGreaterThan(5);
      expect(seen.unknown).toBeLessThan(PAIRS / 4);
    });
  },
);
