import { describe, expect, it } from 'vitest';
import { measurementOf, takeTurns } from '../../../src/bench/rounds.ts';

describe('takeTurns', () => {
  it('lets everybody run in every round, in an order that turns', async () => {
    const order: string[] = [];
    const contender = (name: string): { name: string; turn: () => { value: number } } => ({
      name,
      turn: () => {
        order.push(name);
        return { value: 1 };
      },
    });
    await takeTurns(['a', 'b', 'c'].map(contender), { title: 't', unit: 'ms', rounds: 3, warmUp: 0 });
    expect(order.join('')).toBe('abcbcacab');
  });

  it('compares within rounds, so that a slow machine disturbs all alike', async () => {
    // Every round is slower than the one before; the second contender always takes three times as long.
    let round = 0;
    const table = await takeTurns(
      [
        { name: 'one', turn: () => ({ value: 10 ** round }) },
        { name: 'three', turn: () => ({ value: 3 * 10 ** round }) },
        { name: 'clock', turn: () => ({ value: round++ }) },
      ],
      { title: 't', unit: 'ms', rounds: 1, warmUp: 0 },
    );
    expect(measurementOf(table, 'three').ratio).toEqual({ value: 3, low: 3, high: 3 });
    expect(measurementOf(table, 'one').ratio).toBeUndefined();
  });

  it('leaves warm-up out, and lets slow contenders sit rounds out', async () => {
    let turns = 0;
    const table = await takeTurns(
      [
        { name: 'quick', turn: () => ({ value: turns++, also: { 'p99 ms': 5 } }) },
        { name: 'slow', every: 4, turn: () => ({ value: 100 }) },
      ],
      { title: 't', unit: 'ms', rounds: 8, warmUp: 2 },
    );
    expect(measurementOf(table, 'quick').rounds).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(measurementOf(table, 'slow').rounds).toHaveLength(2);
    expect(measurementOf(table, 'quick').also).toEqual({ 'p99 ms': 5 });
  });
});
