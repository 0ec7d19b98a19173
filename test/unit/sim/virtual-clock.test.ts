import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addMs, DEFAULT_EPOCH } from '../../../src/core/index.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';

describe('VirtualClock', () => {
  it('runs events in order of time, then of planning', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 60 }), async (delays) => {
        const clock = new VirtualClock(DEFAULT_EPOCH);
        const ran: number[] = [];
        delays.forEach((delay, index) => clock.schedule(addMs(DEFAULT_EPOCH, delay), () => void ran.push(index)));
        await clock.advance(50);
        const expected = delays
          .map((delay, index) => ({ delay, index }))
          .sort((a, b) => a.delay - b.delay || a.index - b.index);
        expect(ran).toEqual(expected.map(({ index }) => index));
      }),
    );
  });

  it('shows each event its own instant and stops at the end', async () => {
    const clock = new VirtualClock(DEFAULT_EPOCH);
    const seen: number[] = [];
    clock.schedule(addMs(DEFAULT_EPOCH, 10), () => {
      seen.push(clock.now() - DEFAULT_EPOCH);
      clock.schedule(addMs(clock.now(), 5), () => void seen.push(clock.now() - DEFAULT_EPOCH));
    });
    clock.schedule(addMs(DEFAULT_EPOCH, 21), () => void seen.push(-1));
    await clock.advance('20ms');
    expect(seen).toEqual([10, 15]);
    expect(clock.now() - DEFAULT_EPOCH).toBe(20);
    expect(clock.nextAt()).toBe(addMs(DEFAULT_EPOCH, 21));
  });

  it('drains real work before it ticks', async () => {
    const clock = new VirtualClock(DEFAULT_EPOCH);
    const order: string[] = [];
    clock.schedule(addMs(DEFAULT_EPOCH, 1), () => {
      void clock.track(
        new Promise<void>((resolve) => {
          setTimeout(() => {
            order.push(`work at ${clock.now() - DEFAULT_EPOCH}`);
            resolve();
          }, 5);
        }),
      );
    });
    clock.schedule(addMs(DEFAULT_EPOCH, 2), () => void order.push('next'));
    await clock.advance(10);
    expect(order).toEqual(['work at 1', 'next']);
  });

  it('does not run what was cancelled', async () => {
    const clock = new VirtualClock(DEFAULT_EPOCH);
    const timer = clock.schedule(addMs(DEFAULT_EPOCH, 1), () => expect.unreachable());
    timer[Symbol.dispose]();
    await clock.advance(10);
    expect(clock.nextAt()).toBeUndefined();
  });

  it('queues overlapping calls and lets an error of one through to its caller alone', async () => {
    const clock = new VirtualClock(DEFAULT_EPOCH);
    clock.schedule(addMs(DEFAULT_EPOCH, 1), () => {
      throw new Error('bang');
    });
    const first = clock.advance(5);
    const second = clock.advance(5);
    await expect(first).rejects.toThrow('bang');
    await second;
    expect(clock.now() - DEFAULT_EPOCH).toBe(6);
  });
});
