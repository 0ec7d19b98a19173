/** `schema/scenario.json` is what the code checks. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseScenario, shippedScenarios } from '../../src/mesh/index.ts';
import { run } from '../kit/command-line.ts';
import { hasTool } from '../kit/external-tools.ts';
import { meshTestJsonSchema, scenarioJsonSchema } from '../../tools/gen-schema.ts';

const FILE = new URL('../../schema/scenario.json', import.meta.url);

describe('schema/scenario.json', () => {
  it('is in step with the code (else: npx tsx tools/gen-schema.ts)', () => {
    expect(readFileSync(FILE, 'utf8')).toBe(scenarioJsonSchema());
  });

  it('refuses unknown keys at every level', () => {
    const open: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('properties' in value && (!('additionalProperties' in value) || value.additionalProperties !== false))
        open.push(path);
      for (const [key, each] of Object.entries(value)) visit(each, `${path}/${key}`);
    };
    visit(JSON.parse(readFileSync(FILE, 'utf8')), '');
    expect(open).toEqual([]);
  });

  it('names every key a scenario may have', () => {
    const schema = JSON.parse(readFileSync(FILE, 'utf8'));
    expect(Object.keys(schema.properties)).toEqual(
      expect.arrayContaining(['manifests', 'listen', 'services', 'traffic', 'access', 'events', 'lowcode', 'expect']),
    );
  });
});

describe('schema/mesh-test.json', () => {
  it('is in step with the code (else: npx tsx tools/gen-schema.ts)', () => {
    const file = new URL('../../schema/mesh-test.json', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(meshTestJsonSchema());
  });

  /** Python's `jsonschema`: a validator that nobody here wrote. */
  it.skipIf(!hasTool('python3', '-c', 'import jsonschema'))(
    'takes what the code takes, for other validators too',
    async () => {
      const guide = readFileSync(new URL('../../docs/guide/testing.md', import.meta.url), 'utf8');
      const shop = readFileSync(new URL('../../scenarios/01-shop/shop.mesh-test.yaml', import.meta.url), 'utf8');
      const good = [shop, /```yaml\n([^]*?)```/.exec(guide)?.[1] ?? ''].map((text): unknown => parse(text));
      const [first] = good;
      const bad = [
        { ...(first as object), metadata: { name: 'x', nam: 'y' } },
        { ...(first as object), tests: [{ name: 'x', from: 'a/b', to: 'a/c', expect: 'alow' }] },
        { ...(first as object), timeline: [{ at: 'soon' }] },
      ];
      const script = `import json, jsonschema, sys
schema, documents = json.load(sys.stdin)
validator = jsonschema.validators.validator_for(schema)
validator.check_schema(schema)
print(json.dumps([validator(schema).is_valid(each) for each in documents]))`;
      const { stdout, stderr } = await run('python3', ['-W', 'ignore', '-c', script], {
        stdin: JSON.stringify([JSON.parse(meshTestJsonSchema()), [...good, ...bad]]),
      });
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual([true, true, false, false, false]);
    },
  );
});

describe('shipped scenarios', () => {
  it('can all be read', async () => {
    for (const name of await shippedScenarios()) {
      const text = readFileSync(new URL(`../../scenarios/${name}/scenario.yaml`, import.meta.url), 'utf8');
      expect(parseScenario(text, name).metadata.name).toBe(name.replace(/^\d+-/, ''));
    }
  });
});
