/**
 * Words everyone shares: time, seeded randomness, the closed event union, errors, invariants, disposal. No I/O.
 * @module
 */
export * from './dispose.ts';
export * from './errors.ts';
export * from './events.ts';
export * from './invariant.ts';
export * from './rng.ts';
export * from './suggest.ts';
export * from './time.ts';
