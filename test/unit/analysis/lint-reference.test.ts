/**
 * `docs/reference/lints.md` and the table in the code say the same.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LINTS } from '../../../src/analysis/index.ts';

const page = readFileSync(new URL('../../../docs/reference/lints.md', import.meta.url), 'utf8');
const sections = page.split(/^### /m).slice(1);

describe('docs/reference/lints.md', () => {
  it('documents every lint under its code, title, severity and aliases, in order', () => {
    const documented = sections.map((section) =>
      section
        .split('\n')
        .filter((line) => line !== '')
        .slice(0, 2),
    );
    const expected = Object.entries(LINTS).map(([code, [severity, title, ...aliases]]) => [
      `${code}: ${title}`,
      aliases.length === 0 ? severity : `${severity} · ${aliases.join(', ')}`,
    ]);
    expect(documented).toEqual(expected);
  });

  it('says what each is about and how to cure it', () => {
    for (const section of sections) expect(section).toMatch(/\n\n\S.{20,}\n\n\*Cure:\* \S.{5,}\n/);
  });
});
