/**
 * Configurations that declare no workload: whatever labels a Pod carries, an outcome that changes for it changes, for the
 * same request, for one of the Pods that the diff asks about. Against all sets of labels there are.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AtomTable } from '../../src/analysis/atom.ts';
import { hypotheticalSubjects } from '../../src/analysis/hypothetical-subjects.ts';
import { diff } from '../../src/analysis/index.ts';
import { MeshSide, type Subject } from '../../src/analysis/mesh-side.ts';
import type { WitnessToken } from '../../src/analysis/token-model.ts';
import { NOBODY, Signer } from '../../src/analysis/token-signers.ts';
import type { AuthorizationPolicySpec, MeshConfig, MutualTlsMode } from '../../src/istio/index.ts';
import type { AuthorizationRequest } from '../../src/policy/index.ts';
import { config, peerAuthentication, requestAuthentication } from '../kit/mesh-resources.ts';
import { authorizationPolicy, httpRequest } from '../kit/policies.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_128);
const PAIRS = process.env['MESHPROOF_LONG'] === undefined ? 300 : 5000;
const KEYS = ['a', 'b', 'c', 'd', 'e'];

const labelsOf = (keys: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(keys.map((key) => [key, '1']));
const selector = fc.subarray(KEYS, { maxLength: 2 }).map(labelsOf);

const SPECS: readonly AuthorizationPolicySpec[] = [
  { rules: [{ to: [{ operation: { methods: ['GET'] } }] }] },
  { rules: [{ to: [{ operation: { paths: ['/x'] } }] }] },
  { rules: [{ from: [{ source: { principals: ['*'] } }] }] },
  { action: 'DENY', rules: [{ to: [{ operation: { methods: ['POST'] } }] }] },
  { action: 'DENY', rules: [{ from: [{ source: { notPrincipals: ['*'] } }] }] },
  { action: 'CUSTOM', provider: { name: 'one' }, rules: [{ to: [{ operation: { paths: ['/x'] } }] }] },
  { action: 'CUSTOM', provider: { name: 'two' }, rules: [{}] },
  { rules: [{ from: [{ source: { requestPrincipals: ['i1/*'] } }] }] },
  { action: 'DENY', rules: [{ from: [{ source: { notRequestPrincipals: ['*'] } }] }] },
];

interface Part {
  readonly labels: Readonly<Record<string, string>>;
  readonly spec?: AuthorizationPolicySpec;
  readonly mode?: MutualTlsMode;
  /** Whose tokens a RequestAuthentication is for. */
  readonly issuer?: string;
}

const part: fc.Arbitrary<Part> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ labels: selector, spec: fc.constantFrom(...SPECS) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      labels: selector,
      mode: fc.constantFrom<MutualTlsMode>('STRICT', 'PERMISSIVE', 'DISABLE', 'UNSET'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ labels: selector, issuer: fc.constantFrom('i1', 'i2') }) },
);

const provider = { protocol: 'grpc', service: 'x', port: 1, failOpen: false, statusOnError: 403 } as const;

function meshOf(parts: readonly (readonly [number, Part])[]): MeshConfig {
  return config({
    authorizationPolicies: parts.flatMap(([i, { labels, spec }]) =>
      spec === undefined
        ? []
        : [authorizationPolicy({ ...spec, selector: { matchLabels: labels } }, { name: `p${i}`, namespace: 'foo' })],
    ),
    peerAuthentications: parts.flatMap(([i, { labels, mode }]) =>
      mode === undefined
        ? []
        : [peerAuthentication(`foo/m${i}@${i}`, { selector: { matchLabels: labels }, mtls: { mode } })],
    ),
    requestAuthentications: parts.flatMap(([i, { labels, issuer }]) =>
      issuer === undefined
        ? []
        : [
            requestAuthentication(`foo/t${i}`, {
              selector: { matchLabels: labels },
              jwtRules: [{ issuer, jwksUri: `https://${issuer}.example` }],
            }),
          ],
    ),
    settings: { extensionProviders: ['one', 'two'].map((name) => ({ ...provider, name })) },
  });
}

