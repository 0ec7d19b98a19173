/**
 * Two executions of one truth: `mesh.request` sends bytes over sockets, `mesh.predict` answers from the compiled
 * configuration, and both say the same of every caller, mode and policy that is drawn.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mesh } from '../../src/mesh/index.ts';
import type { Caller, MeshRequest, Outcome } from '../../src/sim/index.ts';
import { manifests, type Mode, peerAuthenticationYaml, workloadYaml } from '../kit/small-world.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_260_101);
const WORLDS = process.env['MESHPROOF_LONG'] ? 600 : 50;

const WORKLOADS = [
  { name: 'web', namespace: 'default' },
  { name: 'api', namespace: 'default' },
  { name: 'db', namespace: 'data' },
] as const;
const NAMES = WORKLOADS.map(({ namespace, name }) => `${namespace}/${name}`);

interface World {
  readonly sidecars: readonly boolean[];
  readonly meshMode: Mode | undefined;
  readonly apiMode: Mode | undefined;
  readonly clientTls: 'DISABLE' | 'ISTIO_MUTUAL' | undefined;
  readonly policies: readonly Policy[];
}

interface Policy {
  readonly namespace: string;
  readonly app: string | undefined;
  readonly action: 'ALLOW' | 'DENY';
  readonly rules: readonly object[];
}

const mode = fc.constantFrom<Mode[]>('STRICT', 'PERMISSIVE', 'DISABLE');
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const source = fc.oneof(
  fc.constantFrom('default/sa/web', 'data/sa/db', '*').map((rest) => ({
    principals: [rest === '*' ? '*' : `cluster.local/ns/${rest}`],
  })),
  fc.constantFrom('default', 'data').map((namespace) => ({ namespaces: [namespace] })),
  fc.constant({ notPrincipals: ['cluster.local/ns/default/sa/web'] }),
);
const operation = fc.oneof(
  fc.constantFrom('GET', 'POST').map((method) => ({ methods: [method] })),
  fc.constantFrom('/api/*', '/api/v1', '*/v1').map((path) => ({ paths: [path] })),
  fc.constant({ notPaths: ['/api/v1'] }),
  fc.constantFrom('8080', '9').map((port) => ({ ports: [port] })),
);
const when = fc.constantFrom<object[]>(
  { key: 'request.headers[x-tier]', values: ['gold'] },
  { key: 'request.headers[x-tier]', notValues: ['gold'] },
  { key: 'source.namespace', values: ['data'] },
);
const rule = fc
  .record({ source: maybe(source), operation: maybe(operation), when: maybe(when) })
  .map((parts) => ({
    ...(parts.source === undefined ? {} : { from: [{ source: parts.source }] }),
    ...(parts.operation === undefined ? {} : { to: [{ operation: parts.operation }] }),
    ...(parts.when === undefined ? {} : { when: [parts.when] }),
  }))
  .filter((made) => Object.keys(made).length > 0);
const policy = fc.record<Policy>({
  namespace: fc.constantFrom('default', 'data', 'istio-system'),
  app: maybe(fc.constantFrom('web', 'api', 'db')),
  action: fc.constantFrom('ALLOW', 'DENY'),
  rules: fc.array(rule, { minLength: 1, maxLength: 2 }),
});
const world = fc.record<World>({
  sidecars: fc.tuple(...WORKLOADS.map(() => fc.boolean().map((absent) => !absent))),
  meshMode: maybe(mode),
  apiMode: maybe(mode),
  clientTls: maybe(fc.constantFrom('DISABLE', 'ISTIO_MUTUAL')),
  policies: fc.array(policy, { maxLength: 3 }),
});

const caller = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<Caller[]>(...NAMES) },
  { weight: 1, arbitrary: fc.constant<Caller>('outside') },
  {
    weight: 2,
    arbitrary: fc.record({
      workload: fc.constantFrom(...NAMES),
      certificate: fc.constantFrom('mesh', 'none', 'rogue', 'expired', 'self-signed'),
    }),
  },
);
const request = fc
  .record({
    from: caller,
    to: fc.constantFrom(...NAMES),
    method: fc.constantFrom('GET', 'POST'),
    path: fc.constantFrom('/', '/api/v1', '/api/v1?x=1', '/other/v1', '//api/v1'),
    tier: maybe(fc.constantFrom('gold', 'tin')),
  })
  .map(({ tier, ...rest }): MeshRequest => ({
    ...rest,
    ...(tier === undefined ? {} : { headers: { 'x-tier': tier } }),
  }));

function yamlOf({ sidecars, meshMode, apiMode, clientTls, policies }: World): string {
  return manifests(
    ...WORKLOADS.map(({ name, namespace }, index) =>
      workloadYaml(name, { namespace, sidecar: sidecars[index] ?? true }),
    ),
    ...(meshMode === undefined ? [] : [peerAuthenticationYaml(meshMode)]),
    ...(apiMode === undefined ? [] : [peerAuthenticationYaml(apiMode, { namespace: 'default', app: 'api' })]),
    ...(clientTls === undefined ? [] : [destinationRule(clientTls)]),
    ...policies.map((each, index) => `${JSON.stringify(authorizationPolicy(each, index))}\n`),
  );
}

function destinationRule(tls: string): string {
  const spec = { host: 'api.default.svc.cluster.local', trafficPolicy: { tls: { mode: tls } } };
  const metadata = { name: 'api', namespace: 'default' };
  return `${JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata, spec })}\n`;
}

function authorizationPolicy({ namespace, app, action, rules }: Policy, index: number): object {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: `policy-${index}`, namespace },
    spec: { ...(app === undefined ? {} : { selector: { matchLabels: { app } } }), action, rules },
  };
}

/** All that a prediction can know. Bodies of applications and words of details it cannot. */
function gist({ result, status, flags, decidedBy, connection, refusal }: Outcome): object {
  const { security, clientPrincipal, serverPrincipal } = connection;
  const open = result === 'allow' || result === 'deny';
  return {
    result,
    status,
    flags,
    decidedBy,
    ...(open ? { security, clientPrincipal, serverPrincipal } : {}),
    refusal: refusal && {
      stage: refusal.stage,
      reason: refusal.reason,
      side: refusal.side,
      bytes: refusal.applicationBytes,
    },
  };
}

describe('predict', () => {
  it('agrees with what happens on the wire', { timeout: 120_000 }, async () => {
    const results = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(world, fc.array(request, { minLength: 8, maxLength: 12 }), async (drawn, requests) => {
        await using mesh = await Mesh.start({ yaml: yamlOf(drawn) });
        for (const each of requests) {
          const predicted = mesh.predict(each);
          const happened = await mesh.request(each);
          expect({ request: each, ...gist(predicted) }).toEqual({ request: each, ...gist(happened) });
          results.set(happened.result, (results.get(happened.result) ?? 0) + 1);
        }
      }),
      { seed: SEED, numRuns: WORLDS },
    );
    // The property is not vacuous: every kind of end was met often.
    for (const kind of ['allow', 'deny', 'handshake-failure']) expect(results.get(kind) ?? 0).toBeGreaterThan(20);
  });
});
