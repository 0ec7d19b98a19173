/** Documents are parsed one by one and once each; where they stand is counted in the file they stand in. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseManifestFiles, readYaml, type DocumentCache } from '../../../src/istio/index.ts';

const policy = (name: string): string => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: foo }
spec:
  rules:
    - to: [{ operation: { paths: ["/${name}"] } }]
`;

describe('a text of several documents', () => {
  it('has every position in the file, whatever stands before', () => {
    const lead = fc.constantFrom(
      '',
      '# a comment\n',
      '\n\n',
      '---\n',
      '---\n# nothing\n---\n',
      'null\n---\n',
      '{}\n---\n',
    );
    const separator = fc.constantFrom('---\n', '--- # next\n', '\n\n---\n', '...\n---\n', '---\n---\n', '---\t\n');
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(lead, fc.array(separator, { minLength: 5, maxLength: 5 }), names, (start, between, list) => {
        const text = list.reduce(
          (done, name, i) => `${done}${i === 0 ? '' : (between[i] ?? '')}${policy(name)}`,
          start,
        );
        const { objects, issues } = readYaml({ origin: 'f.yaml', text });
        expect(issues).toEqual([]);
        const found = objects.filter(({ value }) => JSON.stringify(value) !== '{}');
        expect(found.map(({ origin }) => origin.position(['spec', 'rules', 0]).line)).toEqual(
          list.map((name) => text.split('\n').findIndex((line) => line.includes(`"/${name}"`)) + 1),
        );
      }),
      { seed: 20_261_128 },
    );
  });

  it('has faults where they are', () => {
    const { issues, objects } = readYaml({
      origin: 'f.yaml',
      text: `${policy('a')}---\nkind: a: b\n---\n${policy('b')}`,
    });
    expect(issues[0]).toMatchObject({ file: 'f.yaml', line: 8 });
    expect(objects).toHaveLength(2);
  });

  it('is one piece where a directive belongs to the document behind it', () => {
    const text = `${policy('a')}...\n%YAML 1.2\n---\n${policy('b')}`;
    const { issues, objects } = readYaml({ origin: 'f.yaml', text });
    expect(issues).toEqual([]);
    expect(objects.map(({ origin }) => origin.line)).toEqual([1, 10]);
  });

  it('does not end at dashes inside a text', () => {
    const [only, ...others] = readYaml({ origin: 'f.yaml', text: 'a: |\n  ---\n  b\nc: ---d\n' }).objects;
    expect(others).toEqual([]);
    expect(only?.value).toEqual({ a: '---\nb\n', c: '---d' });
  });
});

it('documents that several readings share are parsed once, and have their own places', () => {
  const documents: DocumentCache = new Map();
  const read = (origin: string, text: string): ReturnType<typeof parseManifestFiles> =>
    parseManifestFiles([{ origin, text }], documents);
  const [one, two] = [
    read('one.yaml', `---\n${policy('a')}`),
    read('two.yaml', `---\n${policy('b')}---\n${policy('a')}`),
  ];
  expect(documents.size).toBe(2);
  expect(one.authorizationPolicies[0]?.origin).toMatchObject({ file: 'one.yaml', line: 2 });
  expect(two.authorizationPolicies.map(({ origin }) => [origin?.file, origin?.line])).toEqual([
    ['two.yaml', 2],
    ['two.yaml', 9],
  ]);
});
