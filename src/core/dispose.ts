/**
 * Orderly clean-up. Node 20 has the disposal symbols but no `AsyncDisposableStack`.
 * @module
 */

/** Closes what was added, last in first out; goes on after a failure and throws what failed at the end. */
export class DisposeStack implements AsyncDisposable {
  readonly #closers: (() => void | Promise<void>)[] = [];

  defer(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let next = this.#closers.pop(); next; next = this.#closers.pop()) {
      try {
        await next();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, 'several things failed to close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
