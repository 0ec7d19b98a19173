/** `meshproof query` as a program: answers, exit codes, and what it says to a wrong question. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { meshproof } from '../../kit/command-line.ts';

const MARKET = join(import.meta.dirname, '../../scenario/market');

describe('meshproof query', () => {
  it('permissiveness holds a budget, or exits with 1 and says which port is over it', async () => {
    expect(await meshproof(['query', 'permissiveness', MARKET])).toMatchObject({ code: 0 });
    const { code, stdout } = await meshproof(['query', 'permissiveness', MARKET, '--budget', '0.01']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^TO +PORT +SHARE +BUDGET$/m);
    expect(stdout).toMatch(/^edge\/ingress +8080 +0\.\d+ +over budget$/m);
    expect(stdout).toMatch(/^shop\/orders-db +5432 +0\.\d+ +(within|over budget)$/m);
    expect(await meshproof(['query', 'permissiveness', MARKET, '--budget', '1.5'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('between 0 and 1, not `1.5`'),
    });
  });

  it('permissiveness measures two configurations in the same classes', async () => {
    const { stdout } = await meshproof(['query', 'permissiveness', MARKET, MARKET, '-o', 'json']);
    const rows = JSON.parse(stdout) as { share: number; was: number }[];
    expect(rows.length).toBeGreaterThan(10);
    for (const { share, was } of rows) expect(share).toBe(was);
  });

  it('blastRadius follows hops, and refuses a number of hops that is none', async () => {
    const { code, stdout } = await meshproof([
      'query',
      'blastRadius',
      MARKET,
      '--from',
      'shop/checkout',
      '--hops',
      '1',
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^payments\/gateway +1 +shop\/checkout -> payments\/gateway$/m);
    expect(stdout).not.toContain('payments/ledger');
    for (const hops of ['0', 'x']) {
      const refused = await meshproof(['query', 'blastRadius', MARKET, '--from', 'shop/checkout', '--hops', hops]);
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('at least 1') });
    }
  });

  it('suggests the query that was meant', async () => {
    expect(await meshproof(['query', 'permisiveness', MARKET])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('did you mean `permissiveness`?'),
    });
  });
});
