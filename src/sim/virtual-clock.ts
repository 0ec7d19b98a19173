/**
 * The mesh's own clock: a queue of events in order of `(at, insertion)`.
 *
 * Drain, then tick: time stands still while real work is in flight. `advance` moves to the next event only when the
 * event before it, and everything tracked with `track`, has settled.
 * @module
 */
import { type Instant, addMs, invariant, parseDuration } from '../core/index.ts';

/** A planned action; disposing it cancels it. */
export interface Timer extends Disposable {
  readonly at: Instant;
}

interface Planned extends Timer {
  readonly order: number;
  readonly action: () => void | Promise<void>;
  cancelled: boolean;
}

/** How often an action may be planned for the very instant that is running: a guard against a loop that never ends. */
const SAME_INSTANT_MAX = 1_000_000;

export class VirtualClock {
  #now: Instant;
  #order = 0;
  readonly #heap: Planned[] = [];
  // A count, no Set: one that promises come and go in keeps old ones alive for the garbage collector.
  #inFlight = 0;
  readonly #drained: (() => void)[] = [];
  #advancing: Promise<void> = Promise.resolve();

  constructor(start: Instant) {
    this.#now = start;
  }

  now(): Instant {
    return this.#now;
  }

  /** Plans `action`; an instant that has passed means now. */
  schedule(at: Instant, action: () => void | Promise<void>): Timer {
    const planned: Planned = {
      at: at < this.#now ? this.#now : at,
      order: this.#order++,
      action,
      cancelled: false,
      [Symbol.dispose]() {
        planned.cancelled = true;
      },
    };
    push(this.#heap, planned);
    return planned;
  }

  /** Time does not move on before `work` has settled. Returns `work`. */
  track<T>(work: Promise<T>): Promise<T> {
    const settle = (): void => {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) for (const wake of this.#drained.splice(0)) wake();
    };
    this.#inFlight += 1;
    work.then(settle, settle);
    return work;
  }

  /**
   * Runs every event that is due within `duration` (milliseconds, or text such as `24h`), in order, and stops at its
   * end. Calls that overlap run one after the other.
   * @throws whatever an event throws; time then stands at that event
   */
  advance(duration: number | string): Promise<void> {
    const ms = typeof duration === 'string' ? parseDuration(duration) : duration;
    invariant(ms >= 0, 'time cannot go back');
    const run = this.#advancing.then(() => this.#runUntil(addMs(this.#now, ms)));
    this.#advancing = run.catch(() => undefined);
    return run;
  }

  /** When the next event is due, if one is planned. */
  nextAt(): Instant | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.at;
  }

  async #runUntil(end: Instant): Promise<void> {
    let atThisInstant = 0;
    for (;;) {
      await this.#drain();
      this.#dropCancelled();
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      pop(this.#heap);
      atThisInstant = next.at === this.#now ? atThisInstant + 1 : 0;
      invariant(atThisInstant < SAME_INSTANT_MAX, 'events keep planning events for the same instant');
      this.#now = next.at;
      const result = next.action();
      if (result !== undefined) await result;
    }
    this.#now = end;
  }

  async #drain(): Promise<void> {
    while (this.#inFlight > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.cancelled) pop(this.#heap);
  }
}

function before(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A binary heap by hand: `a` sorts before its children at 2i+1 and 2i+2. */
function push(heap: Planned[], item: Planned): void {
  let index = heap.push(item) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || before(above, item)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = item;
}

function pop(heap: Planned[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  for (;;) {
    const left = heap[2 * index + 1];
    const right = heap[2 * index + 2];
    const child = right !== undefined && left !== undefined && before(right, left) ? right : left;
    if (child === undefined || before(last, child)) break;
    heap[index] = child;
    index = child === left ? 2 * index + 1 : 2 * index + 2;
  }
  heap[index] = last;
}
