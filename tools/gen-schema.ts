/**
 * Writes `schema/*.json` from the schemas in the code: `npx tsx tools/gen-schema.ts`. A test holds them together.
 * @module
 */
import { writeFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { scenarioSchema } from '../src/mesh/scenario-schema.ts';
import { meshTestSchema } from '../src/policytest/test-schema.ts';

export function scenarioJsonSchema(): string {
  return jsonSchema('meshproof scenario', scenarioSchema);
}

export function meshTestJsonSchema(): string {
  return jsonSchema('meshproof policy test', meshTestSchema);
}

function jsonSchema(title: string, schema: z.ZodMiniType): string {
  return `${JSON.stringify({ title, ...z.toJSONSchema(schema, { io: 'input' }) }, undefined, 2)}\n`;
}

if (import.meta.filename === process.argv[1]) {
  writeFileSync(new URL('../schema/scenario.json', import.meta.url), scenarioJsonSchema());
  writeFileSync(new URL('../schema/mesh-test.json', import.meta.url), meshTestJsonSchema());
}
