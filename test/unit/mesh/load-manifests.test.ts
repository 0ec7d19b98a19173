/** Manifests from files and folders. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadManifests } from '../../../src/mesh/load-manifests.ts';

const policy = (name: string): string =>
  JSON.stringify({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace: 'foo' },
    spec: {},
  });
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meshproof-'));
  await mkdir(join(folder, 'k8s', 'deep'), { recursive: true });
  await mkdir(join(folder, 'empty'));
  await mkdir(join(folder, 'k8s', 'odd.yaml'));
  await writeFile(join(folder, 'k8s', 'b.yaml'), policy('b'));
  await writeFile(join(folder, 'k8s', 'a.yml'), policy('a'));
  await writeFile(join(folder, 'k8s', 'deep', 'c.json'), policy('c'));
  await writeFile(join(folder, 'k8s', 'notes.txt'), 'not: [a manifest');
  await writeFile(join(folder, 'bad.yaml'), 'kind: [');
  for (const place of ['repo', 'repo/node_modules/x', 'repo/.github']) {
    await mkdir(join(folder, place), { recursive: true });
    await writeFile(join(folder, place, 'policy.yaml'), policy(place.replaceAll(/[^a-z]/g, '-')));
  }
  await writeFile(join(folder, 'repo', 'package.json'), '{ "name": "x" }');
  await writeFile(join(folder, 'latin1.yaml'), Buffer.from(`# one\n# caf\u00e9\n${policy('l')}`, 'latin1'));
  await writeFile(join(folder, 'utf16.yaml'), Buffer.from(`\uFEFF${policy('u')}`, 'utf16le'));
});
afterAll(() => rm(folder, { recursive: true }));

const names = async (...paths: readonly string[]): Promise<readonly string[]> =>
  (await loadManifests(paths.map((path) => join(folder, path)))).authorizationPolicies.map(
    (each) => each.metadata.name,
  );

describe('loadManifests', () => {
  it('reads every manifest below a folder, in the order of paths, and nothing else', async () => {
    expect(await names('k8s')).toEqual(['a', 'b', 'c']);
  });

  it('takes a single path, and tells where each object stands', async () => {
    const file = join(folder, 'k8s', 'b.yaml');
    expect((await loadManifests(file)).authorizationPolicies[0]?.origin?.file).toBe(file);
  });

  it('reads a file that is named twice once', async () => {
    expect(await names('k8s/b.yaml', 'k8s', 'k8s/../k8s/a.yml')).toEqual(['b', 'a', 'c']);
  });

  it('refuses what cannot be read, and a folder without manifests', async () => {
    const missing = loadManifests(join(folder, 'nowhere'));
    await expect(missing).rejects.toMatchObject({
      code: 'ERR_CONFIG_IO',
      message: expect.stringContaining('no such file'),
    });
    const empty = loadManifests([join(folder, 'empty')]);
    await expect(empty).rejects.toMatchObject({
      code: 'ERR_CONFIG_IO',
      message: expect.stringContaining('no manifest'),
    });
  });

  it('leaves hidden folders, packages and files of other tools alone', async () => {
    expect(await names('repo')).toEqual(['repo']);
    await expect(loadManifests(join(folder, 'repo', 'package.json'))).rejects.toThrow('`apiVersion` is missing');
    await expect(loadManifests([join(folder, 'repo'), join(folder, 'repo', 'package.json')])).rejects.toThrow(
      '`apiVersion` is missing',
    );
    expect(await names('repo/node_modules/x')).toEqual(['repo-node-modules-x']);
  });

  it('refuses what is not UTF-8, and says where', async () => {
    const file = join(folder, 'latin1.yaml');
    await expect(loadManifests(file)).rejects.toMatchObject({ code: 'ERR_CONFIG_SYNTAX', file, line: 2, column: 6 });
    await expect(loadManifests(join(folder, 'utf16.yaml'))).rejects.toThrow('the text is UTF-16 LE; save it as UTF-8');
  });

  it('reports faults with the file they are in', async () => {
    const file = join(folder, 'bad.yaml');
    await expect(loadManifests(file)).rejects.toMatchObject({ code: 'ERR_CONFIG_SYNTAX', file });
  });
});
