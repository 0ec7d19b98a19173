/**
 * YAML as kubectl reads it, and as people really write it: other line ends, old numbers, templates, wrong indentation.
 */
import { describe, expect, it } from 'vitest';
import { ConfigError, parseManifestFiles, parseManifests } from '../../../src/istio/index.ts';

const HEAD = 'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: a }\n';

function faults(text: string): readonly string[] {
  try {
    parseManifests(text, { origin: 'f' });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n');
  }
}

describe('reading YAML as kubectl does', () => {
  it('ends lines at a carriage return, alone or not, without moving a position', () => {
    const text = `${HEAD}spec:\n  action: ALOW\n`;
    const expected = faults(text);
    expect(expected[0]).toMatch(/^f:5:11: spec\.action: .*did you mean `ALLOW`\?$/);
    expect(faults(text.replaceAll('\n', '\r'))).toEqual(expected);
    expect(faults(text.replaceAll('\n', '\r\n'))).toEqual(expected);
    expect(faults(`\uFEFF${text}`)).toEqual(expected);
  });

  it('reads a number with a leading zero as octal', () => {
    const text =
      'apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { ports: [{ port: 0120, targetPort: 8089 }] }';
    expect(parseManifests(text).services[0]?.ports[0]).toMatchObject({ port: 80, targetPort: 8089 });
  });

  it('points at an alias without an anchor, which no other document can give', () => {
    expect(faults(`${HEAD}spec: &s {}\n---\n${HEAD.replace(': a', ': b')}spec: *s\n`)).toEqual([
      'f:9:7: no anchor `&s` stands before `*s` in this document',
    ]);
    expect(faults(`${HEAD}spec:\n  <<: *nothing\n`)[0]).toMatch(/^f:5:7: no anchor `&nothing`/);
  });

  it('knows a template that was not rendered', () => {
    const lines = faults(`${HEAD}{{- if .Values.strict }}\nspec: {}\n{{- end }}\n`);
    expect(lines[0]).toMatch(/^f:4:1: .*; render the template first \(helm template\)$/);
  });

  it('looks at each of a hundred thousand aliases once', () => {
    const text = `a: &a x\nb: [${Array.from({ length: 100_000 }, () => '*a').join(', ')}]\n`;
    expect(faults(text)[0]).toMatch(/^f:1:1: /);
  });
});

describe('wrong indentation', () => {
  it.each([
    [
      'spec further out',
      'metadata.spec',
      HEAD.replace('{ name: a }', '\n  name: a\n  spec: {}'),
      'further out: indent it less',
    ],
    ['rules beside spec', 'rules', `${HEAD}spec: {}\nrules: []\n`, 'a field of `spec`: indent it further'],
    [
      'source beside from',
      'spec.rules[0].source',
      `${HEAD}spec:\n  rules:\n  - from:\n    source: {}\n`,
      'a field of `from`: indent it further',
    ],
    [
      'principals beside source',
      'spec.rules[0].from[0].principals',
      `${HEAD}spec:\n  rules:\n  - from:\n    - source:\n      principals: [a]\n`,
      'a field of `source`: indent it further',
    ],
    [
      'to inside from',
      'spec.rules[0].from[0].to',
      `${HEAD}spec:\n  rules:\n  - from:\n    - source: { principals: [a] }\n      to: []\n`,
      'a field further out: indent it less',
    ],
    [
      'an item without its dash',
      'spec.rules',
      `${HEAD}spec:\n  rules:\n    from: []\n`,
      'expected a list, found an object; write `- ` before its first field',
    ],
    [
      'labels beside matchLabels',
      'spec.selector.app',
      `${HEAD}spec: { selector: { app: a } }\n`,
      'keys of your own go below `matchLabels`',
    ],
    ['a slip of the pen', 'spec.rule', `${HEAD}spec: { rule: [] }\n`, 'did you mean `rules`?'],
  ])('%s', (_, path, text, hint) => {
    const found = faults(text).find((line) => line.includes(` ${path}: `));
    expect(found).toContain(hint);
  });
});

describe('files that were met in a folder', () => {
  const values = { origin: 'values.yaml', text: 'replicas: 3\n', found: true };
  const policy = { origin: 'p.yaml', text: HEAD, found: true };

  it('are left alone where they are no manifests', () => {
    const lists = { origin: 'list.json', text: '[1, 2]', found: true };
    const lines = { origin: 'data.json', text: '{"a": 1}\n{"a": 2}\n', found: true };
    const chart = { origin: 'Chart.yaml', text: 'apiVersion: v2\nname: x\nversion: 1.0.0\n', found: true };
    expect(parseManifestFiles([values, policy, lists, lines, chart]).authorizationPolicies).toHaveLength(1);
    expect(() => parseManifestFiles([{ origin: 'values.yaml', text: values.text }])).toThrow(/`apiVersion` is missing/);
  });

  it.each([
    ['a syntax error', 'kind: [', /values\.yaml:1/],
    ['fields of a manifest', 'metadata: {}\nspec: {}', /`apiVersion` is missing/],
    ['a misspelt one', 'apiVersoin: v1\nknd: Service', /`apiVersion` is missing[^]*`kind` is missing/],
  ])('are not left alone with %s', (_, text, message) => {
    expect(() => parseManifestFiles([{ ...values, text }])).toThrow(message);
  });
});
