/** Nothing that was not compared passes for equal, and nothing that widens is hidden behind what narrows. */
import { describe, expect, it } from 'vitest';
import { containment, diff } from '../../../src/analysis/index.ts';
import type { AuthorizationRule, MeshConfig } from '../../../src/istio/index.ts';
import { peerAuthentication, service } from '../../kit/mesh-resources.ts';
import { authorizationPolicy, meshWith } from '../../kit/policies.ts';

const mesh = (rules: readonly AuthorizationRule[]): MeshConfig => meshWith([authorizationPolicy({ rules })]);
const count = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => i);

describe('a walk that would take too long', () => {
  const tangled = count(24).map((i) => ({
    when: [{ key: 'request.headers[g]', values: [`a${i}*`], notValues: [`*b${i}`] }],
  }));
  const [before, after] = [mesh(tangled), mesh(tangled.slice(1))];

  it('is said, port by port, and the rest is compared', () => {
    const changed = {
      ...after,
      peerAuthentications: [peerAuthentication('bar/default', { mtls: { mode: 'STRICT' } })],
    };
    const { undecided, findings } = diff(before, changed);
    expect(undecided).toMatchObject([{ reason: expect.stringContaining('100,000'), targets: [{}, {}] }]);
    expect(findings.map(({ kind }) => kind)).toContain('mtls-strengthened');
  }, 60_000);

  it('is no equivalence', () => {
    expect(() => containment(before, after)).toThrow(/100,000/);
  }, 60_000);
});

it('rules over many headers, none of which excludes another, are walked in the order in which they stand', () => {
  const rules = count(40).map((i) => ({
    when: [
      { key: `request.headers[x-${i}]`, values: ['a'] },
      { key: `request.headers[y-${(i * 7) % 40}]`, values: ['b'] },
    ],
  }));
  const { undecided, statistics } = diff(mesh(rules), mesh(rules.slice(1)));
  expect(undecided).toEqual([]);
  expect(statistics.states).toBeLessThan(1000);
});

it('newly allowed classes are listed even where newly denied ones fill the list', () => {
  const narrow = count(30).map((i) => ({ to: [{ operation: { methods: [`M${i}`], hosts: [`h${i}`] } }] }));
  const before = mesh(narrow);
  const after = mesh([{ to: [{ operation: { methods: ['Z'] } }] }]);
  const { findings } = diff(before, after, { regionsMax: 3 });
  expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['newly-allowed', 'newly-denied']));
});

describe('a sidecar that goes', () => {
  const strict = peerAuthentication('istio-system/default', { mtls: { mode: 'STRICT' } });
  const services = [service('foo/httpbin', { selector: { app: 'httpbin' } })];
  const base = { ...meshWith([]), peerAuthentications: [strict], services };
  const without = (name: string): MeshConfig => ({
    ...base,
    workloads: base.workloads.map((each) =>
      each.name === name && each.namespace === 'foo' ? { ...each, injected: false } : each,
    ),
  });

  it('at the server weakens mutual TLS', () => {
    const { findings } = diff(base, without('httpbin'));
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: 'mtls-weakened', summary: expect.stringContaining('no sidecar') }),
    );
  });

  it('at the caller cuts its calls off', () => {
    const { findings } = diff(base, without('curl'));
    expect(findings.find(({ kind }) => kind === 'now-unreachable')).toMatchObject({
      requests: { caller: expect.stringContaining('`foo/curl`') },
      targets: [{ workload: 'httpbin' }],
    });
  });

  it('at the caller is no matter to a server that takes plaintext, but for the protection', () => {
    const permissive = { ...base, peerAuthentications: [] };
    const { findings } = diff(permissive, { ...without('curl'), peerAuthentications: [] });
    const calls = findings.filter(({ targets: [to] }) => to?.workload === 'httpbin');
    expect(calls.map(({ kind }) => kind)).toEqual(['mtls-weakened']);
  });
});
