import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findTestFiles, loadSuite, parseTestFile } from '../../../src/policytest/index.ts';
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

async function loadFaults(body: string, more = ''): Promise<readonly string[]> {
  const folder = folderWith({ 'mesh.yaml': `${MANIFESTS}${more}`, 'x.mesh-test.yaml': testFile(body) });
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
      'x.mesh-test.yaml:6:5: tests[0].from: missing',
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
      'x:9:11: matrix[0].to: no workload `shop/crat` in the configuration; did you mean `shop/cart`?',
      'x:12:11: timeline[1].at: `1h` comes before the step above it',
    ]);
  });

  it('says what a list has to hold, and which fixture goes round in circles', async () => {
    expect(faults('tests:\n  - { name: a, from: [], to: [], expect: allow }')).toEqual([
      'x.mesh-test.yaml:6:22: tests[0].from: expected at least one entry',
      'x.mesh-test.yaml:6:30: tests[0].to: expected at least one entry',
    ]);
    const lines = await loadFaults(`fixtures: { callers: { a: [b], b: [a], shop/web: [shop/web, shop/cart] } }
tests:
  - { name: a, from: a, to: shop/cart, expect: allow }
  - { name: b, from: shop/web, to: shop/cart, expect: allow }`);
    expect(lines).toEqual(['x:5:35: fixtures.callers.b: `a` is among its own members: a → b → a']);
  });

  it('checks ports and hosts before anything runs, and tells a Service from a workload', async () => {
    const lines = await loadFaults(
      `tests:
  - { name: a, from: shop/web, to: shop/cart:99, expect: allow }
  - { name: b, from: shop/web, to: [shop/basket:80, cart.shop], expect: allow }
  - { name: c, from: shop/web, to: "cart shop", expect: allow }`,
      `---
apiVersion: v1
kind: Service
metadata: { name: basket, namespace: shop }
spec: { selector: { app: cart }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`,
    );
    expect(lines).toEqual([
      'x:6:36: tests[0].to: `shop/cart` has no port 99; its services offer 80',
      'x:7:37: tests[1].to[0]: `shop/basket:80` is a Service, not a workload: write its host, `basket.shop:80`, or the workload behind it',
      'x:8:36: tests[2].to: `cart shop` is neither namespace/workload nor a host name',
    ]);
  });

  it('tells which manifest is missing, where it is named', async () => {
    const folder = folderWith({
      'mesh.yaml': MANIFESTS,
      'x.mesh-test.yaml': testFile(
        'mesh: [./mesh.yaml, ./tpology.yaml]\ntimeline: [{ at: 1h, apply: "./more/*.yaml" }]',
      ),
    });
    await expect(loadSuite(`${folder}/x.mesh-test.yaml`)).rejects.toThrow(
      /x\.mesh-test\.yaml:5:21: mesh\[1\]: no file or folder `.*tpology\.yaml`$/,
    );
  });

  it('has no bytes to count where a request is let in', async () => {
    const [line] = await loadFaults(
      'tests:\n  - { name: a, from: shop/web, to: shop/cart, expect: { result: allow, appBytesSeen: 4 } }',
    );
    expect(line).toBe(
      'x:6:86: tests[0].expect.appBytesSeen: says what of a refused request got through; `result` is `allow`',
    );
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
    expect(cases[12]?.combination).toBe('shop/web → shop/cart:80 read #2');
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

describe('finding policy-test files', () => {
  it('follows the links a mounted ConfigMap consists of, and reads no manifest twice', async () => {
    const body = 'tests:\n  - { name: a, from: shop/web, to: shop/cart, request: GET /items/1, expect: allow }';
    const text = testFile(body).replace('[./mesh.yaml]', '[.]');
    const folder = folderWith({ '..2026_01_01/mesh.yaml': MANIFESTS, '..2026_01_01/x.mesh-test.yaml': text });
    symlinkSync('..2026_01_01', join(folder, '..data'));
    for (const name of ['mesh.yaml', 'x.mesh-test.yaml']) symlinkSync(join('..data', name), join(folder, name));
    const files = await findTestFiles([folder]);
    expect(files).toEqual([join(folder, 'x.mesh-test.yaml')]);
    expect((await loadSuite(files[0] ?? '')).cases).toHaveLength(1);
  });
});
