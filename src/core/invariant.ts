/**
 * Assertions about our own code. A failure is a bug in meshproof, never the user's mistake.
 * @module
 */

export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws `InvariantError` unless `condition` holds. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(`meshproof bug: ${message}`);
}

/** For the end of an exhaustive `switch`. */
export function assertNever(value: never): never {
  throw new InvariantError(`meshproof bug: unexpected ${JSON.stringify(value)}`);
}
