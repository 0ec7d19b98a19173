/**
 * Writes `schema/scenario.json` from the schema in the code: `npx tsx tools/gen-schema.ts`. A test holds them together.
 * @module
 */
import { writeFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { scenarioSchema } from '../src/mesh/scenario-schema.ts';

export function scenarioJsonSchema(): string {
  const schema = z.toJSONSchema(scenarioSchema, { io: 'input' });
  return `${JSON.stringify({ title: 'meshproof scenario', ...schema }, undefined, 2)}\n`;
}

if (import.meta.filename === process.argv[1])
  writeFileSync(new URL('../schema/scenario.json', import.meta.url), scenarioJsonSchema());
