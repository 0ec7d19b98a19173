/**
 * A queue in the order of small whole numbers, first in first out among equals. What is put in ranks no lower than what
 * was taken out last.
 * @module
 */
export class BucketQueue<T> {
  readonly #buckets: T[][] = [];
  #lowest = 0;
  #taken = 0;

  push(rank: number, item: T): void {
    const bucket = this.#buckets[rank];
    if (bucket === undefined) this.#buckets[rank] = [item];
    else bucket.push(item);
  }

  /** The next item; nothing where the queue is empty. */
  pop(): T | undefined {
    for (; this.#lowest < this.#buckets.length; this.#lowest++, this.#taken = 0) {
      const bucket = this.#buckets[this.#lowest];
      if (bucket !== undefined && this.#taken < bucket.length) return bucket[this.#taken++];
      this.#buckets[this.#lowest] = [];
    }
    return undefined;
  }
}
