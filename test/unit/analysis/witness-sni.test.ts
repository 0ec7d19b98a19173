/** A witness is a request that can exist: a server name comes with mutual TLS, and that with an identity. */
import { expect, it } from 'vitest';
import { diff, whoCan } from '../../../src/analysis/index.ts';
import { authorizationPolicy, meshWith, workload } from '../../kit/policies.ts';

const named = { when: [{ key: 'connection.sni', values: ['a.example'] }] };

it.each([
  ['identities of declared workloads', [workload('httpbin')], 'cluster.local/ns/foo/sa/httpbin'],
  ['any identity where none is declared', [], 'cluster.local/ns/default/sa/default'],
])('%s', (_, workloads, principal) => {
  const mesh = (...rules: readonly (typeof named)[]): ReturnType<typeof meshWith> =>
    meshWith([authorizationPolicy({ rules })], { workloads });
  const { findings } = diff(mesh(), mesh(named));
  const http = findings.filter(({ witness }) => witness.request !== undefined);
  expect(http.length).toBeGreaterThan(0);
  for (const { witness } of http) {
    expect(witness).toMatchObject({ connection: { sni: 'a.example' }, source: { principal } });
  }
  if (workloads.length === 0) return;
  expect(whoCan(mesh(named), { to: 'foo/httpbin', port: 8080 }).allowed).toMatchObject([
    { witness: { source: { principal } } },
  ]);
});
