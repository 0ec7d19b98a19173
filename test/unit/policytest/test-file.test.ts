import { describe, expect, it } from 'vitest';
import { loadSuite, parseTestFile } from '../../../src/policytest/index.ts';
import { MANIFESTS, testFile } from '../../kit/policy-test-files.ts';
import { folderWith } from '../../kit/temporary-folder.ts';

function faults(body: string): readonly string[] {
  try {
    parseTestFile(testFile(body), 'x.mesh-test.yaml');
    return [];
  } catch (error) {
    return String(error instanceof Error ? error.message : error).split('\n');
  }
}

async function loadFaults(body: string): Promise<readonly string[]> {
  const folder = folderWith({ 'mesh.yaml': MANIFESTS, 'x.mesh-test.yaml': testFile(body) });
  try {
    await loadSuite(`${folder}/x.mesh-test.yaml`);
    return [];
  } catch (error) {
    return String(error instanceof Error ? error.message : error)
      .split('\n')
      .map((line) => line.replace(/^.*x\.mesh-test\.yaml/, 'x'));
  }
}

describe('reading a policy-test file', () => {
  it('says where an unknown field stands and what it may have meant', () => {
    expect(faults('tests:\n  - { name: a, form: shop/web, to: shop/cart, expect: allow }')).toEqual([
      'x.mesh-test.yaml:6:5: tests[0].from: none of the forms this field can take',
      'x.mesh-test.yaml:6:16: tests[0].form: unknown field `form`; did you mean `from`?',
    ]);
  });

  it('looks into the form a union most likely is', () => {
    const [fault] = faults(
      'tests:\n  - { name: a, from: { ns: shop, sa: web, cret: rogue }, to: shop/cart, expect: allow }',
    );
    expect(fault).toBe('x.mesh-test.yaml:6:43: tests[0].from.cret: unknown field `cret`; did you mean `cert`?');
    const [result] = faults('tests:\n  - { name: a, from: shop/web, to: shop/cart, expect: { result: dney } }');
    expect(result).toContain('tests[0].expect.result: expected `allow` or `deny`');
    expect(result).toContain('did you mean `deny`?');
  });

  it('refuses several documents, an empty file and YAML that is none', () => {
    expect(faults('---\na: 1')[0]).toContain('a policy-test file is one document');
    expect(() => parseTestFile('', 'x')).toThrow('x: the file is empty; expected a MeshTest');
    expect(() => parseTestFile('a: [', 'x')).toThrow(/^x:1:\d+: /);
  });

  it('names unknown workloads, requests and steps that go back, all at once', async () => {
    const lines = await loadFaults(`fixtures: { requests: { read: { path: /items/1 } } }
tests:
  - { name: a, from: shop/wep, to: shop/cart, request: raed, expect: allow }
matrix:
  - { to: shop/crat, requests: [read], allow: [shop/web] }
timeline:
  - { at: 2h, ca: down }
  - { at: 1h, ca: up }`);
    expect(lines).toEqual([
      'x:7:22: tests[0].from: no workload `shop/wep`; did you mean `shop/web`?',
      'x:7:56: tests[0].request: no request in `fixtures.requests` `raed`; did you mean `read`?',
      'x:9:11: matrix[0].to: no workload `shop/crat`; did you mean `shop/cart`?',
      'x:12:11: timeline[1].at: `1h` comes before the step above it',
    ]);
  });

  it('refuses a matrix that allows somebody it does not ask about', async () => {
    const lines = await loadFaults(
      'matrix:\n  - { to: shop/cart, from: [outside], requests: [GET /], allow: [shop/web] }',
    );
    expect(lines[0]).toContain('`shop/web` is allowed but is not among the callers of this matrix');
  });

  it('refuses a file without tests', async () => {
    expect((await loadFaults(''))[0]).toContain('the file holds no test');
  });
});

describe('single tests', () => {
  it('are the product of the lists, with stable ids', async () => {
    const folder = folderWith({
      'mesh.yaml': MANIFESTS,
      'x.mesh-test.yaml':
        testFile(`fixtures: { requests: { read: { path: /items/1 } }, callers: { insiders: [shop/web, shop/cart] } }
tests:
  - { name: a, from: [insiders, outside], to: [shop/cart:80, shop/web], request: [read, { method: POST, path: /x, headers: { h: v } }], expect: allow }
  - { name: a, from: shop/web, to: shop/cart:80, request: read, expect: allow }`),
    });
    const { cases } = await loadSuite(`${folder}/x.mesh-test.yaml`);
    const ids = cases.map(({ id }) => id.slice(id.indexOf('#')));
    expect(cases).toHaveLength(13);
    expect(new Set(ids).size).toBe(13);
    expect(ids[0]).toBe('#a[shop/web→shop/cart:80 read]');
    expect(ids).toContain('#a[outside→shop/web POST /x h=v]');
    expect(ids[12]).toBe('#a[shop/web→shop/cart:80 read]#2');
  });

  it('make a matrix a closed world: every workload and outside, refused unless listed', async () => {
    const folder = folderWith({
      'mesh.yaml': MANIFESTS,
      'x.mesh-test.yaml': testFile(
        'matrix:\n  - { to: shop/cart, requests: [GET /items/1, GET /], allow: [{ from: shop/web, requests: [GET /items/1] }] }',
      ),
    });
    const { cases } = await loadSuite(`${folder}/x.mesh-test.yaml`);
    expect(
      cases.map(
        ({ request, expect }) => `${JSON.stringify(request.from).slice(1, -1)} ${request.path} ${expect.result}`,
      ),
    ).toEqual([
      'shop/web /items/1 allow',
      'shop/web / refused',
      'shop/cart /items/1 refused',
      'shop/cart / refused',
      'shop/cron /items/1 refused',
      'shop/cron / refused',
      'outside /items/1 refused',
      'outside / refused',
    ]);
  });
});
