/** The bench in its smoke size: every contender runs, and all of them agree. */
import { describe, expect, it } from 'vitest';
import { authzBench } from '../../bench/authz.bench.ts';

describe('bench authz', () => {
  it('times every contender in every world', async () => {
    const result = await authzBench.run(authzBench.parameters.smoke);
    const names = ['meshproof', 'naive evaluator', 'casbin', 'cedar (wasm)'];
    expect(result.rows.map((row) => `${row.world} ${row.name}`)).toEqual(
      ['brief', '2', '100'].flatMap((world) => names.map((each) => `${world} ${each}`)),
    );
    expect(result.rows.every((row) => row.medianUs > 0 && row.ratio > 0)).toBe(true);
    expect(authzBench.render(result)).toContain('growth of meshproof');
  });
});