/** Two configurations that share some policies. */
const pair = fc
  .array(fc.tuple(part, fc.constantFrom('both', 'both', 'before', 'after')), { minLength: 2, maxLength: 7 })
  .map((parts) => {
    const numbered = parts.map(([each, where], i) => ({ entry: [i, each] as const, where }));
    const side = (name: string): MeshConfig =>
      meshOf(numbered.filter(({ where }) => where === 'both' || where === name).map(({ entry }) => entry));
    return { before: side('before'), after: side('after') };
  });

const SIGNERS = [
  ...['i1', 'i2'].map((issuer) => {
    const name = `the keys at \`https://${issuer}.example\``;
    return { issuer, signer: new Signer({ kind: 'fetched', name }, name) };
  }),
  { issuer: 'i1', signer: NOBODY },
];
const BEARER = { in: 'header', name: 'authorization', prefix: 'Bearer ' } as const;

interface Asked {
  readonly request: AuthorizationRequest;
  readonly token?: WitnessToken;
}

const PLAIN = [null, 'foo/curl'].flatMap((from) =>
  ['GET', 'POST'].flatMap((method) => ['/x', '/y'].map((path) => httpRequest({ from, method, path }))),
);

const REQUESTS: readonly Asked[] = [
  ...PLAIN.map((request) => ({ request })),
  ...SIGNERS.map(({ issuer, signer }) => ({
    request: httpRequest({ method: 'GET', path: '/x', auth: { claims: { iss: issuer, sub: 's' } } }),
    token: { good: false, location: BEARER, signer },
  })),
];

function subjectOf(labels: Readonly<Record<string, string>>): Subject {
  return { namespace: 'foo', name: 'pod', labels, injected: true, ports: [], serviceAccount: '' };
}

const EVERY_SET = Array.from({ length: 2 ** KEYS.length }, (_, bits) => KEYS.filter((__, i) => (bits >> i) % 2 === 1));

it(`asks about enough combinations of selectors (seed ${SEED})`, () => {
  const seen = { changed: 0, together: 0 };
  fc.assert(
    fc.property(pair, ({ before, after }) => {
      const atoms = new AtomTable();
      const keys = new Map<string, number>();
      const sides = [new MeshSide(before, atoms, keys), new MeshSide(after, atoms, keys)];
      const changesAt = (subject: Subject): ReadonlySet<string> => {
        const found = new Set<string>();
        REQUESTS.forEach((asked, i) => {
          for (const verdict of ['allow', 'deny'] as const) {
            const [one, two] = sides.map(
              (side) =>
                side.decide(subject, side.setup(subject, 8080, 'http'), 'http', {
                  ...asked,
                  verdicts: { one: verdict, two: verdict },
                }).decision,
            );
            if (one !== two) found.add(`${i} ${verdict} ${two}`);
          }
        });
        return found;
      };
      const { subjects, incomplete } = hypotheticalSubjects(before, after);
      expect(incomplete).toEqual([]);
      const asked = new Set(subjects.flatMap((subject) => [...changesAt(subject)]));
      const alone = new Set(
        subjects.filter(({ labels }) => Object.keys(labels).length < 2).flatMap((subject) => [...changesAt(subject)]),
      );
      for (const labels of EVERY_SET.map(labelsOf)) {
        for (const change of changesAt(subjectOf(labels))) {
          seen.changed++;
          if (!alone.has(change)) seen.together++;
          expect(asked, `${change} for ${JSON.stringify(labels)}`).toContain(change);
        }
      }
    }),
    { numRuns: PAIRS, seed: SEED },
  );
  expect(seen.changed).toBeGreaterThan(1000);
  expect(seen.together).toBeGreaterThan(100);
});

it('says so where there are too many', () => {
  const many = Array.from(
    { length: 120 },
    (_, i) => [i, { labels: { [`k${i}`]: '1' }, spec: { rules: [{}] } }] as const,
  );
  const { undecided } = diff(meshOf(many), meshOf([]));
  expect(undecided).toMatchObject([{ reason: expect.stringContaining('too many selectors can apply at once') }]);
});
