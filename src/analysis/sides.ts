/**
 * What belongs to the two configurations of a comparison.
 * @module
 */

export interface Sides<T> {
  readonly before: T;
  readonly after: T;
}
