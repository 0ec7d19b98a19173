/**
 * Languages against matchers: what the analysis takes a value to match is what `src/policy` matches, text by text; and
 * the classes of a table are exactly the combinations that occur.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AtomTable } from '../../../src/analysis/atom.ts';
import { textClasses } from '../../../src/analysis/class-table.ts';
import { textPatterns, type ValuePattern } from '../../../src/analysis/linear-pattern.ts';
import { hitsOf } from '../../../src/analysis/pattern-match.ts';
import {
  CLAIM_TEXTS,
  ISTIO_IDENTITIES,
  METHOD_TEXTS,
  pathTexts,
  SPIFFE_IDENTITIES,
} from '../../../src/analysis/universe.ts';
import {
  conditionClauses,
  operationClauses,
  sourceClauses,
  type Clause,
  type ClauseContext,
} from '../../../src/policy/clause.ts';
import { normalizePath } from '../../../src/policy/path-normalization.ts';
import { RequestView } from '../../../src/policy/request-view.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_261_124);
const numRuns = 2000;
const context: ClauseContext = { action: 'ALLOW', namespace: 'foo', trustDomains: ['td', 'old'], tcp: false, port: 80 };

function only(clauses: readonly Clause[]): Clause {
  const [clause] = clauses;
  if (clause === undefined) throw new Error('a list makes one clause');
  return clause;
}

function agrees(clause: Clause, text: string, view: RequestView): void {
  const literal = new AtomTable().ofClause(clause, context);
  if (typeof literal === 'boolean') throw new Error('not a constant');
  expect(hitsOf(literal.atom.values, text).includes(1), `${clause.values.join(' ')} on ${text}`).toBe(
    clause.matcher.test(view),
  );
}

const piece = fc.constantFrom('td', 'old', 'ns', 'sa', 'foo', 'bar', 'f', 'x', '/', '/ns/', '/sa/', '.', '-td');
const identity = fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(''));
const pattern = fc
  .array(fc.oneof(piece, fc.constant('*')), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join(''));

describe('a language is what its matcher matches', () => {
  it.each(['principals', 'namespaces', 'serviceAccounts', 'trustDomains'] as const)('%s', (field) => {
    fc.assert(
      fc.property(pattern, identity, (value, principal) => {
        const clause = only(sourceClauses({ [field]: [value] }, 'p', context).clauses);
        const view = new RequestView();
        view.load({ source: { principal } }, 'BASE');
        agrees(clause, principal, view);
      }),
      { seed, numRuns },
    );
  });

  it('paths, templates included', () => {
    const part = fc.constantFrom('/', 'a', 'b', '*', '/{*}', '/{**}', '/a', '%2F', '{', '.');
    const path = fc
      .array(fc.constantFrom('/', 'a', 'b', '/a', '%2F', '-'), { maxLength: 7 })
      .map((parts) => `/${parts.join('')}`);
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
        path,
        (value, raw) => {
          const clause = only(operationClauses({ paths: [value] }, 'p', context).clauses);
          const view = new RequestView();
          view.load({ request: { method: 'GET', path: raw } }, 'NONE');
          agrees(clause, raw, view);
        },
      ),
      { seed, numRuns },
    );
  });

  it('hosts and headers', () => {
    const text = fc
      .array(fc.constantFrom('a', 'A', 'b', '.', ':80'), { minLength: 1, maxLength: 5 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          text.map((each) => `*${each}`),
          text.map((each) => `${each}*`),
          fc.constant('*'),
        ),
        text,
        (value, host) => {
          const view = new RequestView();
          view.load({ request: { method: 'GET', path: '/', host, headers: { x: host } } }, 'BASE');
          agrees(only(operationClauses({ hosts: [value] }, 'p', context).clauses), host, view);
          agrees(
            only(conditionClauses({ key: 'request.headers[x]', values: [value] }, 'p', context).clauses),
            host,
            view,
          );
        },
      ),
      { seed, numRuns },
    );
  });
});

describe('classes', () => {
  const value = (text: string): ValuePattern => ({ key: text, label: text, patterns: textPatterns(text) });
  const few = fc.uniqueArray(
    fc.array(fc.constantFrom('a', 'b', '*', 'ab', '/'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
    { minLength: 1, maxLength: 5 },
  );

  it('are those that occur among all short texts, each with a shortest witness', () => {
    const texts = [''];
    for (let i = 0, end = 1; end - i > 0 && texts.length < 6000; i++, end = texts.length) {
      for (const char of 'ab/z') texts.push((texts[i] ?? '') + char);
    }
    fc.assert(
      fc.property(few, (values) => {
        const patterns = values.map(value);
        const { classes } = textClasses(CLAIM_TEXTS, patterns);
        const found = new Map(classes.map(({ hits, witness }) => [hits.join(''), witness]));
        for (const { hits, witness } of classes) expect(hitsOf(patterns, witness).join('')).toBe(hits.join(''));
        for (const text of texts) {
          const witness = found.get(hitsOf(patterns, text).join(''));
          expect(witness, text).toBeDefined();
          expect((witness ?? '').length, text).toBeLessThanOrEqual(text.length);
        }
      }),
      { seed, numRuns: 15 },
    );
  });

  it.each(['BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const)(
    'of paths are normal forms in mode %s',
    (mode) => {
      const universe = pathTexts(mode, false);
      const accepted = (text: string): boolean => {
        let state = universe.start;
        for (const char of text) {
          const kind = universe.kind(char.charCodeAt(0));
          state = kind < 0 ? -1 : universe.next(state, kind);
          if (state < 0) return false;
        }
        return universe.accepts(state) > 0;
      };
      const raw = fc.array(fc.constantFrom('/', '.', '..', 'a', '%2e', '%2F', '\\', '//', '{', '%41', '%4', '-'), {
        maxLength: 8,
      });
      fc.assert(
        fc.property(raw, (parts) => {
          const text = `/${parts.join('')}`;
          const normal = normalizePath(text, mode);
          if (normal === undefined) return;
          // Whatever normalisation yields is in the universe; what is in it and has no escape stays as it is.
          expect(accepted(normal), `${text} -> ${normal}`).toBe(true);
          if (accepted(text) && !text.includes('%')) expect(normal).toBe(text);
        }),
        { seed, numRuns },
      );
    },
  );

  it('that no normal path reaches do not exist', () => {
    const dots = textClasses(pathTexts('BASE', false), [value('/a/../b'), value('/../*'), value('//x')]);
    expect(dots.classes.map(({ hits }) => hits.join('')).sort()).toEqual(['000', '001']);
    const merged = textClasses(pathTexts('MERGE_SLASHES', false), [value('//x')]);
    expect(merged.classes.map(({ hits }) => hits.join(''))).toEqual(['0']);
  });

  it('of methods and identities are well-formed texts', () => {
    expect(
      textClasses(METHOD_TEXTS, [value('G T'), value('GET')])
        .classes.map(({ witness }) => witness)
        .sort(),
    ).toEqual(['G', 'GET']);
    const istio = textClasses(ISTIO_IDENTITIES, [value('td/*'), value('*/sa/x')]).classes;
    for (const { witness } of istio) expect(witness).toMatch(/^[a-z0-9._-]+\/ns\/[a-z0-9-]+\/sa\/[a-z0-9.-]+$/);
    const spiffe = textClasses(SPIFFE_IDENTITIES, [value('td/x')]).classes;
    expect(spiffe.map(({ witness, unusual }) => [witness, unusual]).sort()).toContainEqual(['td/x', true]);
  });
});
