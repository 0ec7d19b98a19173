/** The reference against the code. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cliReference, errorsReference, verbsIn } from '../../tools/gen-reference.ts';

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}

describe('docs/reference', () => {
  it('errors.md is in step with the code (else: npx tsx tools/gen-reference.ts)', () => {
    expect(read('docs/reference/errors.md')).toBe(errorsReference());
  });

  it(
    'cli.md is what --help prints (else: npx tsx tools/gen-reference.ts); every verb has an example',
    { timeout: 300_000 },
    () => {
      const written = read('docs/reference/cli.md');
      expect(written).toBe(cliReference());
      const [top = '', ...verbs] = written.split(/^#{2,3} /m);
      expect(verbs.length).toBeGreaterThanOrEqual(verbsIn(top).length);
      expect(verbsIn(top).length).toBeGreaterThan(5);
      expect(verbs.filter((text) => !/\n {2}\$ meshproof /.test(text)).map((text) => text.split('\n')[0])).toEqual([]);
    },
  );

  it('events.md has every kind of event, and no other', () => {
    const kinds = [...read('src/core/events.ts').matchAll(/readonly kind: '([^']+)'/g)].map(([, kind]) => kind);
    const told = [...read('docs/reference/events.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, kind]) => kind);
    expect(kinds.length).toBeGreaterThan(10);
    expect([...told].sort()).toEqual([...kinds].sort());
  });

  it('scenario.md has every key of the schema', () => {
    const text = read('docs/reference/scenario.md');
    const missing: string[] = [];
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if ('properties' in value && typeof value.properties === 'object' && value.properties !== null)
        for (const key of Object.keys(value.properties)) if (!new RegExp(`\\b${key}\\b`).test(text)) missing.push(key);
      for (const each of Object.values(value)) visit(each);
    };
    visit(JSON.parse(read('schema/scenario.json')));
    expect(missing).toEqual([]);
  });
});
