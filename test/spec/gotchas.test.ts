/**
 * Every known trap of Istio's security semantics has a spec test that names it: `gotcha-41: …` or `gotcha 41: …`. The
 * traps are numbered; a number that no test names, or that does not exist, is a mistake.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const LAST = 87;

function namedIn(folder: string): readonly number[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => [
      ...readFileSync(join(folder, file), 'utf8').matchAll(/['"`](?:istio-\w+\/)?gotcha[- ](\d+): /g),
    ])
    .map(([, number]) => Number(number));
}

it(`gotchas 1 to ${LAST} are spec tests`, () => {
  const named = new Set(namedIn(import.meta.dirname));
  const all = Array.from({ length: LAST }, (_, i) => i + 1);
  expect(all.filter((number) => !named.has(number))).toEqual([]);
  expect([...named].filter((number) => !all.includes(number))).toEqual([]);
});
