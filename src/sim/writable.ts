/**
 * Objects that are filled in before anybody sees them: on hot paths an assignment costs less than a spread in a literal.
 * @module
 */
export type Writable<T> = { -readonly [K in keyof T]: T[K] };
