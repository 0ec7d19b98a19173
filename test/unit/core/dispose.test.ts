import { describe, expect, it } from 'vitest';
import { DisposeStack } from '../../../src/core/index.ts';

describe('DisposeStack', () => {
  it('closes last in first out, once, and goes on after a failure', async () => {
    const closed: string[] = [];
    const stack = new DisposeStack();
    stack.defer(() => void closed.push('first'));
    stack.defer(() => {
      throw new Error('stuck');
    });
    stack.defer(async () => {
      await Promise.resolve();
      closed.push('last');
    });
    await expect(stack.close()).rejects.toThrow('stuck');
    await stack.close();
    expect(closed).toEqual(['last', 'first']);
  });
});
