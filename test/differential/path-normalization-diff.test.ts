/**
 * The joint classes of paths under two modes of normalisation against brute force: raw paths are enumerated, each is
 * normalised by either mode and asked of the policy's own matchers. Every combination of answers that occurs is a class of
 * the search, and every class of the search has a raw path that gets these answers.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AtomTable } from '../../src/analysis/atom.ts';
import { pathClasses, rawPathHits, refusedPath } from '../../src/analysis/path-classes.ts';
import type { ValuePattern } from '../../src/analysis/linear-pattern.ts';
import type { PathNormalization } from '../../src/istio/index.ts';
import { conditionClauses, operationClauses, type Clause, type ClauseContext } from '../../src/policy/clause.ts';
import { normalizePath } from '../../src/policy/path-normalization.ts';
import { RequestView } from '../../src/policy/request-view.ts';
import { naivePath } from './naive-authorization.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_128);
const LONG = process.env['MESHPROOF_LONG'] !== undefined;
const LISTS = LONG ? 300 : 12;
const UNITS_MAX = 4;
const LONGER = LONG ? 60_000 : 12_000;

const MODES: readonly PathNormalization[] = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'];
const PAIRS = MODES.flatMap((weak, i) => MODES.slice(i + 1).map((strong) => [weak, strong] as const));
const context: ClauseContext = { action: 'ALLOW', namespace: 'foo', trustDomains: ['td'], tcp: false, port: 80 };

const UNITS = ['/', '.', 'a', 'b', '%', '2', 'F', '5', 'C', '\\', '%2F', '%5c', '%2e', '%61', '%00'];

/** Every sequence of a few units, and many longer ones. */
function rawPaths(): readonly string[] {
  let last = ['/'];
  const all = [...last];
  for (let i = 0; i < UNITS_MAX; i++) {
    last = last.flatMap((raw) => UNITS.map((unit) => raw + unit));
    all.push(...last);
  }
  const weighted = fc.constantFrom(...UNITS, '/', '..', '/../', '%2F../', '..%2F', '/a', '/b', '?', '"', '%32', 'z');
  const longer = fc.array(weighted, { minLength: 5, maxLength: 12 }).map((units) => `/${units.join('')}`);
  return [...new Set([...all, ...fc.sample(longer, { seed: SEED, numRuns: LONGER })])];
}

interface Asked {
  readonly clause: Clause;
  readonly value: (mode: PathNormalization) => ValuePattern;
}

const atoms = new AtomTable();

function asked(pattern: string, header: boolean): Asked | undefined {
  const clauses = header
    ? conditionClauses({ key: 'request.headers[:path]', values: [pattern] }, 'p', context).clauses
    : operationClauses({ paths: [pattern] }, 'p', context).clauses;
  const [clause] = clauses;
  if (clause === undefined || clause.constant !== undefined) return undefined;
  return {
    clause,
    value: (mode) => {
      const literal = atoms.ofClause(clause, context, mode);
      const [value] = typeof literal === 'boolean' ? [] : literal.atom.values;
      if (value === undefined) throw new Error('one value');
      return value;
    },
  };
}

const text = fc
  .array(fc.constantFrom('/', '/', 'a', 'b', '/a', '/b', '..', '.', '%2F', '%61', '//', '%', '2', '%22', '\\'), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join(''));
const pattern = fc.oneof(
  text.map((each) => `/${each}`),
  text.map((each) => `/${each}*`),
  text.map((each) => `*${each}`),
  fc.constantFrom('*', '/a/*', '/b/*', '/a/{*}', '/{**}', '/{*}/b', '/a/{**}', '//a'),
);
const list = fc.record({
  weak: fc.array(pattern, { minLength: 0, maxLength: 3 }),
  strong: fc.array(pattern, { minLength: 1, maxLength: 3 }),
  header: fc.constantFrom(false, false, true),
});

/** What a list's matchers say of every raw path in a mode, by path: equal strings, equal answers. */
function answers(list: readonly Asked[], mode: PathNormalization, raws: readonly string[]): readonly string[] {
  const view = new RequestView();
  return raws.map((raw) => {
    if (!view.load({ request: { method: 'GET', path: raw } }, mode)) return `${'0'.repeat(list.length)}1`;
    return `${list.map(({ clause }) => (clause.matcher.test(view) ? '1' : '0')).join('')}0`;
  });
}

describe('joint classes of paths under two modes', () => {
  const raws = rawPaths();

  it('the oracle normalises as a second, naive implementation does', () => {
    const plain = raws.filter((raw) => !raw.includes('"'));
    expect(plain.length).toBeGreaterThan(50_000);
    for (const mode of MODES) {
      const apart = plain.filter((raw) => normalizePath(raw, mode) !== naivePath(raw, mode));
      expect(apart).toEqual([]);
    }
  });

  it(`are those that brute force finds (seed ${SEED})`, { timeout: 600_000 }, () => {
    const seen = { classes: 0, found: 0, refused: 0, apart: 0 };
    fc.assert(
      fc.property(list, (lists) => {
        const of = (values: readonly string[]): readonly Asked[] =>
          values.flatMap((value, i) => asked(value, lists.header && i === 0) ?? []);
        const [weakList, strongList] = [of(lists.weak), of(lists.strong)];
        for (const [weak, strong] of PAIRS) {
          const values = [
            ...weakList.map(({ value }) => value(weak)),
            refusedPath(weak),
            ...strongList.map(({ value }) => value(strong)),
            refusedPath(strong),
          ];
          const found = new Map(pathClasses(values).map(({ hits, witness }) => [hits.join(''), witness]));
          for (const [hits, witness] of found) {
            const said = answers(weakList, weak, [witness])[0] + (answers(strongList, strong, [witness])[0] ?? '');
            expect(said, `${weak} ${strong} ${witness}`).toBe(hits);
            expect(rawPathHits(values, witness).join(''), witness).toBe(hits);
          }
          const one = answers(weakList, weak, raws);
          const other = answers(strongList, strong, raws);
          const met = new Map<string, number>();
          raws.forEach((raw, i) => {
            const hits = `${one[i]}${other[i]}`;
            if (weak !== 'NONE' && one[i]?.endsWith('1')) return;
            const shortest = met.get(hits);
            if (shortest === undefined || raw.length < shortest) met.set(hits, raw.length);
            if (shortest === undefined) expect(found.get(hits), `${weak} ${strong} ${raw}`).toBeDefined();
          });
          if (strong !== 'DECODE_AND_MERGE_SLASHES' || weak === 'NONE') {
            for (const [hits, length] of met) {
              const witness = found.get(hits) ?? '';
              expect(witness.length, `${weak} ${strong} ${witness}`).toBeLessThanOrEqual(length);
            }
          }
          seen.classes += found.size;
          seen.found += met.size;
          seen.refused += [...met.keys()].filter((hits) => hits.endsWith('1')).length;
          seen.apart += [...met.keys()].filter(
            (hits) => hits.startsWith('1') !== (hits[weakList.length + 1] === '1'),
          ).length;
        }
      }),
      { numRuns: LISTS, seed: SEED, endOnFailure: true },
    );
    console.log(`${LISTS} lists, seed ${SEED}: ${JSON.stringify(seen)}`);
    expect(seen.classes).toBeGreaterThan(15 * LISTS);
    expect(seen.found).toBeGreaterThan(12 * LISTS);
    expect(seen.refused).toBeGreaterThan(2 * LISTS);
    expect(seen.apart).toBeGreaterThan(3 * LISTS);
  });
});
