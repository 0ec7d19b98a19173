import { describe, expect, it } from 'vitest';
import { run } from '../../../bench/mesh.bench.ts';

describe('the mesh bench', () => {
  it('runs at its smallest size and compares like with like', async () => {
    const result = await run(0);
    expect(Object.values(result.requestsPerSecond).every((rate) => rate > 0)).toBe(true);
    // No threshold on speed: a busy machine is not a regression.
    expect(result.requestRatio).toBeGreaterThan(0);
    expect(result.outboundRatio).toBeGreaterThan(0);
  });
});
