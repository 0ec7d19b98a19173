import { expect, it } from 'vitest';
import { issueBench } from '../../../bench/issue.bench.ts';

it('runs at its smoke size and compares every contender', async () => {
  const result = await issueBench.run(issueBench.parameters.smoke);
  expect(result.rows.map(({ name }) => name)).toEqual([
    'node:crypto, bare operations',
    'meshproof',
    'selfsigned',
    '@peculiar/x509',
  ]);
  for (const { ratio, ratioLow, ratioHigh, medianMs, samples } of result.rows) {
    expect(medianMs).toBeGreaterThan(0);
    expect(samples).toBeGreaterThan(1);
    expect(ratioLow).toBeLessThanOrEqual(ratio);
    expect(ratio).toBeLessThanOrEqual(ratioHigh);
  }
  expect(result.rows[0]?.ratio).toBe(1);
  expect(issueBench.render(result).split('\n')).toHaveLength(4);
});
