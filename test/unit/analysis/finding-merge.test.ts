/** A reviewer reads five lines and not five hundred: classes with the same causes are one finding. */
import { expect, it } from 'vitest';
import { diff } from '../../../src/analysis/index.ts';
import type { AuthorizationRule, MeshConfig } from '../../../src/istio/index.ts';
import { naiveAuthorize } from '../../differential/naive-authorization.ts';
import { authorizationPolicy, meshWith, workload } from '../../kit/policies.ts';

const mesh = (rules: readonly AuthorizationRule[]): MeshConfig =>
  meshWith([authorizationPolicy({ rules })], { workloads: [workload('httpbin')] });

const rules = Array.from({ length: 7 }, (_, i) => ({
  when: [
    { key: `request.headers[x-${i}]`, values: ['a'] },
    { key: `request.headers[x-${(i + 1) % 7}]`, values: ['b'] },
  ],
}));

it('joins many classes, says what they share and keeps each of them', () => {
  const [before, after] = [mesh(rules), mesh(rules.slice(1))];
  const { findings } = diff(before, after);
  expect(findings).toHaveLength(1);
  const [finding] = findings;
  expect(finding).toMatchObject({
    kind: 'newly-denied',
    requests: { 'header `x-0`': expect.stringContaining('`a`'), 'header `x-1`': expect.stringContaining('`b`') },
    summary: expect.stringMatching(/; \d+ classes, by header `x-/),
  });
  expect(finding?.classes?.length).toBeGreaterThan(3);
  const witness = finding?.witness;
  expect([before, after].map((world) => witness && naiveAuthorize(world, witness)?.decision)).toEqual([
    'allow',
    'deny',
  ]);
});

it('says so where more classes than are listed may share less', () => {
  const { findings } = diff(mesh(rules), mesh(rules.slice(1)), { regionsMax: 5 });
  expect(findings).toMatchObject([{ summary: expect.stringContaining('; the first 5 classes, by') }]);
});

it('leaves a few classes as they are', () => {
  const one = [{ to: [{ operation: { methods: ['GET'] } }] }];
  const { findings } = diff(mesh(one), mesh([...one, { to: [{ operation: { methods: ['POST'] } }] }]));
  expect(findings).toMatchObject([{ kind: 'newly-allowed', requests: { method: '`POST`' } }]);
  expect(findings[0]).not.toHaveProperty('classes');
});
