/** Laws of the pieces the index is made of, each against the obvious way to say it. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AffixTree } from '../../src/policy/affix-tree.ts';
import { blockContains, IpAddress, parseIpBlock } from '../../src/policy/ip-address.ts';
import { compileAuthorization } from '../../src/policy/index.ts';
import { authorizationPolicy as policy, httpRequest as http, meshWith } from '../kit/policies.ts';
import { matches } from '../kit/verdicts.ts';

const SEED = Number(process.env['FC_SEED'] ?? 20_261_124);
const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 6 });

function met(tree: AffixTree<string>, word: string): readonly string[] {
  const values: string[] = [];
  for (let at: AffixTree<string> | undefined = tree; at !== undefined; at = at.next(word)) {
    if (at.value !== undefined) values.push(at.value);
  }
  return values.sort();
}

describe(`affix-tree (seed ${SEED})`, () => {
  it('meets exactly the prefixes, and exactly the suffixes, of a text', () => {
    fc.assert(
      fc.property(fc.uniqueArray(text, { maxLength: 12 }), text, (affixes, word) => {
        const entries = new Map(affixes.map((affix) => [affix, affix]));
        expect(met(AffixTree.ofPrefixes(entries), word)).toEqual(
          affixes.filter((each) => word.startsWith(each)).sort(),
        );
        expect(met(AffixTree.ofSuffixes(entries), word)).toEqual(affixes.filter((each) => word.endsWith(each)).sort());
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

describe(`ip-address (seed ${SEED})`, () => {
  const v4 = fc.ipV4().map((written) => {
    const value = written.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n);
    return { written, bits: 32, value };
  });
  const v6 = fc
    .record({ groups: fc.array(fc.nat(3), { minLength: 8, maxLength: 8 }), compress: fc.boolean() })
    .map(({ groups, compress }) => {
      const full = groups.join(':');
      const written = compress ? full.replace(/(?:^|:)0(?::0)+(?:$|:)/, '::') : full;
      return { written, bits: 128, value: groups.reduce((sum, group) => sum * 65_536n + BigInt(group), 0n) };
    });
  const address = fc.oneof(v4, v6);

  it('finds an address in a block if and only if the leading bits are equal', () => {
    let inside = 0;
    fc.assert(
      fc.property(address, address, fc.nat(128), (a, b, length) => {
        fc.pre(length <= a.bits);
        const block = parseIpBlock(`${a.written}/${length}`);
        const read = new IpAddress();
        expect(read.read(b.written)).toBe(true);
        const shift = BigInt(a.bits - length);
        const expected = a.bits === b.bits && a.value >> shift === b.value >> shift;
        if (expected) inside++;
        expect(block !== undefined && blockContains(block, read)).toBe(expected);
      }),
      { seed: SEED, numRuns: 3000 },
    );
    expect(inside).toBeGreaterThan(50);
  });

  it.each([
    '',
    'x',
    '1.2.3',
    '1.2.3.4/33',
    '1.2.3.4/',
    '1.2.3.4/-1',
    '1.2.3.4/08',
    '01.2.3.4',
    '::/129',
    'fe80::1%eth0',
    '1/8',
  ])('`%s` is no block', (written) => {
    expect(parseIpBlock(written)).toBeUndefined();
  });
});

describe(`rule-index (seed ${SEED})`, () => {
  const operations = [
    { paths: ['/a/1'] },
    { paths: ['/a/*'] },
    { paths: ['*1'] },
    { paths: ['/{*}/1'] },
    { methods: ['GET'] },
    { hosts: ['h.example'] },
    { notPaths: ['/b'] },
    { ports: ['8080'] },
    { paths: ['/b', '/c*'] },
    { paths: ['/d'] },
    { methods: ['PUT'], paths: ['/a/1'] },
  ];

  it('keeps the first rule in order, whichever way each rule is filed', () => {
    const request = http({ path: '/a/1', host: 'h.example' });
    const alone = new Map<unknown, boolean>(
      operations.map((operation) => [operation, matches({ to: [{ operation }] }, request)]),
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...operations), { minLength: 8, maxLength: 60 }), (chosen) => {
        const config = meshWith([policy({ rules: chosen.map((operation) => ({ to: [{ operation }] })) })]);
        const byName = chosen.map((_, i) => i).sort((a, b) => (`rule[${a}]` < `rule[${b}]` ? -1 : 1));
        const expected = byName.find((i) => alone.get(chosen[i]));
        expect(compileAuthorization(config).authorize(request).determining[0]?.rule).toBe(expected);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});
