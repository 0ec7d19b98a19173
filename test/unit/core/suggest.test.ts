import { describe, expect, it } from 'vitest';
import { didYouMean, suggest } from '../../../src/core/index.ts';

describe('suggest', () => {
  it.each([
    ['principal', ['principals', 'namespaces'], 'principals'],
    ['strict', ['STRICT', 'PERMISSIVE'], 'STRICT'],
    ['mehtods', ['methods', 'hosts'], 'methods'],
    ['zebra', ['methods', 'hosts'], undefined],
  ])('%s of %j is %s', (word, candidates, best) => {
    expect(suggest(word, candidates)).toBe(best);
  });

  it('makes a hint or nothing', () => {
    expect(didYouMean('pahts', ['paths'])).toBe('; did you mean `paths`?');
    expect(didYouMean('qqq', ['paths'])).toBe('');
  });
});
