/** `schema/scenario.json` is what the code checks. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseScenario, shippedScenarios } from '../../src/mesh/index.ts';
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
});

describe('shipped scenarios', () => {
  it('can all be read', async () => {
    for (const name of await shippedScenarios()) {
      const text = readFileSync(new URL(`../../scenarios/${name}/scenario.yaml`, import.meta.url), 'utf8');
      expect(parseScenario(text, name).metadata.name).toBe(name.replace(/^\d+-/, ''));
    }
  });
});
